"""Profiles, experiments and runs: what is to be trained, as data."""
import json
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Iterable, Mapping, Sequence

from . import methods, models
from .errors import InputError, choose
from .images import Dataset, check_calls
from .recipes import FAST, MONITORS, REFERENCE, Recipe
from .reproducibility import sha256

Pair = tuple[str, str]                   # teacher, student
EPOCHS = 393                             # until early stopping ends, where no row tells: the mean of the pilot's 21 students

# What a row's numbers depend on: two runs are the same run where all of these are equal.
IDENTITY = ("dataset_sha256", "transform", "teacher_sha256", "student", "method", "definition", "recipe", "n", "seed",
            "precision")

CONTROLS = ("mse", "ckd", "ckd_calibrated")              # in every table; `ckd` at one pass of the student an image
BLACK_BOX = ("ce", "kd", "crd", "mixup", "rkd", "dist", "ckd_pairs", *CONTROLS)
WHITE_BOX = ("fitnets", "fitnets+crd", "fitnets+ckd", "vid", "vid+crd", "vid+ckd", *CONTROLS)
OURS = ("ce+ckd", "ce+ckd+dist")                         # chosen on the pilot's development images (LOG.md)
PROTOCOL = ("ce", "kd", "ckd_pairs", *CONTROLS, "dist", *OURS)
WRN, RESNET, VGG = ("wrn_40_2", "wrn_16_2"), ("resnet110", "resnet32"), ("vgg13", "vgg8")


def _pooled(*dims: int) -> tuple[str, ...]:
    return ("rkd", *(f"rkd_{d}" for d in dims), "ckd_pairs", *CONTROLS)


def _fewer_calls(classes: int) -> tuple[str, ...]:
    return ("ckd_pairs", *CONTROLS, f"rkd_{classes}", "dist", *OURS)


@dataclass(frozen=True)
class Experiment:
    """The grid of runs behind one table or figure."""
    pairs: tuple[Pair, ...]
    methods: tuple[str, ...]
    calls: tuple[int, ...]               # n: teacher calls of a run; a quarter as many further images validate
    seeds: tuple[int, ...]
    targets: tuple[float, ...] = ()      # test accuracies in per cent whose price in calls is tabulated
    dataset: str | None = None           # None: the profile's
    recipe: Recipe | None = None         # None: the profile's
    follow: int = 0                      # rounds between two looks at a student along its training; 0: none


@dataclass(frozen=True)
class Profile:
    """A size of the study."""
    name: str
    dataset: str
    recipe: Recipe                       # of every student
    teacher_recipe: Recipe
    experiments: Mapping[str, Experiment]
    spectra: tuple[int, int]             # the two n of Figure 5, on the first pair of `black_box`
    about: str


def _quick() -> dict[str, Experiment]:
    pairs, seeds, targets = (("resnet14", "resnet8"),), (1, 2, 3), (80, 85, 90, 95)
    return {"black_box": Experiment(pairs, BLACK_BOX, (40, 80, 160, 320), seeds, targets),
            "white_box": Experiment(pairs, WHITE_BOX, (40, 80, 160), seeds),
            "dimensionality": Experiment(pairs, _pooled(1, 2, 5, 10), (40, 80, 160, 320), seeds, targets),
            "cars": Experiment(pairs, BLACK_BOX, (80, 160), seeds, targets, dataset="digits_cropped"),
            "large_n": Experiment(pairs, BLACK_BOX, (640, 960), seeds),
            "fewer_calls": Experiment(pairs, _fewer_calls(10), (20, 40, 80, 160, 320), seeds),
            "protocol": Experiment(pairs, ("ce", "kd", "ckd_pairs", *CONTROLS), (160,), seeds,
                                   recipe=Recipe(patience=20), follow=5)}


