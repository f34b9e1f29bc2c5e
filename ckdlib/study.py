"""Profiles, experiments and runs: what is to be trained, as data."""
import json
from dataclasses import asdict, dataclass, replace
from typing import Iterable, Mapping, Sequence

from . import methods, models, teacher
from .errors import InputError, choose
from .files import sha256
from .train import Recipe

Pair = tuple[str, str]                   # teacher, student

BLACK_BOX = ("ce", "kd", "crd", "mixup", "rkd", "dist", "ckd", "ckd_pairs", "mse", "ckd_calibrated")


@dataclass(frozen=True)
class Experiment:
    """The grid of runs behind one table or figure."""
    pairs: tuple[Pair, ...]
    methods: tuple[str, ...]
    calls: tuple[int, ...]               # n: images a run may use, 80 % of them shown to the teacher
    seeds: tuple[int, ...]
    targets: tuple[float, ...] = ()      # test accuracies in per cent whose price in calls is tabulated


@dataclass(frozen=True)
class Profile:
    """A size of the study."""
    name: str
    dataset: str
    recipe: Recipe                       # of every student
    teacher_recipe: Recipe
    experiments: Mapping[str, Experiment]
    about: str


PROFILES = {profile.name: profile for profile in (
    Profile(
        "quick", "digits", about="minutes on 2 cores: scikit-learn's digits, small networks",
        recipe=Recipe(schedule="one_cycle", steps=120, checks=12),
        teacher_recipe=Recipe(schedule="one_cycle", learning_rate=0.1, steps=400, checks=20),
        experiments={"black_box": Experiment(
            (("resnet14", "resnet8"),), BLACK_BOX, (50, 100, 200, 400), (1, 2, 3), (80, 85, 90, 95))}),
    Profile(
        "pilot", "cifar100", about="CIFAR-100, small networks, a fixed number of steps: hours on a CPU",
        recipe=Recipe(schedule="one_cycle", steps=2400, checks=12),
        teacher_recipe=teacher.FAST,
        experiments={"black_box": Experiment(
            (("resnet20", "resnet8"),), BLACK_BOX, (1600, 3200, 6400), (1, 2, 3), (15, 20, 25, 30, 35))}),
    Profile(
        "paper", "cifar100", about="the paper's grid and protocol, on CUDA",
        recipe=Recipe(),
        teacher_recipe=teacher.REFERENCE,
        experiments={"black_box": Experiment(
            (("wrn_40_2", "wrn_16_2"), ("vgg13", "vgg8"), ("resnet110", "resnet32")), BLACK_BOX,
            tuple(range(1600, 6401, 400)), (1, 2, 3, 4, 5), (55, 50, 45, 40, 35, 30))}),
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

    def key(self, dataset_sha256: str, teacher_sha256: str | None) -> str:
        """The run's name: the same only for the same images, teacher and recipe, whichever experiment asks."""
        origin = json.dumps([dataset_sha256, teacher_sha256 if methods.get(self.method).asks else None,
                             asdict(self.recipe)])
        return f"{self.teacher}-{self.student}.{self.method}.n{self.n}.s{self.seed}.{sha256(origin)[:8]}"


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
           learning_rates: Sequence[float] = ()) -> list[Run]:
    """The runs of a profile, every empty argument meaning the profile's own; seeds vary slowest, large n come first.

    InputError for anything unknown, and for n, seeds or rates that make no sense.
    """
    chosen = profile(name)
    for experiment in experiments:
        choose(f"experiment of profile {name}", experiment, chosen.experiments)
    for method in method_names:
        choose("method", method, methods.METHODS)
    for n in calls:
        if n < 10:
            raise InputError(f"n = {n} is too small to split 80/20; choose n of at least 10")
    for rate in learning_rates:
        if not rate > 0:
            raise InputError(f"learning rate {rate} is not positive; the reference searches 0.1, 0.05, 0.025")
    for seed in seeds:
        if seed < 0:
            raise InputError(f"seed {seed} is negative; choose 0 or more")
    named = [parse_pair(pair) for pair in pairs]
    runs: dict[tuple, Run] = {}
    for label in experiments or chosen.experiments:
        grid = chosen.experiments[label]
        for seed in seeds or grid.seeds:
            for n in sorted(calls or grid.calls, reverse=True):
                for source, student in named or grid.pairs:
                    for method in method_names or grid.methods:
                        for rate in learning_rates or (chosen.recipe.learning_rate,):
                            run = Run(name, label, dataset or chosen.dataset, source, student, method, n, seed,
                                      replace(chosen.recipe, learning_rate=rate))
                            runs.setdefault((run.teacher, student, method, n, seed, rate), run)
    return list(runs.values())


def expected_seconds(runs: Iterable[Run], rows: Sequence[dict]) -> float | None:
    """Seconds that `runs` will take one after another, from like rows; None while nothing was measured.

    A run is judged by the mean of its own student, method and n, else of student and method, else of all rows.
    """
    groups: dict[tuple, list[float]] = {}
    for row in rows:
        for like in _likeness(row["student"], row["method"], row["n"]):
            groups.setdefault(like, []).append(row["seconds"])
    if not groups:
        return None
    means = {like: sum(values) / len(values) for like, values in groups.items()}
    return sum(next(means[like] for like in _likeness(run.student, run.method, run.n) if like in means)
               for run in runs)


def _likeness(student: str, method: str, n: int) -> tuple[tuple, ...]:
    return (student, method, n), (student, method), ()
