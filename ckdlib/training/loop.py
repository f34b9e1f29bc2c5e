"""The one training loop: students and teachers, on CPU and CUDA, with no data-loading workers.

Each round of steps is drawn on the CPU (images, views, mixing) and moved to the device at once,
so that nothing waits for the device inside a round and the same seed gives the same batches on
every device.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..images import Views
from ..methods import INNER, Method, Problem, mixing_shares, steps_per_epoch
from ..models.network import Network
from ..recipes import Recipe
from ..reproducibility import generator, seeded
from .evaluate import calibrate, validate
from .features import Features
from .graphs import GraphReplay, own_stream
from .schedules import ScheduleSignal, start
from .steps import Round, Steps


@dataclass
class Result:
    """How a training went; the network holds its best weights."""

    status: str  # done | diverged
    best_score: float  # validation score of the kept weights (nan without validation)
    best_step: int
    steps: int
    student_passes: int  # images that went through the student in training, forward and backward
    seconds: float


class Saved(NamedTuple):
    """What a killed training goes on from."""

    rounds: int
    steps: int  # of the round that it was in
    tensors: dict[str, Tensor]  # of network, helpers and optimiser, and the round's summed loss


class Progress(NamedTuple):
    """Where a training is at the end of a round."""

    rounds: int
    steps: int
    loss: float  # mean over the round's steps
    score: float  # of the validation; nan without
    save: Callable[[], Saved]


class Moment(NamedTuple):
    """Where a training is after a step."""

    step: int
    loss: Callable[[], float]  # mean over the round so far; waits for the device
    save: Callable[[], Saved]


def fit(
    net: Network,
    method: Method,
    recipe: Recipe,
    train_views: Views,
    teacher_logits: Tensor | None = None,
    val_views: Views | None = None,
    seed: int = 0,
    after_round: Callable[[Progress], None] | None = None,
    after_step: Callable[[Moment], None] | None = None,
    resume: Saved | None = None,
    features: Features | None = None,
    precision: str = "float32",
) -> Result:
    """Train `net` in place; the best weights by validation stay in it.

    Parameters
    ----------
    net : nn.Module
    method : Method
    recipe : Recipe
    train_views : Views
        Of the N training images.
    teacher_logits : Tensor [n, C], optional
        The kept answers about the first n of them: all, unless the method learns spare labels.
        None for methods that need no teacher.
    val_views : Views, optional
        Scored after each round; without it the schedule sees nan and the last weights stay.
    seed : int
        The order of images, their views and the helpers' draws have generators of their own.
    after_round : callable, optional
        Called at the end of each round; its `save()` gives what `resume` takes.
    after_step : callable, optional
        Called after each step; what it raises ends the training there.
    resume : Saved, optional
        Of a training without validation.
    features : Features, optional
        The teacher's kept maps of the training images, for white-box methods.
    precision : {'float32', 'bfloat16'}
        Of the convolutions; weights, logits and losses are float32 in both.

    Raises
    ------
    ValueError
        If a training with validation is resumed: its past scores are not kept; or if answers lack
        that the method needs.
    """
    if resume and val_views:
        raise ValueError(
            "a training with validation cannot be resumed: its past scores and best weights are "
            "not kept"
        )
    with own_stream(train_views.labels.device):
        training = _Training(
            net, method, recipe, train_views, teacher_logits, val_views, seed, features, precision
        )
        if resume:
            training.go_on_from(resume)
        return training.run(after_round, after_step)


class _Training:
    """One training, round by round."""

    def __init__(
        self,
        net: Network,
        method: Method,
        recipe: Recipe,
        train_views: Views,
        teacher_logits: Tensor | None,
        val_views: Views | None,
        seed: int,
        features: Features | None,
        precision: str,
    ):
        self.started = time.perf_counter()
        device = train_views.labels.device
        bfloat16 = precision == "bfloat16"
        self.train_views = train_views
        asked = len(train_views) if teacher_logits is None else len(teacher_logits)
        if asked != len(train_views) and not method.spare:
            raise ValueError(f"{asked} answers about {len(train_views)} training images")
        if teacher_logits is not None and asked < len(train_views):
            rest = (0, 0, 0, len(train_views) - asked)
            teacher_logits = pad(teacher_logits, rest, value=nan)  # what no term may look at
        self.schedule = start(recipe, steps_per_epoch(asked, recipe.batch))
        self.batch_rng = generator(seed, "order")
        self.view_rng = generator(seed, "views")
        self.steps = Steps(
            net,
            _helpers(method, net, train_views, features, seed),
            method,
            recipe,
            train_views,
            teacher_logits,
            features,
            generator(seed, "helper", device),
            bfloat16,
        )
        labels = train_views.labels.cpu()
        self.sampler = method.batches(labels, recipe.batch, self.batch_rng, asked)
        self.calibration = self.validation = None
        if method.calibrated and teacher_logits is not None:
            self.calibration = GraphReplay(
                lambda _: calibrate(net, train_views, teacher_logits, method.pulls, bfloat16),
                device,
                fixed=net.fixed,
            )
        if val_views is not None:
            self.validation = GraphReplay(
                lambda _: validate(net, val_views, recipe.monitor, bfloat16),
                device,
                fixed=net.fixed,
            )
        self.signal = ScheduleSignal()
        self.rounds = 0
        self.first = 0  # steps of the round that were taken before, in a resumed training
        self.step = 0  # optimiser steps so far
        self.images = 0  # that went through the student
        self.loss = nan

    def run(
        self,
        after_round: Callable[[Progress], None] | None,
        after_step: Callable[[Moment], None] | None,
    ) -> Result:
        """Rounds until the schedule ends them, or the loss is no number any more."""
        modules = self.steps.modules
        best = _state(modules)
        best_score, best_step, status = nan, 0, "done"
        while not self.signal.stop:
            self._round(after_step)
            if not isfinite(self.loss):
                status = "diverged"
                break
            score = self._score()
            self.signal = self.schedule.observe(score)
            if self.signal.improved or self.validation is None:
                best, best_score, best_step = _state(modules), score, self.step
            if self.signal.rewind:
                modules.load_state_dict(best)
            if after_round:
                after_round(Progress(self.rounds, self.step, self.loss, score, self.save))
        modules.load_state_dict(best)
        seconds = time.perf_counter() - self.started
        return Result(status, best_score, best_step, self.step, self.images, seconds)

    def _round(self, after_step: Callable[[Moment], None] | None) -> None:
        def tell(taken: int) -> None:
            if after_step:
                step = self.step + taken
                after_step(Moment(step, lambda: self._mean_loss(taken), lambda: self.save(taken)))

        images, loss = self.steps.take(self._draw(), self.first, tell)
        self.first = 0
        self.images += images
        self.loss = loss.item()
        self._count_round()

    def _count_round(self) -> None:
        self.step += self.schedule.round_steps
        self.rounds += 1

    def _score(self) -> float:
        if self.calibration:
            self.calibration()
        return self.validation().item() if self.validation else nan

    def _draw(self) -> Round:
        """The next round's draws, on the CPU."""
        batches = [next(self.sampler) for _ in range(self.schedule.round_steps)]
        positions = torch.cat([batch.flatten() for batch in batches])
        views = self.train_views.draw(len(positions), self.view_rng)
        lam = mixing_shares(len(batches), self.steps.method.mixing, self.batch_rng)
        rates = [self.schedule.rate(self.step + i) for i in range(len(batches))]
        shapes = [(len(batch), batch.shape[1]) for batch in batches]
        return Round(shapes, positions, views, lam, torch.tensor(rates))

    def _mean_loss(self, taken: int) -> float:
        return self.steps.total.item() / taken

    def save(self, taken: int = 0) -> Saved:
        """What this training could go on from, `taken` steps into its round."""
        tensors = dict(self.steps.modules.state_dict())
        tensors["total_loss"] = self.steps.total
        for i, moment in enumerate(self.steps.moments):
            tensors[f"momentum.{i}"] = moment
        return Saved(self.rounds, taken, {name: value.clone() for name, value in tensors.items()})

    def go_on_from(self, saved: Saved) -> None:
        """Be where `save` was called: weights, momentum and every generator but the helpers'."""
        names = self.steps.modules.state_dict()
        self.steps.modules.load_state_dict({name: saved.tensors[name] for name in names})
        for i, moment in enumerate(self.steps.moments):
            moment.copy_(saved.tensors[f"momentum.{i}"])
        for _ in range(saved.rounds):  # draw what was drawn, so that the next draws are the same
            self.images += len(self._draw().positions)
            self.signal = self.schedule.observe(nan)
            self._count_round()
        self.first = saved.steps
        if saved.steps:
            self.steps.total.copy_(saved.tensors["total_loss"])


def _helpers(
    method: Method, net: Network, train_views: Views, features: Features | None, seed: int
) -> nn.ModuleDict:
    problem = Problem(net.classes, len(train_views), len(train_views.labels.unique()))
    if features is not None:
        with torch.no_grad():
            maps, _ = net.eval().forward_features(train_views.plain(slice(0, 1)))
        shapes = [tuple(level.shape[1:]) for level in maps[INNER]]
        problem = problem._replace(student=shapes, teacher=features.shapes)
    with seeded(seed, "helper weights"):
        return method.helpers(problem).to(train_views.labels.device)


def _state(modules: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in modules.state_dict().items()}
