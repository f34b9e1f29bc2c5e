"""Means with their intervals -> dots: a method, a question or a rival in each row."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..outside import titled
from .style import grid_of_panels, method_style, ordered, sizes_style

DECIDED, UNDECIDED = "#0072b2", "#999999"
MEANS = "points of test accuracy, mean over n\n(95 % t interval; hollow: undecided)"
NOTHING = "nothing to compare: rows of one method, or of no seed in common"


def nothing(text: str = NOTHING) -> Figure:
    """A figure that says so."""
    figure, ((panel,),) = grid_of_panels(1, 1, 0.6, 6)
    panel.text(0.5, 0.5, text, ha="center", va="center")
    panel.set_axis_off()
    return figure


def differences(gaps: pd.DataFrame, baseline: str) -> Figure:
    """Paired differences to `baseline` in points of test accuracy.

    Parameters
    ----------
    gaps : DataFrame
        As `paired_differences` gives it.
    baseline : str
    """
    return dots(gaps, f"points of test accuracy above {method_style(baseline).label}", zero=True)


def dots(cells: pd.DataFrame, label: str, zero: bool = False, most: float = np.inf) -> Figure:
    """A mean with its 95 % t interval for each method, n and pair.

    Parameters
    ----------
    cells : DataFrame
        Columns pair (a panel), method (a row), n (a shade and a marker), mean, low, high.
    label : str
        What they are, with its unit.
    zero : bool
        Draw a line there.
    most : float
        Where intervals are cut off: 100 of per cent.
    """
    if cells.empty:
        return nothing()
    pairs, shown = cells.pair.unique(), ordered(cells.method)[::-1]
    height, width = 1.4 + 0.3 * len(shown), 1.8 + 4.4 * len(pairs)
    figure, (panels,) = grid_of_panels(1, len(pairs), height, width, sharey=True)
    for panel, pair in zip(panels, pairs, strict=True):
        _dots(panel, cells, pair, shown, most)
        if zero:
            panel.axvline(0, color="black", linewidth=0.8)
        panel.set_yticks(range(len(shown)), [method_style(method).label for method in shown])
        panel.set(title=titled(pair), xlabel=label)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def _dots(panel: Axes, cells: pd.DataFrame, pair: str, shown: Sequence[str], most: float) -> None:
    """The means of one pair: the methods `shown`, one a row, and in a row each n of `cells`."""
    looks = sizes_style(cells.n)
    above = np.linspace(0.3, -0.3, len(looks)) if len(looks) > 1 else [0]
    for up, (n, (shade, marker)) in zip(above, looks.items(), strict=True):
        part = cells[(cells.pair == pair) & (cells.n == n)].set_index("method").reindex(shown)
        heights = np.arange(len(shown)) + up
        panel.errorbar(
            part["mean"],
            heights,
            xerr=(part["mean"] - part["low"], part["high"].clip(upper=most) - part["mean"]),
            fmt=marker,
            color=shade,
            label=f"n = {n}",
            markersize=4,
            capsize=2,
            linewidth=1,
        )


def comparisons(gaps: pd.DataFrame, by: str = "pair") -> Figure:
    """Paired differences between methods, one a row: filled where the interval leaves out zero.

    Parameters
    ----------
    gaps : DataFrame
        Lines of `mean_differences`: method, above (its rival), mean, low, high.
    by : str
        The column that a panel is for.
    """
    if gaps.empty:
        return nothing()
    shown = gaps[by].unique()
    asked = list(dict.fromkeys(zip(gaps.method, gaps.above, strict=True)))
    height, width = 0.9 + 0.27 * len(asked), 3.4 + 3.6 * len(shown)
    figure, (panels,) = grid_of_panels(1, len(shown), height, width, sharey=True)
    for panel in panels[1:]:  # the same questions, to be compared across
        panel.sharex(panels[0])
    for panel, one in zip(panels, shown, strict=True):
        mine = gaps[gaps[by] == one].set_index(["method", "above"]).reindex(asked)
        _differences(panel, mine)
        panel.set(title=titled(one) if by == "pair" else one, xlabel=MEANS)
    names = [f"{method_style(a).label} − {method_style(b).label}" for a, b in asked]
    panels[0].set_yticks(range(len(asked)), names)
    panels[0].set_ylim(len(asked) - 0.5, -0.7)
    return figure


def _differences(panel: Axes, lines: pd.DataFrame) -> None:
    panel.axvline(0, color="black", linewidth=0.8)
    for place, line in enumerate(lines.itertuples()):
        undecided = not (line.low > 0 or line.high < 0)
        colour = UNDECIDED if undecided else DECIDED
        panel.hlines(place, line.low, line.high, color=colour, linewidth=1.5)
        face = "white" if undecided else colour
        panel.plot(line.mean, place, "o", color=colour, markerfacecolor=face, markersize=6)
        panel.annotate(
            f"{line.mean:+.1f}",
            (line.mean, place),
            xytext=(0, 5),
            textcoords="offset points",
            fontsize=7,
            ha="center",
        )


def flatness(flat: pd.DataFrame, method: str) -> Figure:
    """How far a method's curves of singular values lie above each rival's: Figure 5 in one number.

    Parameters
    ----------
    flat : DataFrame
        As `spectra.flatness` gives it: a panel a kind of curve, the lower row divided by the
        largest value; a row a rival, a marker an n; hollow: undecided.
    method : str
    """
    if flat.empty:
        return nothing()
    kinds = list(dict.fromkeys(kind.removesuffix(" / largest") for kind in flat.curve))
    rivals = ordered(flat.rival)[::-1]
    looks = sizes_style(flat.n)
    height = 1.3 + 0.44 * len(rivals)
    figure, grid = grid_of_panels(2, len(kinds), height, 2 + 2 * len(kinds), sharey=True)
    for panels, suffix in zip(grid, ("", " / largest"), strict=True):
        for panel, kind in zip(panels, kinds, strict=True):
            _flatness(panel, flat[flat.curve == kind + suffix], rivals, looks)
            panel.set_title(f"{kind}{suffix}", fontsize=8)
            if panel is not panels[0]:
                panel.sharex(panels[0])
    for panel in grid[-1]:
        panel.set_xlabel("log10 ratio", fontsize=8)
    for panels in grid:
        panels[0].set_yticks(range(len(rivals)), [method_style(one).label for one in rivals])
    title = f"singular values of {method_style(method).label} over each rival's; left: lower"
    figure.suptitle(title, fontsize="medium")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _flatness(
    panel: Axes, lines: pd.DataFrame, rivals: Sequence[str], looks: dict[int, tuple[str, str]]
) -> None:
    panel.axvline(0, color="black", linewidth=0.8)
    panel.tick_params(labelsize=7)
    for place, (n, (colour, marker)) in enumerate(looks.items()):
        mine = lines[lines.n == n].set_index("rival").reindex(rivals)
        heights = np.arange(len(rivals)) + 0.3 * (place - (len(looks) - 1) / 2)
        panel.hlines(heights, mine.low, mine.high, color=colour, linewidth=1)
        decided = (mine.direction != "undecided").to_numpy()
        for shown, face, name in ((decided, colour, f"n = {n}"), (~decided, "white", None)):
            panel.plot(
                mine["mean"][shown],
                heights[shown],
                linestyle="",
                marker=marker,
                color=colour,
                markerfacecolor=face,
                markersize=4,
                label=name,
            )
