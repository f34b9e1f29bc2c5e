"""Figure 5: how flat the logits are, beside the teacher's."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .style import BACK, TEACHER, grid_of_panels, method_style, ordered


def spectra(
    kinds: Mapping[str, pd.DataFrame],
    teacher: Mapping[str, Sequence[float]],
    label: str = "singular value",
    highlight: Sequence[str] = (),
) -> Figure:
    """Figure 5: singular values by rank on a log axis, mean over seeds (shaded: sd).

    Parameters
    ----------
    kinds : mapping
        What a row of panels shows -> curves as `spectra` gives them, of one pair; a column for each
        n.
    teacher : mapping
        The teacher's curve for each of them that has one, in grey.
    label : str
        Of the values.
    highlight : sequence of str
        Methods that the page speaks of; the others stand back, in grey. All without.
    """
    first, *_ = kinds.values()
    sizes = sorted(first.n.unique())
    height, width = 0.4 + 2.9 * len(kinds), 2.2 + 3.6 * len(sizes)
    figure, grid = grid_of_panels(len(kinds), len(sizes), height, width, sharey="row")
    for panels, (kind, curves) in zip(grid, kinds.items(), strict=True):
        for panel, n in zip(panels, sizes, strict=True):
            if kind in teacher:
                _teacher(panel, teacher[kind])
            for place, method in enumerate(ordered(curves.method)):
                mine = curves[(curves.method == method) & (curves.n == n)]
                _students(panel, mine, method, place, not highlight or method in highlight)
            panel.set_yscale("log")
        panels[0].set_ylabel(f"{label}, {kind}")
    for panel, n in zip(grid[0], sizes, strict=True):
        panel.set_title(f"n = {n}")
    for panel in grid[-1]:
        panel.set_xlabel("rank")
    grid[0][-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def _teacher(panel: Axes, values: Sequence[float]) -> None:
    ranks = range(1, len(values) + 1)
    panel.plot(ranks, values, color=TEACHER.colour, linewidth=4, label=TEACHER.label)


def _students(panel: Axes, curve: pd.DataFrame, method: str, place: int, front: bool) -> None:
    """A method's mean over seeds, with its sd; marks begin at its place among the methods."""
    how = method_style(method)
    colour = how.colour if front else BACK
    panel.plot(
        curve["rank"],
        curve["mean"],
        color=colour,
        marker=how.marker,
        linestyle=how.line,
        label=how.label,
        markersize=5,
        linewidth=1.2,
        zorder=3 if front else 2,
        markevery=(place, max(1, len(curve) // 8)),
    )
    panel.fill_between(
        curve["rank"],
        (curve["mean"] - curve["sd"]).clip(lower=curve["mean"] / 10),
        curve["mean"] + curve["sd"],
        color=colour,
        alpha=0.12,
        linewidth=0,
    )
