"""Frames -> what they answer, in sentences: the first thing on every page.

Every number comes from rows; one function a page.
"""

from .of_calls import spare_labels, which_images, without_labels
from .of_ours import fewer_calls, learning_curve, protocol
from .of_paper import (
    black_box,
    correlations,
    dimensionality,
    flatness,
    large_n,
    printed,
    verdict,
    white_box,
)
from .of_tuning import equal_tuning, long_schedule

__all__ = [
    "black_box",
    "correlations",
    "dimensionality",
    "equal_tuning",
    "fewer_calls",
    "flatness",
    "large_n",
    "learning_curve",
    "long_schedule",
    "printed",
    "protocol",
    "spare_labels",
    "verdict",
    "which_images",
    "white_box",
    "without_labels",
]
