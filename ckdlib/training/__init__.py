"""The one training loop, its recipes, steps and scores."""
from .evaluate import calibrate, predict, validate
from .loop import Progress, Result, fit
from .recipes import FAST, RECIPES, REFERENCE, Recipe

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
