"""Calls saved -> figures: on the mean over targets, and target by target."""

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..outside import titled
from .dots import nothing
from .style import grid_of_panels, method_style, ordered


def calls_saved(cells: pd.DataFrame) -> Figure:
    """Per cent fewer calls of each method (a colour) than of each rival (a row).

    The mean over targets (`savings.savings`); an arrow: at least so many.
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
        what = "% fewer teacher calls than ... at equal accuracy (→: at least)"
        panel.set(title=titled(pair), xlabel=what, ylim=(-0.7, len(rivals) - 0.3))
    if shown:
        panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _saved(panel: Axes, part: pd.DataFrame, heights: np.ndarray, method: str) -> None:
    """What one method saves against each rival, a line of `part` and a height for each."""
    how = method_style(method)
    panel.hlines(heights, part.low, part.high, color=how.colour, linewidth=1)
    panel.plot(part.fewer, heights, marker=how.marker, ls="none", color=how.colour, label=how.label)
    for height, line in zip(heights, part.itertuples(), strict=True):
        if line.bound == ">=":
            end = np.fmax(line.fewer, line.high)
            _at_least(panel, end, height, how.colour, "→", (5, 0))


def _at_least(
    panel: Axes, x: float, y: float, colour: str, arrow: str, offset: tuple[int, int]
) -> None:
    panel.annotate(
        arrow,
        (x, y),
        xytext=offset,
        textcoords="offset points",
        color=colour,
        ha="center" if arrow == "↑" else "left",
        va="bottom" if arrow == "↑" else "center",
    )


def saving_curves(cells: pd.DataFrame) -> Figure:
    """Per cent fewer calls over the accuracy that is reached, with 95 % intervals.

    A panel for each of our methods (a row of panels a pair) and a curve for each rival.

    Parameters
    ----------
    cells : DataFrame
        As `savings` gives it; an arrow: at least so many.
    """
    cells = cells[cells.target.notna() & cells.fewer.notna()]
    if cells.empty:
        return nothing()
    pairs, methods = cells.pair.unique(), ordered(cells.method)
    height, width = 0.5 + 3.2 * len(pairs), 2 + 3.6 * len(methods)
    figure, grid = grid_of_panels(len(pairs), len(methods), height, width, sharey="row")
    for panels, pair in zip(grid, pairs, strict=True):
        for panel, method in zip(panels, methods, strict=True):
            mine = cells[(cells.pair == pair) & (cells.method == method)]
            for rival in ordered(mine.rival):
                _saving_curve(panel, mine[mine.rival == rival], rival)
            panel.axhline(0, color="black", linewidth=0.8)
            panel.margins(y=0.1)
            panel.set_title(f"{titled(pair)}: {method_style(method).label}", fontsize=9)
        panels[0].set_ylabel("% fewer calls than ... (↑: at least)")
    for panel in grid[-1]:
        panel.set_xlabel("test accuracy reached (%)")
    handles: dict[str, Artist] = {}
    for panel in grid.flat:
        found, labels = panel.get_legend_handles_labels()
        handles |= dict(zip(labels, found, strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside right upper")
    return figure


def _saving_curve(panel: Axes, lines: pd.DataFrame, rival: str) -> None:
    how = method_style(rival)
    panel.vlines(lines.target, lines.low, lines.high, color=how.colour, linewidth=0.7)
    panel.plot(
        lines.target,
        lines.fewer,
        color=how.colour,
        linestyle=how.line,
        linewidth=1.2,
        marker=how.marker,
        label=how.label,
    )
    for line in lines[lines.bound == ">="].itertuples():
        _at_least(panel, line.target, line.fewer, how.colour, "↑", (0, 2))
