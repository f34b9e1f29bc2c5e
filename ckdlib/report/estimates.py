"""Rows -> what a claim of the paper speaks of, as an estimate with its standard error.

Curves are the accuracies (or correlation gaps, or mean_log_spectrum) of one pair and method: a line
a seed, a column an n. Each estimate is the mean of one value a seed, so that its interval is a t
interval; only claims of every n take the scatter of all n together (`cell_errors`).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import sqrt
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..study.grid import Experiment
from . import paper
from .paper import Claim
from .statistics import FEWEST_SEEDS

LOWER = {"correlation", "height"}  # quantities where less is claimed to be better
COLUMN = {
    "calls": "test_accuracy",
    "accuracy": "test_accuracy",
    "narrowing": "test_accuracy",
    "correlation": "correlation",
    "height": "height",
}

Curves = Mapping[tuple[str, str], pd.DataFrame]  # (pair, method) -> [seeds, n]


class Estimate(NamedTuple):
    mean: float
    error: float  # standard error
    df: float  # its degrees of freedom
    seeds: int
    side: int = 0  # 1: at least so much, -1: at most, 0: so much
    sizes: int = 1  # n at which the claim was looked at, of which this is one
    unrun: int = 0  # n that it lacks
    untold: int = 0  # targets of which the curves say nothing
    why: str = ""


def curves(table: pd.DataFrame, column: str) -> Curves:
    """A column of the done runs, by pair and method; n of fewer than FEWEST_SEEDS are left out."""
    done = table[table.status == "done"].dropna(subset=column)
    wide = done.pivot(index=["pair", "method", "seed"], columns="n", values=column)
    found = {}
    for cell, part in wide.groupby(level=["pair", "method"]):
        part = part.droplevel(["pair", "method"])
        found[cell] = part.loc[:, part.count() >= FEWEST_SEEDS]
    return found


def needed(claim: Claim, grid: Experiment, spectra: Sequence[int]) -> list[int]:
    """The n that a claim speaks of; `spectra` are those of Figure 5."""
    if claim.quantity == "height":
        return list(spectra)
    if claim.quantity == "narrowing":
        return [min(grid.calls), max(grid.calls)]
    if claim.quantity != "calls":
        return list(grid.calls) if claim.at is None else [int(claim.at)]
    if claim.rival or claim.value is None:
        return sorted(grid.calls)
    return neighbours(round(1000 * claim.value), grid.calls)


def neighbours(calls: float, sizes: Sequence[int]) -> list[int]:
    """The n of a grid beside `calls`, or the one n that equals it.

    Where `calls` lies outside, the two n of that end.
    """
    if calls in sizes:
        return [int(calls)]
    sizes = sorted(sizes)
    right = min(max(int(np.searchsorted(sizes, calls)), 1), len(sizes) - 1)
    return sizes[right - 1 : right + 1]


def rivals(claim: Claim) -> tuple[str, ...]:
    """The methods that a claim compares with; none where it gives a number alone."""
    return paper.BASELINES if claim.rival == "baselines" else tuple(filter(None, [claim.rival]))


def estimate(
    claim: Claim, found: Curves, pairs: Sequence[str], grid: Experiment, sizes: list[int]
) -> Estimate | None:
    """What the curves say of a claim at `sizes`, the n `needed`; None where too little was run."""
    if claim.rival:
        if claim.quantity == "calls":
            return _fewer_calls(claim, found, pairs, grid)
    elif claim.value is None:
        return None
    elif claim.quantity == "calls":
        calls = round(1000 * claim.value)
        return _accuracy_at(calls, found.get((claim.pair, claim.method)), sizes)
    cells = list(product(pairs, (claim.method, *rivals(claim))))
    there = [n for n in sizes if _has_all(found, cells, n)]
    all_n = claim.every or claim.quantity == "narrowing"
    fewest = len(sizes) if all_n else min(2, len(sizes))
    if len(there) < fewest:
        return None
    gaps = _differences(claim, found, pairs, sorted(there))
    if len(gaps) < FEWEST_SEEDS:
        return None
    if claim.every:
        return _worst(gaps, -1 if claim.quantity in LOWER else 1)
    if claim.quantity == "narrowing":
        return over_seeds(gaps[min(sizes)] - gaps[max(sizes)])
    unrun = len(sizes) - len(there)
    why = f"{len(there)} of {len(sizes)} n" if unrun else ""
    return over_seeds(gaps.mean(axis=1))._replace(unrun=unrun, why=why)


def _has_all(found: Curves, cells: Sequence[tuple[str, str]], n: int) -> bool:
    return all(n in found.get(cell, ()) for cell in cells)


def over_seeds(values: pd.Series) -> Estimate:
    """The mean of one value a seed, with its t interval's standard error and degrees of freedom."""
    count = len(values)
    return Estimate(float(values.mean()), float(values.std() / sqrt(count)), count - 1, count)


