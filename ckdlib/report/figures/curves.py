"""Numbers -> figures: one function a figure, one style, a colour and a marker of its own for each
method.

Colours are of the colour-blind-safe palettes of Okabe and Ito and of Tol; every curve also differs
by its marker, and the methods that the paper does not have are dashed, so that figures can be read
in black and white. White-box methods share the colour of their family, pooled comparisons run from
light to dark with their dimension.
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
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
from .style import grid_of_panels, method_style, ordered

AXES = {"n": "n, teacher calls", "student_passes": "images through the student in training"}
INTERVALS = {"sd": "standard deviation", "t": "95 % t interval of the mean"}


def accuracy_curves(
    summary: pd.DataFrame, interval: str = "sd", dataset: str = "", against: Sequence[str] = ("n",)
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
    """
    choose("interval", interval, INTERVALS)
    pairs = summary.pair.unique()
    height, width = 0.4 + 3.8 * len(against), 1.8 + 4.4 * len(pairs)
    figure, grid = grid_of_panels(len(against), len(pairs), height, width)
    for panels, axis in zip(grid, against, strict=True):
        for panel, pair in zip(panels, pairs, strict=True):
            _curves(panel, summary[summary.pair == pair], axis, interval)
            panel.set(title=titled(pair), xlabel=AXES[axis])
        panels[0].set_ylabel("test accuracy (%)")
    grid[0][-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    fewest, most = int(summary.seeds.min()), int(summary.seeds.max())
    seeds = f"{most}" if fewest == most else f"{fewest} to {most}"
    title = f"{dataset}: mean and {INTERVALS[interval]} over {seeds} seeds"
    figure.suptitle(title.removeprefix(": "), fontsize="medium")
    return figure


def _curves(panel, cells: pd.DataFrame, axis: str, interval: str) -> None:
    shown = ordered(cells.method)
    for place, method in enumerate(shown):
        curve, how = cells[cells.method == method].sort_values("n"), method_style(method)
        half = curve["sd"] if interval == "sd" else curve["high"] - curve["mean"]
        # so that no error bar covers another
        apart = 1 + 0.006 * (place - (len(shown) - 1) / 2) * (axis == "n")
        panel.errorbar(
            curve[axis] * apart,
            curve["mean"],
            half,
            color=how.colour,
            marker=how.marker,
            linestyle=how.line,
            label=how.label,
            markersize=6,
            linewidth=1.3,
            elinewidth=0.8,
            capsize=2,
        )
    panel.set_xscale("log")
    if axis == "n":
        ticks = sorted(cells.n.unique())
        panel.xaxis.set_major_locator(FixedLocator(ticks if len(ticks) < 8 else ticks[::3]))
        panel.xaxis.set_major_formatter(ScalarFormatter())
    else:
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_locator(NullLocator())


def differences(gaps: pd.DataFrame, baseline: str) -> Figure:
    """Paired differences to `baseline` in points of test accuracy.

    Parameters
    ----------
    gaps : DataFrame
        As `paired_differences` gives it.
    baseline : str
    """
    return dots(gaps, f"points of test accuracy above {method_style(baseline).label}", zero=True)


def dots(cells: pd.DataFrame, label: str, zero: bool = False) -> Figure:
    """A mean with its 95 % t interval for each method, n and pair.

    Parameters
    ----------
    cells : DataFrame
        Columns pair (a panel), method (a row), n (a shade and a marker), mean, low, high.
    label : str
        What they are, with its unit.
    zero : bool
        Draw a line there.
    """
    if cells.empty:
        figure, grid = grid_of_panels(1, 1, 0.6)
        grid[0][0].text(0, 0, "nothing to compare: rows of one method, or of no seed in common")
        grid[0][0].set_axis_off()
        return figure
    pairs, shown = cells.pair.unique(), ordered(cells.method)[::-1]
    height, width = 1.4 + 0.3 * len(shown), 1.8 + 4.4 * len(pairs)
    figure, (panels,) = grid_of_panels(1, len(pairs), height, width, sharey=True)
    for panel, pair in zip(panels, pairs, strict=True):
        _dots(panel, cells, pair, shown)
        if zero:
            panel.axvline(0, color="black", linewidth=0.8)
        panel.set_yticks(range(len(shown)), [method_style(method).label for method in shown])
        panel.set(title=titled(pair), xlabel=label)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _dots(panel, cells: pd.DataFrame, pair: str, shown: Sequence[str]) -> None:
    """The means of one pair: the methods `shown`, one a row, and in a row each n of `cells`."""
    sizes = sorted(cells.n.unique())
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(sizes)))
    for place, (n, shade) in enumerate(zip(sizes, shades, strict=True)):
        part = cells[(cells.pair == pair) & (cells.n == n)].set_index("method").reindex(shown)
        heights = np.arange(len(shown)) + 0.6 * (place / max(len(sizes) - 1, 1) - 0.5)
        panel.errorbar(
            part["mean"],
            heights,
            xerr=(part["high"] - part["mean"]),
            fmt="osD^vPX*p"[place % 9],
            color=shade,
            label=f"n = {n}",
            markersize=4,
            capsize=2,
            linewidth=1,
        )


def calls_saved(cells: pd.DataFrame) -> Figure:
    """Per cent fewer calls of each method (a colour) than of each rival (a row).

    The mean over targets (`savings.savings`); hollow: at least so many.
    """
    means = cells[cells.target.isna() & cells.fewer.notna()]
    rivals, pairs = ordered(means.rival)[::-1], cells.pair.unique()
    columns = max(1, len(pairs))
    height, width = 1.4 + 0.4 * len(rivals), 2.4 + 4.4 * columns
    figure, (panels,) = grid_of_panels(1, columns, height, width, sharey=True)
    shown = ordered(means.method)
    for panel, pair in zip(panels, pairs, strict=False):  # one panel where there are no pairs
        for i, method in enumerate(shown):
            mine = means[(means.pair == pair) & (means.method == method)]
            heights = np.arange(len(rivals)) + 0.3 * (i - (len(shown) - 1) / 2)
            _saved(panel, mine.set_index("rival").reindex(rivals), heights, method)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_yticks(range(len(rivals)), [method_style(rival).label for rival in rivals])
        what = "% fewer teacher calls than ... at equal accuracy (hollow: at least)"
        panel.set(title=titled(pair), xlabel=what)
    if shown:
        panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _saved(panel, part: pd.DataFrame, heights: np.ndarray, method: str) -> None:
    """What one method saves against each rival, a line of `part` and a height for each."""
    how = method_style(method)
    panel.hlines(heights, part.low, part.high, color=how.colour, linewidth=1)
    for filled in (False, True):
        mine = ((part.bound == "") == filled).to_numpy()
        panel.plot(
            part.fewer[mine],
            heights[mine],
            linestyle="",
            marker=how.marker,
            color=how.colour,
            markerfacecolor=how.colour if filled else "white",
            label=how.label if filled else None,
        )


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
