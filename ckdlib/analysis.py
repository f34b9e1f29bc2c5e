"""Rows -> numbers: means with intervals, paired differences, the calls a method needs to reach an accuracy.

Nothing here trains, reads files or draws. A frame is a table of one experiment's rows, a line a run (`frame`).
"""
from itertools import product
from typing import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from . import paper, study
from .errors import InputError, difference
from .metrics import (
    correlation_gap as correlation_gap,  # its place for users of the library
)

CONFIDENCE = 0.95
ENDS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
RESAMPLES = 4000                         # of the seeds, where there are too many to go through every resample
CELL = ["pair", "method", "n"]
STUDY = ["profile", "dataset_sha256", "transform", "precision", "hyperparameters"]


def frame(rows: Sequence[dict], *experiments: str, report: Callable[[str], None] = print) -> pd.DataFrame:
    """The rows of experiments as one table, at the learning rate that is best on validation for each pair, method, n
    (of the rates with the most seeds that did not diverge there).

    Runs of the profile's grids that have no row are said to `report`, with the command that makes them. InputError if
    no experiment has any row, or if the rows mix profiles, images, teachers, recipes or precisions.
    """
    parts = {experiment: found for experiment in experiments if (found := study.members(rows, experiment))}
    lines = [f"no rows of experiment {name!r}; make them with: python -m ckdlib run --experiment {name} "
             f"(and the --profile and --results of this folder)" for name in experiments if name not in parts]
    if not parts:
        raise InputError("; ".join(lines))
    table = pd.DataFrame(list({row["run"]: row for part in parts.values() for row in part}.values()))
    table["pair"] = table.teacher + "-" + table.student
    table["hyperparameters"] = [{k: v for k, v in recipe.items() if k != "learning_rate"} for recipe in table.recipe]
    for column in STUDY:
        _only_one(table, column, "these rows")
    for pair, part in table.groupby("pair"):
        _only_one(part.dropna(subset="teacher_sha256"), "teacher_sha256", f"the rows of {pair}")
    for method, part in table.groupby("method"):
        _only_one(part, "definition", f"the rows of {method}")
    for line in lines + [line for experiment, part in parts.items() for line in study.missing(part, experiment)]:
        report(line)
    done = table.assign(**table[["seed", "val_accuracy"]].where(table.status == "done"))
    score = done.groupby([*CELL, "learning_rate"]).agg(seeds=("seed", "nunique"), score=("val_accuracy", "mean"))
    best = score.sort_values(["seeds", "score"]).reset_index().groupby(CELL).tail(1)[[*CELL, "learning_rate"]]
    chosen = table.merge(best).drop_duplicates([*CELL, "seed"], keep="last")
    return chosen.sort_values([*CELL, "seed"], ignore_index=True)


def _only_one(table: pd.DataFrame, column: str, whose: str) -> None:
    values = table[column].tolist() if column in table else []
    if odd := [value for value in values if value != values[0]]:
        raise InputError(f"{whose} differ in {column} ({difference(values[0], odd[0])}); give each its own --results folder")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """For each pair, method and n: how many `seeds` are done, their mean, sd and t interval (low, high) of the test
    accuracy in per cent, the mean `validation` accuracy of the same weights, the mean training cost, and how many runs
    `diverged` (they enter no mean)."""
    cells = []
    for cell, part in table.groupby(CELL):
        done = part[part.status == "done"]
        cells.append(dict(zip(CELL, cell)) | interval(done.test_accuracy) | {
            "validation": done.val_accuracy.mean(), "teacher_calls": part.teacher_calls.max(),
            "student_passes": done.student_passes.mean(), "seconds": done.seconds.mean(), "diverged": len(part) - len(done)})
    return pd.DataFrame(cells)


