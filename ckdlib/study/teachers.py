"""The teachers of a batch: found or trained first, then asked, once, about all images it needs."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from .. import methods, models
from ..errors import InputError, OutOfTime, choose
from ..files import Damaged, locked, writable_folder
from ..images import RANDOM, Dataset, Views, split, teacher_view
from ..measures import measure
from ..methods import INNER
from ..models.network import Network
from ..progress import Report, silent
from ..recipes import RECIPES, Recipe
from ..teachers import Ledger, import_teacher, load_teacher, train_teacher
from ..tensors import read_tensors, write_tensors
from ..training import predict
from .grid import profile
from .runs import Run, grouped, needing_teacher
from .tasks import Task, inner_shapes, teacher_of_rows
from .workspace import Workspace

Teachers = Mapping[tuple[str, str], tuple[Network, dict]]  # (dataset, model) -> net, card


def make_teacher(
    profile_name: str,
    model: str,
    workspace: Workspace,
    dataset_name: str | None = None,
    recipe: str | None = None,
    checkpoint: Path | None = None,
    seed: int | None = None,
    time_budget: float | None = None,
    report: Report = print,
) -> dict:
    """Find, import or train one teacher of a profile.

    Parameters
    ----------
    recipe : str, optional
        'reference', 'medium' or 'fast'; the profile's own without.
    checkpoint : Path, optional
        A RepDistiller `.pth` to import instead of training.
    seed : int, optional
        Of weights and batches; 0 without.
    time_budget : float, optional
        Minutes.

    Returns
    -------
    dict
        The teacher's card. A teacher that is there already is kept, unless a checkpoint is given.

    Raises
    ------
    InputError
        If the teacher that is there was trained by another recipe or seed than those given, or if
        rows are of another one than the checkpoint.
    """
    choose("model", model, models.names())
    if recipe is not None:
        choose("teacher recipe", recipe, RECIPES)
    chosen = profile(profile_name)
    folder = writable_folder(workspace.results) / "teachers"
    dataset = workspace.dataset(dataset_name or chosen.dataset)
    device = torch.device(workspace.device)
    if checkpoint is not None:
        of_rows = teacher_of_rows(model, dataset, workspace.store.rows(silent))
        return import_teacher(dataset, model, checkpoint, folder, device, of_rows)
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    own = RECIPES[recipe] if recipe else chosen.teacher_recipe
    path = _found_or_trained(workspace, dataset, model, own, seed or 0, deadline, report)
    card = load_teacher(path, dataset, model, device)[1]
    asked = {"recipe": recipe and json.loads(json.dumps(asdict(own))), "seed": seed}
    for name, value in asked.items():
        if value is not None and value != card.get(name):
            raise InputError(
                f"{path} is there already, {card['source']}, of {name} {card.get(name)}, not "
                f"{value}; remove it to train another, or choose another folder with --results"
            )
    return card


def _found_or_trained(
    workspace: Workspace,
    dataset: Dataset,
    model: str,
    recipe: Recipe,
    seed: int,
    deadline: float | None,
    report: Report,
) -> Path:
    """The weights of a teacher, which is trained if it is not there, by one batch alone."""
    folder, device = workspace.results / "teachers", torch.device(workspace.device)
    path = workspace.teacher_path(dataset, model)
    if path.exists():
        return path

    def waiting() -> None:
        report(f"teacher {model} is being trained by another batch; this one waits")

    with locked(path.with_suffix(".lock"), waiting):
        if not path.exists():
            precision = workspace.precision
            train_teacher(dataset, model, recipe, folder, device, seed, deadline, report, precision)
    return path


def open_teachers(
    runs: Sequence[Run],
    workspace: Workspace,
    datasets: Mapping[str, Dataset],
    deadline: float | None,
    report: Report,
) -> Teachers:
    """Every teacher that the runs need, loaded once; those that are missing are trained first."""
    device = torch.device(workspace.device)
    teachers = {}
    for (name, model), part in sorted(grouped(needing_teacher(runs), "dataset", "teacher").items()):
        dataset = datasets[name]
        recipe = profile(part[0].profile).teacher_recipe
        path = _found_or_trained(workspace, dataset, model, recipe, 0, deadline, report)
        teachers[name, model] = load_teacher(path, dataset, model, device)
    return teachers


def ask_teachers(
    tasks: Iterable[Task],
    teachers: Teachers,
    workspace: Workspace,
    add_features: bool,
    deadline: float | None,
    report: Report,
) -> None:
    """Make every call that the tasks need, once.

    Feature maps are kept of the calls that white-box tasks need, of this batch or of the profile,
    so that a later experiment finds them. The teacher is also run on the test images, for Table 3
    and Figure 5; that is no call.
    """
    device = torch.device(workspace.device)
    asking = [task for task in tasks if task.method.needs_teacher]
    by_teacher = grouped(asking, "run.dataset", "run.teacher")
    for (name, model), part in by_teacher.items():
        net, card = teachers[name, model]
        dataset = part[0].dataset
        _measure(net, card["weights_sha256"], workspace, dataset, report)
        for seed, same in sorted(grouped(part, "run.seed").items()):
            if deadline is not None and time.monotonic() > deadline:
                raise OutOfTime(
                    "time budget is used up while asking the teachers; the same command goes on"
                )
            ledger = workspace.ledger(dataset, card["weights_sha256"], seed)
            view = teacher_view(dataset, seed, device)
            before = ledger.calls
            _ask(ledger, view, net, model, same, add_features)
            made = ledger.calls - before
            report(f"teacher {model}, seed {seed}: {made} calls made, {ledger.calls} kept")


def _ask(
    ledger: Ledger, view, net: Network, model: str, tasks: Sequence[Task], add_features: bool
) -> None:
    def with_maps(images: Tensor) -> tuple[list[Tensor], Tensor]:
        maps, logits = net.forward_features(images)
        return maps[INNER], logits

    dataset = tasks[0].dataset
    seed = tasks[0].run.seed
    shapes = partial(inner_shapes, model, dataset)
    missing = "recompute" if add_features else "raise"
    if white_box := [task for task in tasks if task.method.white_box]:
        ledger.ask(_images(white_box), view, with_maps, shapes(), missing)
    if by_chance := [task.run for task in tasks if task.method.select == RANDOM]:
        if later := min(max(run.n for run in by_chance), max(map(later_white_box, by_chance))):
            index, _ = split(len(dataset.train), later, seed)
            ledger.ask(index, view, with_maps, shapes(), "skip")
    ledger.ask(_images(tasks), view, net)


def _images(tasks: Iterable[Task]) -> Tensor:
    """All that some of the tasks ask about."""
    return torch.cat([task.train_index for task in tasks]).unique()


def later_white_box(run: Run) -> int:
    """The largest n at which the run's profile has white-box students of its teacher, or 0."""
    grids = profile(run.profile).experiments
    sizes = [0]
    for grid in grids.values():
        same = grid.dataset == grids[run.experiment].dataset
        white_box = any(methods.get(name).white_box for name in grid.methods)
        if same and white_box and (run.teacher, run.student) in grid.pairs:
            sizes += grid.calls
    return max(sizes)


def _measure(
    net: Network, digest: str, workspace: Workspace, dataset: Dataset, report: Report
) -> None:
    """The teacher's test logits and measures, once; again where they are damaged."""
    path, store = workspace.teacher_logits(digest), workspace.store
    name = f"teacher {digest}"
    try:
        if path.exists() and read_tensors(path) and name in store.measures():
            return
    except Damaged as error:
        report(f"{error}: it is made again")
    test = Views(dataset.test, dataset.transform, workspace.device)
    logits = predict(net, test)
    store.note(measure(name, logits, test.labels))
    write_tensors(path, {"test": logits})
