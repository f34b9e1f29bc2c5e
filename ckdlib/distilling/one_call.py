"""`distill`: images, a teacher and n calls -> the best small student that these calls buy."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import not_installed
from ..files import remove_leftovers, writable_folder
from ..progress import Report
from ..study.workers import only_once
from ..study.workspace import open_workspace
from ..teachers.purse import Purse
from .asking import Asking
from .choice import Lesson, learn
from .material import open_material
from .ready import get_ready, plan
from .schooling import AUTO, Schooling, name_of
from .steps import ask, finish, keep
from .student import Student


def distill(
    images: Any,
    teacher: Any,
    calls: int,
    folder: str | Path = "runs/distilled",
    *,
    student: str | Callable[[int], nn.Module] = "resnet8",
    method: str = AUTO,
    validation: Any = None,
    test: Any = None,
    classes: Sequence[str] | None = None,
    size: int | None = None,
    flip: bool = True,
    answers: str | None = None,
    teacher_classes: Sequence[str] | None = None,
    teacher_name: str | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    takes: str = "images",
    shows: str = "pictures",
    batch: int = 16,
    attempts: int = 5,
    wait: float = 1.0,
    price: float | None = None,
    budget: float | None = None,
    spare_labels: bool = True,
    steps: int | None = None,
    learning_rate: float = 0.05,
    seed: int = 1,
    device: str | None = None,
    jobs: int | None = None,
    dry_run: bool = False,
    report: Report = print,
) -> Student | None:
    """Train the best small student that so many teacher calls buy.

    The teacher is asked about each picture as it is, at its own size, at most once, ever: answers
    are kept under `folder`, which is one purse across calls, seeds and students. Students of a few
    methods see random views of the pictures; the best on the validation images is kept, with what
    twice and four times the calls would buy.

    Parameters
    ----------
    images : path, array, (array, labels) or sequence
        See `ckdlib.images.pictures.open_pictures`. Without labels the teacher's best class stands
        in for them, and a fifth of the calls validates.
    teacher : callable, nn.Module or path
        A function of uint8 images [B, H, W, 3] (of one size) that gives scores [B, C]; a module; a
        file of answers by image (.npz, .csv, .parquet); 'MODULE:FUNCTION' or 'FILE.py:FUNCTION'.
    calls : int
        Pictures that the teacher is asked about.
    folder : path
        Where answers, students and the report are kept.
    student : str or callable
        A name of `ckdlib.models`, or what makes an nn.Module of the number of classes.
    method : str
        A name of docs/methods.md that sees logits alone, or 'auto'.
    validation, test : optional
        Images as above, to choose on and to test on; a folder's test/ is taken. Without, pictures
        beyond those that are shown serve, which costs no call where they have labels.
    classes : sequence of str, optional
        Names, for images without labels.
    size : int, optional
        Pixels of the side that students get: 8 to 224; the pictures' own up to 64, else 32.
    flip : bool
        May pictures be mirrored for students?
    answers : {'logits', 'probabilities', 'log-probabilities'}, optional
        What the teacher gives; noticed otherwise.
    teacher_classes : sequence of str, optional
        The teacher's classes in its order, where it is another, or has more.
    teacher_name : str, optional
        Change it when the teacher changes.
    preprocess : callable, optional
        uint8 [B, 3, H, W] -> a module's inputs, for instance torchvision's `weights.transforms()`.
    takes : {'images', 'inputs'}
        Whether a function is shown uint8 images or network inputs.
    shows : {'pictures', 'views'}
        Pictures as they are, or one random view of each as a student gets them (the study's way).
    batch : int
        Pictures asked about at a time.
    attempts : int
        At a batch where the teacher fails; `wait` seconds before the second, then twice as long.
    price : float, optional
        Of a call, in your money.
    budget : float, optional
        For all calls of the folder, in money; in calls without a price.
    spare_labels : bool
        Where pictures with labels are left over, four times the calls or more: learn the labels of
        those that neither validate nor test?
    steps : int, optional
        Of each student's training; 2400, and as many as it takes to see each picture 15 times.
    learning_rate : float
    seed : int
        Of the choice of pictures, views and weights.
    device : str, optional
        cpu or cuda.
    jobs : int, optional
        Students at once.
    dry_run : bool
        Say what it would ask and cost, and stop before the first call.
    report : callable
        Is told each line.

    Returns
    -------
    Student
        None of a dry run.

    Raises
    ------
    InputError
        Before any call, where something cannot be used or the budget is too small; where the
        teacher fails or answers what cannot be used. What was paid for is kept.
    """
    only_once()
    schooling = Schooling(name_of(student), method, steps, learning_rate, seed, jobs)
    asking = Asking(
        teacher,
        teacher_name,
        preprocess,
        takes,
        answers,
        teacher_classes,
        shows,
        batch,
        attempts,
        wait,
    )
    place = open_workspace(folder, device=device)
    purse = Purse(place.results / "answers", price, budget)
    collections = open_material(images, validation, test, report)
    ready = get_ready(
        collections, asking, schooling, calls, classes, size, flip, spare_labels, report
    )
    if dry_run:
        for line in plan(ready, purse):
            report(line)
        return None
    writable_folder(place.results)
    remove_leftovers(place.results)
    answers_found = ask(ready, purse, place.device, report)
    dataset = keep(ready, answers_found, place, report)
    lesson = Lesson(
        dataset,
        len(ready.material.learn),
        len(ready.material.validate),
        schooling,
        answers_found.digest,
        place,
    )
    found = learn(lesson, ready.material.shown, ready.material.labelled, report)
    made = finish(ready, answers_found, lesson, found, purse)
    saved = made.save(place.results / "student")
    for line in saved.card["told"]:
        report(line)
    report(f"student: {Path(folder) / 'student'}")
    try:
        from .page import write_page
    except ModuleNotFoundError as error:
        report(str(not_installed(error.name, "reports with pictures", "report")))
        return saved
    write_page(place.results / "report.html", saved, ready, answers_found, lesson, found)
    report(f"report: {Path(folder) / 'report.html'}")
    return saved
