"""Distillation from a stronger teacher (DIST)."""

from torch import Tensor
from torch.nn.functional import softmax


def dist(
    student_logits: Tensor,
    teacher_logits: Tensor,
    beta: float = 1.0,
    gamma: float = 1.0,
    temperature: float = 4.0,
) -> Tensor:
    """T^2 times one minus the Pearson correlation of softened rows and of softened columns.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor [B, C]
    beta : float
        Weight of the rows: relations between the classes of an image.
    gamma : float
        Weight of the columns: relations between the images of a class.
    temperature : float
        T, by which both logits are divided.

    Returns
    -------
    Tensor
        0-d, the mean over rows and over columns.

    References
    ----------
    Huang, You, Wang, Qian, Xu 2022, https://arxiv.org/abs/2205.10536
    """
    student = softmax(student_logits / temperature, 1)
    teacher = softmax(teacher_logits / temperature, 1)
    rows = 1 - _correlation(student, teacher).mean()
    columns = 1 - _correlation(student.mT, teacher.mT).mean()
    return temperature**2 * (beta * rows + gamma * columns)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a = a - a.mean(1, keepdim=True)
    b = b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-8)
