"""Claims of the paper -> reproduced, not reproduced, undecided or not yet run, by one rule.

RULE decides; `verdicts` judges the paper's claims by rows of its own study, `directions` says which way they point at
another size, where the numbers themselves mean nothing.
"""
from math import sqrt
from typing import Mapping, NamedTuple, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from . import analysis, paper, representations, study
from .paper import Claim

RULE = """A direction (one method above another) is judged where every method it names has at least 3 seeds, the same
ones, at every n it needs, or at 2 n or more where it speaks of all n. It is reproduced if the 95 % interval of the paired
difference lies on the claimed side of zero, not reproduced if on the other side, and undecided if it holds zero.
A number is judged only where every n it speaks of was run so. It is reproduced if the paper's lies within the 95 % interval
of what a second study of five seeds would find, mean ± t se sqrt(1 + k / 5) with our k seeds, else not reproduced; so of a
hundred true numbers about five fail, and with three seeds much passes.
Intervals are t over seeds; the standard error of calls is the bootstrap's over whole seeds. Where a curve is above a target
at the smallest n, or below it at the largest, its calls are bounded by that n: a bound can decide a direction, never
reproduce a number. A diverged run has no accuracy: claims that lack seeds because of it are undecided. Everything else is
not yet run. 'coverage' is the share of the claim's own grid that was run, 'why' says what limits the verdict.
Open: whether the paper's n counts the validation images, as ours does, or only the 80 % that the teacher is asked about."""
FEWEST_SEEDS = 3
YES, NO, UNDECIDED, NOT_RUN = "reproduced", "not reproduced", "undecided", "not yet run"
LOWER = {"correlation", "height"}        # quantities where less is claimed to be better
COLUMN = {"calls": "test_accuracy", "accuracy": "test_accuracy", "narrowing": "test_accuracy",
          "correlation": "correlation", "height": "height"}


class Estimate(NamedTuple):
    mean: float
    error: float                         # standard error over seeds
    bounded: bool = False                # is it only a bound?
    why: str = ""


Evidence = Mapping[str, pd.DataFrame]    # experiment -> its rows with columns correlation and height


def evidence(rows: Sequence[dict], measures: Mapping[str, dict], profile: str) -> Evidence:
    """What the rows of one profile can say, an entry for each experiment that has any."""
    tables, rows = {}, [row for row in rows if row["profile"] == profile]
    for experiment in study.profile(profile).experiments:
        if not study.members(rows, experiment):
            continue
        table = representations.with_measures(analysis.frame(rows, experiment, report=lambda line: None), measures)
        gaps = [np.nanmean(np.array(draws, float)) if isinstance(draws, list) else np.nan
                for draws in table.correlation_gaps]
        tables[experiment] = table.assign(correlation=gaps, height=representations.heights(table))
    return tables


def verdicts(claims: Sequence[Claim], tables: Evidence, profile: str = paper.PROFILE) -> pd.DataFrame:
    """A line for each claim: the paper's number, ours with interval and seeds, and what the rule says."""
    return pd.DataFrame([_judge(claim, tables, profile) for claim in claims])


def directions(claims: Sequence[Claim], tables: Evidence, profile: str) -> pd.DataFrame:
    """The directions of the claims at another size: each once, on the mean over its pairs, without the numbers."""
    once = dict.fromkeys(Claim(c.where, c.experiment, c.quantity, "", c.method, c.rival) for c in claims
                         if c.rival and c.at is None)
    return verdicts(list(once), tables, profile).drop(columns=["pair", "paper", "number"])


def counts(judged: pd.DataFrame) -> pd.DataFrame:
    """How many claims have which verdict, by where they stand in the paper, for numbers and for directions."""
    parts = {kind: judged[judged[kind] != ""].groupby("where", sort=False)[kind].value_counts().unstack(fill_value=0)
             for kind in ("number", "direction")}
    return pd.concat(parts, axis=1).reindex(dict.fromkeys(judged["where"])).fillna(0).astype(int)


def _judge(claim: Claim, tables: Evidence, profile: str) -> dict:
    told = {"where": claim.where, "experiment": claim.experiment, "claim": describe(claim), "pair": claim.pair or "all",
            "paper": claim.value, "ours": np.nan, "low": np.nan, "high": np.nan, "seeds": 0, "coverage": 0.0}

    def outcome(number: str, direction: str, why: str = "") -> dict:
        return told | {"number": "" if claim.value is None else number, "direction": direction if claim.rival else "",
                       "why": why}

    grid = study.profile(profile).experiments[claim.experiment]
    pairs = [claim.pair] if claim.pair else list(map("-".join, grid.pairs))
    names, wanted = [claim.method, *_rivals(claim)], _sizes(claim, grid, profile)
    if (table := tables.get(claim.experiment)) is None:
        return outcome(NOT_RUN, NOT_RUN)
    table = table[table.pair.isin(pairs) & table.method.isin(names) & table.n.isin(wanted)]
    told["coverage"] = round(table.seed.isin(grid.seeds).sum() / (len(pairs) * len(names) * len(wanted) * len(grid.seeds)), 3)
    done = table[table.status == "done"].pivot(index="seed", columns=["pair", "method", "n"],
                                               values=COLUMN[claim.quantity])
    sizes = [n for n in sorted(wanted) if all((pair, name, n) in done and done[pair, name, n].count() >= FEWEST_SEEDS
                                              for pair in pairs for name in names)]
    whole = done.loc[:, [column[-1] in sizes for column in done]].dropna()
    diverged = int((table.status == "diverged").sum())
    if len(sizes) < min(2, len(wanted)) or len(whole) < FEWEST_SEEDS:
        if diverged:
            return outcome(UNDECIDED, UNDECIDED, f"{diverged} of its runs diverged")
        return outcome(NOT_RUN, NOT_RUN, f"{len(table)} of its runs are there" if len(table) else "")
    found = _calls(claim, whole, pairs, grid.targets) if claim.quantity == "calls" else _difference(claim, whole)
    seeds, mean = len(whole), found.mean
    half = stats.t.ppf((1 + analysis.CONFIDENCE) / 2, seeds - 1) * found.error
    told |= {"ours": mean, "low": mean - half, "high": mean + half, "seeds": seeds}
    if np.isnan(mean):
        return outcome(UNDECIDED, UNDECIDED, found.why)
    sign = -1 if claim.quantity in LOWER else 1
    direction = YES if sign * mean > half else NO if -sign * mean > half else UNDECIDED
    number = NOT_RUN
    if len(sizes) == len(wanted) and claim.value is not None:
        near = abs(claim.value - mean) <= half * sqrt(1 + seeds / paper.SEEDS)
        number = (UNDECIDED if claim.rival else NO) if found.bounded else YES if near else NO
    notes = [found.why, f"{diverged} of its runs diverged" if diverged else "",
             f"{len(sizes)} of {len(wanted)} n" if len(sizes) < len(wanted) else "",
             "the interval holds zero" if direction == UNDECIDED and claim.rival else ""]
    return outcome(number, direction, "; ".join(filter(None, notes)))