def cell_errors(values: np.ndarray) -> tuple[float, float]:
    """Standard error and degrees of freedom of each column's mean, of values [seeds, n].

    Two-way model with the seed as a random effect, y = m_n + s + e: the mean of a column has the
    variance (var s + var e) / seeds = (MS_s + (N - 1) MS_e) / (N seeds), with MS_s and MS_e the
    mean squares of seeds and residuals; its degrees of freedom are Satterthwaite's (1946). Of one
    column this is the plain standard error. Assumes that the scatter is the same at every n.
    """
    seeds, columns = values.shape
    centred = values - values.mean(0)
    of_seeds = columns * (centred.mean(1) ** 2).sum() / (seeds - 1)
    if columns == 1:
        return sqrt(of_seeds / seeds), seeds - 1
    rest = ((centred - centred.mean(1, keepdims=True)) ** 2).sum()
    of_rest = rest / ((seeds - 1) * (columns - 1))
    total = of_seeds + (columns - 1) * of_rest
    parts = of_seeds**2 / (seeds - 1) + (columns - 1) * of_rest**2 / (seeds - 1)
    return sqrt(total / (columns * seeds)), total**2 / parts if parts else seeds - 1


def _differences(
    claim: Claim, found: Curves, pairs: Sequence[str], there: list[int]
) -> pd.DataFrame:
    """[seeds, n] of a method, or of how much it is above its rival (the best on the mean, of
    several): the mean over pairs, of the seeds that have everything."""

    def of(name: str) -> pd.DataFrame:
        if len(pairs) == 1:
            return found[pairs[0], name][there].dropna()
        wide = pd.concat({pair: found[pair, name][there] for pair in pairs}, axis=1).dropna()
        return wide.T.groupby(level="n").mean().T

    value, *others = map(of, (claim.method, *rivals(claim)))
    if others:
        best = min if claim.quantity in LOWER else max
        value = value - best(others, key=lambda other: other.to_numpy().mean())
    return value.dropna()


def _worst(gaps: pd.DataFrame, sign: int) -> Estimate:
    """The n at which a method is the least ahead, of differences [seeds, n]."""
    error, df = cell_errors(gaps.to_numpy())
    means = sign * gaps.mean()
    return Estimate(
        float(sign * means.min()),
        error,
        df,
        len(gaps),
        sizes=gaps.shape[1],
        why=f"least ahead at n = {means.idxmin()}",
    )


# Teacher calls.


def _accuracy_at(calls: float, curve: pd.DataFrame | None, sizes: list[int]) -> Estimate | None:
    """Accuracy at a number of calls, interpolated between the n beside it (`neighbours`)."""
    if curve is None or not set(sizes) <= set(curve):
        return None
    values = between(calls, curve[sizes].dropna())
    return over_seeds(values) if len(values) >= FEWEST_SEEDS else None


def between(calls: float, curve: pd.DataFrame) -> pd.Series:
    """A value a seed at `calls`: the line through a curve's one or two n."""
    first, last = curve.columns[0], curve.columns[-1]
    share = (calls - first) / (last - first) if last > first else 0
    return curve[first] + share * (curve[last] - curve[first])


class Crossing(NamedTuple):
    calls: float
    seeds: pd.Series  # calls of each seed, to first order
    side: int  # as Estimate's


