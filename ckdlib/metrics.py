"""What test logits tell beside accuracy: singular values (Figure 5), class correlations (Table 3),
the free offset.

A measure is taken once, when a student is done, and kept beside its row, so that analysis needs no
logits. Logits are [N, C]: test images by classes.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from .records import Measures
from .reproducibility import generator

DRAWS = 50  # of test images, for Table 3; the same for every student
DRAWN = 100  # images a draw, as in section 6.2


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


def singular_values(logits: ArrayLike) -> np.ndarray:
    """Singular values of logits, largest first.

    Parameters
    ----------
    logits : array [N, C]

    Returns
    -------
    array [min(N, C)]

    References
    ----------
    CKD, section 6.2, https://arxiv.org/abs/2311.02253
    """
    return np.linalg.svd(np.asarray(logits, np.float64), compute_uv=False)


def class_singular_values(logits: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """The mean over classes of the singular values of the logits of one class's images.

    A class of fewer than C images counts zeros for the rest.

    Parameters
    ----------
    logits : array [N, C]
    labels : array [N]

    Returns
    -------
    array [C]

    References
    ----------
    Verma et al. 2019, the analysis that CKD, section 6.2, cites
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    curves = np.zeros((len(present := np.unique(labels)), logits.shape[1]))
    for curve, label in zip(curves, present, strict=True):
        values = singular_values(logits[labels == label])
        curve[: len(values)] = values
    return curves.mean(0)


def effective_rank(values: ArrayLike) -> float:
    """exp of the entropy of singular values divided by their sum: 1 to their number.

    References
    ----------
    Roy and Vetterli, The effective rank, EUSIPCO 2007
    """
    share = np.asarray(values, float) / np.sum(values)
    return float(np.exp(-(share * np.log(np.where(share > 0, share, 1))).sum()))


def correlation_gap(student_logits: ArrayLike, teacher_logits: ArrayLike) -> float:
    """Table 3: the mean over all C^2 entries of |corr(student) - corr(teacher)|, of classes.

    Parameters
    ----------
    student_logits, teacher_logits : array [N, C]
        Of the same images.

    Returns
    -------
    float
        nan if a class has no variance.

    Raises
    ------
    ValueError
        If the shapes differ, or are not [N, C].

    References
    ----------
    CKD, section 6.2, https://arxiv.org/abs/2311.02253
    """
    student, teacher = (np.asarray(logits, float) for logits in (student_logits, teacher_logits))
    if student.shape != teacher.shape or student.ndim != 2:
        raise ValueError(f"logits {student.shape} and {teacher.shape} must both be [N, C]")
    if not (np.ptp(student, axis=0).all() and np.ptp(teacher, axis=0).all()):
        return float("nan")
    return float(np.abs(np.corrcoef(student.T) - np.corrcoef(teacher.T)).mean())


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
