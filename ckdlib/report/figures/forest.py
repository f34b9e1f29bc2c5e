"""One claim a row: the mean with its interval, marked by its outcome."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from ..claims import NO, NOT_COMPARABLE, NOT_RUN, UNDECIDED, YES


class OutcomeStyle(NamedTuple):
    colour: str
    marker: str
    hatch: str
    ink: str  # of a count written on the colour
    filled: bool = True


LOOKS = {
    YES: OutcomeStyle("#0072b2", "o", "", "white"),
    NO: OutcomeStyle("#d55e00", "X", "xxx", "black"),
    UNDECIDED: OutcomeStyle("#f0c75e", "D", "////", "black", filled=False),
    NOT_RUN: OutcomeStyle("#ffffff", ".", "", "#555555"),
    NOT_COMPARABLE: OutcomeStyle("#cccccc", "s", "....", "black", filled=False),
}
ROW, WIDTH, SMALL = 0.135, 2.75, 6  # inches a row and a column, points of its text
DARK = {"#f0c75e": "#7a5c00", "#cccccc": "#777777", "#ffffff": "#999999"}  # of lines on white


def forest(
    panel: Axes, lines: Sequence[str | pd.Series], kind: str, most: int, reach: float
) -> None:
    """Draw claims, one a row, in a panel.

    Parameters
    ----------
    panel : Axes
    lines : sequence of str or Series
        Headings, and lines of `verdicts` between them.
    kind : {'number', 'direction'}
    most : int
        Rows that the panel has place for.
    reach : float
        Half the panel's width; a mean beyond it is an arrow.
    """
    places, labels = [], []
    for place, line in enumerate(lines):
        if isinstance(line, str):  # inside the panel: no interval stands in its row
            panel.text(
                0.01,
                place,
                line,
                fontsize=SMALL,
                fontweight="bold",
                va="center",
                transform=panel.get_yaxis_transform(),
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
            )
        else:
            places.append(place)
            labels.append(line["label"])
            mark_outcome(panel, place, line, LOOKS[line[kind]], reach)
    panel.set(xlim=(-reach, reach), ylim=(most - 0.4, -0.6))
    panel.set_yticks(places, labels)
    panel.tick_params(left=False, labelsize=SMALL)
    panel.grid(axis="y", visible=False)


def values_beside(panel: Axes, lines: Sequence[str | pd.Series], judged: pd.DataFrame) -> None:
    """The paper's number and ours, beside each row."""
    said: list[tuple[float, str]] = [(-1.2, "paper  ours")]
    for place, line in enumerate(lines):
        if not isinstance(line, str):
            places = 3 if line["quantity"] == "correlation" else 1
            paper, ours = judged.loc[line.name, ["paper", "ours"]]
            said.append((place, f"{paper:.{places}f}  {ours:.{places}f}"))
    for height, text in said:
        panel.text(
            1.04,
            height,
            text,
            fontsize=SMALL - 0.5,
            va="center",
            color="#444444",
            transform=panel.get_yaxis_transform(),
        )


def mark_outcome(
    panel: Axes, place: int, line: pd.Series, look: OutcomeStyle, reach: float
) -> None:
    """Draw one claim's mean, with its interval; an arrow where the mean is beyond `reach`."""
    mean = float(np.clip(line["ours"], -0.97 * reach, 0.97 * reach))
    colour = DARK.get(look.colour, look.colour)
    low, high = np.clip([line["low"], line["high"]], -2 * reach, 2 * reach)
    panel.hlines(place, low, high, color=colour, linewidth=1)
    arrow = ">" if mean > 0 else "<"
    marker = look.marker if mean == line["ours"] else arrow
    panel.plot(
        mean,
        place,
        marker=marker,
        color=colour,
        markersize=4.5,
        markeredgewidth=0.8,
        markerfacecolor=colour if look.filled else "white",
        linestyle="",
    )
