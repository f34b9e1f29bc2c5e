"""Figures of what `report` computes; a method is drawn the same in each."""

from ...errors import not_installed

try:
    from . import claims
    from .budget import budget
    from .calls import calls_saved, saving_curves
    from .curves import accuracy_curves, history
    from .dots import comparisons, differences, dots, flatness
    from .forecasts import coverage, forecasts
    from .printed import printed
    from .singular_values import spectra
    from .style import ordered, pooled, save, style
    from .tour import class_accuracy, comparison, offset_blindness, teacher_calls
    from .trials import equal_tuning, trials
except ModuleNotFoundError as error:
    raise not_installed(error.name, "figures", "report") from None

__all__ = [
    "accuracy_curves",
    "budget",
    "calls_saved",
    "claims",
    "class_accuracy",
    "comparison",
    "comparisons",
    "coverage",
    "differences",
    "dots",
    "equal_tuning",
    "flatness",
    "forecasts",
    "history",
    "offset_blindness",
    "ordered",
    "pooled",
    "printed",
    "save",
    "saving_curves",
    "spectra",
    "style",
    "teacher_calls",
    "trials",
]
