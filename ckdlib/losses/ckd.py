"""Comparative knowledge distillation, its control without comparisons, and the offset between.

With e = s - t, the mean over all ordered pairs of ((s_i - s_j) - (t_i - t_j))^2 is
2 / ((B-1) C) sum_i |e_i - mean e|^2: all pairs of a batch cost what a squared error costs, and a
constant vector that is added to all logits is not seen.
"""

from torch import Tensor
from torch.nn.functional import one_hot


def ckd(student_logits: Tensor, target: Tensor) -> Tensor:
    """Squared error of all comparisons: the mean over ordered pairs i != j and over C.

    Parameters
    ----------
    student_logits : Tensor [B, C]
    target : Tensor [B, C]
        The teacher's logits, or one-hot labels.

    Returns
    -------
    Tensor
        0-d, in closed form (see the top of this file).

    Raises
    ------
    ValueError
        If there is no pair (B < 2).

    References
    ----------
    CKD, Equation 2, https://arxiv.org/abs/2311.02253
    """
    error = student_logits - target
    if len(error) < 2:
        raise ValueError(f"a batch of {len(error)} holds no pair of images; at least 2 are needed")
    return 2 * error.var(0).mean()


def mse(student_logits: Tensor, target: Tensor) -> Tensor:
    """2 / ((B-1) C) sum_i |s_i - t_i|^2: squared error on the scale of `ckd`, no comparisons.

    The study's control: mse - ckd = 2B / ((B-1) C) |mean e|^2.

    Parameters
    ----------
    student_logits : Tensor [B, C]
    target : Tensor [B, C]
        The teacher's logits, or one-hot labels.

    Returns
    -------
    Tensor
        0-d.

    Raises
    ------
    ValueError
        If B < 2.
    """
    count, classes = student_logits.shape
    if count < 2:
        raise ValueError(f"a batch of {count} has no `ckd` to be on the scale of; give 2 or more")
    return 2 / ((count - 1) * classes) * (student_logits - target).square().sum()


def ckd_pairs(student_i: Tensor, student_j: Tensor, target_i: Tensor, target_j: Tensor) -> Tensor:
    """The mean of ((s_i - s_j) - (t_i - t_j))^2 over given pairs.

    Parameters
    ----------
    student_i, student_j, target_i, target_j : Tensor [P, C]
        Logits, or one-hot labels, of the first and the second image of each pair.

    Returns
    -------
    Tensor
        0-d.

    References
    ----------
    CKD, Equation 2, https://arxiv.org/abs/2311.02253, as the published code samples it
    """
    return ((student_i - student_j) - (target_i - target_j)).square().mean()


def pooled_ckd(student_logits: Tensor, target: Tensor, dims: int) -> Tensor:
    """RKD_d: `ckd` on comparisons that are average-pooled from C to `dims` numbers.

    Pooling is linear, so the errors are pooled, not the pairs.

    Parameters
    ----------
    student_logits, target : Tensor [B, C]
    dims : int
        d, a divisor of C.

    Returns
    -------
    Tensor
        0-d.

    Raises
    ------
    ValueError
        If `dims` does not divide C, or B < 2.

    References
    ----------
    CKD, Equation 6, https://arxiv.org/abs/2311.02253
    """
    classes = student_logits.shape[1]
    if dims < 1 or classes % dims:
        raise ValueError(f"dims = {dims} does not divide {classes} classes; choose a divisor")
    pool = (-1, dims, classes // dims)
    return ckd(student_logits.reshape(pool).mean(2), target.reshape(pool).mean(2))


def joint_target(
    labels: Tensor, teacher_logits: Tensor, label_weight: float = 1.0, teacher_weight: float = 1.0
) -> Tensor:
    """What the two squared errors of CKD together pull towards: (w_y onehot(y) + w_z z) / sum w.

    Parameters
    ----------
    labels : Tensor [B]
    teacher_logits : Tensor [B, C]
    label_weight, teacher_weight : float

    Returns
    -------
    Tensor [B, C]
    """
    hot = one_hot(labels, teacher_logits.shape[1]).to(teacher_logits.dtype)
    return (label_weight * hot + teacher_weight * teacher_logits) / (label_weight + teacher_weight)


def calibration_offset(student_logits: Tensor, target: Tensor) -> Tensor:
    """The constant that, added to the logits, minimises `mse`: mean(target) - mean(student).

    Parameters
    ----------
    student_logits, target : Tensor [N, C]

    Returns
    -------
    Tensor [C]
        `ckd` does not see it.
    """
    return target.mean(0) - student_logits.mean(0)
