"""Tasks: runs that were resolved once. Everything after that takes them as they are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import methods, models
from ..errors import InputError
from ..files import writable_folder
from ..images import BY_STUDENT, Dataset, split
from ..methods import INNER, Method, Problem
from ..progress import Report
from ..records import Row
from .grid import profile
from .runs import Run, grouped, needing_teacher, run_name
from .store import Store
from .tables import SHARED, check_table, rows_of_experiment
from .workspace import Workspace

Digests = dict[tuple[str, str], str]  # (name of the images, model) -> SHA-256 of the weights


@dataclass(frozen=True)
class Task:
    """A run with all that was found for it."""

    run: Run
    key: str  # the run's name
    identity: Mapping[str, Any]  # what the name is made of, see `runs.IDENTITY`
    dataset: Dataset
    train_index: Tensor  # [n] images that the teacher is shown; see `choose_images`
    val_index: Tensor  # [n // 4] images that it never is
    method: Method  # how its student learns
    student: models.Maker  # what makes its student
    follow: int = 0  # rounds between two probes along its training; 0: none

    @classmethod
    def of(
        cls,
        run: Run,
        dataset: Dataset,
        teacher_sha256: str | None,
        precision: str,
        train_index: Tensor,
        val_index: Tensor,
        follow: int = 0,
    ) -> "Task":
        """A run on these images, named by all that determines its result."""
        identity = run.identity(dataset, teacher_sha256, precision)
        key = run_name({"teacher": run.teacher} | identity)
        method, student = methods.get(run.method), models.maker(run.student)
        return cls(run, key, identity, dataset, train_index, val_index, method, student, follow)

    @property
    def teacher_sha256(self) -> str | None:
        """Of the teacher's weights; None for methods that need no teacher."""
        return self.identity["teacher_sha256"]


def open_images(
    runs: Sequence[Run], workspace: Workspace, report: Report = print
) -> dict[str, Dataset]:
    """The images of the runs by name.

    Experiments on further images that are not here are left out, which is reported.

    Raises
    ------
    InputError
        If the first run's images cannot be used.
    """
    datasets: dict[str, Dataset] = {}
    for name, part in grouped(runs, "dataset").items():
        try:
            datasets[name] = workspace.dataset(name)
        except InputError as error:
            if not datasets:
                raise
            report(f"{part[0].experiment} is left out: {error}")
    return datasets


@dataclass(frozen=True)
class Prepared:
    """Runs that were resolved and checked, before anything starts."""

    runs: list[Run]
    datasets: Mapping[str, Dataset]
    rows: list[Row]  # that are there
    tasks: dict[str, Task]
    teachers: Digests  # that are there, or that rows are of
    precision: str
    results: Path

    @property
    def done(self) -> set[str]:
        """The runs that have a row."""
        return {row["run"] for row in self.rows}

    @property
    def left(self) -> list[Run]:
        """The runs that have none yet."""
        done = self.done
        return [task.run for key, task in self.tasks.items() if key not in done]

    def with_teachers(self, cards: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Task]:
        """The tasks, now that every teacher is there."""
        found = self.teachers | {name: card["weights_sha256"] for name, card in cards.items()}
        if found == self.teachers:
            return self.tasks
        tasks = resolve(self.runs, self.datasets, found, self.precision)
        check_tables(tasks.values(), self.rows, self.results)
        return tasks


def prepare(
    runs: Sequence[Run], workspace: Workspace, store: Store, report: Report = print
) -> Prepared:
    """Resolve runs, and refuse what cannot be run or could not stand in a table with what is there.

    Raises
    ------
    InputError
        If a run's n, method or images, or the results folder, cannot be used; if its rows and
        those to be made could not stand in one table; or if the teacher of rows that are there is
        not.
    """
    if not runs:
        raise InputError(
            "nothing to run: no experiment holds all of these; name one with --experiment"
        )
    writable_folder(workspace.results)
    datasets = open_images(runs, workspace, report)
    runs = [run for run in runs if run.dataset in datasets]
    rows = store.rows(report)
    for name, n in grouped(runs, "dataset", "n"):
        split(len(datasets[name].train), n, seed=0)
    with torch.device("meta"):
        for cell in grouped(runs, "dataset", "teacher", "student", "method"):
            check_method(datasets[cell[0]], *cell[1:])
    teachers: Digests = {}
    absent: Digests = {}
    for name, model in grouped(needing_teacher(runs), "dataset", "teacher"):
        if digest := workspace.teacher_digest(datasets[name], model):
            teachers[name, model] = digest
        elif digest := teacher_of_rows(model, datasets[name], rows):
            absent[name, model] = digest
    tasks = resolve(runs, datasets, teachers | absent, workspace.precision)
    done = {row["run"] for row in rows}
    for key, task in tasks.items():
        if key not in done and task.teacher_sha256 in absent.values():
            raise InputError(
                f"{workspace.results} holds rows of a teacher {task.run.teacher} whose weights are "
                f"not here (SHA-256 {task.teacher_sha256}); put them at "
                f"{workspace.teacher_path(task.dataset, task.run.teacher)}, make them again where "
                f"they were made ({_making(task.run, workspace)}), or choose another folder with "
                "--results"
            )
    check_tables(tasks.values(), rows, workspace.results)
    known = teachers | absent
    return Prepared(runs, datasets, rows, tasks, known, workspace.precision, workspace.results)


