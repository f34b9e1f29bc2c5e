"""How many teacher calls a method needs to reach an accuracy (section 4.3), and Table 1."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import InputError
from . import paper
from .outside import in_order
from .rows import comparable
from .statistics import ENDS, resamples

COLUMNS = ["pair", "method", "target", "seeds", "calls", "low", "high", "fewest", "most"]


def calls_to_reach(target: float, calls: ArrayLike, accuracy: ArrayLike) -> float:
    """How many teacher calls reach `target` per cent on a curve of mean accuracies.

    Linear interpolation; the first crossing from below counts, equality is reached.

    Parameters
    ----------
    target : float
        Test accuracy in per cent.
    calls, accuracy : array [N]
        In any order.

    Returns
    -------
    float
        nan if the curve never reaches the target, or is above it at the fewest calls already.

    Raises
    ------
    ValueError
        If the two lengths differ or `calls` repeats.
    InputError
        If the target is no percentage.

    References
    ----------
    CKD, section 4.3, https://arxiv.org/abs/2311.02253
    """
    calls, accuracy = np.asarray(calls, float), np.asarray(accuracy, float)
    if calls.shape != accuracy.shape or calls.ndim != 1 or len(np.unique(calls)) < len(calls):
        raise ValueError(
            f"calls {calls.shape} and accuracy {accuracy.shape} must be of one length, no n twice"
        )
    order = np.argsort(calls)
    reached = first_crossings(target, calls[order], accuracy[order][None])[0]
    return float(reached) if np.isfinite(reached) else float("nan")


def check_target(target: float) -> None:
    """Raise InputError unless `target` is between 0 and 100 per cent."""
    if not 0 <= target <= 100:
        raise InputError(f"target {target:g} is no accuracy in per cent; choose between 0 and 100")


def first_crossings(target: float, calls: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Where each of several curves first crosses a target from below.

    Parameters
    ----------
    target : float
        Test accuracy in per cent.
    calls : array [N]
        Ascending.
    curves : array [R, N]

    Returns
    -------
    array [R]
        -inf where the first point is above, inf where never reached; nan if N = 0.

    Raises
    ------
    InputError
        If the target is no percentage.
    """
    check_target(target)
    if curves.shape[1] == 0:
        return np.full(len(curves), np.nan)
    there = curves >= target
    after = there.argmax(1)
    before, line = np.maximum(after - 1, 0), np.arange(len(curves))
    low, high = curves[line, before], curves[line, after]
    share = (target - low) / np.where(high > low, high - low, 1)
    inside = calls[before] + share * (calls[after] - calls[before])
    at_start = np.where(curves[:, 0] == target, calls[0], -np.inf)
    return np.where(~there.any(1), np.inf, np.where(after == 0, at_start, inside))


def crossing(target: float, curves: pd.DataFrame) -> tuple[float, np.ndarray]:
    """The calls that reach `target` on the mean of curves and on that of every resample of seeds.

    Parameters
    ----------
    target : float
        Test accuracy in per cent.
    curves : DataFrame
        A line a seed, a column an n.

    Returns
    -------
    float
        -inf where the mean is above the target at the fewest calls, inf where it never reaches it.
    array [R]
        Of the seeds that have all n; empty of fewer than two.
    """
    calls, whole = curves.columns.to_numpy(float), curves.dropna().to_numpy()
    spread = np.empty(0)
    if len(whole) > 1:
        spread = first_crossings(target, calls, whole[resamples(len(whole))].mean(1))
    return first_crossings(target, calls, curves.mean().to_numpy()[None])[0], spread


def calls_table(table: pd.DataFrame, targets: Sequence[float]) -> pd.DataFrame:
    """The teacher calls n that reach each target, and a bootstrap interval over seeds.

    Whole seeds are resampled, all n together (every resample where there are few seeds).

    Returns
    -------
    DataFrame
        A line for each pair, method and target. `calls` is -inf where the smallest n is already
        above the target and inf where no n reaches it; so are the ends of the interval (low, high),
        which are nan where fewer than two seeds have every n.
    """
    cells = []
    for (pair, method), part in table[table.status == "done"].groupby(["pair", "method"]):
        curves = part.pivot(index="seed", columns="n", values="test_accuracy")
        for target in targets:
            calls, spread = crossing(target, curves)
            low = high = np.nan
            if len(spread):
                low, high = np.quantile(spread, ENDS, method="closest_observation")
            seeds, fewest, most = len(curves.dropna()), curves.columns[0], curves.columns[-1]
            ends = (low, high, float(fewest), float(most))
            cells.append([pair, method, target, seeds, calls, *ends])
    return pd.DataFrame(cells, columns=COLUMNS)


