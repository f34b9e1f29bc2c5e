"""Figures of the tour: a teacher call, a comparison, an offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from .style import grid_of_panels, method_style

if TYPE_CHECKING:  # who draws rows alone loads no torch
    from torch import Tensor


def teacher_calls(images: Tensor, logits: Tensor, classes: Sequence[str]) -> Figure:
    """Images as the teacher saw them above its logits.

    Parameters
    ----------
    images : Tensor [K, 3, H, W]
    logits : Tensor [K, C]
    classes : sequence of str
        Names of the C classes.
    """
    figure, grid = grid_of_panels(2, len(images), height=4)
    for place, (image, row) in enumerate(zip(images, logits, strict=True)):
        _show(grid[0][place], image)
        _bars(grid[1][place], row, classes)
    grid[1][0].set_ylabel("teacher's logit")
    return figure


def comparison(images: Tensor, logits: Tensor, classes: Sequence[str]) -> Figure:
    """Two images, the teacher's logits for each, and their difference.

    Parameters
    ----------
    images : Tensor [2, 3, H, W]
    logits : Tensor [2, C]
    classes : sequence of str
        Names of the C classes.
    """
    figure, grid = grid_of_panels(1, 5, height=2.4)
    for place, name in enumerate("ij"):
        _show(grid[0][2 * place], images[place], f"image {name}")
        _bars(grid[0][2 * place + 1], logits[place], classes, f"$t_{name}$")
    _bars(grid[0][4], logits[0] - logits[1], classes, "$t_i - t_j$", "#d55e00")
    return figure


def offset_blindness(student: Tensor, target: Tensor) -> Figure:
    """`ckd` and `mse` while one constant is added to a class of the student.

    Parameters
    ----------
    student, target : Tensor [B, C]
        Logits.
    """
    from ...losses import ckd, mse

    figure, grid = grid_of_panels(1, 1, height=3, width=5)
    offsets = np.linspace(-3, 3, 61)
    direction = student.new_zeros(student.shape[1])
    direction[0] = 1
    for method, loss in (("ckd", ckd), ("mse", mse)):
        how = method_style(method)
        values = [float(loss(student + float(o) * direction, target)) for o in offsets]
        grid[0][0].plot(offsets, values, color=how.colour, linestyle=how.line, label=how.label)
    grid[0][0].set(
        xlabel="constant added to one class of every student logit vector", ylabel="loss"
    )
    grid[0][0].legend()
    return figure


def class_accuracy(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> Figure:
    """Test accuracy of each class, ascending; named where there are few classes.

    Parameters
    ----------
    logits : Tensor [N, C]
    labels : Tensor [N]
    classes : sequence of str
        Names of the C classes.
    """
    right = (logits.argmax(1) == labels).float()
    shares = np.array([100 * float(right[labels == c].mean()) for c in range(len(classes))])
    order = shares.argsort(kind="stable")
    figure, grid = grid_of_panels(1, 1, height=3, width=7)
    grid[0][0].bar(range(len(classes)), shares[order], color="#0072b2")
    if len(classes) <= 30:
        grid[0][0].set_xticks(range(len(classes)), [classes[c] for c in order])
    grid[0][0].set(
        xlabel="class, ascending", ylabel="test accuracy (%)", ylim=(max(0, shares.min() - 10), 100)
    )
    return figure


def _show(panel, image: Tensor, title: str = "") -> None:
    span = image.max() - image.min()
    panel.imshow(((image - image.min()) / span.clamp(min=1e-6)).permute(1, 2, 0).numpy())
    panel.set(title=title)
    panel.set_axis_off()


def _bars(
    panel, values: Tensor, classes: Sequence[str], title: str = "", colour: str = "#0072b2"
) -> None:
    panel.bar(range(len(classes)), values.numpy(), color=colour)
    panel.axhline(0, color="black", linewidth=0.6)
    panel.set(title=title, xlabel="class")
    if len(classes) <= 10:
        panel.set_xticks(range(len(classes)), classes)
