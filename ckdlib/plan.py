"""What a batch will cost before it starts: runs, teacher calls, hours."""
from collections import defaultdict
from operator import attrgetter
from typing import Iterable, Sequence

from . import methods, models
from .images import Dataset
from .place import Place
from .store import Store
from .study import Run, expected_seconds, expected_steps, kept_epochs

FLOPS = {"GPU": 1e13, "2-core CPU": 2e11}  # a second, assumed where nothing was measured yet


def plan(runs: Sequence[Run], place: Place, datasets: dict[str, Dataset]) -> list[str]:
    """A line for each experiment: runs, teacher calls beyond those of the lines above (runs of one teacher and seed share
    them), and hours by this folder's rows or by stated assumptions."""
    on_cpu, lines = place.device == "cpu", []
    asked: dict[tuple, int] = defaultdict(int)               # dataset, teacher, seed -> calls so far
    rows = Store(place.results).rows(lambda line: None)
    like = [row for row in rows if ("CPU" in row["device"]) == on_cpu]
    epochs = kept_epochs(rows)
    for experiment, part in grouped(runs, "experiment").items():
        before = sum(asked.values())
        for ledger, same in grouped(askers(part), "dataset", "teacher", "seed").items():
            asked[ledger] = max(asked[ledger], *(one.n for one in same))
        flops = sum(_flops(one, datasets[one.dataset], epochs) for one in part)
        each = f", {epochs:.0f} epochs each" if part[0].recipe.schedule == "plateau" else ""
        told = [f"{_hours(flops / rate)} {kind} hours (assuming {rate / 1e12:g} TFLOP/s{each})"
                for kind, rate in FLOPS.items() if on_cpu or kind == "GPU"]
        if like:
            told = [f"{_hours(expected_seconds(part, like))} hours, one at a time (from like rows{each})"]
        more = " more" if before else ""
        lines.append(f"{experiment}: {len(part)} runs, {sum(asked.values()) - before}{more} teacher calls, "
                     f"{' or '.join(told)}")
    return lines


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return "under 0.1" if hours < 0.1 else f"about {hours:.1f}" if hours < 10 else f"about {hours:,.0f}"


def _flops(one: Run, dataset: Dataset, epochs: float) -> float:
    """Arithmetic of one run: three forward passes (one forward, two backward) of each image of each step."""
    steps = expected_steps(one, epochs)
    forward = models.flops(one.student, len(dataset.classes), dataset.transform.crop)
    return 3 * methods.get(one.method).passes * steps * one.recipe.batch * forward


def grouped(runs: Iterable[Run], *fields: str) -> dict:
    """Runs by the values of some fields (one field: its value, else their tuple), in order."""
    parts: dict = defaultdict(list)
    for one in runs:
        parts[attrgetter(*fields)(one)].append(one)
    return parts


def askers(runs: Iterable[Run]) -> list[Run]:
    return [one for one in runs if methods.get(one.method).needs_teacher]