def _rivals(claim: Claim) -> Sequence[str]:
    return paper.BASELINES if claim.rival == "baselines" else [claim.rival] if claim.rival else []


def _sizes(claim: Claim, grid: study.Experiment, profile: str) -> Sequence[int]:
    """The n a claim speaks of."""
    if claim.quantity == "height":
        return study.profile(profile).spectra
    return grid.calls if claim.quantity == "calls" or claim.at is None else (int(claim.at),)


def _difference(claim: Claim, whole: pd.DataFrame) -> Estimate:
    """The quantity of a method, or how much it is above its rival (the best on the mean, of several), over seeds: the
    mean over n and pairs of each. whole: a line a seed, columns (pair, method, n)."""
    value, *others = (whole.xs(name, axis=1, level="method") for name in (claim.method, *_rivals(claim)))
    if others:
        best = min if claim.quantity in LOWER else max
        value = value - best(others, key=lambda other: other.to_numpy().mean())
    if claim.quantity == "narrowing":
        sizes = value.columns.get_level_values("n")
        seeds = value.loc[:, sizes == sizes.min()].mean(axis=1) - value.loc[:, sizes == sizes.max()].mean(axis=1)
    else:
        seeds = value.mean(axis=1)
    return Estimate(seeds.mean(), seeds.std() / sqrt(len(seeds)))


def _calls(claim: Claim, whole: pd.DataFrame, pairs: Sequence[str], targets: Sequence[float]) -> Estimate:
    """Thousands of calls that reach a target, or per cent fewer than the best rival, the mean over pairs and targets,
    with the bootstrap of whole seeds, the same for all. A curve that does not cross a target counts as the smallest or
    the largest n; targets where neither side of a comparison crosses are left out."""
    means, spreads, bounds = [], [], 0
    targets = targets if claim.at is None else [claim.at]
    for pair in pairs:
        curves = whole[pair]
        sizes = curves.columns.get_level_values("n")
        for target in targets:
            points, resamples = zip(*(analysis.crossing(target, curves[name])
                                      for name in (claim.method, *_rivals(claim))))
            points, resamples = np.array(points), np.clip(resamples, sizes.min(), sizes.max())
            mine, best = points[0], points[1:].min(initial=np.inf)
            if claim.rival and mine == best:             # both beyond the same end of the grid
                continue
            bounds += not np.isfinite([mine, best] if claim.rival else mine).all()
            mine, best = np.clip([mine, best], sizes.min(), sizes.max())
            means.append(100 * (1 - mine / best) if claim.rival else mine / 1000)
            spreads.append(100 * (1 - resamples[0] / resamples[1:].min(0)) if claim.rival else resamples[0] / 1000)
    if not means:
        return Estimate(np.nan, np.nan, why="no curve crosses a target between the smallest n and the largest")
    count = len(whole)
    error = np.mean(spreads, axis=0).std() * sqrt(count / (count - 1))
    why = f"{len(means)} of {len(pairs) * len(targets)} targets, {bounds} by a bound" \
        if bounds or len(means) < len(pairs) * len(targets) else ""
    return Estimate(float(np.mean(means)), float(error), bool(bounds), why)


def describe(claim: Claim) -> str:
    """The claim in words."""
    rival = "the best baseline" if claim.rival == "baselines" else claim.rival
    at = "" if claim.at is None else f" at {claim.at:g} %" if claim.quantity == "calls" else f" at n = {claim.at:g}"
    mean = "" if claim.at is not None else ", mean over targets" if claim.quantity == "calls" else ", mean over n"
    if not claim.rival:
        what = {"calls": "thousands of calls", "accuracy": "accuracy (%)", "correlation": "correlation gap"}
        return f"{claim.method}: {what[claim.quantity]}{at}{mean}"
    return f"{claim.method} " + {
        "calls": f"needs fewer calls than {rival} (% fewer){at}{mean}",
        "accuracy": f"is above {rival} (points){at}{mean}",
        "narrowing": f"is less above {rival} at the largest n than at the smallest (points)",
        "correlation": f"is nearer the teacher's correlations than {rival}{mean}",
        "height": f"has lower singular values than {rival} (log10){mean}"}[claim.quantity]
