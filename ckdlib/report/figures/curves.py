"""Accuracies -> curves: over teacher calls, over the cost of training, along a training.

Colours are of the colour-blind-safe palettes of Okabe and Ito and of Tol; every curve also differs
by its marker, and the methods that the paper does not have are dashed, so that figures can be read
in black and white. White-box methods share the colour of their family, pooled comparisons run from
light to dark with their dimension.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    LogLocator,
    NullLocator,
    ScalarFormatter,
)

from ...errors import choose
from ..outside import titled
from .style import BACK, MethodStyle, grid_of_panels, method_style, ordered

AXES = {"n": "n, teacher calls", "student_passes": "images through the student in training"}
APART = 0.0045  # of the axis' width: between two methods' points, that no bar covers another
NARROW = 2  # times: of axes of one n
CROWDED = 5  # more n than these are written aslant
INTERVALS = {"sd": "standard deviation", "t": "95 % t interval of the mean"}


def accuracy_curves(
    summary: pd.DataFrame,
    interval: str = "sd",
    dataset: str = "",
    against: Sequence[str] = ("n",),
    highlight: Sequence[str] = (),
    printed: pd.DataFrame | None = None,
) -> Figure:
    """Figures 2, 3 and 4: mean test accuracy over n, a column for each pair.

    Parameters
    ----------
    summary : DataFrame
        As `summary` gives it.
    interval : {'sd', 't'}
        Of the error bars, which the figure names: 'sd' as in the paper.
    dataset : str
        For the title.
    against : sequence of str
        A row for each of AXES.
    highlight : sequence of str
        Methods that the page speaks of; the others stand back, in grey. All without.
    printed : DataFrame, optional
        The paper's points, as `printed_points` gives them: hollow.
    """
    choose("interval", interval, INTERVALS)
    pairs = summary.pair.unique()
    height, width = 0.4 + 3.8 * len(against), 1.8 + 4.4 * len(pairs)
    figure, grid = grid_of_panels(len(against), len(pairs), height, width)
    for panels, axis in zip(grid, against, strict=True):
        for panel, pair in zip(panels, pairs, strict=True):
            cells = summary[summary.pair == pair]
            _curves(panel, cells, axis, interval, highlight or tuple(cells.method))
            if printed is not None and axis == "n":
                _printed(panel, printed[printed.pair == pair], set(cells.method))
            panel.set(title=titled(pair), xlabel=AXES[axis])
        panels[0].set_ylabel("test accuracy (%)")
    grid[0][-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    fewest, most = int(summary.seeds.min()), int(summary.seeds.max())
    seeds = f"{most}" if fewest == most else f"{fewest} to {most}"
    title = f"{dataset}: mean and {INTERVALS[interval]} over {seeds} seeds"
    figure.suptitle(title.removeprefix(": "), fontsize="medium")
    return figure


def _curves(
    panel: Axes, cells: pd.DataFrame, axis: str, interval: str, highlight: Sequence[str]
) -> None:
    shown = ordered(cells.method)
    width = max(cells.n.max() / cells.n.min(), NARROW) if axis == "n" else 1
    for place, method in enumerate(shown):
        curve, how = cells[cells.method == method].sort_values("n"), method_style(method)
        half = curve["sd"] if interval == "sd" else curve["high"] - curve["mean"]
        apart = width ** (APART * (place - (len(shown) - 1) / 2))
        _curve(panel, curve[axis] * apart, curve["mean"], half, how, method in highlight)
    panel.set_xscale("log")
    if axis == "n":
        ticks = sorted(cells.n.unique())
        panel.xaxis.set_major_locator(FixedLocator(ticks))
        panel.xaxis.set_major_formatter(ScalarFormatter())
        if len(ticks) > CROWDED:
            panel.tick_params(axis="x", labelrotation=60, labelsize=7)
    else:
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_locator(NullLocator())


def _curve(
    panel: Axes, x: pd.Series, mean: pd.Series, half: pd.Series, how: MethodStyle, front: bool
) -> None:
    """A method's means with their error bars; in grey where it stands back."""
    panel.errorbar(
        x,
        mean,
        half,
        color=how.colour if front else BACK,
        marker=how.marker,
        linestyle=how.line,
        label=how.label,
        markersize=6 if front else 5,
        linewidth=1.5 if front else 0.8,
        elinewidth=0.8,
        capsize=2,
        zorder=3 if front else 2,
    )


def _printed(panel: Axes, points: pd.DataFrame, methods: set[str]) -> None:
    """The paper's accuracies, hollow, of the methods that have curves."""
    label: str | None = "hollow: the paper's"
    for method in ordered(methods & set(points.method)):
        mine, how = points[points.method == method], method_style(method)
        panel.plot(
            mine.n,
            mine["mean"],
            linestyle=":",
            linewidth=0.8,
            marker=how.marker,
            color=how.colour,
            markerfacecolor="none",
            label=label,
        )
        label = None


def history(lines: pd.DataFrame) -> Figure:
    """The offset's norm, the test accuracy, and the same with the offset added, along a training.

    Parameters
    ----------
    lines : DataFrame
        Probes (`study.student.probe`), with the method and seed of their runs; a colour a method, a
        line a run.
    """
    panels = {
        "offset": "norm of the offset (logits)",
        "test_accuracy": "test accuracy (%)",
        "calibrated_accuracy": "the same with the offset added (%)",
    }
    figure, (row,) = grid_of_panels(1, len(panels), 3.6, 13)
    row[2].sharey(row[1])
    for panel, (column, label) in zip(row, panels.items(), strict=True):
        for method in ordered(lines.method):
            how = method_style(method)
            for i, (_, part) in enumerate(lines[lines.method == method].groupby("run", sort=False)):
                panel.plot(
                    part.step,
                    part[column],
                    color=how.colour,
                    linestyle=how.line,
                    marker=how.marker,
                    markersize=4,
                    markevery=0.1,
                    linewidth=1,
                    label=how.label if i == 0 else None,
                )
        panel.set(xlabel="optimiser steps", ylabel=label)
    row[0].set_ylim(0, None)
    row[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure
