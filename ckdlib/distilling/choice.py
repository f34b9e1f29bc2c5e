"""Students of a few methods, and which of them is chosen on the validation images."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from scipy.stats import binomtest

from .. import methods
from ..errors import InputError
from ..images import RANDOM, Dataset
from ..methods import Problem
from ..progress import Report
from ..records import Row
from ..report.learning_curve import Curve, fit_curve
from ..study.batch import train_tasks
from ..study.evidence import advised
from ..study.runs import Run
from ..study.tasks import Task, check_student
from ..study.workspace import Workspace
from .material import SPARED
from .schooling import AUTO, Schooling

CONTROLS = CONTROL, ALL_LABELS = "ce", "ce+spare"  # labels only: does the teacher pay?
FEWEST_LEARNED = 8  # pictures of which a point of the learning curve is made


def candidates(method: str, classes: int, labelled: bool = True, spare: bool = False) -> list[str]:
    """The methods that are tried, labels alone first.

    Parameters
    ----------
    method : str
        A name, or 'auto': those that the study would try (`evidence.ADVICE`).
    classes : int
    labelled : bool
        Did people give the labels?
    spare : bool
        And those of further pictures?
    """
    if method == AUTO:
        own = advised(classes, labelled, spare).methods
    else:
        own = (methods.canonical(method),)
    control = ALL_LABELS if any(methods.get(one).spare for one in own) else CONTROL
    return list(dict.fromkeys((control, *own)))


def check(names: Sequence[str], student: str, classes: int, side: int, spare: bool = False) -> None:
    """Refuse methods or a student that cannot learn from logits about such images.

    Parameters
    ----------
    names : sequence of str
    student : str
    classes, side : int
        Of the images, and of them as students get them, in pixels.
    spare : bool
        Are there further pictures whose labels can be learned?
    """
    for name in names:
        method = methods.get(name)
        if method.white_box:
            raise InputError(
                f"method {name} needs the teacher's feature maps, and this teacher gives answers; "
                "choose one that sees logits alone (docs/methods.md)"
            )
        if method.select != RANDOM:
            raise InputError(
                f"method {name}: which pictures are asked about is `distill`'s own to say; choose "
                "one without @"
            )
        if method.spare and not spare:
            raise InputError(
                f"method {name} learns the labels of pictures that the teacher is not asked about, "
                f"and takes them from {SPARED} times as many as calls; choose one without +spare"
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


@dataclass(frozen=True)
class Lesson:
    """What the students of one distillation share.

    Parameters
    ----------
    dataset : Dataset
        Training images: the `learned` that the teacher was shown, the `validated` on which students
        are chosen, then those whose labels alone are learned.
    learned, validated : int
    schooling : Schooling
    teacher_sha256 : str
        Of the teacher's answers.
    workspace : Workspace
    """

    dataset: Dataset
    learned: int
    validated: int
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
        every = torch.arange(len(self.dataset.train))
        recipe = self.schooling.recipe(len(every) - self.validated)
        model, seed = self.schooling.model, self.schooling.seed
        run = Run("own", "distill", source, "teacher", model, name, n, seed, recipe)
        validate = every[self.learned :][: self.validated]
        precision = self.workspace.precision
        return Task.of(run, self.dataset, self.teacher_sha256, precision, every[:n], validate)


def curve_sizes(learned: int) -> list[int]:
    """A quarter and half of the pictures, where these are enough."""
    return [n for n in (learned // 4, learned // 2) if n >= FEWEST_LEARNED]


class Choice(NamedTuple):
    """The student that is kept."""

    row: Row
    told: str  # why, and what so few images can tell


def choose(rows: Sequence[Row], images: int, labelled: bool = True) -> Choice:
    """The best on the validation images; labels alone where they are clearly better, and labels of
    all pictures where they are better at all: few answers beside many labels may harm
    (docs/results.md).

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
    control = next((row for row in rows if row["method"] in CONTROLS), None)
    taught = [row for row in rows if row["method"] not in CONTROLS] or list(rows)
    best = max(taught, key=lambda row: row["val_accuracy"])
    share = best["val_accuracy"] / 100
    margin = 196 * sqrt(2 * max(share * (1 - share), 0.25 / images) / images)
    unsure = f"differences under {margin:.1f} points are not certain there"
    told = (
        f"kept: {best['method']}, {best['val_accuracy']:.1f} % of {images:,} validation images, "
        f"best of {len(taught)}; {unsure}"
    )
    if control is None or control is best:
        return Choice(best, told)
    gap = best["val_accuracy"] - control["val_accuracy"]
    alone = "labels alone" if labelled else "the teacher's best classes alone"
    found = f"{alone}: {control['val_accuracy']:.1f} %"
    if gap < (0 if control["method"] == ALL_LABELS else -margin):
        told = f"kept: {found}, above {best['method']} by {-gap:.1f} points"
        return Choice(control, f"{told}; {unsure}" if -gap <= margin else told)
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


def learn(lesson: Lesson, calls: int, labelled: bool, report: Report) -> Found:
    """Train, choose, and train the chosen method on fewer pictures.

    Parameters
    ----------
    lesson : Lesson
    calls : int
        That were made, those about images that validate among them.
    labelled : bool
        Did people give the labels?
    report : callable
    """
    classes, schooling = len(lesson.dataset.classes), lesson.schooling
    spare = len(lesson.dataset.train) > lesson.learned + lesson.validated
    names = candidates(schooling.method, classes, labelled, spare)
    check(names, schooling.model, classes, lesson.dataset.transform.crop, spare)
    if schooling.method == AUTO:
        report(f"tried beside {names[0]}, by the study: {advised(classes, labelled, spare)}")
    rows = lesson.train(names, [lesson.learned], report)
    choice = choose(rows, lesson.validated, labelled)
    kept = choice.row["method"]
    answers = kept not in CONTROLS or not labelled  # what more calls would bring more of
    sizes = curve_sizes(lesson.learned) if answers else []
    fewer = lesson.train([kept], sizes, report)
    tested, points = len(lesson.dataset.test), [*fewer, choice.row]
    bought = [round(row["n"] * calls / lesson.learned) for row in points]
    curve = None
    if fewer:
        curve = fit_curve(bought, [row["test_accuracy"] for row in points], tested)
    return Found(rows, choice, fewer, bought, curve, tested)
