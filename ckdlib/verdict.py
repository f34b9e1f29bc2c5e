"""Claims of the paper -> reproduced, not reproduced or not yet run, by one rule.

RULE decides; `verdicts` judges the paper's claims by rows of its own study, `directions` says which way they point at
another size, where the numbers themselves mean nothing.
"""
from typing import Mapping, Sequence

import numpy as np
import pandas as pd

from . import analysis, paper, representations, study
from .paper import Claim

RULE = """A claim is judged on the runs that are there, if every method it names has at least 3 seeds, the same ones,
at every n it needs (at 2 n or more where it speaks of all n). A number is reproduced if it lies in our 95 % interval:
t over seeds, for calls the bootstrap of whole seeds. A direction (one method above another) is reproduced if our
interval of the paired difference lies wholly on the claimed side of zero, and not reproduced otherwise, also where the
interval holds zero; the column 'why' says which. Nothing else counts as run; 'coverage' is the share of the claim's own
grid that was run."""
FEWEST_SEEDS = 3
RUN, NOT_RUN = {True: "reproduced", False: "not reproduced"}, "not yet run"
LOWER = {"correlation", "height"}        # quantities where less is claimed to be better
COLUMN = {"calls": "test_accuracy", "accuracy": "test_accuracy", "narrowing": "test_accuracy",
          "correlation": "correlation", "height": "height"}

Evidence = Mapping[str, pd.DataFrame]    # experiment -> its done rows with columns correlation and height


def evidence(rows: Sequence[dict], measures: Mapping[str, dict], profile: str) -> Evidence:
    """What the rows of one profile can say, an entry for each experiment that has any."""
    tables, rows = {}, [row for row in rows if row["profile"] == profile]
    for experiment in study.profile(profile).experiments:
        if not study.members(rows, experiment):
            continue
        table = representations.measured(analysis.frame(rows, experiment, report=lambda line: None), measures)
        gaps = [np.nanmean(np.array(draws, float)) if isinstance(draws, list) else np.nan
                for draws in table.get("correlation_gaps", [None] * len(table))]
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


def _judge(claim: Claim, tables: Evidence, profile: str) -> dict:
    told = {"where": claim.where, "experiment": claim.experiment, "claim": describe(claim), "pair": claim.pair or "all",
            "paper": claim.value, "ours": np.nan, "low": np.nan, "high": np.nan, "seeds": 0, "coverage": 0.0}
    grid = study.profile(profile).experiments[claim.experiment]
    pairs = [claim.pair] if claim.pair else list(map("-".join, grid.pairs))
    names, wanted = [claim.method, *_rivals(claim)], _sizes(claim, grid, profile)
    table, there = tables.get(claim.experiment), pd.DataFrame()
    if table is not None:
        table = table[table.pair.isin(pairs) & table.method.isin(names) & table.n.isin(wanted)]
        told["coverage"] = round(len(table) / (len(pairs) * len(names) * len(wanted) * len(grid.seeds)), 3)
        there = table.pivot(index="seed", columns=["pair", "method", "n"], values=COLUMN[claim.quantity])
    sizes = [n for n in sorted(wanted) if all((pair, name, n) in there and there[pair, name, n].count() >= FEWEST_SEEDS
                                              for pair in pairs for name in names)]
    whole = there.loc[:, [column[-1] in sizes for column in there]].dropna()
    if len(sizes) < min(2, len(wanted)) or len(whole) < FEWEST_SEEDS:
        return told | {"number": "" if claim.value is None else NOT_RUN, "direction": NOT_RUN if claim.rival else "",
                       "why": f"{len(table)} of its runs are there" if told["coverage"] else ""}
    found = _calls(claim, whole, pairs, grid.targets) if claim.quantity == "calls" else _difference(claim, whole)
    mean, low, high = (float(found[name]) for name in ("mean", "low", "high"))
    why = "the interval holds zero" if claim.rival and low <= 0 <= high else ""
    if np.isnan(mean):
        why = "a curve does not cross the target between the smallest n and the largest"
    holds = high < 0 if claim.quantity in LOWER else low > 0
    return told | {"ours": mean, "low": low, "high": high, "seeds": len(whole), "why": why,
                   "number": "" if claim.value is None else RUN[low <= claim.value <= high],
                   "direction": RUN[holds] if claim.rival else ""}


def _rivals(claim: Claim) -> Sequence[str]:
    return paper.BASELINES if claim.rival == "baselines" else [claim.rival] if claim.rival else []


def _sizes(claim: Claim, grid: study.Experiment, profile: str) -> Sequence[int]:
    """The n a claim speaks of."""
    if claim.quantity == "height":
        return study.profile(profile).spectra
    return grid.calls if claim.quantity == "calls" or claim.at is None else (int(claim.at),)


def _difference(claim: Claim, whole: pd.DataFrame) -> dict[str, float]:
    """The quantity of a method, or how much it is above its rival (the best on the mean, of several), over seeds: the
    mean over n and pairs of each. whole: a line a seed, columns (pair, method, n)."""
    value, *others = (whole.xs(name, axis=1, level="method") for name in (claim.method, *_rivals(claim)))
    if others:
        best = min if claim.quantity in LOWER else max
        value = value - best(others, key=lambda other: other.to_numpy().mean())
    if claim.quantity == "narrowing":
        sizes = value.columns.get_level_values("n")
        value = value.loc[:, sizes == sizes.min()].mean(axis=1) - value.loc[:, sizes == sizes.max()].mean(axis=1)
        return analysis.interval(value)
    return analysis.interval(value.mean(axis=1))


def _calls(claim: Claim, whole: pd.DataFrame, pairs: Sequence[str], targets: Sequence[float]) -> dict[str, float]:
    """Thousands of calls that reach a target, or per cent fewer than the best rival: the mean over pairs and over those
    targets that the curves cross, with the bootstrap of whole seeds, the same for all. A resample that does not cross
    counts as the smallest or the largest n."""
    means, spreads = [], []
    for pair in pairs:
        curves = whole[pair]
        sizes = curves.columns.get_level_values("n")
        for target in targets if claim.at is None else [claim.at]:
            points, resamples = zip(*(analysis.crossing(target, curves[name])
                                      for name in (claim.method, *_rivals(claim))))
            resamples = np.clip(resamples, sizes.min(), sizes.max())
            if not np.isfinite([points[0], min(points[1:], default=0)]).all():
                continue
            if claim.rival:
                means.append(100 * (1 - points[0] / min(points[1:])))
                spreads.append(100 * (1 - resamples[0] / resamples[1:].min(0)))
            else:
                means.append(points[0] / 1000)
                spreads.append(resamples[0] / 1000)
    low, high = np.quantile(np.mean(spreads, axis=0), analysis.ENDS) if means else (np.nan, np.nan)
    return {"mean": np.mean(means) if means else np.nan, "low": low, "high": high}


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