def _pilot() -> dict[str, Experiment]:
    pairs, seeds, targets = (("resnet20", "resnet8"),), (1, 2, 3), (15, 20, 25, 30, 35)
    return {"black_box": Experiment(pairs, BLACK_BOX, (1280, 2560, 5120), seeds, targets),
            "white_box": Experiment(pairs, WHITE_BOX, (1280, 2560), seeds),
            "dimensionality": Experiment(pairs, _pooled(1, 10, 50, 100), (1280, 2560), seeds),
            "cars": Experiment(pairs, BLACK_BOX, (1120, 1600), seeds, dataset="stanford_cars"),
            "large_n": Experiment(pairs, BLACK_BOX, (8000, 12_800), seeds),
            "fewer_calls": Experiment(pairs, _fewer_calls(100), (320, 640, 1280, 1600, 1920, 2560, 3840, 5120),
                                      (4, 5, 6)),
            "protocol": Experiment(pairs, PROTOCOL, (1280,), (4, 5, 6), recipe=Recipe(), follow=20)}


def _paper() -> dict[str, Experiment]:
    seeds, calls, every = (1, 2, 3, 4, 5), tuple(range(1600, 6401, 400)), (WRN, VGG, RESNET)
    return {"black_box": Experiment(every, BLACK_BOX, calls, seeds, (55, 50, 45, 40, 35, 30)),
            "white_box": Experiment((WRN, VGG), WHITE_BOX, (1600, 2400, 3200), seeds),
            "dimensionality": Experiment((WRN, VGG), _pooled(1, 10, 50, 100), (1600, 2000, 2400, 2800, 3200), seeds),
            "cars": Experiment(every, BLACK_BOX, (1400, 1600, 1800, 2000), seeds, dataset="stanford_cars"),
            "large_n": Experiment(every, BLACK_BOX, (8000, 10_000, 12_000, 16_000), seeds),
            "fewer_calls": Experiment(every, _fewer_calls(100), (400, 800, *calls), seeds)}


PROFILES = {profile.name: profile for profile in (
    Profile(
        "quick", "digits", about="minutes on 2 cores: scikit-learn's digits, small networks",
        recipe=Recipe(schedule="one_cycle", steps=120, checks=12),
        teacher_recipe=Recipe(schedule="one_cycle", learning_rate=0.1, steps=400, checks=20),
        experiments=_quick(), spectra=(40, 160)),
    Profile(
        "pilot", "cifar100", about="CIFAR-100, small networks, a fixed number of steps: hours on a CPU",
        recipe=Recipe(schedule="one_cycle", steps=2400, checks=12), teacher_recipe=FAST,
        experiments=_pilot(), spectra=(1280, 2560)),
    Profile(
        "paper", "cifar100", about="the paper's grids and protocol, on CUDA",
        recipe=Recipe(), teacher_recipe=REFERENCE, experiments=_paper(), spectra=(1600, 3200)),
)}


@dataclass(frozen=True)
class Run:
    """One student to train; it yields one row."""
    profile: str
    experiment: str
    dataset: str                         # name, or the path of class folders
    teacher: str
    student: str
    method: str
    n: int
    seed: int
    recipe: Recipe

    def identity(self, dataset: Dataset, teacher_sha256: str | None, precision: str) -> dict:
        """All that determines the result, of which the run's name is made and which its row holds (IDENTITY).

        teacher_sha256: of the teacher's weights; methods that ask no teacher leave it out.
        """
        method = methods.get(self.method)
        return {"dataset_sha256": dataset.digest, "transform": asdict(dataset.transform),
                "teacher_sha256": teacher_sha256 if method.needs_teacher else None, "student": self.student,
                "method": self.method, "definition": method.definition(), "recipe": asdict(self.recipe), "n": self.n,
                "seed": self.seed, "precision": precision}

    def key(self, dataset: Dataset, teacher_sha256: str | None, precision: str) -> str:
        """The run's name, whichever experiment asks."""
        return run_name({"teacher": self.teacher} | self.identity(dataset, teacher_sha256, precision))