def reductions(
    calls: pd.DataFrame, method: str, rivals: Sequence[str] = paper.BASELINES
) -> pd.DataFrame:
    """The paper's delta: per cent fewer calls of `method` than of the best rival.

    Parameters
    ----------
    calls : DataFrame
        As `calls_table` gives it.
    method : str
    rivals : sequence of str

    Returns
    -------
    DataFrame
        A line for each pair and target. `bound` is '' where both were measured, '>=' where only one
        end is known (the method is above the target at the fewest calls, or no rival reaches it),
        and `reduction` nan where nothing can be said.
    """
    cells = []
    for (pair, target), part in calls.groupby(["pair", "target"], sort=False):
        own = part[part.method == method]
        others = part[part.method.isin(rivals) & (part.method != method)]
        if own.empty or others.empty:
            continue
        mine, best = own.calls.item(), others.calls.min()
        rival = others.method[others.calls.idxmin()]
        reduction, bound = np.nan, ""
        if mine < np.inf and best > -np.inf:
            upper = max(mine, own.fewest.item())
            lower = best if np.isfinite(best) else others.most.min()
            reduction = 100 * (1 - upper / lower)
            bound = "" if np.isfinite(mine) and np.isfinite(best) else ">="
        cells.append([pair, target, rival, reduction, bound])
    return pd.DataFrame(cells, columns=["pair", "target", "rival", "reduction", "bound"])


def table1(calls: pd.DataFrame, order: Sequence[str], thousands: bool = False) -> pd.DataFrame:
    """Table 1 as text, and the deltas.

    Parameters
    ----------
    calls : DataFrame
        As `calls_table` gives it.
    order : sequence of str
    thousands : bool
        Show calls in thousands.

    Returns
    -------
    DataFrame
        A line for each pair and method, those of `order` first, then the deltas; a column for each
        target. `≤` where the smallest n is above the target already, `>` where no n reaches it;
        the interval in brackets.
    """
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for pair, part in calls.groupby("pair"):
        for method in in_order(part.method, order):
            for cell in part[part.method == method].itertuples():
                lines.setdefault((pair, method), {})[f"{cell.target:g} %"] = _price(cell, thousands)
        for method in (paper.CKD, "ckd"):
            for cell in reductions(part, method).dropna(subset="reduction").itertuples():
                lines.setdefault((pair, f"Δ {method}"), {})[f"{cell.target:g} %"] = _share(cell)
    if not lines:
        return pd.DataFrame()
    out = pd.DataFrame.from_dict(lines, orient="index").fillna("")
    return out.set_index(pd.MultiIndex.from_tuples(lines, names=["pair", "method"]))


def _share(cell) -> str:
    return f"{cell.bound.replace('>=', '≥ ')}{cell.reduction:.1f} %"


def _price(cell, thousands: bool) -> str:
    def text(value: float) -> str:
        shown = min(max(value, cell.fewest), cell.most)
        number = f"{shown / 1000:.2f}" if thousands else f"{shown:.0f}"
        return {-np.inf: "≤", np.inf: ">"}.get(value, "") + number

    if np.isnan(cell.low) or np.isinf(cell.calls):
        return text(cell.calls)
    return f"{text(cell.calls)} [{text(cell.low)}, {text(cell.high)}]"


def table1_vs_paper(table: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """The paper's Table 1 and ours, in thousands of calls.

    Raises
    ------
    InputError
        If these rows are not `comparable`.
    """
    if not comparable(table):
        raise InputError(
            f"profile {table.profile.iloc[0]} on {table.dataset.iloc[0]} is not the paper's study, "
            f"which is {paper.DATASET} under profile {paper.PROFILE}: "
            "its numbers do not stand beside these"
        )
    ours = calls.set_index(["pair", "method", "target"])
    lines = []
    for pair, by_method in paper.TABLE1.items():
        for method, prices in by_method.items():
            for target, price in zip(paper.TABLE1_TARGETS, prices, strict=True):
                printed = "–" if price is None else f"{price:.2f}"
                line = {"pair": pair, "method": method, "target": target, "paper": printed}
                line |= {"ours": "not run", "seeds": 0}
                if (pair, method, target) in ours.index:
                    cell = ours.loc[(pair, method, target)]
                    line |= {"ours": _price(cell, thousands=True), "seeds": int(cell.seeds)}
                lines.append(line)
    return pd.DataFrame(lines)