def crossing(target: float, curve: pd.DataFrame, sizes: Sequence[int]) -> Crossing | None:
    """Where the mean of a curve first crosses a target from below, and each seed to first order.

    A seed's calls are c + (target - its accuracy at c) / slope, with c and slope of the mean. The
    curve's first and last segments go on by one step of the grid, but not below half its smallest
    n; beyond these the crossing is a bound. None where an n that would decide has not been run, or
    where fewer than two n of the grid are.
    """
    sizes = sorted(sizes)
    curve = curve[[n for n in sizes if n in curve]]
    means = curve.mean()
    above = [n for n in curve.columns if means[n] >= target]
    if len(sizes) < 2:
        return None
    left, right = _segment(above, sizes)
    if not {left, right} <= set(curve.columns):
        return None
    step, rise = right - left, means[right] - means[left]
    if rise > 0:
        calls = left + step * (target - means[left]) / rise
    else:
        calls = -np.inf if above else np.inf
    lowest, highest = max(2 * sizes[0] - sizes[1], sizes[0] / 2), 2 * sizes[-1] - sizes[-2]
    kept = min(max(calls, lowest), highest)
    level = means[left] + (kept - left) / step * rise
    behind = level - between(kept, curve[[left, right]].dropna())
    seeds = kept + (behind * step / rise if rise > 0 else 0 * behind)
    return Crossing(kept, seeds, int(calls > kept) - int(calls < kept))


def _segment(above: list[int], sizes: list[int]) -> list[int]:
    """The neighbouring n of the grid between which a curve crosses, or those of the end beyond
    which it would. above: the n at which it is at the target or above."""
    if not above:
        return sizes[-2:]
    place = max(sizes.index(above[0]), 1)
    return sizes[place - 1 : place + 1]


def _targets(claim: Claim, pair: str, grid: Experiment) -> dict[float, tuple[str, ...]]:
    """target -> rivals of a claim on fewer calls. Of the paper's pairs those that both print, as in
    its own means; of any other, all."""
    targets = grid.targets if claim.at is None else (claim.at,)
    names = rivals(claim)
    if claim.method not in paper.TABLE1.get(pair, {}):
        return dict.fromkeys(targets, names)
    told = {}
    for target in targets:
        kept = tuple(name for name in names if paper.printed(pair, name, target))
        if kept and paper.printed(pair, claim.method, target):
            told[target] = kept
    return told


def _fewer_calls(
    claim: Claim, found: Curves, pairs: Sequence[str], grid: Experiment
) -> Estimate | None:
    """Per cent fewer calls than the best rival (`_reduction`), the mean over pairs and targets."""
    parts = []
    for pair in pairs:
        for target, names in _targets(claim, pair, grid).items():
            prices = []
            for name in (claim.method, *names):
                curve = found.get((pair, name))
                price = None if curve is None else crossing(target, curve, grid.calls)
                if price is None:
                    return None
                prices.append(price)
            parts.append(_reduction(prices[0], min(prices[1:], key=lambda price: price.calls)))
    known = [part for part in parts if part is not None]
    bounds = [side for _, side in known if side]
    if not known or len(set(bounds)) > 1:
        return Estimate(np.nan, np.nan, np.nan, 0, why="curves do not cross the targets")
    values = [of_seeds for of_seeds, _ in known]
    seeds = pd.concat(values, axis=1).dropna().mean(axis=1)
    if len(seeds) < FEWEST_SEEDS:
        return None
    untold, why = len(parts) - len(known), ""
    if bounds or untold:
        why = f"{len(known)} of {len(parts)} targets, {len(bounds)} by a bound"
    return over_seeds(seeds)._replace(side=sum(set(bounds)), untold=untold, why=why)


def _reduction(mine: Crossing, best: Crossing) -> tuple[pd.Series, int] | None:
    """Per cent fewer calls of each seed, to first order, and which way it is a bound; None where
    two bounds leave nothing to say.

    100 (1 - mine / best), as the paper's. Where the rival needs fewer, by how many per cent it
    does, with a minus: so that a rival's few calls do not make it boundless."""
    sides = {-mine.side, best.side} - {0}
    if len(sides) > 1:
        return None
    a, b = mine.calls, best.calls
    moved = (best.seeds - b) / b - (mine.seeds - a) / a
    return 100 * (b - a) / max(a, b) + 100 * min(a, b) / max(a, b) * moved, sum(sides)
