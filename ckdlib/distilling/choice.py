"""Students of a few methods, and which of them is chosen on the validation images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from scipy.stats import binomtest
from torch import nn

from .. import methods, models
from ..errors import InputError
from ..images import RANDOM, Dataset
from ..methods import Problem
from ..recipes import Recipe
from ..records import Row
from ..report.learning_curve import Curve, fit_curve
from ..study.batch import train_tasks
from ..study.evidence import advised
from ..study.runs import Run, run_name
from ..study.tasks import Report, Task, check_student
from ..study.workspace import Workspace

CONTROL = "ce"  # labels only: does the teacher pay?
AUTO = "auto"
CHECKS = 12  # validations of a student along its training, at most
FEWEST_LEARNED = 8  # pictures of which a point of the learning curve is made


def candidates(method: str, classes: int, labelled: bool = True) -> list[str]:
    """The methods that are tried, labels alone first.

    Parameters
    ----------
    method : str
        A name, or 'auto': those that the study would try (`evidence.ADVICE`).
    classes : int
    labelled : bool
        Did people give the labels?
    """
    auto = method == AUTO
    own = advised(classes, labelled).methods if auto else (methods.canonical(method),)
    return list(dict.fromkeys((CONTROL, *own)))


def check(names: Sequence[str], student: str, classes: int, side: int) -> None:
    """Refuse methods or a student that cannot learn from logits about such images."""
    for name in names:
        method = methods.get(name)
        if method.white_box:
            raise InputError(
                f"method {name} needs the teacher's feature maps, and this teacher gives answers; "
                "choose one that sees logits alone (docs/methods.md)"
            )
        if method.select != RANDOM or method.spare:
            raise InputError(
                f"method {name}: which pictures are asked about and learned from is `distill`'s "
                "own to say; choose one without @ and +spare"
            )
        labels = torch.arange(max(64, classes)) % classes
        check_student(student, name, labels, classes, side)
        method.helpers(Problem(classes, images=2))


class Score(NamedTuple):
    """A share of images, in per cent."""

    value: float
    low: float  # of the 95 % interval (Wilson)
    high: float
    images: int

    def __str__(self) -> str:
        return f"{self.value:.1f} % [{self.low:.1f}, {self.high:.1f}]"


def score(percent: float, images: int) -> Score:
    """An accuracy in per cent on so many images, with its interval."""
    right = round(percent / 100 * images)
    found = binomtest(right, images).proportion_ci(method="wilson")
    low, high = (round(100 * float(bound), 3) for bound in (found.low, found.high))
    return Score(percent, low, high, images)


def name_of(student: str | Callable[[int], nn.Module]) -> str:
    """The name of a student's network, one's own added to those that are known."""
    if isinstance(student, str):
        return student
    if isinstance(student, nn.Module) or not callable(student):
        raise InputError(
            f"a student cannot be {type(student).__name__}; give a name, or a function of the "
            "number of classes that makes a new nn.Module"
        )
    name = getattr(student, "__name__", type(student).__name__).strip("<>")
    models.add(name, student)
    return name


@dataclass(frozen=True)
class Schooling:
    """How students learn.

    Parameters
    ----------
    model : str
        The name of the student's network.
    method : str
        A name, or 'auto'.
    steps : int
    learning_rate : float
    seed : int
    jobs : int, optional
    """

    model: str
    method: str = AUTO
    steps: int = 2400
    learning_rate: float = 0.05
    seed: int = 1
    jobs: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "jobs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} = {value}: give at least 1")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate = {self.learning_rate}: give a positive number")
        if self.seed < 0:
            raise InputError(f"seed = {self.seed}: give 0 or more")
        if self.method != AUTO:
            methods.get(self.method)
        models.maker(self.model)

    @property
    def recipe(self) -> Recipe:
        """Of each student."""
        return Recipe(
            schedule="one_cycle",
            learning_rate=self.learning_rate,
            steps=self.steps,
            checks=max(c for c in range(1, CHECKS + 1) if self.steps % c == 0),
        )


@dataclass(frozen=True)
class Class:
    """What the students of one distillation share.

    Parameters
    ----------
    dataset : Dataset
        Training images: the `learned` that the teacher was shown, then those that validate.
    learned : int
    schooling : Schooling
    teacher_sha256 : str
        Of the teacher's answers.
    workspace : Workspace
    """

    dataset: Dataset
    learned: int
    schooling: Schooling
    teacher_sha256: str
    workspace: Workspace

    def train(self, names: Sequence[str], sizes: Sequence[int], report: Report) -> list[Row]:
        """A student of each method and number of pictures; those that are kept are not trained.

        Returns
        -------
        list of Row
            Of those that did not diverge.
        """
        made = (self.task(name, n) for n in sizes for name in names)
        tasks = {task.key: task for task in made}
        rows = self.workspace.store.rows(report)
        found = train_tasks(tasks, self.workspace, rows, self.schooling.jobs, report=report)
        done = {row["run"]: row for row in found if row["status"] == "done"}
        return [done[key] for key in tasks if key in done]

    def task(self, name: str, n: int) -> Task:
        """The student of one method that learns from the first n pictures."""
        source = str(self.dataset.source[0])
        model, seed, recipe = self.schooling.model, self.schooling.seed, self.schooling.recipe
        run = Run("own", "distill", source, "teacher", model, name, n, seed, recipe)
        identity = run.identity(self.dataset, self.teacher_sha256, self.workspace.precision)
        key = run_name({"teacher": run.teacher} | identity)
        every = torch.arange(len(self.dataset.train))
        return Task(
            run,
            key,
            identity,
            self.dataset,
            every[:n],
            every[self.learned :],
            methods.get(name),
            models.maker(model),
        )


def curve_sizes(learned: int) -> list[int]:
    """A quarter and half of the pictures, where these are enough."""
    return [n for n in (learned // 4, learned // 2) if n >= FEWEST_LEARNED]


class Choice(NamedTuple):
    """The student that is kept."""

    row: Row
    told: str  # why, and what so few images can tell


def choose(rows: Sequence[Row], images: int, labelled: bool = True) -> Choice:
    """The best on the validation images; labels alone where they are clearly better.

    Two students of accuracy p on the same m images differ by 1.96 sqrt(2 p (1 - p) / m) or more
    once in twenty times by chance, at most.

    Parameters
    ----------
    rows : sequence of Row
    images : int
        That validated.
    labelled : bool
        Did people give the labels?

    Raises
    ------
    InputError
        If there is no row: every student diverged.
    """
    if not rows:
        raise InputError("no student could be trained: all of them diverged; try another method")
    control = next((row for row in rows if row["method"] == CONTROL), None)
    taught = [row for row in rows if row["method"] != CONTROL] or list(rows)
    best = max(taught, key=lambda row: row["val_accuracy"])
    share = best["val_accuracy"] / 100
    margin = 196 * sqrt(2 * max(share * (1 - share), 0.25 / images) / images)
    told = (
        f"kept: {best['method']}, {best['val_accuracy']:.1f} % of {images:,} validation images, "
        f"best of {len(taught)}; differences under {margin:.1f} points are not certain there"
    )
    if control is None or control is best:
        return Choice(best, told)
    gap = best["val_accuracy"] - control["val_accuracy"]
    alone = "labels alone" if labelled else "the teacher's best classes alone"
    found = f"{alone}: {control['val_accuracy']:.1f} %"
    if gap < -margin:
        return Choice(control, f"kept: {found}, above {best['method']} by {-gap:.1f} points")
    sure = "the teacher's answers pay" if gap > margin else "that the teacher pays is not certain"
    return Choice(best, f"{told}; {found}, so {sure}")


class Found(NamedTuple):
    """What the students of a distillation came to."""

    rows: list[Row]  # of all pictures, a method each
    choice: Choice
    fewer: list[Row]  # of the chosen method, from fewer pictures
    calls: list[int]  # that would have bought these, and the choice
    curve: Curve | None  # of the chosen method; None where a single point makes none
    tested: int  # images that accuracies are of


def learn(lesson: Class, calls: int, validated: int, labelled: bool, report: Report) -> Found:
    """Train, choose, and train the chosen method on fewer pictures.

    Parameters
    ----------
    lesson : Class
    calls : int
        That were made, those about images that validate among them.
    validated : int
        Images that validate.
    labelled : bool
        Did people give the labels?
    report : callable
    """
    classes, schooling = len(lesson.dataset.classes), lesson.schooling
    names = candidates(schooling.method, classes, labelled)
    check(names, schooling.model, classes, lesson.dataset.transform.crop)
    if schooling.method == AUTO:
        report(f"tried beside {CONTROL}, by the study: {advised(classes, labelled)}")
    rows = lesson.train(names, [lesson.learned], report)
    choice = choose(rows, validated, labelled)
    fewer = lesson.train([choice.row["method"]], curve_sizes(lesson.learned), report)
    tested, points = len(lesson.dataset.test), [*fewer, choice.row]
    bought = [round(row["n"] * calls / lesson.learned) for row in points]
    curve = None
    if fewer:
        curve = fit_curve(bought, [row["test_accuracy"] for row in points], tested)
    return Found(rows, choice, fewer, bought, curve, tested)
