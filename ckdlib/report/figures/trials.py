"""Settings that were tried -> figures: what tuning wins for each method."""

from collections.abc import Iterable, Mapping
from itertools import product

import pandas as pd
from matplotlib.figure import Figure

from ..outside import titled
from ..tuning import tuned
from .dots import DECIDED, nothing
from .style import BACK, grid_of_panels, method_style

TUNED, AUTHORS = "the one that tuning finds", "its authors'"
OPEN = {"s": 60, "facecolor": "none", "edgecolor": "black"}
ROW = 0.27  # inches


def trials(tried: pd.DataFrame) -> Figure:
    """Every setting's test accuracy with the first seed; a method a row, the best found on top.

    Parameters
    ----------
    tried : DataFrame
        As `tuning.trials` gives it.
    """
    if tried.empty:
        return nothing("no setting was tried")
    found = tuned(tried)
    figure, ((panel,),) = grid_of_panels(1, 1, 1.4 + ROW * len(found), 7)
    own = tried[tried.setting == tried.method]
    best = tried[tried["rank"] == 1]
    place = {method: len(found) - i for i, method in enumerate(found.method)}
    marks = (
        (tried, "a setting", {"s": 12, "color": BACK}),
        (best, TUNED, {"s": 26, "marker": "D", "color": DECIDED}),
        (own, AUTHORS, OPEN),
    )
    for order, (part, label, look) in enumerate(marks):
        heights = part.method.map(place)
        panel.scatter(part["first"], heights, label=label, zorder=2 + order, **look)
    panel.set_yticks(list(place.values()), _names(place))
    panel.set(xlabel="test accuracy (%) on images of no other run, the first seed")
    panel.margins(y=0.06)
    panel.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3, handletextpad=0.2)
    return figure


def equal_tuning(cells: pd.DataFrame, best: Mapping[str, str]) -> Figure:
    """Test accuracies with what tuning finds and with the authors' settings, a panel an n.

    Parameters
    ----------
    cells : DataFrame
        As `accuracy.summary` gives it.
    best : mapping
        Method -> its tuned setting, the first on top.
    """
    cells = cells[cells.method.isin({*best, *best.values()})]
    if cells.empty:
        return nothing("no method was run with what tuning finds")
    pairs, sizes = cells.pair.unique(), sorted(cells.n.unique())
    height = len(pairs) * (1.2 + ROW * len(best))
    figure, grid = grid_of_panels(len(pairs), len(sizes), height, 2 + 2.4 * len(sizes), sharey=True)
    places = range(len(best), 0, -1)
    for panel, (pair, n) in zip(grid.flat, product(pairs, sizes), strict=True):
        there = cells[(cells.pair == pair) & (cells.n == n)].set_index("method")
        own, found = there.reindex(list(best)), there.reindex(list(best.values()))
        ends = (found["mean"] - found.low, found.high - found["mean"])
        look = {"fmt": "D", "markersize": 5, "color": DECIDED, "capsize": 2, "linewidth": 1}
        panel.errorbar(found["mean"], places, xerr=ends, label=TUNED, **look)
        panel.scatter(own["mean"], places, label=AUTHORS, zorder=3, **OPEN)
        panel.set(title=f"{titled(pair)}, n = {n}", xlabel="test accuracy (%)")
        panel.set_yticks(places, _names(best))
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _names(methods: Iterable[str]) -> list[str]:
    return [method_style(method).label for method in methods]
