"""Hints: what a student's feature maps learn from a teacher's."""

from itertools import pairwise
from math import expm1, log

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, mse_loss, relu, softplus

from ..errors import InputError


class FitNets(nn.Module):
    """A hint: squared error of the teacher's feature map and the student's through a regressor.

    The regressor is a convolution that takes one size to the other (stride 2 to halve, transposed
    to double, else unpadded), then batch norm and ReLU, so it is never negative.

    Parameters
    ----------
    student, teacher : tuple of int
        Shapes [C, H, W] of the maps.

    Raises
    ------
    InputError
        If the student's map is smaller than the teacher's and not half of it.

    References
    ----------
    Romero et al. 2015, https://arxiv.org/abs/1412.6550
    """

    def __init__(self, student: tuple[int, ...], teacher: tuple[int, ...]):
        super().__init__()
        (inputs, side, _), (outputs, wanted, _) = student, teacher
        if side == 2 * wanted:
            self.conv: nn.Module = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        elif 2 * side == wanted:
            self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
        elif side >= wanted:
            self.conv = nn.Conv2d(inputs, outputs, 1 + side - wanted)
        else:
            raise InputError(
                f"a student's map of {side}x{side} cannot be matched "
                f"to a teacher's of {wanted}x{wanted}: "
                "it must be as large, or half as large; choose another pair"
            )
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of maps [B, C, H, W], or of differences of maps."""
        return mse_loss(relu(self.bn(self.conv(student))), teacher)


class VID(nn.Module):
    """Variational information distillation of one pair of feature maps.

    mean of 1/2 ((m - t)^2 / v + log v), with m the student's map through three 1x1 convolutions
    and one variance v for each of the teacher's channels.

    Parameters
    ----------
    student, teacher : int
        Channels of the maps.
    variance : float
        v at the start.
    eps : float
        The least variance.

    Raises
    ------
    InputError
        If the variance at the start is not above the least, or beyond what an exponential holds.

    References
    ----------
    Ahn et al. 2019, https://arxiv.org/abs/1904.05835
    """

    def __init__(self, student: int, teacher: int, variance: float = 5.0, eps: float = 1e-5):
        super().__init__()
        if not eps < variance < 700:
            raise InputError(
                f"variance {variance:g} is no number above eps = {eps:g} and below 700"
            )
        widths = (student, teacher, teacher, teacher)
        layers = [nn.Conv2d(a, b, 1, bias=False) for a, b in pairwise(widths)]
        self.regressor = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
        self.log_scale = nn.Parameter(torch.full((teacher,), log(expm1(variance - eps))))
        self.eps = eps

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of maps [B, C, H, W], or of differences; the larger is pooled to the smaller."""
        side = min(student.shape[-1], teacher.shape[-1])
        student, teacher = _pooled(student, side), _pooled(teacher, side)
        variance = (softplus(self.log_scale) + self.eps)[:, None, None]
        errors = (self.regressor(student) - teacher).square()
        return (errors / variance + variance.log()).mean() / 2


def _pooled(maps: Tensor, side: int) -> Tensor:
    return maps if maps.shape[-1] == side else adaptive_avg_pool2d(maps, side)
