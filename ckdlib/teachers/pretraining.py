"""A teacher is trained, on the whole training set; it is killed and goes on as often as need be."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from .. import methods
from ..errors import InputError, OutOfTime, difference
from ..files import Damaged
from ..images import Dataset, Views
from ..methods import steps_per_epoch
from ..models import digest, new
from ..models.network import Network
from ..progress import Meter
from ..recipes import Recipe
from ..stopping import Pending, deferred
from ..tensors import read_tensors, write_tensors
from ..training.loop import Moment, Result, Saved, fit
from ..training.schedules import planned_steps, start
from .weights import keep_teacher, weights_path

# what determines a training, in the order of a checkpoint's origin
ORIGIN = ("images", "transform", "model", "recipe", "seed", "precision")
CHECKPOINT_EVERY = REPORT_EVERY = 20  # seconds


class Checkpoint:
    """What an unfinished training goes on from; of other images or settings it is none.

    Parameters
    ----------
    path : Path
    origin : str
        All that determines the training.
    report : callable
        Told where a checkpoint cannot be used.
    """

    def __init__(self, path: Path, origin: str, report: Callable[[str], None]):
        self.path, self.origin, self.report = path, origin, report
        self.started = self.written = time.monotonic()
        self.before = 0.0  # seconds, of the trainings that it goes on from

    @property
    def seconds(self) -> float:
        """Spent on this training so far."""
        return self.before + time.monotonic() - self.started

    def read(self) -> Saved | None:
        """What is there to go on from."""
        if not self.path.exists():
            return None
        try:
            tensors, about = read_tensors(self.path)
            origin, rounds = about["origin"], int(about["rounds"])
            steps, before = int(about.get("steps", 0)), float(about["seconds"])
        except (Damaged, KeyError, ValueError) as error:
            self.report(f"{self.path} cannot be used ({error}); the training begins anew")
            return None
        if origin != self.origin:
            self.report(
                f"{self.path} is of other images or settings ({_differing(origin, self.origin)}); "
                f"this training begins anew and takes its place"
            )
            return None
        self.before = before
        return Saved(rounds, steps, tensors)

    def write(self, moment: Moment) -> None:
        """Keep where the training is."""
        saved = moment.save()
        write_tensors(
            self.path,
            saved.tensors,
            origin=self.origin,
            rounds=str(saved.rounds),
            steps=str(saved.steps),
            seconds=str(self.seconds),
        )
        self.written = time.monotonic()


def _differing(made: str, own: str) -> str:
    try:
        pairs = zip(ORIGIN, json.loads(made), json.loads(own), strict=True)
        return ", ".join(difference(one, other, name) for name, one, other in pairs if one != other)
    except ValueError:
        return "of another version"


def train_teacher(
    dataset: Dataset,
    model: str,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    seed: int = 0,
    deadline: float | None = None,
    report: Callable[[str], None] = print,
    precision: str = "float32",
) -> dict[str, Any]:
    """Train `model` on the whole training set and write weights and card under `folder`.

    A killed training goes on from its checkpoint, written every CHECKPOINT_EVERY seconds and where
    a signal or the deadline stops it, at whatever step that is.

    Parameters
    ----------
    deadline : float, optional
        `time.monotonic()` after which it stops.
    report : callable
        Told every REPORT_EVERY seconds where it is.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    InputError
        If the training diverged.
    OutOfTime
        Past the deadline.
    Stopped
        By Ctrl-C or SIGTERM.
    """
    path = weights_path(folder, dataset.name, model)
    named = f"{model} {digest(model) or ''}".strip()
    made_of = (dataset.digest, asdict(dataset.transform), named, asdict(recipe), seed, precision)
    checkpoint = Checkpoint(path.with_suffix(".checkpoint"), json.dumps(made_of), report)
    views = Views(dataset.train, dataset.transform, device)
    net = new(model, len(dataset.classes), seed).to(device)
    training = _Pretraining(model, recipe, len(views), checkpoint, deadline, report)
    result = training.run(net, views, seed, precision)
    if result.status != "done":
        raise InputError(
            f"the training of teacher {model} diverged; lower its learning rate "
            f"({recipe.learning_rate}) or choose another recipe"
        )
    card = keep_teacher(
        path,
        net,
        dataset,
        device,
        model,
        source="trained here",
        recipe=asdict(recipe),
        seed=seed,
        training_precision=precision,
        training_seconds=round(checkpoint.seconds, 1),
        steps=result.steps,
    )
    checkpoint.path.unlink(missing_ok=True)
    report(
        f"teacher {model}: {card['test_accuracy']:.2f} % on the {dataset.name} test set, "
        f"{path.relative_to(folder.parent)}"
    )
    return card


class _Pretraining:
    """A teacher's training: stopped where it must be, kept as it goes, told now and then."""

    def __init__(
        self,
        model: str,
        recipe: Recipe,
        images: int,
        checkpoint: Checkpoint,
        deadline: float | None,
        report: Callable[[str], None],
    ):
        epoch = steps_per_epoch(images, recipe.batch)
        self.model, self.recipe, self.report = model, recipe, report
        self.checkpoint, self.deadline = checkpoint, deadline
        self.total = planned_steps(recipe, epoch)
        self.round_steps = start(recipe, epoch).round_steps

    def run(self, net: Network, views: Views, seed: int, precision: str) -> Result:
        """Train to the end, or to a stop."""
        resume = self.checkpoint.read()
        if resume:
            done = resume.rounds * self.round_steps + resume.steps
            self.report(f"teacher {self.model}: goes on after step {done} of {self.total}")
        with deferred() as pending, _Told(self.model, self.total, self.report) as told:

            def after_step(moment: Moment) -> None:
                told.at(moment)
                self._keep(moment, pending)

            return fit(
                net,
                methods.get("ce"),
                self.recipe,
                views,
                seed=seed,
                after_step=after_step,
                resume=resume,
                precision=precision,
            )

    @property
    def late(self) -> bool:
        """Is it past the deadline?"""
        return self.deadline is not None and time.monotonic() > self.deadline

    def _keep(self, moment: Moment, pending: Pending) -> None:
        """Write a checkpoint if it is time to, and where the training is stopped."""
        if not pending and not self.late:
            if time.monotonic() - self.checkpoint.written > CHECKPOINT_EVERY:
                self.checkpoint.write(moment)
            return
        self.checkpoint.write(moment)
        self.report(f"teacher {self.model}: stopped after step {moment.step}, which is kept")
        pending.obey()
        raise OutOfTime("the time budget is used up; the same command goes on")


class _Told:
    """A training's progress, shown each second, or told now and then."""

    def __init__(self, model: str, total: int, report: Callable[[str], None]):
        self.model, self.total, self.report = model, total, report
        self.shown = Meter(f"teacher {model}, steps", total, "step", report, desc=model)
        self.last = time.monotonic()
        self.begun = False

    def __enter__(self) -> "_Told":
        return self

    def __exit__(self, *raised: object) -> None:
        self.shown.__exit__()

    def at(self, moment: Moment) -> None:
        """Tell where the training is, if it is time to."""
        if not self.begun:
            self.begun = True
            self.shown.begin(moment.step - 1)
        now = time.monotonic()
        if now - self.last < (1 if self.shown.visible else REPORT_EVERY):
            return
        self.last = now
        loss = f"loss {moment.loss():.3f}"
        if self.shown.visible:
            self.shown.at(moment.step, loss)
            return
        minutes = self.shown.seconds_left(moment.step) / 60
        self.report(
            f"teacher {self.model}: step {moment.step} of {self.total}, {loss}, "
            f"about {minutes:.1f} min left"
        )
