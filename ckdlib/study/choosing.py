"""Which images the tasks ask about: chosen where that is not left to chance, and written down.

What ranks by a student's doubt or features needs one that has asked nothing: a scout. It learns the
labels of all images that may be asked about, as long as the student of the run will.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .. import methods, models
from ..errors import OutOfTime
from ..files import json_text, locked, write_json
from ..images import BY_STUDENT, RANDOM, Views, pool, ranking
from ..progress import Report
from ..recipes import Recipe
from ..reproducibility import sha256
from ..tensors import read_tensors, write_tensors
from ..training import fit
from .runs import grouped
from .tasks import Task
from .workspace import Workspace

STEPS = 2400  # of a scout, where the students' recipe does not say how many
BATCH = 500


class Seen(NamedTuple):
    """What a scout makes of the images of `pool`, in their order."""

    logits: Tensor  # [N, C] float16
    features: Tensor  # [N, D] float16, before its last layer


def choose_images(
    tasks: Sequence[Task], workspace: Workspace, deadline: float | None, report: Report
) -> list[Task]:
    """The tasks, with the images that their methods ask about.

    Raises
    ------
    OutOfTime
        If a scout is not done by `deadline`; it is trained from its start again.
    """
    chosen = {task.key: task for task in tasks}
    asking = [task for task in tasks if task.method.select != RANDOM]
    for same in grouped(asking, "run.dataset", "run.student", "run.seed", "run.recipe").values():
        task, dataset = same[0], same[0].dataset
        there = pool(len(dataset.train), task.run.seed)
        seen: Seen | tuple[None, None] = (None, None)
        if any(one.method.select in BY_STUDENT for one in same):
            seen = _scouted(task, there, workspace, deadline, report)
        for select, part in grouped(same, "method.select").items():
            most = max(one.run.n for one in part)
            best = ranking(select, dataset.train.labels[there], most, *seen)
            chosen |= {one.key: replace(one, train_index=there[best[: one.run.n]]) for one in part}
    return list(chosen.values())


def _scouted(
    task: Task, there: Tensor, workspace: Workspace, deadline: float | None, report: Report
) -> Seen:
    """What the scout of a task sees, trained if it is not kept."""
    path, recipe = _kept(task, workspace), scout_recipe(task.run.recipe)
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            seen = _train(task, there, recipe, workspace, deadline)
            write_tensors(path, seen._asdict())
            name = f"scout {task.run.student}, seed {task.run.seed}"
            report(f"{name}: learned the labels of {len(there)} images, asking nothing")
    return Seen(**read_tensors(path)[0])


def _kept(task: Task, workspace: Workspace) -> Path:
    run, recipe = task.run, scout_recipe(task.run.recipe)
    known = (task.dataset.digest, asdict(task.dataset.transform), asdict(recipe))
    student = models.digest(run.student)
    name = sha256(json.dumps([*known, run.student, student, run.seed, workspace.precision]))
    return workspace.results / "scouts" / f"{run.student}-s{run.seed}.{name[:12]}.safetensors"


def scout_recipe(recipe: Recipe) -> Recipe:
    """As long as the students', where that is known; nothing validates it."""
    return replace(recipe, schedule="one_cycle", steps=recipe.steps or STEPS, checks=1)


def _train(
    task: Task, there: Tensor, recipe: Recipe, workspace: Workspace, deadline: float | None
) -> Seen:
    def after_step(moment: object) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise OutOfTime(
                "time budget is used up while a scout learned; the same command begins it anew"
            )

    dataset = task.dataset
    device = torch.device(workspace.device)
    views = Views(dataset.train[there], dataset.transform, device)
    net = models.new(task.student, len(dataset.classes), task.run.seed).to(device)
    labels_alone = methods.get("ce")
    fit(net, labels_alone, recipe, views, seed=task.run.seed, after_step=after_step,
        precision=workspace.precision)  # fmt: skip
    net.eval()
    logits, features = [], []
    with torch.no_grad():
        for start in range(0, len(views), BATCH):
            maps, answers = net.forward_features(views.plain(slice(start, start + BATCH)))
            logits.append(answers.half().cpu())
            features.append(maps[-1].flatten(1).half().cpu())
    return Seen(torch.cat(logits), torch.cat(features))


def save_splits(tasks: Sequence[Task], workspace: Workspace, report: Report) -> None:
    """Index lists of every n, seed and selection of images, beside the rows."""
    cuts = grouped(tasks, "run.dataset", "run.n", "run.seed", "run.student", "method.select")
    for (_, n, seed, student, select), (task, *_) in cuts.items():
        chosen = "" if select == RANDOM else f"-{select}"
        chosen += f"-{student}" if select in BY_STUDENT else ""
        name = f"{task.dataset.name}-n{n}-seed{seed}{chosen}.json"
        path = workspace.results / "splits" / name
        indices = {
            "dataset_sha256": task.dataset.digest,
            "train": task.train_index.tolist(),
            "validation": task.val_index.tolist(),
        }
        if path.exists() and path.read_bytes() != json_text(indices).encode():
            report(f"{path} is not what these runs use; it is written anew")
            path.unlink()
        if not path.exists():
            write_json(path, indices)
