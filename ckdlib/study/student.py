"""One student: from its task to its row, its measures and the probes along its training."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .. import losses, models
from ..errors import OutOfTime
from ..images import Dataset, Views, others
from ..measures import accuracy, measure
from ..records import SCHEMA, Measures, Probe, Row
from ..reproducibility import code_version, device_name, versions
from ..tensors import read_tensors, write_tensors
from ..training import Moment, Progress, Result, fit, predict, validate
from ..training.features import Features
from .tasks import Task
from .workspace import Workspace


class StudentResult(NamedTuple):
    """What a trained student leaves behind."""

    row: Row
    measures: Measures | None  # None of a diverged one
    probes: list[Probe]  # taken along its training


class StudentInputs(NamedTuple):
    """What one student learns from, on the device."""

    train_views: Views  # of the images that the teacher was shown, then of those with spare labels
    val_views: Views
    test_views: Views
    teacher_logits: Tensor | None  # [n, C]; None for methods that need no teacher
    features: Features | None
    asked_views: Views  # of the images that the teacher was shown
    pulls: tuple[float, float]  # see `Method.pulls`

    def offset(self, net: nn.Module) -> Tensor | None:
        """[C]: what calibration would add to the logits; None without answers."""
        if self.teacher_logits is None:
            return None
        labels = self.asked_views.labels
        target = losses.joint_target(labels, self.teacher_logits, *self.pulls)
        return losses.calibration_offset(predict(net, self.asked_views), target)


def train_student(
    task: Task,
    workspace: Workspace,
    deadline: float | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> StudentResult:
    """Train one student on the kept teacher calls; its weights and test logits are kept.

    Raises
    ------
    OutOfTime
        Past `deadline`, or where `stop` says so, after a step.
    """
    mark = workspace.store.marks.alive(task.key)

    def after_step(moment: Moment | None = None) -> None:
        mark()
        if stop() or (deadline is not None and time.monotonic() > deadline):
            raise OutOfTime

    def after_round(progress: Progress) -> None:
        if every and progress.rounds % every == 0:
            probes.append(probe(task.key, inputs, net, progress))

    after_step()
    inputs = _inputs(task, workspace)
    every = task.follow
    probes: list[Probe] = []
    net = models.new(task.student, len(task.dataset.classes), task.run.seed)
    net = net.to(workspace.device)
    result = fit(
        net,
        task.method,
        task.run.recipe,
        inputs.train_views,
        inputs.teacher_logits,
        inputs.val_views,
        task.run.seed,
        after_round=after_round,
        after_step=after_step,
        features=inputs.features,
        precision=workspace.precision,
    )
    logits = predict(net, inputs.test_views)
    folder = workspace.results
    write_tensors(folder / "students" / f"{task.key}.safetensors", net.state_dict())
    write_tensors(folder / "logits" / f"{task.key}.safetensors", {"test": logits.half()})
    row = _row(task, workspace, inputs, result, validate(net, inputs.val_views), logits)
    if result.status != "done":
        return StudentResult(row, None, probes)
    reference = None
    if task.teacher_sha256 and (path := workspace.teacher_logits(task.teacher_sha256)).exists():
        reference = _teacher_test_logits(path)
    labels = inputs.test_views.labels
    measures = measure(task.key, logits, labels, reference, inputs.offset(net))
    return StudentResult(row, measures, probes)


def _inputs(task: Task, workspace: Workspace) -> StudentInputs:
    dataset, device = task.dataset, torch.device(workspace.device)

    def views(index: Tensor) -> Views:
        return Views(dataset.train[index], dataset.transform, device)

    train_views = asked_views = views(task.train_index)
    if task.method.spare:
        spare = others(len(dataset.train), task.train_index, task.val_index)
        train_views = views(torch.cat([task.train_index, spare]))
    val_views = views(task.val_index)
    test_views, pulls = _test_views(dataset, workspace.device), task.method.pulls
    if not task.teacher_sha256:
        return StudentInputs(train_views, val_views, test_views, None, None, asked_views, pulls)
    ledger = workspace.ledger(dataset, task.teacher_sha256, task.run.seed)
    teacher_logits = ledger.kept(task.train_index).to(device)
    features = None
    if task.method.white_box:
        features = ledger.kept_features(task.train_index, device)
    return StudentInputs(
        train_views, val_views, test_views, teacher_logits, features, asked_views, pulls
    )


@cache
def _test_views(dataset: Dataset, device: str) -> Views:
    """The test views of a dataset, once a process."""
    views = Views(dataset.test, dataset.transform, device)
    if device != "cpu":
        torch.cuda.synchronize(device)  # whatever stream reads it next
    return views


@cache
def _teacher_test_logits(path: Path) -> Tensor:
    return read_tensors(path)[0]["test"]


def _row(
    task: Task,
    workspace: Workspace,
    inputs: StudentInputs,
    result: Result,
    score: Tensor,
    logits: Tensor,
) -> Row:
    right = accuracy(logits, inputs.test_views.labels)
    row = {
        "schema": SCHEMA,
        **asdict(task.run),
        **task.identity,
        "run": task.key,
        "dataset": task.dataset.name,
        "learning_rate": task.run.recipe.learning_rate,
        "status": result.status,
        "teacher_calls": len(task.train_index) if task.method.needs_teacher else 0,
        "val_accuracy": round(score.item(), 4),
        "test_accuracy": round(right.item(), 4),
        "steps": result.steps,
        "best_step": result.best_step,
        "student_passes": result.student_passes,
        "seconds": round(result.seconds, 2),
        "logits": f"logits/{task.key}.safetensors",
        "device": device_name(torch.device(workspace.device)),
        "code": code_version(),
        "versions": versions(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    for name in ("label", "source"):
        if said := getattr(task.method, name):
            row[name] = said
    return json.loads(json.dumps(row))  # as it will be read again


def probe(key: str, inputs: StudentInputs, net: nn.Module, progress: Progress) -> Probe:
    """A student as it is after a round.

    `offset` is the norm of what calibration would add to the logits, `calibrated_accuracy` the test
    accuracy if that were added.
    """
    offset = inputs.offset(net)
    if offset is None:
        raise ValueError("a student that asks no teacher has no offset to probe")
    logits = predict(net, inputs.test_views)
    labels = inputs.test_views.labels
    return {
        "run": key,
        "step": progress.steps,
        "loss": progress.loss,
        "score": progress.score,
        "test_accuracy": round(accuracy(logits, labels).item(), 4),
        "offset": float(f"{offset.norm().item():.5g}"),
        "calibrated_accuracy": round(accuracy(logits + offset, labels).item(), 4),
    }
