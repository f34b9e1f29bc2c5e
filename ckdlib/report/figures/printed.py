"""The paper's printed curves beside our accuracies."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..accuracy import summary
from ..claims import Evidence
from ..outside import titled
from ..printed import EXPERIMENT, READINGS, WITH_VALIDATION, printed_points
from .dots import DECIDED
from .style import grid_of_panels, method_style, ordered

COLUMNS = 3
LOOKS = (("o", "white"), ("D", DECIDED))  # of READINGS


def printed(evidence: Evidence) -> dict[str, Figure]:
    """The paper's curves, a method a panel, and our means where either reading of its n has them.

    Parameters
    ----------
    evidence : Evidence
        Of the paper's study.

    Returns
    -------
    dict
        'printed_' and the pair -> a figure, of each pair that has curves.
    """
    if EXPERIMENT not in evidence:
        return {}
    drawn, points = {}, printed_points()
    for pair, cells in summary(evidence[EXPERIMENT]).groupby("pair"):
        curves = points[(points.pair == pair) & points.method.isin(cells.method)]
        if not curves.empty:
            drawn[f"printed_{pair}"] = _of_pair(str(pair), curves, cells)
    return drawn


def _of_pair(pair: str, curves: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    shown = ordered(curves.method)
    lines = -(-len(shown) // COLUMNS)
    figure, grid = grid_of_panels(lines, COLUMNS, 0.8 + 2.1 * lines, 9, sharey=True)
    for panel, method in zip(grid.flat, shown, strict=False):
        _panel(panel, curves[curves.method == method], cells[cells.method == method])
        panel.set_title(method_style(method).label)
        panel.set_xlim(0.9 * cells.n.min(), 1.4 * WITH_VALIDATION * cells.n.max())
    for panel in list(grid.flat)[len(shown) :]:
        panel.set_axis_off()
    for panel in grid[:, 0]:
        panel.set_ylabel("test accuracy (%)")
    for panel in grid[-1]:
        panel.set_xlabel("the paper's n")
    figure.suptitle(titled(pair), fontsize=9)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _panel(panel: Axes, curve: pd.DataFrame, own: pd.DataFrame) -> None:
    curve = curve.sort_values("n")
    panel.plot(curve.n, curve["mean"], "k--", marker=".", linewidth=1, label="the paper")
    for (marker, face), (counted, factor) in zip(LOOKS, READINGS.items(), strict=True):
        panel.plot(
            factor * own.n,
            own["mean"],
            marker,
            color=DECIDED,
            markerfacecolor=face,
            label=f"ours, if its n counts {counted}",
        )