def interval(values: ArrayLike) -> dict[str, float]:
    """Seeds, mean, sd and the two ends of the t interval; nan where there are too few values."""
    values = np.asarray(values, float)
    count = len(values)
    mean = values.mean() if count else np.nan
    sd = values.std(ddof=1) if count > 1 else np.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * sd / np.sqrt(count) if count > 1 else np.nan
    return {"seeds": count, "mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def accuracies(cells: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """`summary` as text, mean ± sd: a line for each pair and method in `order`, a column for each n; diverged runs are
    counted in brackets."""
    texts = [f"{c.mean:.2f} ± {c.sd:.2f}" + (f" ({c.diverged} diverged)" if c.diverged else "")
             for c in cells.itertuples(index=False)]
    return by_n(cells.assign(cell=texts), "cell", order).fillna("")


def by_n(cells: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    """A column of `summary`: a line for each pair and method in `order`, a column for each n."""
    wide = cells.pivot(index=["pair", "method"], columns="n", values=column)
    return wide.reindex(order, level="method").dropna(how="all")


def paired_differences(table: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """For each pair, method and n: mean over the shared seeds of (method - baseline) in points of test accuracy.

    low, high: paired t interval; images, splits and teacher calls of a seed are the same for both.
    """
    wide = table[table.status == "done"].pivot(index=["pair", "n", "seed"], columns="method", values="test_accuracy")
    if baseline not in wide:
        raise InputError(f"no rows of method {baseline!r} to compare with; there are {', '.join(wide.columns)}")
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
    """For each pair and method of `order`: the mean over n of the test accuracy, of the seeds that have every n."""
    wide = _by_seed(table)
    found = set(wide.columns.droplevel("n"))
    return pd.DataFrame([{"pair": pair, "method": method} | interval(wide[pair, method].dropna().mean(axis=1))
                         for pair in wide.columns.levels[0] for method in order if (pair, method) in found])


def mean_differences(table: pd.DataFrame, method: str, rival: str) -> pd.DataFrame:
    """For each pair: the mean over n of (method - rival) in points of test accuracy, paired over the seeds that have
    every n of both; low, high: t interval. Pairs without either are left out."""
    wide = _by_seed(table)
    found = set(wide.columns.droplevel("n"))
    return pd.DataFrame([
        {"pair": pair, "method": method, "above": rival}
        | interval((wide[pair, method] - wide[pair, rival]).dropna(axis=1, how="all").dropna().mean(axis=1))
        for pair in wide.columns.levels[0] if {(pair, method), (pair, rival)} <= found])


def _by_seed(table: pd.DataFrame) -> pd.DataFrame:
    done = table[table.status == "done"]
    return done.pivot(index="seed", columns=["pair", "method", "n"], values="test_accuracy")


# Teacher calls needed to reach an accuracy (section 4.3).

def calls_to_reach(target: float, calls: ArrayLike, accuracy: ArrayLike) -> float:
    """How many teacher calls reach `target` per cent: linear interpolation on a curve of mean accuracies, section 4.3.

    calls, accuracy: [N], in any order. The first crossing from below counts, equality is reached. nan if the curve
    never reaches the target, or is above it at the fewest calls already. ValueError if the two lengths differ or
    `calls` repeats; InputError if the target is no percentage.
    """
    calls, accuracy = np.asarray(calls, float), np.asarray(accuracy, float)
    if calls.shape != accuracy.shape or calls.ndim != 1 or len(np.unique(calls)) < len(calls):
        raise ValueError(f"calls {calls.shape} and accuracy {accuracy.shape} must be of one length, no n twice")
    order = np.argsort(calls)
    reached = first_crossings(target, calls[order], accuracy[order][None])[0]
    return float(reached) if np.isfinite(reached) else float("nan")


def check_target(target: float) -> None:
    if not 0 <= target <= 100:
        raise InputError(f"target {target:g} is no accuracy in per cent; choose between 0 and 100")


def first_crossings(target: float, calls: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """[R] of curves [R, N] at ascending calls [N]: -inf where the first point is above, inf where never reached."""
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
    """The calls that reach `target` on the mean of `curves` (a line a seed, a column an n), and on the mean of every
    resample of the seeds that have all n.

    -inf where the mean is above the target at the fewest calls, inf where it never reaches it; no resamples of fewer
    than two seeds.
    """
    calls, whole = curves.columns.to_numpy(float), curves.dropna().to_numpy()
    spread = first_crossings(target, calls, whole[resamples(len(whole))].mean(1)) if len(whole) > 1 else np.empty(0)
    return first_crossings(target, calls, curves.mean().to_numpy()[None])[0], spread


def calls_table(table: pd.DataFrame, targets: Sequence[float]) -> pd.DataFrame:
    """For each pair, method and target: the teacher calls n that reach it and a bootstrap interval (low, high) over seeds.

    calls is -inf where the smallest n is already above the target and inf where no n reaches it; so are the ends of
    the interval. Whole seeds are resampled, all n together (every resample where there are few seeds); nan where
    fewer than two seeds have every n.
    """
    cells = []
    for (pair, method), part in table[table.status == "done"].groupby(["pair", "method"]):
        curves = part.pivot(index="seed", columns="n", values="test_accuracy")
        for target in targets:
            calls, spread = crossing(target, curves)
            ends = np.quantile(spread, ENDS, method="closest_observation") if len(spread) else (np.nan, np.nan)
            cells.append({"pair": pair, "method": method, "target": target, "seeds": len(curves.dropna()),
                          "calls": calls, "low": ends[0], "high": ends[1],
                          "fewest": float(curves.columns[0]), "most": float(curves.columns[-1])})
    return pd.DataFrame(cells)


def resamples(seeds: int) -> np.ndarray:
    """[R, seeds] indices of seeds drawn with replacement: all of them up to five seeds, else RESAMPLES random ones."""
    if seeds <= 5:
        return np.array(list(product(range(seeds), repeat=seeds)))
    return np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))


def reductions(calls: pd.DataFrame, method: str, rivals: Sequence[str] = paper.BASELINES) -> pd.DataFrame:
    """The paper's delta, for each pair and target: per cent fewer calls of `method` than of the best rival.

    bound is '' where both were measured, '>=' where only one end is known (the method is above the target at the
    fewest calls, or no rival reaches it), and reduction nan where nothing can be said.
    """
    cells = []
    for (pair, target), part in calls.groupby(["pair", "target"], sort=False):
        own, others = part[part.method == method], part[part.method.isin([r for r in rivals if r != method])]
        if own.empty or others.empty:
            continue
        mine, best = own.calls.item(), others.calls.min()
        known = mine < np.inf and best > -np.inf
        upper, lower = max(mine, own.fewest.item()), min(best, others.most.min())
        cells.append({"pair": pair, "target": target, "rival": others.method[others.calls.idxmin()],
                      "reduction": 100 * (1 - upper / lower) if known else np.nan,
                      "bound": ">=" if known and not (np.isfinite(mine) and np.isfinite(best)) else ""})
    return pd.DataFrame(cells, columns=["pair", "target", "rival", "reduction", "bound"])


def table1(calls: pd.DataFrame, order: Sequence[str], thousands: bool = False) -> pd.DataFrame:
    """Table 1 as text: a line for each pair and method in `order`, a column for each target, then the deltas.

    `≤` where the smallest n is above the target already, `>` where no n reaches it; the interval in brackets.
    """
    lines = {}
    for pair, part in calls.groupby("pair"):
        for method in order:
            for cell in part[part.method == method].itertuples():
                lines.setdefault((pair, method), {})[f"{cell.target:g} %"] = _price(cell, thousands)
        for method in (paper.CKD, "ckd"):
            for cell in reductions(part, method).itertuples():
                text = "" if np.isnan(cell.reduction) else f"{cell.bound.replace('>=', '≥ ')}{cell.reduction:.1f} %"
                lines.setdefault((pair, f"Δ {method}"), {})[f"{cell.target:g} %"] = text
    out = pd.DataFrame.from_dict(lines, orient="index").fillna("")
    return out.set_index(pd.MultiIndex.from_tuples(lines, names=["pair", "method"]))


def _price(cell, thousands: bool) -> str:
    def text(value: float) -> str:
        shown = min(max(value, cell.fewest), cell.most)
        number = f"{shown / 1000:.2f}" if thousands else f"{shown:.0f}"
        return {-np.inf: "≤", np.inf: ">"}.get(value, "") + number
    interval = "" if np.isnan(cell.low) or np.isinf(cell.calls) else f" [{text(cell.low)}, {text(cell.high)}]"
    return text(cell.calls) + interval


def comparable(table: pd.DataFrame) -> bool:
    """May these rows stand beside the paper's numbers? Only those of its images under its protocol."""
    return set(zip(table.profile, table.dataset)) == {(paper.PROFILE, paper.DATASET)}


def beside_paper(table: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """The paper's Table 1 and ours, in thousands of calls. InputError if these rows are not `comparable`."""
    if not comparable(table):
        raise InputError(f"profile {table.profile.iloc[0]} on {table.dataset.iloc[0]} is not the paper's study, which "
                         f"is {paper.DATASET} under profile {paper.PROFILE}: its numbers do not stand beside these")
    ours = calls.set_index(["pair", "method", "target"])
    lines = []
    for pair, by_method in paper.TABLE1.items():
        for method, prices in by_method.items():
            for target, price in zip(paper.TABLE1_TARGETS, prices):
                cell = ours.loc[(pair, method, target)] if (pair, method, target) in ours.index else None
                lines.append({"pair": pair, "method": method, "target": target,
                              "paper": "–" if price is None else f"{price:.2f}",
                              "ours": "not run" if cell is None else _price(cell, thousands=True),
                              "seeds": 0 if cell is None else int(cell.seeds)})
    return pd.DataFrame(lines)


def accuracies_beside(cells: pd.DataFrame, printed: dict, calls: Sequence[int]) -> pd.DataFrame:
    """A printed table of accuracies (pair -> method -> (mean, sd) for each n of `calls`) and ours, from `summary`."""
    ours = cells.set_index(["pair", "method", "n"])
    lines = []
    for pair, methods in printed.items():
        for method, values in methods.items():
            for n, (mean, sd) in zip(calls, values):
                cell = ours.loc[(pair, method, n)] if (pair, method, n) in ours.index else None
                lines.append({"pair": pair, "method": method, "n": n, "paper": f"{mean:.2f} ± {sd:.2f}",
                              "ours": "not run" if cell is None else f"{cell['mean']:.2f} ± {cell.sd:.2f}",
                              "seeds": 0 if cell is None else int(cell.seeds)})
    return pd.DataFrame(lines)
