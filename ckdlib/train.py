"""The one training loop: students and teachers, on CPU and CUDA, with no data-loading workers.

Each round of steps is planned on the CPU (images, views, mixing) and moved to the device at once, so that nothing
waits for the device inside a round and the same seed gives the same batches on every device.
"""
import time
from dataclasses import dataclass
from typing import Callable, NamedTuple

import torch
from torch import Tensor, nn

from . import losses
from .data import Views
from .errors import choose
from .files import generator
from .ledger import Features
from .methods import INNER, Batch, Method, Problem, steps_per_epoch

TARGET_WEIGHTS = (1.0, 1.0)              # labels, teacher: the mean target of the calibration, as in the CKD loss


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of one training; the defaults are the protocol of the published code."""
    schedule: str = "plateau"            # plateau | one_cycle | milestones
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4           # on every parameter
    batch: int = 64                      # images (pairs, for methods that draw pairs) a step
    patience: int = 50                   # plateau: epochs without improvement that end a stage
    stages: int = 3                      # plateau: rates trained at, each a tenth of the one before
    max_epochs: int = 1000               # plateau, milestones: epochs at most
    monitor: str = "accuracy"            # plateau: validation 'accuracy', or 'loss' as the paper says
    steps: int = 0                       # one_cycle: optimiser steps
    checks: int = 1                      # one_cycle: validations, evenly spaced, the last at the end
    milestones: tuple[int, ...] = ()     # milestones: epochs after which the rate falls tenfold

    def start(self, epoch_steps: int) -> "Plateau | OneCycle | Milestones":
        """The schedule of one run whose epoch has `epoch_steps` steps."""
        choose("schedule", self.schedule, SCHEDULES)
        return SCHEDULES[self.schedule](self, epoch_steps)


class Verdict(NamedTuple):
    improved: bool = False               # keep these weights as the best
    rewind: bool = False                 # go back to the best weights
    stop: bool = False


class Plateau:
    """The protocol: strict improvement of the validation score; `patience` epochs without one end a stage.

    Then the best weights return and the rate falls tenfold (momentum and best score stay); `stages` plateaus end the
    run. A round is one epoch.
    """

    def __init__(self, recipe: Recipe, epoch_steps: int):
        self.recipe, self.round_steps = recipe, epoch_steps
        self.best, self.epoch, self.improved_at, self.stage = float("-inf"), 0, 0, 0

    def rate(self, step: int) -> float:
        return self.recipe.learning_rate * 0.1 ** self.stage

    def observe(self, score: float) -> Verdict:
        self.epoch += 1
        improved = score > self.best
        if improved:
            self.best, self.improved_at = score, self.epoch
        ended = self.epoch - self.improved_at >= self.recipe.patience
        if ended:
            self.stage += 1
            self.improved_at = self.epoch
        stop = self.stage == self.recipe.stages or self.epoch == self.recipe.max_epochs
        return Verdict(improved, rewind=ended, stop=stop)


class OneCycle:
    """A fixed number of steps: the rate rises linearly over the first quarter, then falls linearly to zero.

    The best of `checks` evenly spaced validations is kept, the later of two equal ones.
    """

    def __init__(self, recipe: Recipe, epoch_steps: int):
        if recipe.steps < 1 or recipe.steps % recipe.checks:
            raise ValueError(f"{recipe.checks} checks do not divide {recipe.steps} steps")
        self.recipe, self.round_steps = recipe, recipe.steps // recipe.checks
        self.best, self.rounds = float("-inf"), 0

    def rate(self, step: int) -> float:
        done = (step + 1) / self.recipe.steps
        return self.recipe.learning_rate * min(done / 0.25, (1 - done) / 0.75)

    def observe(self, score: float) -> Verdict:
        self.rounds += 1
        improved = score >= self.best
        self.best = max(score, self.best)
        return Verdict(improved, stop=self.rounds == self.recipe.checks)


class Milestones:
    """`max_epochs` epochs, the rate a tenth after each milestone; the last weights are kept. A round is one epoch."""

    def __init__(self, recipe: Recipe, epoch_steps: int):
        self.recipe, self.round_steps, self.epoch_steps, self.epoch = recipe, epoch_steps, epoch_steps, 0

    def rate(self, step: int) -> float:
        passed = sum(step >= milestone * self.epoch_steps for milestone in self.recipe.milestones)
        return self.recipe.learning_rate * 0.1 ** passed

    def observe(self, score: float) -> Verdict:
        self.epoch += 1
        return Verdict(stop=self.epoch >= self.recipe.max_epochs)


SCHEDULES = {"plateau": Plateau, "one_cycle": OneCycle, "milestones": Milestones}


@dataclass
class Result:
    """How a training went; the network holds its best weights."""
    status: str                          # done | diverged
    best_score: float                    # validation score of the kept weights (nan without validation)
    best_step: int
    steps: int
    student_passes: int                  # images that went through the student in training, forward and backward
    seconds: float


class Saved(NamedTuple):
    """What a killed training goes on from: rounds done, and every tensor of network, helper and optimiser."""
    rounds: int
    tensors: dict[str, Tensor]


AfterRound = Callable[[int, float, Callable[[], Saved]], None]


def fit(net: nn.Module, method: Method, recipe: Recipe, train: Views, teacher: Tensor | None = None,
        validation: Views | None = None, seed: int = 0, after_round: AfterRound | None = None,
        resume: Saved | None = None, features: Features | None = None) -> Result:
    """Train `net` in place on the images of `train` and return how it went; the best weights by validation stay in it.

    teacher: [N, C] the kept logits of the N training images; None for methods that ask no teacher.
    validation: scored after each round; without it the schedule sees nan and the last weights stay.
    after_round(rounds, score, save): called at the end of each round; save() gives what `resume` takes.
    features: the teacher's kept maps of the N training images, for white-box methods.
    Seeds: the order of images, their views and the helper's draws have generators of their own, from `seed`.
    """
    started = time.perf_counter()
    device = train.labels.device
    schedule = recipe.start(steps_per_epoch(len(train), recipe.batch))
    helpers = _helpers(method, net, train, features, seed)
    modules = nn.ModuleDict({"net": net, "helpers": helpers})
    optimiser = torch.optim.SGD(modules.parameters(), recipe.learning_rate, recipe.momentum,
                                weight_decay=recipe.weight_decay, fused=True)
    order, looks, chance = generator(seed, "order"), generator(seed, "views"), generator(seed, "helper", device)
    sampler = method.sampler(train.labels.cpu(), recipe.batch, order)
    step, rounds, images, best_step, best = 0, 0, 0, 0, _state(modules)
    best_score, status, verdict = float("nan"), "done", Verdict()

    def plan() -> tuple[list[Tensor], list[Tensor], Tensor]:
        batches = [next(sampler) for _ in range(schedule.round_steps)]
        sizes = [batch.numel() for batch in batches]
        views = train.draw(sum(sizes), looks)
        mixing = torch.rand(len(batches), generator=order).to(device, non_blocking=True)
        flat = torch.cat([batch.flatten() for batch in batches]).to(device, non_blocking=True)
        shapes = [batch.shape for batch in batches]
        return ([part.view(shape) for part, shape in zip(flat.split(sizes), shapes)],
                list(views.to(device, non_blocking=True).split(sizes)), mixing)

    def saved() -> Saved:
        moments = {f"momentum.{i}": optimiser.state[p]["momentum_buffer"] for i, p in enumerate(modules.parameters())}
        return Saved(rounds, {name: value.clone() for name, value in (modules.state_dict() | moments).items()})

    if resume:
        modules.load_state_dict({k: v for k, v in resume.tensors.items() if not k.startswith("momentum.")})
        for i, parameter in enumerate(modules.parameters()):
            moment = torch.empty_like(parameter)         # in the parameter's memory format, which `fused` relies on
            optimiser.state[parameter]["momentum_buffer"] = moment.copy_(resume.tensors[f"momentum.{i}"])
        for _ in range(resume.rounds):   # the draws of the rounds that are done, so that the next are the same
            images += sum(batch.numel() for batch in plan()[0])
            verdict = schedule.observe(float("nan"))
            step, rounds = step + schedule.round_steps, rounds + 1

    while not verdict.stop:
        modules.train()
        total = torch.zeros((), device=device)
        for index, views, mixing in zip(*plan()):
            optimiser.param_groups[0]["lr"] = schedule.rate(step)
            inputs = train.random(index.flatten(), views).split(index.shape[1])
            logits, maps = method.forward(net, list(inputs), mixing)
            batch = Batch(index, train.labels[index], None if teacher is None else teacher[index], logits, mixing,
                          train.labels, helpers, chance, maps, features[index] if method.white_box else ())
            loss = sum(method.loss(batch).values())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach()
            step, images = step + 1, images + logits.shape[0] * logits.shape[1]
        rounds += 1
        if not torch.isfinite(total):
            status = "diverged"
            break
        if method.calibrated:
            calibrate(net, train, teacher)
        score = validate(net, validation, recipe.monitor) if validation else float("nan")
        verdict = schedule.observe(score)
        if verdict.improved or validation is None:
            best, best_score, best_step = _state(modules), score, step
        if verdict.rewind:
            modules.load_state_dict(best)
        if after_round:
            after_round(rounds, score, saved)
    modules.load_state_dict(best)
    return Result(status, best_score, best_step, step, images, time.perf_counter() - started)


def _helpers(method: Method, net: nn.Module, train: Views, features: Features | None, seed: int) -> nn.ModuleDict:
    problem = Problem(net.head.out_features, len(train))
    if method.white_box:
        with torch.no_grad():
            maps = net.eval().forward_features(train.plain(slice(0, 1)))[0][INNER]
        problem = problem._replace(student=[tuple(level.shape[1:]) for level in maps], teacher=features.shapes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator(seed, "helper weights").initial_seed())
        return method.helpers(problem).to(train.labels.device)


def _state(modules: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in modules.state_dict().items()}


@torch.no_grad()
def predict(net: nn.Module, views: Views, batch: int = 500) -> Tensor:
    """[N, C] evaluation-mode logits of all images under the evaluation view."""
    net.eval()
    return torch.cat([net(views.plain(slice(start, start + batch))) for start in range(0, len(views), batch)])


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Top-1 accuracy in per cent of logits [N, C]."""
    return 100 * (logits.argmax(1) == labels).float().mean().item()


def validate(net: nn.Module, views: Views, monitor: str = "accuracy") -> float:
    """Validation score, larger is better: top-1 accuracy in per cent, or minus the cross-entropy."""
    choose("monitor", monitor, ["accuracy", "loss"])
    logits = predict(net, views)
    if monitor == "loss":
        return -nn.functional.cross_entropy(logits, views.labels).item()
    return accuracy(logits, views.labels)


@torch.no_grad()
def calibrate(net: nn.Module, train: Views, teacher: Tensor) -> None:
    """Shift the classifier's bias so that the mean error over the training images is zero; no teacher call."""
    target = losses.joint_target(train.labels, teacher, *TARGET_WEIGHTS)
    net.head.bias += losses.calibration_offset(predict(net, train), target)
