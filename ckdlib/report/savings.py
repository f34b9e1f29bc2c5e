"""Rows -> how many fewer teacher calls one method needs than another for the same accuracy."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..study.grid import Experiment
from .calls import first_crossings
from .outside import outside
from .statistics import ENDS, resamples

TARGETS = 5
COLUMNS = ["pair", "method", "rival", "seeds", "target", "targets", "fewer", "low", "high", "bound"]


def fresh(table: pd.DataFrame, grid: Experiment) -> pd.DataFrame:
    """The rows inside the experiment's own grid, whose methods were chosen on other seeds, and
    there those of methods that the study does not hold.
    """
    inside = table.seed.isin(grid.seeds) & table.n.isin(grid.calls)
    return table[inside & table.method.isin([*grid.methods, *outside(table)])]


def savings(table: pd.DataFrame, methods: Sequence[str], rivals: Sequence[str]) -> pd.DataFrame:
    """Per cent fewer calls of each method than of each rival at equal test accuracy, by pair.

    The targets are fixed from validation (`spaced`). A curve is the mean over the seeds that have
    every n of both methods and reaches a target as in section 4.3. Where it is above the target at
    its fewest calls it counts as there by those, where it never comes there as by its most.

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    methods, rivals : sequence of str
        Those without rows or calls, of one n or of no seed in common that has all, and a method
        beside itself, are left out.

    Returns
    -------
    DataFrame
        A line for each of five targets and last one (`target` nan) for the mean of those that are
        known, `targets` of them. `fewer` is a lower bound where `bound` is '>=', nan where the
        bounds say nothing. `low`, `high`: over resamples of the seeds, both curves together, where
        known (nan of one seed).
    """
    lines = []
    done = table[(table.status == "done") & (table.teacher_calls > 0)]
    for (pair, part), method, rival in product(done.groupby("pair"), methods, rivals):
        if method != rival and {method, rival} <= set(part.method):
            lines += [[pair, method, rival, *line] for line in _against(part, method, rival)]
    return pd.DataFrame(lines, columns=COLUMNS)


class Saving(NamedTuple):
    """[targets, resamples]: per cent fewer calls, and whether that is a bound."""

    fewer: np.ndarray
    bound: np.ndarray


def _against(part: pd.DataFrame, method: str, rival: str) -> list[list]:
    """The lines of one method and one rival: seeds, target, targets, fewer, low, high, bound."""
    mine, other = _curves(part, method, rival, "test_accuracy")
    if mine.empty or min(mine.shape[1], other.shape[1]) < 2:  # no seed has all; or no curves
        return []
    validation = _curves(part, method, rival, "val_accuracy")
    targets = spaced(validation[0].mean(), validation[1].mean())
    seeds = len(mine)
    point = _compare(targets, mine, other, np.arange(seeds)[None])
    spread = np.full((TARGETS, 1), np.nan)
    if seeds > 1:
        spread = _compare(targets, mine, other, resamples(seeds)).fewer
    known = ~np.isnan(point.fewer[:, 0])
    lines = []
    for i, target in enumerate(targets):
        lines.append(_line(seeds, target, np.array([i]), point, spread, known))
    lines.append(_line(seeds, np.nan, np.flatnonzero(known), point, spread, known))
    return lines


def _line(
    seeds: int,
    target: float,
    chosen: np.ndarray,
    point: Saving,
    spread: np.ndarray,
    known: np.ndarray,
) -> list:
    """The mean over the `chosen` targets, with its interval."""
    shares = _mean(spread[chosen])
    shares = shares[~np.isnan(shares)]
    low = high = np.nan
    if len(shares):
        low, high = np.quantile(shares, ENDS, method="closest_observation")
    bound = (point.bound[:, 0] & known)[chosen].any()
    fewer = _mean(point.fewer[chosen])[0]
    return [seeds, target, int(known[chosen].sum()), fewer, low, high, ">=" if bound else ""]


def _curves(part: pd.DataFrame, method: str, rival: str, score: str) -> list[pd.DataFrame]:
    """Of both: a line a seed that has all of the two, a column a number of calls."""
    both = part[part.method.isin([method, rival])]
    wide = both.pivot(index="seed", columns=["method", "teacher_calls"], values=score).dropna()
    return [wide[name].sort_index(axis=1) for name in (method, rival)]


def spaced(mine: pd.Series, rival: pd.Series) -> np.ndarray:
    """[5] accuracies evenly spaced inside the range that both curves (by calls) cross.

    Where there is none because one is above the other's highest point, inside the rival's range.
    """
    low, high = max(mine.iloc[0], rival.iloc[0]), min(mine.max(), rival.max())
    if low >= high:
        low, high = rival.iloc[0], rival.max()
    return np.linspace(low, high, TARGETS + 2)[1:-1]


def _mean(shares: np.ndarray) -> np.ndarray:
    """[R]: the mean of [targets, R] over the targets known in each resample; nan where none is."""
    count = (~np.isnan(shares)).sum(0)
    return np.where(count > 0, np.nansum(shares, axis=0) / np.maximum(count, 1), np.nan)


def _compare(
    targets: np.ndarray, mine: pd.DataFrame, other: pd.DataFrame, seeds: np.ndarray
) -> Saving:
    """Per cent fewer calls at each target, for each line of `seeds` [resamples, seeds]."""
    ours, theirs = _reached(targets, mine, seeds), _reached(targets, other, seeds)
    fewest, most = mine.columns[0], other.columns[-1]
    fewer = 100 * (1 - np.maximum(ours, fewest) / np.minimum(theirs, most))
    fewer[np.isposinf(ours) | np.isneginf(theirs)] = np.nan
    return Saving(fewer, np.isneginf(ours) | np.isposinf(theirs))


def _reached(targets: np.ndarray, curve: pd.DataFrame, seeds: np.ndarray) -> np.ndarray:
    """[targets, resamples]: the calls at which the mean of resampled seeds reaches each target."""
    calls = curve.columns.to_numpy(float)
    curves = curve.to_numpy()[seeds].mean(1)
    return np.array([first_crossings(target, calls, curves) for target in targets])
