"""What a number of teacher calls buys: students that are there, and the curves through them."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from ..budget import BACK, TRIED, Bought, Budget
from .curves import AXES
from .style import grid_of_panels, method_style


def budget(found: Budget, table: pd.DataFrame) -> Figure:
    """Test accuracy over teacher calls, of the best method and of labels alone.

    A small mark a student; the curve near these calls with its 95 % band of one new student, dashed
    where no rows are; the calls, and twice of them, as vertical lines.

    Parameters
    ----------
    found : Budget
    table : DataFrame
        That it was made of, as of `budget_table`.
    """
    figure, grid = grid_of_panels(1, 1, height=3.6, width=7.6)
    panel = grid[0][0]
    for one in filter(None, (found.best, found.alone)):
        _curve(panel, one, found.calls)
        _students(panel, one, table)
    for calls, line, label in ((found.calls, "-", "your calls"), (2 * found.calls, ":", "twice")):
        panel.axvline(calls, color="#555555", linewidth=0.9, linestyle=line, label=label)
    _axis(panel, found, table)
    panel.set_title("curves with the 95 % interval of one new student", fontsize="small")
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    return figure


def _curve(panel: Axes, one: Bought, calls: int) -> None:
    how = method_style(one.method)
    ends = min(one.fitted[0], calls), max(one.fitted[-1], TRIED * calls)
    grid = np.geomspace(*ends, 80)
    told = np.array([one.curve.predict(n) for n in grid])
    panel.fill_between(grid, told[:, 1], told[:, 2], color=how.colour, alpha=0.15, linewidth=0)
    there = (grid >= one.kept[0]) & (grid <= one.kept[-1])
    for where, line in ((there, "-"), (~there, "--")):
        values = np.where(where, told[:, 0], np.nan)
        panel.plot(grid, values, color=how.colour, linestyle=line, linewidth=1.4)
    value, low, high = one.expected
    panel.errorbar(
        calls,
        value,
        [[value - low], [high - value]],
        color=how.colour,
        marker="o",
        markersize=8,
        capsize=4,
    )


def _students(panel: Axes, one: Bought, table: pd.DataFrame) -> None:
    how, own = method_style(one.method), table[table.method == one.method]
    label = f"{how.label}, a student"
    panel.plot(
        own.n,
        own.test_accuracy,
        color=how.colour,
        marker=how.marker,
        linestyle="",
        markersize=4,
        alpha=0.7,
        label=label,
    )


def _axis(panel: Axes, found: Budget, table: pd.DataFrame) -> None:
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panel.xaxis.set_minor_locator(NullLocator())
    least, most = min(table.n.min(), found.calls), max(table.n.max(), found.calls)
    low, high = panel.get_ylim()
    panel.set(
        xlim=(least / BACK, TRIED * most),
        ylim=(max(low, 0), min(high, 101)),
        xlabel=AXES["n"],
        ylabel="test accuracy (%)",
    )
