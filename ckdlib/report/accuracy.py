"""Accuracies of a frame: means with intervals, differences between methods, printed tables beside
ours.
"""

from collections.abc import Sequence
from itertools import product

import pandas as pd

from ..errors import InputError
from .outside import in_order
from .statistics import CELL, SPREAD, interval


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Test accuracies over seeds, with what they cost, for each pair, method and n.

    Parameters
    ----------
    table : DataFrame
        A line a run, as `frame` gives it.

    Returns
    -------
    DataFrame
        How many `seeds` are done; their mean, sd and t interval (low, high) of the test accuracy in
        per cent; the mean `validation` accuracy of the same weights; the mean training cost; and
        how many runs `diverged` (they enter no mean).
    """
    cells = []
    for cell, part in table.groupby(CELL):
        done = part[part.status == "done"]
        costs = {
            "validation": done.val_accuracy.mean(),
            "teacher_calls": part.teacher_calls.max(),
            "student_passes": done.student_passes.mean(),
            "seconds": done.seconds.mean(),
            "diverged": len(part) - len(done),
        }
        place = dict(zip(CELL, cell, strict=True))
        cells.append(place | interval(done.test_accuracy) | costs)
    return pd.DataFrame(cells)


def accuracies(cells: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """`summary` as text, mean ± sd; diverged runs are counted in brackets.

    Returns
    -------
    DataFrame
        A line for each pair and method, those of `order` first, a column for each n.
    """
    texts = list(map(_text, cells.itertuples(index=False)))
    return by_n(cells.assign(cell=texts), "cell", order).fillna("")


def _text(cell) -> str:
    diverged = f" ({cell.diverged} diverged)" if cell.diverged else ""
    return f"{cell.mean:.2f} ± {cell.sd:.2f}{diverged}"


def by_n(cells: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    """A column of `summary`: a line for each pair and method, those of `order` first, a column for
    each n.
    """
    wide = cells.pivot(index=["pair", "method"], columns="n", values=column)
    return wide.reindex(in_order(cells.method, order), level="method").dropna(how="all")


def paired_differences(table: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Mean over the shared seeds of (method - baseline) in points of test accuracy.

    Images, splits and teacher calls of a seed are the same for both methods.

    Parameters
    ----------
    table : DataFrame
        A line a run, as `frame` gives it; diverged runs are left out.
    baseline : str

    Returns
    -------
    DataFrame
        A line for each pair, other method and n: seeds, mean, sd, and the paired t interval (low,
        high).

    Raises
    ------
    InputError
        If no row is of `baseline`.
    """
    done = table[table.status == "done"]
    wide = done.pivot(index=["pair", "n", "seed"], columns="method", values="test_accuracy")
    if baseline not in wide:
        raise InputError(
            f"no rows of method {baseline!r} to compare with; there are {', '.join(wide.columns)}"
        )
    cells = []
    for method in wide.columns.drop(baseline):
        gaps = (wide[method] - wide[baseline]).dropna()
        for (pair, n), gap in gaps.groupby(["pair", "n"]):
            cells.append({"pair": pair, "method": method, "n": n} | interval(gap))
    return pd.DataFrame(cells, columns=[*CELL, *SPREAD])


def baseline(table: pd.DataFrame, *preferred: str) -> str:
    """The first of the `preferred` methods that has rows, else the first method that has."""
    there = table.method.unique()
    return next((method for method in preferred if method in there), there[0])


def mean_accuracies(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The mean over n of the test accuracy, of the seeds that have every n.

    Returns
    -------
    DataFrame
        A line for each pair and method, those of `order` first, with the t interval (low, high)
        over seeds.
    """
    wide = _by_seed(table)
    found = set(wide.columns.droplevel("n"))
    lines = []
    for pair, method in product(wide.columns.levels[0], in_order(table.method, order)):
        if (pair, method) in found:
            means = wide[pair, method].dropna().mean(axis=1)
            lines.append({"pair": pair, "method": method} | interval(means))
    return pd.DataFrame(lines, columns=["pair", "method", *SPREAD])


def at_common_n(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of `methods`, of one pair, at the n that all of them have; without such an n, those
    of the methods of the most n.
    """
    there = table[table.method.isin(methods)]
    sizes = there.groupby("method").n.agg(set)
    if sizes.empty:
        return there
    if not set.intersection(*sizes):
        sizes = sizes[sizes.map(len) == sizes.map(len).max()]
    common = set.intersection(*sizes)
    return there[there.method.isin(sizes.index) & there.n.isin(common)]


def offset_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Points of test accuracy that adding the offset would win, the mean over n.

    Parameters
    ----------
    table : DataFrame
        A frame with measures, see `rows.with_measures`.

    Returns
    -------
    DataFrame
        A line for each pair and method that was measured, with the t interval over seeds.
    """
    won = table.assign(won=table.calibrated_accuracy - table.test_accuracy).dropna(subset="won")
    lines = []
    for (pair, method), part in won.groupby(["pair", "method"]):
        lines.append({"pair": pair, "method": method} | interval(part.groupby("seed").won.mean()))
    return pd.DataFrame(lines, columns=["pair", "method", *SPREAD])


def mean_differences(
    table: pd.DataFrame, method: str, rival: str, column: str = "test_accuracy"
) -> pd.DataFrame:
    """The mean over n of (method - rival), in points of test accuracy or the unit of `column`.

    Returns
    -------
    DataFrame
        A line for each pair that has both, paired over the seeds that have every n of both; low,
        high: t interval.
    """
    wide = _by_seed(table, column)
    found = set(wide.columns.droplevel("n"))
    lines = []
    for pair in wide.columns.levels[0]:
        if {(pair, method), (pair, rival)} <= found:
            gaps = (wide[pair, method] - wide[pair, rival]).dropna(axis=1, how="all")
            means = gaps.dropna().mean(axis=1)
            lines.append({"pair": pair, "method": method, "above": rival} | interval(means))
    return pd.DataFrame(lines, columns=["pair", "method", "above", *SPREAD])


def _by_seed(table: pd.DataFrame, column: str = "test_accuracy") -> pd.DataFrame:
    done = table[table.status == "done"]
    return done.pivot(index="seed", columns=["pair", "method", "n"], values=column)


def accuracies_beside(cells: pd.DataFrame, printed: dict, calls: Sequence[int]) -> pd.DataFrame:
    """A printed table of accuracies and ours.

    Parameters
    ----------
    cells : DataFrame
        As `summary` gives it.
    printed : dict
        pair -> method -> (mean, sd) for each n of `calls`.
    calls : sequence of int

    Returns
    -------
    DataFrame
        A line for each printed number; 'not run' where we have none.
    """
    ours = cells.set_index(["pair", "method", "n"])
    lines = []
    for pair, methods in printed.items():
        for method, values in methods.items():
            for n, (mean, sd) in zip(calls, values, strict=True):
                line = {"pair": pair, "method": method, "n": n, "paper": f"{mean:.2f} ± {sd:.2f}"}
                line |= {"ours": "not run", "seeds": 0}
                if (pair, method, n) in ours.index:
                    cell = ours.loc[(pair, method, n)]
                    line["ours"] = f"{cell['mean']:.2f} ± {cell.sd:.2f}"
                    line["seeds"] = int(cell.seeds)
                lines.append(line)
    return pd.DataFrame(lines)
