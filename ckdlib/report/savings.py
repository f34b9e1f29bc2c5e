"""Rows -> how many fewer teacher calls one method needs than another for the same accuracy, with
intervals.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from ..study.grid import Experiment
from .calls import first_crossings
from .statistics import ENDS, resamples

TARGETS = 5
COLUMNS = ["pair", "method", "rival", "seeds", "target", "targets", "fewer", "low", "high", "bound"]


def fresh(table: pd.DataFrame, grid: Experiment) -> pd.DataFrame:
    """The rows inside the experiment's own grid: its methods were chosen on other seeds."""
    return table[
        table.seed.isin(grid.seeds) & table.n.isin(grid.calls) & table.method.isin(grid.methods)
    ]


def savings(table: pd.DataFrame, methods: Sequence[str], rivals: Sequence[str]) -> pd.DataFrame:
    """Per cent fewer calls of each method than of each rival at equal test accuracy, by pair: a
    line for each of five targets and last one (target nan) for the mean of those that are known,
    `targets` of them.

    The targets are fixed from validation (`spaced`). A curve is the mean over the seeds that have
    every n of both methods and reaches a target as in section 4.3. Where it is above the target at
    its fewest calls it counts as there by those, where it never comes there as by its most: `fewer`
    is then a lower bound ('>='), or without meaning (nan) where the bounds say nothing. low, high:
    over resamples of the seeds, both curves together, where known (nan of one seed).
    """
    lines = []
    for (pair, part), method, rival in product(
        table[table.status == "done"].groupby("pair"), methods, rivals
    ):
        if method == rival or not {method, rival} <= set(part.method):
            continue
        mine, other = _curves(part, method, rival, "test_accuracy")
        targets = spaced(*(curve.mean() for curve in _curves(part, method, rival, "val_accuracy")))
        drawn = (
            [np.arange(len(mine))[None], resamples(len(mine))]
            if len(mine) > 1
            else [np.arange(len(mine))[None]]
        )
        found = [_compare(targets, mine, other, seeds) for seeds in drawn]
        fewer, bound = found[0][0][:, 0], found[0][1][:, 0]
        spread = found[-1][0] if len(mine) > 1 else np.full((TARGETS, 1), np.nan)
        known = ~np.isnan(fewer)
        means: list[tuple[float, np.ndarray]] = [
            *((target, np.array([i])) for i, target in enumerate(targets)),
            (np.nan, np.flatnonzero(known)),
        ]
        for target, rows in means:
            shares = _mean(spread[rows])
            shares = shares[~np.isnan(shares)]
            low, high = (
                np.quantile(shares, ENDS, method="closest_observation")
                if len(shares)
                else (np.nan, np.nan)
            )
            lines.append(
                [
                    pair,
                    method,
                    rival,
                    len(mine),
                    target,
                    int(known[rows].sum()),
                    _mean(fewer[rows, None])[0],
                    low,
                    high,
                    ">=" if (bound & known)[rows].any() else "",
                ]
            )
    return pd.DataFrame(lines, columns=COLUMNS)


def _curves(part: pd.DataFrame, method: str, rival: str, score: str) -> list[pd.DataFrame]:
    """Of the method and the rival: a line a seed, a column a number of calls, the seeds that have
    all of both.
    """
    both = part[part.method.isin([method, rival])]
    wide = both.pivot(index="seed", columns=["method", "teacher_calls"], values=score).dropna()
    return [wide[name].sort_index(axis=1) for name in (method, rival)]


def spaced(mine: pd.Series, rival: pd.Series) -> np.ndarray:
    """[5] accuracies evenly spaced inside the range that both curves (by calls) cross; where there
    is none because one is above the other's highest point, inside the rival's range.
    """
    low, high = max(mine.iloc[0], rival.iloc[0]), min(mine.max(), rival.max())
    if low >= high:
        low, high = rival.iloc[0], rival.max()
    return np.linspace(low, high, TARGETS + 2)[1:-1]


def _mean(shares: np.ndarray) -> np.ndarray:
    """[R]: the mean of [targets, R] over the targets that are known in each resample; nan where
    none is.
    """
    count = (~np.isnan(shares)).sum(0)
    return np.where(count > 0, np.nansum(shares, axis=0) / np.maximum(count, 1), np.nan)


def _compare(
    targets: np.ndarray, mine: pd.DataFrame, other: pd.DataFrame, seeds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """[targets, resamples]: per cent fewer calls, and whether that is a bound."""
    reached = []
    for curve in (mine, other):
        calls, curves = curve.columns.to_numpy(float), curve.to_numpy()[seeds].mean(1)
        reached.append(np.array([first_crossings(target, calls, curves) for target in targets]))
    a, b = reached
    share = 100 * (1 - np.maximum(a, mine.columns[0]) / np.minimum(b, other.columns[-1]))
    share[np.isposinf(a) | np.isneginf(b)] = np.nan
    return share, np.isneginf(a) | np.isposinf(b)
