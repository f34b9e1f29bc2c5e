"""Verdicts -> figures: what holds, what does not, what has not been run, at a glance.

Every outcome has a colour (Okabe and Ito's), a marker and a hatch of its own, so that the figures
can be read in grey print. Tables are those of `verdicts` and `directions`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..claims import NOT_RUN, OUTCOMES
from ..estimates import LOWER
from ..outside import titled
from .dots import nothing
from .forest import DARK, LOOKS, ROW, WIDTH, forest, values_beside

UNITS = {  # of a difference, so that the claimed side is the right
    "accuracy": "points of accuracy above",
    "narrowing": "points of accuracy above",
    "calls": "% fewer teacher calls",
    "correlation": "correlation gap below",
    "height": "log10 singular values below",
}
REACH = 3.0  # deltas that a panel of `numbers` shows


def overview(judged: pd.DataFrame) -> Figure:
    """How many claims of each section have which outcome, numbers and directions apart.

    A bar a section: the share of an outcome is its length, its count is written on it.
    """
    kinds = [kind for kind in ("number", "direction") if kind in judged]
    wheres = list(dict.fromkeys(judged["where"]))
    figure, (panels,) = _figure(0.9 + 0.22 * (len(wheres) + 1), 2.4 + 3 * len(kinds), len(kinds))
    for panel, kind in zip(panels, kinds, strict=True):
        _bar(panel, 0, judged[kind])
        for place, where in enumerate(wheres, 1):
            _bar(panel, place, judged.loc[judged["where"] == where, kind])
        panel.set(xlim=(0, 1.08), ylim=(len(wheres) + 0.5, -0.5), title=f"{kind}s")
        panel.set_yticks([])
        panel.set_xticks([])
        panel.axhline(0.5, color="black", linewidth=0.6)
        panel.grid(visible=False)
        panel.spines[["left", "bottom"]].set_visible(False)
    panels[0].set_yticks(range(len(wheres) + 1), ["all", *wheres], fontsize=8)
    panels[0].tick_params(left=False)
    handles = []
    for outcome, look in LOOKS.items():
        bar = Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="#555555", label=outcome)
        handles.append(bar)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
    return figure


def _bar(panel: Axes, place: int, outcomes: pd.Series) -> None:
    """A bar of a section's outcomes, their counts written on it."""
    found = outcomes[outcomes != ""].value_counts()
    left, total = 0.0, found.sum()
    for outcome in OUTCOMES:
        if count := found.get(outcome, 0):
            look, width = LOOKS[outcome], count / total
            box = {"facecolor": look.colour, "edgecolor": "none", "pad": 0.8}
            panel.barh(
                place,
                width,
                0.8,
                left,
                color=look.colour,
                hatch=look.hatch,
                edgecolor="#555555",
                linewidth=0.5,
                linestyle="--" if outcome == NOT_RUN else "-",
            )
            panel.text(
                left + width / 2,
                place,
                count,
                color=look.ink,
                fontsize=7,
                ha="center",
                va="center",
                bbox=box if look.hatch else None,
            )
            left += width
    panel.text(1.01, place, total if total else "–", fontsize=7, va="center", color="#555555")


def numbers(judged: pd.DataFrame) -> Figure:
    """Every number that was judged: (ours - the paper's) / delta with its 95 % interval.

    A column a pair and a row a claim; within the band lies what delta allows. Beyond REACH it is an
    arrow.
    """
    shown = judged[~judged["number"].isin(["", NOT_RUN]) & judged["ours"].notna()]
    if shown.empty:
        return nothing("no number has been judged: not yet run")
    gaps = shown[["ours", "low", "high"]].sub(shown["paper"], axis=0)
    shown = shown.assign(**gaps.div(shown["delta"], axis=0))
    pairs = list(dict.fromkeys(shown["pair"]))
    lines = {pair: _lines(judged[judged["pair"] == pair], shown, "number") for pair in pairs}
    most = max(map(len, lines.values()))
    figure, (panels,) = _figure(1.1 + ROW * most, 0.4 + WIDTH * len(pairs), len(pairs))
    for panel, (pair, rows) in zip(panels, lines.items(), strict=True):
        panel.axvspan(-1, 1, color="#000000", alpha=0.08, linewidth=0)
        forest(panel, rows, "number", most, REACH)
        values_beside(panel, rows, judged)
        panel.set_title(titled(pair), fontsize=9, loc="right", pad=12)
        panel.set_xlabel("(ours − paper's) / δ", fontsize=8)
    _legend(figure, shown["number"])
    return figure


