"""The one training loop: students and teachers, on CPU and CUDA, with no data-loading workers.

Each round of steps is planned on the CPU (images, views, mixing) and moved to the device at once,
so that nothing waits for the device inside a round and the same seed gives the same batches on
every device.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..images import Views
from ..methods import INNER, Method, Problem, steps_per_epoch
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
    """What a killed training goes on from: rounds done, and every tensor of network, helper and
    optimiser.
    """

    rounds: int
    tensors: dict[str, Tensor]


class Progress(NamedTuple):
    """Where a training is at the end of a round."""

    rounds: int
    steps: int
    loss: float  # mean over the round's steps
    score: float  # of the validation; nan without
    save: Callable[[], Saved]


def fit(
    net: nn.Module,
    method: Method,
    recipe: Recipe,
    train: Views,
    teacher: Tensor | None = None,
    validation: Views | None = None,
    seed: int = 0,
    after_round: Callable[[Progress], None] | None = None,
    resume: Saved | None = None,
    features: Features | None = None,
    precision: str = "float32",
) -> Result:
    """Train `net` in place on the images of `train` and return how it went; the best weights by
    validation stay in it.

    teacher: [N, C] the kept logits of the N training images; None for methods that ask no teacher.
    validation: scored after each round; without it the schedule sees nan and the last weights stay.
    after_round: called at the end of each round; its `save()` gives what `resume` takes, of a
    training without validation (ValueError with one: past scores are not kept). features: the
    teacher's kept maps of the N training images, for white-box methods. precision: of the
    convolutions, 'float32' or 'bfloat16'; weights, logits and losses are float32 in both. Seeds:
    the order of images, their views and the helper's draws have generators of their own, from
    `seed`.
    """
    if resume and validation:
        raise ValueError(
            "a training with validation cannot be resumed: its past scores and best weights are "
            "not kept"
        )
    with own_stream(train.labels.device):
        return _fit(
            net,
            method,
            recipe,
            train,
            teacher,
            validation,
            seed,
            after_round,
            resume,
            features,
            precision,
        )


def _fit(
    net, method, recipe, train, teacher, validation, seed, after_round, resume, features, precision
) -> Result:
    started = time.perf_counter()
    device, bfloat16 = train.labels.device, precision == "bfloat16"
    schedule = start(recipe, steps_per_epoch(len(train), recipe.batch))
    order, looks, chance = (
        generator(seed, "order"),
        generator(seed, "views"),
        generator(seed, "helper", device),
    )
    steps = Steps(
        net,
        _helpers(method, net, train, features, seed),
        method,
        recipe,
        train,
        teacher,
        features,
        chance,
        bfloat16,
    )
    modules, moments = (
        steps.modules,
        [state["momentum_buffer"] for state in steps.optimiser.state.values()],
    )
    sampler = method.sampler(train.labels.cpu(), recipe.batch, order)
    step, rounds, images, best_step = 0, 0, 0, 0
    best_score, status, verdict = float("nan"), "done", ScheduleSignal()
    calibration = GraphReplay(lambda _: calibrate(net, train, teacher, bfloat16), device)
    validating = GraphReplay(lambda _: validate(net, validation, recipe.monitor, bfloat16), device)

    def plan() -> Round:
        batches = [next(sampler) for _ in range(schedule.round_steps)]
        shapes = [tuple(batch.shape) for batch in batches]
        views = train.draw(sum(batch.numel() for batch in batches), looks)
        mixing = torch.rand(len(batches), generator=order)
        rates = torch.tensor([schedule.rate(step + i) for i in range(len(batches))])
        return Round(
            shapes, torch.cat([batch.flatten() for batch in batches]), views, mixing, rates
        )

    def saved() -> Saved:
        tensors = modules.state_dict() | {
            f"momentum.{i}": moment for i, moment in enumerate(moments)
        }
        return Saved(rounds, {name: value.clone() for name, value in tensors.items()})

    if resume:
        modules.load_state_dict(
            {k: v for k, v in resume.tensors.items() if not k.startswith("momentum.")}
        )
        for i, moment in enumerate(moments):
            moment.copy_(resume.tensors[f"momentum.{i}"])
        for _ in range(
            resume.rounds
        ):  # the draws of the rounds that are done, so that the next are the same
            images += len(plan().index)
            verdict = schedule.observe(float("nan"))
            step, rounds = step + schedule.round_steps, rounds + 1
    best = _state(modules)

    while not verdict.stop:
        shown, loss = steps.take(plan())
        step, rounds, images, loss = (
            step + schedule.round_steps,
            rounds + 1,
            images + shown,
            loss.item(),
        )
        if not isfinite(loss):
            status = "diverged"
            break
        if method.calibrated:
            calibration()
        score = validating().item() if validation else float("nan")
        verdict = schedule.observe(score)
        if verdict.improved or validation is None:
            best, best_score, best_step = _state(modules), score, step
        if verdict.rewind:
            modules.load_state_dict(best)
        if after_round:
            after_round(Progress(rounds, step, loss, score, saved))
    modules.load_state_dict(best)
    return Result(status, best_score, best_step, step, images, time.perf_counter() - started)


def _helpers(
    method: Method, net: nn.Module, train: Views, features: Features | None, seed: int
) -> nn.ModuleDict:
    problem = Problem(net.head.out_features, len(train), len(train.labels.unique()))
    if method.white_box:
        with torch.no_grad():
            maps = net.eval().forward_features(train.plain(slice(0, 1)))[0][INNER]
        problem = problem._replace(
            student=[tuple(level.shape[1:]) for level in maps], teacher=features.shapes
        )
    with seeded(seed, "helper weights"):
        return method.helpers(problem).to(train.labels.device)


def _state(modules: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in modules.state_dict().items()}
