"""Learning curves with their predictions, and how often their intervals held what was found."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from ..backtest import LEVELS, Case
from ..learning_curve import PRIOR, Prior, fit_curve
from .curves import AXES
from .dots import nothing
from .style import grid_of_panels, method_style, ordered

COLUMNS = 4
NOTHING = "nothing to judge: no rows at n/4, n/2, n and 2n or 4n"
LOOKS = {  # forecast -> colour, marker, line
    "curve": ("#000000", "o", "-"),
    "line in log n": ("#0072b2", "s", "--"),
    "power law": ("#d55e00", "^", "-."),
    "the last stays": ("#7f7f7f", "x", ":"),
}


def forecasts(tried: Sequence[Case], priors: Mapping[str, Prior]) -> Figure:
    """A panel a method: a curve of its smallest base n, the 95 % band of one student, what came.

    Parameters
    ----------
    tried : sequence of Case
        Of one pair; the first of each method that is of one seed, with its other targets.
    priors : mapping
        Method -> the prior that its curve is fitted with; PRIOR where it is none.
    """
    shown: dict[str, list[Case]] = {}
    for case in tried:
        if case.seeds == 1:
            kept = shown.setdefault(case.method, [])
            if not kept or kept[0].accuracies == case.accuracies:
                kept.append(case)
    if not shown:
        return nothing(NOTHING)
    rows = -(-len(shown) // COLUMNS)
    columns = min(COLUMNS, len(shown))
    figure, grid = grid_of_panels(rows, columns, 0.9 + 2.2 * rows, 0.6 + 2.3 * columns, sharey=True)
    panels = grid.flatten()
    for panel, method in zip(panels, ordered(shown), strict=False):
        _forecast(panel, shown[method], priors.get(method, PRIOR))
        panel.set_title(method_style(method).label, fontsize=9)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(shown) - columns) : len(shown)]:
        panel.set_xlabel(AXES["n"])
    for row in grid:
        row[0].set_ylabel("test accuracy (%)")
    handles = [
        Line2D([], [], color="black", marker="o", label="fitted"),
        Patch(facecolor="#cccccc", label="95 % interval of one student"),
        Line2D([], [], color="black", marker="D", mfc="white", linestyle="", label="found"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
    return figure


def _forecast(panel: Axes, own: Sequence[Case], prior: Prior) -> None:
    first = own[0]
    fitted = fit_curve(first.calls, first.accuracies, first.images, prior)
    ends = sorted({*first.calls, *(case.target for case in own)})
    grid = np.geomspace(ends[0], ends[-1], 60)
    told = np.array([fitted.predict(n, seeds=first.seeds) for n in grid])
    beyond = grid >= first.n
    panel.fill_between(grid[beyond], told[beyond, 1], told[beyond, 2], color="#cccccc", linewidth=0)
    panel.plot(grid, told[:, 0], color="black", linewidth=1)
    panel.plot(first.calls, first.accuracies, "o", color="black", markersize=4)
    for case in own:
        panel.plot(case.target, case.found, "D", color="black", mfc="white", markersize=5)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(ends))
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_minor_locator(NullLocator())
    panel.tick_params(axis="x", labelsize=8)


def coverage(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """How often intervals held what was found, beside how often they say.

    Parameters
    ----------
    tables : mapping
        Title -> a table of `report.coverage`: a row of panels. A column for each number of times
        the calls and of students.
    """
    tables = {title: table for title, table in tables.items() if len(table)}
    if not tables:
        return nothing(NOTHING)
    columns = [(times, of) for times in (2, 4) for of in ("seed", "mean")]
    figure, grid = grid_of_panels(len(tables), 4, 0.9 + 2.4 * len(tables), 9.8, sharey=True)
    said = [100 * level for level in LEVELS]
    for panels, (title, table) in zip(grid, tables.items(), strict=True):
        for panel, (times, of) in zip(panels, columns, strict=True):
            cases = _held(panel, table, times, of, said)
            whose = "one seed" if of == "seed" else "the mean over seeds"
            panel.set_title(f"{times}n, {whose}: {cases} cases", fontsize=8)
        panels[0].set_ylabel(f"{title}\nfound inside (%)")
    for panel in grid[-1]:
        panel.set_xlabel("level of the interval (%)")
    handles = [Line2D([], [], color="#999999", linewidth=3, alpha=0.5, label="as it says")]
    for name, (colour, marker, line) in LOOKS.items():
        (drawn,) = grid[0][0].plot([], [], color=colour, marker=marker, linestyle=line, label=name)
        handles.append(drawn)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8)
    return figure


def _held(panel: Axes, table: pd.DataFrame, times: int, of: str, said: list[float]) -> int:
    """Draw a panel; how many cases it shows."""
    panel.plot([0, 100], [0, 100], color="#999999", linewidth=3, alpha=0.5)
    cases = 0
    for name, (colour, marker, line) in LOOKS.items():
        if (name, times, of) in table.index:
            found = table.loc[(name, times, of)]
            held = [found[f"{level:.0f} %"] for level in said]
            panel.plot(said, held, color=colour, marker=marker, linestyle=line, markersize=5)
            cases = int(found.cases)
    panel.set(xlim=(45, 100), ylim=(-3, 103), xticks=said, yticks=[0, *said])
    return cases
