"""The one training loop, its schedules, steps and scores."""

from ..recipes import FAST, RECIPES, REFERENCE, Recipe
from .evaluate import calibrate, predict, validate
from .loop import Progress, Result, fit

__all__ = [
    "FAST",
    "RECIPES",
    "REFERENCE",
    "Progress",
    "Recipe",
    "Result",
    "calibrate",
    "fit",
    "predict",
    "validate",
]
