"""Figures of what `report` computes; a method is drawn the same in each."""

from ...errors import not_installed

try:
    from . import claims
    from .budget import budget
    from .curves import accuracy_curves, calls_saved, differences, dots, history
    from .forecasts import coverage, forecasts
    from .singular_values import spectra
    from .style import ordered, pooled, save, style
    from .tour import class_accuracy, comparison, offset_blindness, teacher_calls
except ModuleNotFoundError as error:
    raise not_installed(error.name, "figures", "report") from None

__all__ = [
    "accuracy_curves",
    "budget",
    "calls_saved",
    "claims",
    "class_accuracy",
    "comparison",
    "coverage",
    "differences",
    "dots",
    "forecasts",
    "history",
    "offset_blindness",
    "ordered",
    "pooled",
    "save",
    "spectra",
    "style",
    "teacher_calls",
]
