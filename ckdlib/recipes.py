"""Recipes: the hyperparameters of one training, as data."""

from dataclasses import dataclass, replace

# What early stopping may watch of the validation images: the code watches accuracy, the paper says
# loss.
MONITORS = ("accuracy", "loss")


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of one training; the defaults are the protocol of the published code."""

    schedule: str = "plateau"  # plateau | one_cycle | milestones
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4  # on every parameter
    batch: int = 64  # images (pairs, for methods that draw pairs) a step
    patience: int = 50  # plateau: epochs without improvement that end a stage
    stages: int = 3  # plateau: rates trained at, each a tenth of the one before
    max_epochs: int = 1000  # plateau, milestones: epochs at most
    monitor: str = "accuracy"  # the validation score: one of MONITORS
    steps: int = 0  # one_cycle: optimiser steps
    checks: int = 1  # one_cycle: validations, evenly spaced, the last at the end
    milestones: tuple[int, ...] = ()  # milestones: epochs after which the rate falls tenfold


# Of teachers.
REFERENCE = Recipe(
    schedule="milestones", learning_rate=0.05, max_epochs=240, milestones=(150, 180, 210)
)
FAST = Recipe(schedule="one_cycle", learning_rate=0.1, batch=128, steps=12_000, checks=40)
MEDIUM = replace(FAST, steps=24_000)  # 61 epochs of CIFAR-100
RECIPES = {"reference": REFERENCE, "medium": MEDIUM, "fast": FAST}
