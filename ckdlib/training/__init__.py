"""The one training loop, its schedules, steps and scores."""

from ..recipes import FAST, RECIPES, REFERENCE, Recipe
from .evaluate import calibrate, predict, validate
from .loop import Moment, Progress, Result, fit
from .selfcheck import check_device

__all__ = [
    "FAST",
    "RECIPES",
    "REFERENCE",
    "Moment",
    "Progress",
    "Recipe",
    "Result",
    "calibrate",
    "check_device",
    "fit",
    "predict",
    "validate",
]