def _making(run: Run, workspace: Workspace) -> str:
    own = "" if run.dataset == profile(run.profile).dataset else f" --dataset {run.dataset}"
    return (
        f"python -m ckdlib teacher --profile {run.profile} --model {run.teacher}{own} "
        f"--results {workspace.results}"
    )


def teacher_of_rows(model: str, dataset: Dataset, rows: Sequence[Row]) -> str | None:
    """SHA-256 of the teacher that rows of these images are of; None where none is."""
    for row in rows:
        if (row["dataset_sha256"], row["teacher"]) == (dataset.digest, model):
            if row["teacher_sha256"]:
                return row["teacher_sha256"]
    return None


def check_tables(tasks: Iterable[Task], rows: Sequence[Row], results: Path) -> None:
    """Refuse tasks whose rows could not stand in one table with those that are there.

    Raises
    ------
    InputError
        It names the difference in full, and the way out.
    """
    if not rows:
        return
    there = {row["run"] for row in rows}
    planned: list[Any] = [_expected(task) for task in tasks if task.key not in there]
    for experiment in sorted({line["experiment"] for line in planned}):
        together = rows_of_experiment([*rows, *planned], experiment)
        check_table(together, f"the rows of {results} and these runs")
    for field in ("profile", "precision"):
        for line in planned:
            if line[field] != rows[0][field]:
                raise InputError(
                    f"the rows of {results} and these runs differ in {field}: {rows[0][field]} and "
                    f"{line[field]}; {SHARED[field]}, or choose another folder with --results"
                )


def _expected(task: Task) -> dict[str, Any]:
    """What is known of the row that a task will make."""
    line = asdict(task.run) | dict(task.identity)
    line |= {"run": task.key, "dataset": task.dataset.name}
    return json.loads(json.dumps(line))


def check_method(dataset: Dataset, source: str, student: str, name: str) -> None:
    """Refuse a method or a student that does not fit the images, or the teacher `source`.

    Raises
    ------
    InputError
    """
    method = methods.get(name)
    classes, side = len(dataset.classes), dataset.transform.crop
    check_student(student, name, dataset.train.labels[:256], classes, side)
    if method.needs_teacher:
        models.check(source, classes, side)
    problem = Problem(classes, images=2)
    if method.white_box:
        problem = problem._replace(
            student=inner_shapes(student, dataset), teacher=inner_shapes(source, dataset)
        )
    method.helpers(problem)


def check_student(student: str, name: str, labels: Tensor, classes: int, side: int) -> None:
    """Refuse a network that cannot take images of `side` pixels or learn by the method of that
    name; a method of one's own is tried on a batch with such labels.

    Raises
    ------
    InputError
    """
    method = methods.get(name)
    models.check(student, classes, side, method.calibrated)
    if method.select in BY_STUDENT:  # its scout gives features
        models.feature_shapes(student, classes, side)
    if method.origin and not method.helped and not method.white_box:
        with torch.device("cpu"):
            methods.try_out(name, method, labels, classes)


def inner_shapes(model: str, dataset: Dataset) -> list[tuple[int, ...]]:
    """Shapes of one image's feature maps that white-box methods may use, [C, H, W] a level."""
    side = dataset.transform.crop
    return models.feature_shapes(model, len(dataset.classes), side)[INNER]


def resolve(
    runs: Sequence[Run],
    datasets: Mapping[str, Dataset],
    teachers: Mapping[tuple[str, str], str],
    precision: str,
) -> dict[str, Task]:
    """Each run as a task, by its name.

    Parameters
    ----------
    runs : sequence of Run
    datasets : mapping
        Name -> images.
    teachers : mapping
        (name of the images, model) -> SHA-256 of the teacher's weights; those of models that no
        run needs may lack.
    precision : str
    """
    indices: dict[tuple, tuple[Tensor, Tensor]] = {}
    tasks = {}
    for run in runs:
        dataset = datasets[run.dataset]
        cut = (run.dataset, run.n, run.seed)
        if cut not in indices:
            indices[cut] = split(len(dataset.train), run.n, run.seed)
        teacher = teachers.get((run.dataset, run.teacher))
        experiment = profile(run.profile).experiments[run.experiment]
        follow = experiment.follow if methods.get(run.method).needs_teacher else 0
        task = Task.of(run, dataset, teacher, precision, *indices[cut], follow)
        tasks[task.key] = task
    return tasks