def directions(judged: pd.DataFrame) -> Figure:
    """Every direction that was judged: the paired difference with its 95 % interval.

    A column a pair (one, where a table has none) and a panel a unit; the claimed side of zero is
    shaded.
    """
    judged = _claimed_side(_with_pairs(judged))
    shown = judged[~judged["direction"].isin(["", NOT_RUN]) & judged["ours"].notna()]
    if shown.empty:
        return nothing("no direction has been judged: not yet run")
    claimed = set(_unit(shown))
    units = [unit for unit in dict.fromkeys(UNITS.values()) if unit in claimed]
    pairs = judged.loc[judged["pair"].isin(shown["pair"]), "pair"].unique().tolist()
    rows = [_row(judged, shown, unit, pairs) for unit in units]
    heights = [max(2, *map(len, row)) for row in rows]
    height = 0.8 + 0.5 * len(units) + ROW * sum(heights)
    width = max(5, 0.4 + WIDTH * len(pairs))
    figure, grid = _figure(height, width, len(pairs), heights)
    for panel, pair in zip(grid[0], pairs, strict=True):
        panel.set_title(titled(pair), fontsize=9)
    for unit, row, beside in zip(units, rows, grid, strict=True):
        most, reach = max(map(len, row)), _reach(shown[_unit(shown) == unit])
        for panel, lines in zip(beside, row, strict=True):
            _directions_in(panel, lines, most, reach, unit)
    _legend(figure, shown["direction"])
    return figure


def forests(judged: pd.DataFrame) -> dict[str, Figure]:
    """`numbers` and `directions`, where any were judged."""
    drawn = {}
    for kind, draw in (("number", numbers), ("direction", directions)):
        if (~judged[kind].isin(["", NOT_RUN])).any():
            drawn[f"verdict_{kind}s"] = draw(judged)
    return drawn


def _row(
    judged: pd.DataFrame, shown: pd.DataFrame, unit: str, pairs: Sequence[str]
) -> list[list[str | pd.Series]]:
    """The lines of each pair's panel of a unit."""
    row = []
    for pair in pairs:
        claims, mine = _cell(judged, unit, pair), _cell(shown, unit, pair)
        row.append(_lines(claims, mine, "direction"))
    return row


def _directions_in(
    panel: Axes, lines: Sequence[str | pd.Series], most: int, reach: float, unit: str
) -> None:
    if not lines:
        panel.set_axis_off()
        return
    panel.axvspan(0, 1e9, color="#000000", alpha=0.06, linewidth=0)
    panel.axvline(0, color="black", linewidth=0.8)
    forest(panel, lines, "direction", most, reach)
    panel.set_xlabel(unit, fontsize=7)


def _with_pairs(judged: pd.DataFrame) -> pd.DataFrame:
    """Claims on the mean over pairs stand, and say so, in the first pair's column."""
    if "pair" not in judged:
        return judged.assign(pair="")
    everywhere = judged["pair"] == "all"
    first = next((pair for pair in judged["pair"] if pair != "all"), "all")
    return judged.assign(
        pair=judged["pair"].mask(everywhere, first),
        label=judged["label"].mask(everywhere, judged["label"] + ", all pairs"),
    )


def _claimed_side(judged: pd.DataFrame) -> pd.DataFrame:
    """The same with the differences turned round where less is claimed to be better."""
    turn = judged["quantity"].isin(LOWER)
    ours = judged["ours"].mask(turn, -judged["ours"])
    low = judged["low"].mask(turn, -judged["high"])
    high = judged["high"].mask(turn, -judged["low"])
    return judged.assign(ours=ours, low=low, high=high)


def _unit(judged: pd.DataFrame) -> pd.Series:
    return judged["quantity"].map(UNITS)


def _cell(judged: pd.DataFrame, unit: str, pair: str) -> pd.DataFrame:
    return judged[(_unit(judged) == unit) & (judged["pair"] == pair)]


def _lines(claims: pd.DataFrame, shown: pd.DataFrame, kind: str) -> list[str | pd.Series]:
    """A section's name, with how many of its claims have not been run, and its judged claims."""
    lines: list[str | pd.Series] = []
    claims = claims[claims[kind] != ""]
    for where, part in claims.groupby("where", sort=False):
        there = shown.loc[shown.index.intersection(part.index)]
        left = int((part[kind] == NOT_RUN).sum())
        lines.append(where + (f" ({left} not yet run)" if left else ""))
        lines += [line for _, line in there.iterrows()]
    return lines


def _reach(shown: pd.DataFrame) -> float:
    """Half a panel's width: all means, and intervals as far as twice the farthest mean."""
    ends = shown[["low", "high"]].abs().replace(np.inf, np.nan).max().max()
    mean = shown["ours"].abs().max()
    return 1.08 * max(mean, min(ends, 2 * mean), 1e-9)


def _legend(figure: Figure, found: pd.Series) -> None:
    handles = []
    for outcome, look in LOOKS.items():
        if outcome in set(found):
            colour = DARK.get(look.colour, look.colour)
            face = colour if look.filled else "white"
            mark = Line2D([], [], color=colour, marker=look.marker, markerfacecolor=face)
            mark.set_label(outcome)
            handles.append(mark)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)


def _figure(
    height: float, width: float, columns: int, rows: Sequence[int] = (1,)
) -> tuple[Figure, np.ndarray]:
    """A figure and its panels [rows, columns]; rows: their heights to one another."""
    from matplotlib.pyplot import subplots

    return subplots(
        len(rows),
        columns,
        figsize=(width, height),
        squeeze=False,
        layout="constrained",
        height_ratios=rows,
    )
