"""Settings that were tried -> a figure: what tuning wins for each method."""

import pandas as pd
from matplotlib.figure import Figure

from ..tuning import tuned
from .dots import DECIDED, nothing
from .style import BACK, grid_of_panels, method_style


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
    figure, ((panel,),) = grid_of_panels(1, 1, 1.4 + 0.27 * len(found), 7)
    own = tried[tried.setting == tried.method]
    best = tried[tried["rank"] == 1]
    place = {method: len(found) - i for i, method in enumerate(found.method)}
    marks = (
        (tried, "a setting", {"s": 12, "color": BACK}),
        (best, "the one that tuning finds", {"s": 26, "marker": "D", "color": DECIDED}),
        (own, "its authors'", {"s": 60, "facecolor": "none", "edgecolor": "black"}),
    )
    for order, (part, label, look) in enumerate(marks):
        heights = part.method.map(place)
        panel.scatter(part["first"], heights, label=label, zorder=2 + order, **look)
    names = [method_style(method).label for method in place]
    panel.set_yticks(list(place.values()), names)
    panel.set(xlabel="test accuracy (%) on images of no other run, the first seed")
    panel.margins(y=0.06)
    panel.legend(loc="lower center", bbox_to_anchor=(0.45, 1), ncols=3, handletextpad=0.2)
    return figure
