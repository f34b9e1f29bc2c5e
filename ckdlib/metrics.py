"""What logits tell beside accuracy: singular values (Figure 5), class correlations (Table 3).

Logits are [N, C], test images by classes: arrays, or tensors on the CPU.
"""

import numpy as np
from numpy.typing import ArrayLike

DRAWS = 50  # of test images, for Table 3; the same for every student
DRAWN = 100  # images a draw, as in section 6.2


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
