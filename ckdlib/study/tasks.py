"""Tasks: runs that were resolved once. Everything after that takes them as they are."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from .. import methods, models
from ..errors import InputError, difference
from ..files import writable_folder
from ..images import Dataset, split
from ..methods import INNER, Method, Problem
from ..records import Row
from .runs import Run, grouped, run_name
from .workspace import Workspace

Report = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """A run with all that was found for it."""

    run: Run
    key: str  # the run's name
    identity: Mapping[str, Any]  # what the name is made of, see `runs.IDENTITY`
    dataset: Dataset
    train_index: Tensor  # [n] images that the teacher is shown
    val_index: Tensor  # [n // 4] images that it never is

    @property
    def method(self) -> Method:
        """How its student learns."""
        return methods.get(self.run.method)

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


def check(
    runs: Sequence[Run],
    workspace: Workspace,
    datasets: Mapping[str, Dataset],
    rows: Sequence[Row],
) -> None:
    """Refuse what cannot be run, before anything starts.

    Raises
    ------
    InputError
        If a run's n or method, or the results folder, cannot be used, or if its rows and those to
        be made could not stand in one table.
    """
    if not runs:
        raise InputError(
            "nothing to run: no experiment holds all of these; name one with --experiment"
        )
    writable_folder(workspace.results)
    other = {row["precision"] for row in rows} - {workspace.precision}
    if other:
        raise InputError(
            f"{workspace.results} holds rows of precision {', '.join(other)}, which no table "
            f"mixes with {workspace.precision}; leave out --precision or choose another folder "
            "with --results"
        )
    for dataset in datasets.values():
        _same_transform(dataset, workspace, rows)
    for name, n in grouped(runs, "dataset", "n"):
        split(len(datasets[name].train), n, seed=0)
    with torch.device("meta"):
        for cell in grouped(runs, "dataset", "teacher", "student", "method"):
            _check_method(datasets[cell[0]], *cell[1:])


def _same_transform(dataset: Dataset, workspace: Workspace, rows: Sequence[Row]) -> None:
    own = json.loads(json.dumps(asdict(dataset.transform)))
    for row in rows:
        if row["dataset_sha256"] == dataset.digest and row["transform"] != own:
            raise InputError(
                f"{workspace.results} holds rows of the same images cut in another way "
                f"({difference(row['transform'], own)}); choose another folder with --results, or "
                "the same options (--no-flip, or flip in a notebook) as before"
            )


def _check_method(dataset: Dataset, source: str, student: str, name: str) -> None:
    method = methods.get(name)
    problem = Problem(len(dataset.classes), images=2)
    if method.white_box:
        problem = problem._replace(
            student=inner_shapes(student, dataset), teacher=inner_shapes(source, dataset)
        )
    method.helpers(problem)


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
        identity = run.identity(dataset, teachers.get((run.dataset, run.teacher)), precision)
        key = run_name({"teacher": run.teacher} | identity)
        tasks[key] = Task(run, key, identity, dataset, *indices[cut])
    return tasks
