"""Learning-rate schedules: when a training lowers its rate, keeps its weights, rewinds, stops."""

from typing import NamedTuple

from ..errors import choose
from ..recipes import Recipe


class ScheduleSignal(NamedTuple):
    improved: bool = False  # keep these weights as the best
    rewind: bool = False  # go back to the best weights
    stop: bool = False


class Plateau:
    """The protocol: strict improvement of the validation score; `patience` epochs without one end a
    stage.

    Then the best weights return and the rate falls tenfold (momentum and best score stay); `stages`
    plateaus end the run. A round is one epoch.
    """

    def __init__(self, recipe: Recipe, epoch_steps: int):
        self.recipe, self.round_steps = recipe, epoch_steps
        self.best, self.epoch, self.improved_at, self.stage = float("-inf"), 0, 0, 0

    def rate(self, step: int) -> float:
        return self.recipe.learning_rate * 0.1**self.stage

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
    """A fixed number of steps: the rate rises linearly over the first quarter, then falls linearly
    to zero.

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
        self.best = score if improved else self.best  # a score of nan changes nothing
        return ScheduleSignal(improved, stop=self.rounds == self.recipe.checks)


class Milestones:
    """`max_epochs` epochs, the rate a tenth after each milestone; the last weights are kept.

    A round is one epoch.
    """

    def __init__(self, recipe: Recipe, epoch_steps: int):
        self.recipe, self.round_steps, self.epoch_steps, self.epoch = (
            recipe,
            epoch_steps,
            epoch_steps,
            0,
        )

    def rate(self, step: int) -> float:
        passed = sum(step >= milestone * self.epoch_steps for milestone in self.recipe.milestones)
        return self.recipe.learning_rate * 0.1**passed

    def observe(self, score: float) -> ScheduleSignal:
        self.epoch += 1
        return ScheduleSignal(improved=True, stop=self.epoch >= self.recipe.max_epochs)


Schedule = Plateau | OneCycle | Milestones
SCHEDULES: dict[str, type[Plateau] | type[OneCycle] | type[Milestones]] = {
    "plateau": Plateau,
    "one_cycle": OneCycle,
    "milestones": Milestones,
}


def planned_steps(recipe: Recipe, epoch_steps: int) -> int:
    """Optimiser steps of a training, at most."""
    return recipe.steps or recipe.max_epochs * epoch_steps


def start(recipe: Recipe, epoch_steps: int) -> Schedule:
    """The schedule of one training whose epoch has `epoch_steps` steps."""
    choose("schedule", recipe.schedule, SCHEDULES)
    return SCHEDULES[recipe.schedule](recipe, epoch_steps)
