"""Figures of what `report` computes; a method is drawn the same in each."""

from ...errors import not_installed

try:
    from . import claims
    from .curves import accuracy_curves, calls_saved, differences, dots, history
    from .singular_values import spectra
    from .style import ordered, save, style
    from .tour import class_accuracy, comparison, offset_blindness, teacher_calls
except ModuleNotFoundError as error:
    raise not_installed(error.name, "figures", "report") from None

__all__ = [
    "accuracy_curves",
    "calls_saved",
    "claims",
    "class_accuracy",
    "comparison",
    "differences",
    "dots",
    "history",
    "offset_blindness",
    "ordered",
    "save",
    "spectra",
    "style",
    "teacher_calls",
]
