"""Recipes and their learning-rate schedules: when a training lowers its rate, keeps its weights, rewinds, stops."""
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import choose

MONITORS = ("accuracy", "loss")          # of the validation images; the code watches accuracy, the paper says loss


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
    monitor: str = "accuracy"            # the validation score: one of MONITORS
    steps: int = 0                       # one_cycle: optimiser steps
    checks: int = 1                      # one_cycle: validations, evenly spaced, the last at the end
    milestones: tuple[int, ...] = ()     # milestones: epochs after which the rate falls tenfold

    def start(self, epoch_steps: int) -> "Plateau | OneCycle | Milestones":
        """The schedule of one run whose epoch has `epoch_steps` steps."""
        choose("schedule", self.schedule, SCHEDULES)
        return SCHEDULES[self.schedule](self, epoch_steps)


class ScheduleSignal(NamedTuple):
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

    def observe(self, score: float) -> ScheduleSignal:
        self.epoch += 1
        improved = score > self.best
        if improved:
            self.best, self.improved_at = score, self.epoch
        ended = self.epoch - self.improved_at >= self.recipe.patience
        if ended:
            self.stage += 1
            self.improved_at = self.epoch
        stop = self.stage == self.recipe.stages or self.epoch == self.recipe.max_epochs
        return ScheduleSignal(improved, rewind=ended, stop=stop)


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

    def observe(self, score: float) -> ScheduleSignal:
        self.rounds += 1
        improved = score >= self.best
        self.best = max(score, self.best)
        return ScheduleSignal(improved, stop=self.rounds == self.recipe.checks)


class Milestones:
    """`max_epochs` epochs, the rate a tenth after each milestone; the last weights are kept. A round is one epoch."""

    def __init__(self, recipe: Recipe, epoch_steps: int):
        self.recipe, self.round_steps, self.epoch_steps, self.epoch = recipe, epoch_steps, epoch_steps, 0

    def rate(self, step: int) -> float:
        passed = sum(step >= milestone * self.epoch_steps for milestone in self.recipe.milestones)
        return self.recipe.learning_rate * 0.1 ** passed

    def observe(self, score: float) -> ScheduleSignal:
        self.epoch += 1
        return ScheduleSignal(stop=self.epoch >= self.recipe.max_epochs)


SCHEDULES = {"plateau": Plateau, "one_cycle": OneCycle, "milestones": Milestones}

# Of teachers.
REFERENCE = Recipe(schedule="milestones", learning_rate=0.05, max_epochs=240, milestones=(150, 180, 210))
FAST = Recipe(schedule="one_cycle", learning_rate=0.1, batch=128, steps=12_000, checks=40)
RECIPES = {"reference": REFERENCE, "fast": FAST}