def run_name(row: Mapping) -> str:
    """The name of the run that a row is of, from the row itself: readable, and ending in a hash of its identity."""
    digest = sha256(json.dumps([row[name] for name in IDENTITY], sort_keys=True))
    return f"{row['teacher']}-{row['student']}.{row['method']}.n{row['n']}.s{row['seed']}.{digest[:12]}"


def profile(name: str) -> Profile:
    """A profile by name. InputError lists the names."""
    choose("profile", name, PROFILES)
    return PROFILES[name]


def parse_pair(text: str) -> Pair:
    """'wrn_40_2-wrn_16_2' -> its two names. InputError if it is no pair of known models."""
    parts = tuple(text.split("-"))
    if len(parts) != 2:
        raise InputError(f"{text!r} is not a pair; write TEACHER-STUDENT, for instance wrn_40_2-wrn_16_2")
    for name in parts:
        choose("model", name, models.NAMES)
    return parts


def select(name: str, experiments: Sequence[str] = (), dataset: str | None = None, pairs: Sequence[str] = (),
           method_names: Sequence[str] = (), calls: Sequence[int] = (), seeds: Sequence[int] = (),
           learning_rates: Sequence[float] = (), monitor: str | None = None) -> list[Run]:
    """The runs of a profile, every empty argument meaning the profile's own; seeds vary slowest, large n come first.

    With `experiments`, the other arguments replace that part of their grids. Without, they narrow every grid to what
    it holds of them; what no grid holds (another n, say) goes to the first experiment, and a dataset of one's own
    leaves out the experiments on other images. InputError for anything unknown, and for values that make no sense.
    """
    chosen = profile(name)
    for experiment in experiments:
        choose(f"experiment of profile {name}", experiment, chosen.experiments)
    for method in method_names:
        methods.get(method)
    for n in calls:
        check_calls(n)
    if monitor is not None:
        choose("monitor", monitor, MONITORS)
    for rate in learning_rates:
        if not rate > 0:
            raise InputError(f"learning rate {rate} is not positive; the reference searches 0.1, 0.05, 0.025")
    for seed in seeds:
        if seed < 0:
            raise InputError(f"seed {seed} is negative; choose 0 or more")
    given = {"pairs": [parse_pair(pair) for pair in pairs], "methods": method_names, "calls": calls, "seeds": seeds}
    runs: dict[tuple, Run] = {}
    for label, grid in chosen.experiments.items():
        if label not in (experiments or chosen.experiments) or dataset and grid.dataset and not experiments:
            continue
        axes = given if experiments else {axis: _narrowed(chosen, label, axis, values)
                                          for axis, values in given.items()}
        if any(values and not axes[axis] for axis, values in given.items()):
            continue
        axes = {axis: values or getattr(grid, axis) for axis, values in axes.items()}
        recipe = grid.recipe or chosen.recipe
        recipe = replace(recipe, monitor=monitor or recipe.monitor)
        for seed, n, (source, student), method, rate in product(
                axes["seeds"], sorted(axes["calls"], reverse=True), axes["pairs"], axes["methods"],
                learning_rates or (recipe.learning_rate,)):
            run = Run(name, label, dataset or grid.dataset or chosen.dataset, source, student, method, n, seed,
                      replace(recipe, learning_rate=rate))
            runs.setdefault((run.dataset, source, student, method, n, seed, run.recipe), run)
    return list(runs.values())


def _narrowed(chosen: Profile, label: str, axis: str, values: Sequence) -> list:
    first = label == next(iter(chosen.experiments))
    everywhere = {value for grid in chosen.experiments.values() for value in getattr(grid, axis)}
    own = getattr(chosen.experiments[label], axis)
    return [value for value in values if value in own or first and value not in everywhere]


