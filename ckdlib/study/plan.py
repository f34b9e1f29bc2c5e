"""What a batch will cost before it starts, from the rows that are there or from assumptions."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from .. import methods, models
from ..images import BY_STUDENT, RANDOM, Dataset
from ..records import Row
from .runs import Run, grouped, needing_teacher

# Until early stopping ends, where no row tells: the mean of the pilot's 21 students.
EPOCHS = 393
FLOPS = {"GPU": 1e13, "2-core CPU": 2e11}  # a second, assumed where nothing was measured yet


class Pace:
    """What rows tell of the time that runs take; a row more costs the same however many there are.

    A run takes its steps (`expected_steps`) at the mean seconds a step of the rows of its images,
    student and method, else of its student, else of all.
    """

    def __init__(self, rows: Iterable[Row] = ()):
        self.rates: dict[Hashable, Mean] = defaultdict(Mean)
        self.epochs = Mean()
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Take one more row into account."""
        if row["steps"]:
            for like in _likeness(row["dataset"], row["student"], row["method"]):
                self.rates[like].add(row["seconds"] / row["steps"])
        if row["recipe"]["schedule"] == "plateau":
            epoch = methods.steps_per_epoch(row["n"], row["recipe"]["batch"])
            self.epochs.add(row["steps"] / epoch)

    @property
    def expected_epochs(self) -> float:
        """Epochs until early stopping ends: the rows' mean, EPOCHS without any."""
        return self.epochs.value if self.epochs.count else EPOCHS

    def seconds(self, runs: Iterable[Run]) -> float | None:
        """Seconds that `runs` will take one after another; None while nothing was measured."""
        if not self.rates:
            return None
        total = 0.0
        for run in runs:
            alike = _likeness(run.dataset, run.student, run.method)
            rate = next(self.rates[like] for like in alike if like in self.rates)
            total += expected_steps(run, self.expected_epochs) * rate.value
        return total


class Left:
    """Runs that are left, by name. Those that take the same time are counted together, so that to
    tell it costs the same however many there are.
    """

    def __init__(self, runs: Mapping[str, Run]):
        self.runs = dict(runs)
        self.kinds = Counter(map(_kind, self.runs.values()))

    def __contains__(self, name: str) -> bool:
        return name in self.runs

    def __len__(self) -> int:
        return len(self.runs)

    def drop(self, name: str) -> None:
        """It is done; nothing, where it was."""
        if run := self.runs.pop(name, None):
            self.kinds[_kind(run)] -= 1

    def seconds(self, pace: Pace) -> float:
        """That they will take one after another; 0 while nothing was measured."""
        return sum(count * (pace.seconds([kind]) or 0.0) for kind, count in self.kinds.items())


def _kind(run: Run) -> Run:
    return replace(run, seed=0)


class Mean:
    """A mean of what was added so far."""

    def __init__(self) -> None:
        self.count, self.value = 0, 0.0

    def add(self, value: float) -> None:
        """One value more."""
        self.count += 1
        self.value += (value - self.value) / self.count


def pace_on(device: str, rows: Iterable[Row]) -> Pace:
    """The pace of the rows that were made on a device of this kind."""
    on_cpu = device == "cpu"
    return Pace(row for row in rows if ("CPU" in row["device"]) == on_cpu)


def _likeness(dataset: str, student: str, method: str) -> tuple[tuple, ...]:
    return (Path(dataset).name, student, method), (student,), ()


def expected_steps(run: Run, epochs: float) -> float:
    """Optimiser steps of a run: its recipe's, or with early stopping those of `epochs`."""
    epoch = methods.steps_per_epoch(run.n, run.recipe.batch)
    return run.recipe.steps or min(epochs, run.recipe.max_epochs) * epoch


def plan(
    runs: Sequence[Run], pace: Pace, datasets: Mapping[str, Dataset], device: str
) -> list[str]:
    """A line for each experiment: runs, teacher calls, hours.

    Calls are counted beyond those of the lines above, since runs of one teacher and seed share
    them; selections of images share some, which is known only when they are made. Hours are told
    from like rows (`pace_on`), or by stated assumptions.
    """
    on_cpu = device == "cpu"
    epochs = pace.expected_epochs
    asked: dict[tuple, int] = defaultdict(int)  # by what shares calls -> calls so far
    lines = []
    for experiment, part in grouped(runs, "experiment").items():
        before, at_most = sum(asked.values()), ""
        for run in needing_teacher(part):
            select = methods.get(run.method).select
            scout = (run.student, run.recipe) if select in BY_STUDENT else ()
            ledger = (run.dataset, run.teacher, run.seed, select, *scout)
            asked[ledger] = max(asked[ledger], run.n)
            at_most = "at most " if select != RANDOM else at_most
        calls = sum(asked.values()) - before
        each = f", {epochs:.0f} epochs each" if part[0].recipe.schedule == "plateau" else ""
        seconds = pace.seconds(part)
        if seconds is not None:
            hours = f"{_hours(seconds)} hours, one at a time (from like rows{each})"
        else:
            flops = sum(_flops(run, datasets[run.dataset], epochs) for run in part)
            hours = _assumed(flops, on_cpu, each)
        more = " more" if before else ""
        lines.append(
            f"{experiment}: {len(part)} runs, {at_most}{calls}{more} teacher calls, {hours}"
        )
    return lines


def _assumed(flops: float, on_cpu: bool, each: str) -> str:
    kinds = [kind for kind in FLOPS if on_cpu or kind == "GPU"]
    return " or ".join(
        f"{_hours(flops / FLOPS[kind])} {kind} hours (assuming {FLOPS[kind] / 1e12:g} "
        f"TFLOP/s{each})"
        for kind in kinds
    )


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    if hours < 0.1:
        return "under 0.1"
    return f"about {hours:.1f}" if hours < 10 else f"about {hours:,.0f}"


def _flops(run: Run, dataset: Dataset, epochs: float) -> float:
    """Arithmetic of one run.

    Three forward passes (one forward, two backward) of each image of each step.
    """
    images = methods.get(run.method).passes * run.recipe.batch
    forward = models.flops(run.student, len(dataset.classes), dataset.transform.crop)
    return 3 * images * expected_steps(run, epochs) * forward
