"""Accuracies of a frame: means with intervals, differences between methods, printed tables beside
ours.
"""

from collections.abc import Sequence

import pandas as pd

from ..errors import InputError
from .statistics import CELL, interval


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
        cells.append(
            dict(zip(CELL, cell, strict=True))
            | interval(done.test_accuracy)
            | {
                "validation": done.val_accuracy.mean(),
                "teacher_calls": part.teacher_calls.max(),
                "student_passes": done.student_passes.mean(),
                "seconds": done.seconds.mean(),
                "diverged": len(part) - len(done),
            }
        )
    return pd.DataFrame(cells)


def accuracies(cells: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """`summary` as text, mean ± sd; diverged runs are counted in brackets.

    Returns
    -------
    DataFrame
        A line for each pair and method in `order`, a column for each n.
    """
    texts = [
        f"{c.mean:.2f} ± {c.sd:.2f}" + (f" ({c.diverged} diverged)" if c.diverged else "")
        for c in cells.itertuples(index=False)
    ]
    return by_n(cells.assign(cell=texts), "cell", order).fillna("")


def by_n(cells: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    """A column of `summary`: a line for each pair and method in `order`, a column for each n."""
    wide = cells.pivot(index=["pair", "method"], columns="n", values=column)
    return wide.reindex(order, level="method").dropna(how="all")


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
    wide = table[table.status == "done"].pivot(
        index=["pair", "n", "seed"], columns="method", values="test_accuracy"
    )
    if baseline not in wide:
        raise InputError(
            f"no rows of method {baseline!r} to compare with; there are {', '.join(wide.columns)}"
        )
    cells = []
    for method in wide.columns.drop(baseline):
        for (pair, n), gap in (wide[method] - wide[baseline]).dropna().groupby(["pair", "n"]):
            cells.append({"pair": pair, "method": method, "n": n} | interval(gap))
    return pd.DataFrame(cells, columns=[*CELL, "seeds", "mean", "sd", "low", "high"])


def baseline(table: pd.DataFrame, *preferred: str) -> str:
    """The first of the `preferred` methods that has rows, else the first method that has."""
    there = table.method.unique()
    return next((method for method in preferred if method in there), there[0])


def mean_accuracies(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The mean over n of the test accuracy, of the seeds that have every n.

    Returns
    -------
    DataFrame
        A line for each pair and method of `order`, with the t interval (low, high) over seeds.
    """
    wide = _by_seed(table)
    found = set(wide.columns.droplevel("n"))
    return pd.DataFrame(
        [
            {"pair": pair, "method": method} | interval(wide[pair, method].dropna().mean(axis=1))
            for pair in wide.columns.levels[0]
            for method in order
            if (pair, method) in found
        ]
    )


def mean_differences(table: pd.DataFrame, method: str, rival: str) -> pd.DataFrame:
    """The mean over n of (method - rival) in points of test accuracy.

    Returns
    -------
    DataFrame
        A line for each pair that has both, paired over the seeds that have every n of both; low,
        high: t interval.
    """
    wide = _by_seed(table)
    found = set(wide.columns.droplevel("n"))
    return pd.DataFrame(
        [
            {"pair": pair, "method": method, "above": rival}
            | interval(
                (wide[pair, method] - wide[pair, rival])
                .dropna(axis=1, how="all")
                .dropna()
                .mean(axis=1)
            )
            for pair in wide.columns.levels[0]
            if {(pair, method), (pair, rival)} <= found
        ]
    )


def _by_seed(table: pd.DataFrame) -> pd.DataFrame:
    done = table[table.status == "done"]
    return done.pivot(index="seed", columns=["pair", "method", "n"], values="test_accuracy")


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
                cell = ours.loc[(pair, method, n)] if (pair, method, n) in ours.index else None
                lines.append(
                    {
                        "pair": pair,
                        "method": method,
                        "n": n,
                        "paper": f"{mean:.2f} ± {sd:.2f}",
                        "ours": "not run"
                        if cell is None
                        else f"{cell['mean']:.2f} ± {cell.sd:.2f}",
                        "seeds": 0 if cell is None else int(cell.seeds),
                    }
                )
    return pd.DataFrame(lines)