def members(rows: Sequence[dict], experiment: str) -> list[dict]:
    """The rows of an experiment: those made for it, and those of others, of the same images and recipe, that fall into its grid."""
    own = [row for row in rows if row["experiment"] == experiment]
    held: dict[str, list[set]] = {}      # profile -> pairs, methods and n of the experiment

    def belongs(row: dict) -> bool:
        grids = profile(row["profile"]).experiments
        grid, other = grids.get(experiment), grids.get(row["experiment"])
        if row["experiment"] == experiment or not (grid and other) or \
                (grid.dataset, grid.recipe) != (other.dataset, other.recipe):
            return row["experiment"] == experiment
        if row["profile"] not in held:
            axes = (grid.pairs, grid.methods, grid.calls)
            held[row["profile"]] = [{*axis, *(_axes(mine)[i] for mine in own)} for i, axis in enumerate(axes)]
        return all(value in axis for value, axis in zip(_axes(row), held[row["profile"]]))
    return [row for row in rows if belongs(row)]


def _axes(row: Mapping) -> tuple[Pair, str, int]:
    return (row["teacher"], row["student"]), row["method"], row["n"]


def missing(rows: Sequence[Mapping], experiment: str) -> list[str]:
    """Which runs of the grid are not among `rows` (of one profile), a line for each pair and method that lacks any, and
    the command that makes them; empty where none is missing."""
    name = rows[0]["profile"]
    grid = profile(name).experiments[experiment]
    there = {(*_axes(row), row["seed"]) for row in rows}
    lines, count = [], 0
    for pair, method in product(grid.pairs, grid.methods):
        by_seeds: dict[str, list[int]] = {}
        for n in grid.calls:
            seeds = [str(seed) for seed in grid.seeds if (pair, method, n, seed) not in there]
            if seeds:
                by_seeds.setdefault(" ".join(seeds), []).append(n)
                count += len(seeds)
        gaps = [f"n = {' '.join(map(str, calls))}, seeds {seeds}" for seeds, calls in by_seeds.items()]
        lines += [f"  {'-'.join(pair)} {method}: {'; '.join(gaps)}"] if gaps else []
    if not lines:
        return []
    total = len(grid.pairs) * len(grid.methods) * len(grid.calls) * len(grid.seeds)
    return [f"{count} of the {total} runs of {experiment} are missing:", *lines,
            f"make them with: python -m ckdlib run --profile {name} --experiment {experiment}"]


def expected_seconds(runs: Iterable[Run], rows: Sequence[dict]) -> float | None:
    """Seconds that `runs` will take one after another; None while nothing was measured.

    The steps of each (`expected_steps`), at the seconds a step of the rows of its images, student and method, else of its
    student, else of all.
    """
    rates = _means((like, row["seconds"] / row["steps"]) for row in rows if row["steps"]
                   for like in _likeness(row["dataset"], row["student"], row["method"]))
    if not rates:
        return None
    epochs = kept_epochs(rows)
    return sum(expected_steps(run, epochs) * next(
        rates[like] for like in _likeness(run.dataset, run.student, run.method) if like in rates) for run in runs)


def expected_steps(run: Run, epochs: float) -> float:
    """Optimiser steps of a run: its recipe's, or with early stopping those of `epochs`."""
    return run.recipe.steps or min(epochs, run.recipe.max_epochs) * methods.steps_per_epoch(run.n, run.recipe.batch)


def kept_epochs(rows: Iterable[dict]) -> float:
    """Epochs after which early stopping ended a training: the mean of `rows`, EPOCHS where none has it."""
    took = _means((True, row["steps"] / methods.steps_per_epoch(row["n"], row["recipe"]["batch"])) for row in rows
                  if row["recipe"]["schedule"] == "plateau")
    return took.get(True, EPOCHS)


def _likeness(dataset: str, student: str, method: str) -> tuple[tuple, ...]:
    return (Path(dataset).name, student, method), (student,), ()


def _means(pairs: Iterable[tuple]) -> dict:
    groups: dict = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in groups.items()}
