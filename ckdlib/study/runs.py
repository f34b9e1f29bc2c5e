"""Runs: one student to train, what names it, and which runs a selection means."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from operator import attrgetter
from typing import Any

from .. import methods, models
from ..errors import InputError, choose
from ..images import Dataset, check_calls
from ..recipes import MONITORS, Recipe
from ..reproducibility import sha256
from .grid import Experiment, Pair, Profile, profile

# What a row's numbers depend on: two runs are the same run where all of these are equal.
IDENTITY = (
    "dataset_sha256",
    "transform",
    "teacher_sha256",
    "student",
    "method",
    "definition",
    "recipe",
    "n",
    "seed",
    "precision",
)


FURTHER = ("student_sha256",)  # of networks of one's own; other rows lack it


@dataclass(frozen=True)
class Run:
    """One student to train; it yields one row."""

    profile: str
    experiment: str
    dataset: str  # name, or the path of class folders
    teacher: str
    student: str
    method: str
    n: int
    seed: int
    recipe: Recipe

    def identity(
        self, dataset: Dataset, teacher_sha256: str | None, precision: str
    ) -> dict[str, Any]:
        """All that determines the result: the run's name is made of it, its row holds it.

        Parameters
        ----------
        dataset : Dataset
        teacher_sha256 : str or None
            Of the teacher's weights; methods that need no teacher leave it out.
        precision : str
        """
        method = methods.get(self.method)
        known = {
            "dataset_sha256": dataset.digest,
            "transform": asdict(dataset.transform),
            "teacher_sha256": teacher_sha256 if method.needs_teacher else None,
            "student": self.student,
            "method": self.method,
            "definition": method.definition(),
            "recipe": asdict(self.recipe),
            "n": self.n,
            "seed": self.seed,
            "precision": precision,
        }
        own = models.digest(self.student)
        return known | {"student_sha256": own} if own else known


def run_name(row: Mapping[str, Any]) -> str:
    """The name of the run that a row is of: readable, that of a file, and ending in a hash of its
    identity.
    """
    parts = [row[name] for name in IDENTITY] + [row[name] for name in FURTHER if name in row]
    digest = sha256(json.dumps(parts, sort_keys=True))
    words = f"{row['teacher']}-{row['student']}.{row['method']}"
    safe = re.sub(r"[^\w.+-]", "-", words, flags=re.ASCII)[:150]
    return f"{safe}.n{row['n']}.s{row['seed']}.{digest[:12]}"


def grouped(items: Iterable, *fields: str) -> dict:
    """Runs or tasks by the values of some fields (one field: its value, else a tuple), in order."""
    parts: dict = defaultdict(list)
    for item in items:
        parts[attrgetter(*fields)(item)].append(item)
    return parts


def needing_teacher(runs: Iterable[Run]) -> list[Run]:
    """The runs whose method asks the teacher."""
    return [run for run in runs if methods.get(run.method).needs_teacher]


def parse_pair(text: str) -> Pair:
    """'wrn_40_2-wrn_16_2' -> its two names, either of which may hold a '-' of its own.

    Raises
    ------
    InputError
        If it is no pair of known models, or may be read as two.
    """
    words, known = text.split("-"), models.names()
    cuts = [("-".join(words[:i]), "-".join(words[i:])) for i in range(1, len(words))]
    found = [pair for pair in cuts if set(pair) <= set(known)]
    if len(found) > 1:
        read = " or ".join(f"{teacher} and {student}" for teacher, student in found)
        raise InputError(f"{text!r} may be {read}; give one of these models another name")
    if found:
        return found[0]
    if not cuts:
        raise InputError(
            f"{text!r} is not a pair; write TEACHER-STUDENT, for instance wrn_40_2-wrn_16_2"
        )
    nearest = next((pair for pair in cuts if set(pair) & set(known)), cuts[0])
    for name in nearest:
        choose("model", name, known)
    return nearest


def select(
    name: str,
    experiments: Sequence[str] = (),
    dataset: str | None = None,
    pairs: Sequence[str] = (),
    method_names: Sequence[str] = (),
    calls: Sequence[int] = (),
    seeds: Sequence[int] = (),
    learning_rates: Sequence[float] = (),
    monitor: str | None = None,
) -> list[Run]:
    """The runs of a profile, every empty argument meaning the profile's own.

    With `experiments`, the other arguments replace that part of their grids. Without, they narrow
    every grid to what it holds of them; what no grid holds (another n, say) goes to the first
    experiment, and a dataset of one's own leaves out the experiments on other images.

    Returns
    -------
    list of Run
        Seeds vary slowest, large n come first.

    Raises
    ------
    InputError
        For anything unknown, and for values that make no sense.
    """
    chosen = profile(name)
    _check(chosen, experiments, method_names, calls, seeds, learning_rates, monitor)
    given = {
        "pairs": [parse_pair(pair) for pair in pairs],
        "methods": [*dict.fromkeys(map(methods.canonical, method_names))],
        "calls": calls,
        "seeds": seeds,
    }
    runs: dict[Run, Run] = {}
    for label, grid in chosen.experiments.items():
        if label not in (experiments or chosen.experiments):
            continue
        if dataset and grid.dataset and not experiments:
            continue
        axes = _axes(chosen, label, given, narrow=not experiments)
        if axes is None:
            continue
        recipe = grid.recipe or chosen.recipe
        if monitor:
            recipe = replace(recipe, monitor=monitor)
        images = dataset or grid.dataset or chosen.dataset
        for run in _every(name, label, images, axes, learning_rates, recipe):
            same = replace(run, profile="", experiment="")  # as another experiment may have it
            runs.setdefault(same, run)
    return list(runs.values())


def _check(chosen: Profile, experiments, method_names, calls, seeds, rates, monitor) -> None:
    for experiment in experiments:
        choose(f"experiment of profile {chosen.name}", experiment, chosen.experiments)
    for method in method_names:
        methods.get(method)
    for n in calls:
        check_calls(n)
    if monitor is not None:
        choose("monitor", monitor, MONITORS)
    for rate in rates:
        if not 0 < rate < float("inf"):
            raise InputError(
                f"learning rate {rate} is no positive number; the reference searches 0.1, 0.05, "
                "0.025"
            )
    for seed in seeds:
        if seed < 0:
            raise InputError(f"seed {seed} is negative; choose 0 or more")


def _axes(chosen: Profile, label: str, given: dict, narrow: bool) -> dict | None:
    """The experiment's grid with what was given in its place; None where nothing is left of it."""
    axes = {}
    for axis, values in given.items():
        own = getattr(chosen.experiments[label], axis)
        left = _narrowed(chosen, label, axis, values) if narrow else values
        if values and not left:
            return None
        axes[axis] = left or own
    return axes


def _narrowed(chosen: Profile, label: str, axis: str, values: Sequence) -> list:
    grids: list[Experiment] = list(chosen.experiments.values())
    everywhere = {value for grid in grids for value in getattr(grid, axis)}
    own = getattr(chosen.experiments[label], axis)
    first = label == next(iter(chosen.experiments))
    return [value for value in values if value in own or (first and value not in everywhere)]


def _every(
    name: str, label: str, images: str, axes: dict, rates: Sequence[float], recipe: Recipe
) -> Iterable[Run]:
    calls = sorted(axes["calls"], reverse=True)
    rates = rates or (recipe.learning_rate,)
    grid = product(axes["seeds"], calls, axes["pairs"], axes["methods"], rates)
    for seed, n, (source, student), method, rate in grid:
        own = replace(recipe, learning_rate=rate)
        yield Run(name, label, images, source, student, method, n, seed, own)
