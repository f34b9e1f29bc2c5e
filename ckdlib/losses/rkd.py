"""Relational knowledge distillation."""

import torch
from torch import Tensor
from torch.nn.functional import normalize, smooth_l1_loss


def rkd(
    student_logits: Tensor,
    teacher_logits: Tensor,
    distance_weight: float = 25.0,
    angle_weight: float = 50.0,
) -> Tensor:
    """Distances of all pairs and angles of all triples of a batch, smooth L1.

    Distances are divided by the mean of the network's positive ones; both terms are means over all
    entries.

    Parameters
    ----------
    student_logits, teacher_logits : Tensor [B, C]
    distance_weight, angle_weight : float

    Returns
    -------
    Tensor
        0-d.

    References
    ----------
    Park, Kim, Lu, Cho 2019, https://arxiv.org/abs/1904.05068
    """
    distances = smooth_l1_loss(_distances(student_logits), _distances(teacher_logits))
    angles = smooth_l1_loss(_angles(student_logits), _angles(teacher_logits))
    return distance_weight * distances + angle_weight * angles


def _distances(x: Tensor) -> Tensor:
    squares = (x[:, None] - x[None]).square().sum(2)
    apart = squares > 0
    # no infinite gradient where rows coincide
    distances = torch.where(apart, squares.where(apart, 1).sqrt(), 0)
    mean = distances.sum() / apart.sum().clamp(min=1)
    return distances / mean.clamp(min=1e-12)


def _angles(x: Tensor) -> Tensor:
    directions = normalize(x[None] - x[:, None], dim=2)
    return directions @ directions.mT
