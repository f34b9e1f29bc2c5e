"""What is measured of a student, once, when it is done: kept beside its row, so that analysis needs
no logits.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from .metrics import DRAWN, DRAWS, class_singular_values, correlation_gap, singular_values
from .records import Measures
from .reproducibility import generator


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Top-1 accuracy in per cent.

    Parameters
    ----------
    logits : Tensor [N, C]
    labels : Tensor [N]

    Returns
    -------
    Tensor
        0-d.
    """
    return 100 * (logits.argmax(1) == labels).float().mean()


def correlation_draws(images: int) -> Tensor:
    """Random draws of test images, the same for every student.

    Parameters
    ----------
    images : int
        How many there are to draw from.

    Returns
    -------
    Tensor [DRAWS, at most DRAWN]
        Indices, none twice in a draw.
    """
    random = generator(0, "correlation draws")
    return torch.stack([torch.randperm(images, generator=random)[:DRAWN] for _ in range(DRAWS)])


def measure(
    run: str,
    logits: Tensor,
    labels: Tensor,
    teacher: Tensor | None = None,
    offset: Tensor | None = None,
) -> Measures:
    """One line of measures, plain numbers of five digits.

    Parameters
    ----------
    run : str
    logits : Tensor [N, C]
    labels : Tensor [N]
    teacher : Tensor [N, C], optional
        Its logits of the same images, for `correlation_gaps` (a draw each; None where a class has
        no variance).
    offset : Tensor [C], optional
        What calibration would add to the logits, for the calibrated curve and accuracy.
    """
    logits, labels = logits.cpu().double(), labels.cpu()
    line: Measures = {
        "run": run,
        "raw": _digits(singular_values(logits)),
        "centred": _digits(singular_values(logits - logits.mean(0))),
        "by_class": _digits(class_singular_values(logits, labels)),
    }
    if offset is not None:
        shifted = logits + offset.cpu().double()
        right = (shifted.argmax(1) == labels).double().mean()
        line["calibrated"] = _digits(singular_values(shifted))
        line["offset"], line["calibrated_accuracy"] = _digits([offset.norm(), 100 * right])
    if teacher is not None:
        answers = teacher.cpu().double()
        draws = correlation_draws(len(logits))
        line["correlation_gaps"] = _digits(correlation_gap(logits[d], answers[d]) for d in draws)
    return line


def _digits(values: Iterable[float | Tensor]) -> list[float | None]:
    numbers = map(float, values)
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in numbers]
