"""Claims of the paper -> reproduced, not reproduced or not yet run, by one rule.

RULE decides; `verdicts` judges the paper's claims by rows of its own study, `directions` says which way they point at
another size, where the numbers themselves mean nothing.
"""
from typing import Mapping, Sequence

import numpy as np
import pandas as pd

from . import analysis, paper, representations, study
from .paper import Claim

RULE = (
    "A claim is judged on the runs that are there, if each method it names has at least 3 seeds at every n it needs (2 n "
    "or more where it speaks of all n). A number is reproduced if it lies in our 95 % interval: t over seeds, for calls "
    "the bootstrap of whole seeds. A direction (one method above another) is reproduced if our interval of the paired "
    "difference lies wholly on the claimed side of zero, and not reproduced otherwise, also where the interval holds "
    "zero: the column why says which. Nothing else counts as run; `coverage` is the share of the paper's own grid.")
FEWEST_SEEDS = 3
RUN, NOT_RUN = {True: "reproduced", False: "not reproduced"}, "not yet run"
LOWER = {"correlation", "height"}        # quantities where less is claimed to be better
COLUMN = {"accuracy": "test_accuracy", "narrowing": "test_accuracy", "correlation": "correlation", "height": "height"}

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
    """The directions of the claims at another size: each once, on the mean over that profile's pairs, without numbers."""
    once = dict.fromkeys(Claim(c.where, c.experiment, c.quantity, "", c.method, c.rival) for c in claims
                         if c.rival and c.at is None)
    return verdicts(list(once), tables, profile).drop(columns=["pair", "paper", "number"])


def _judge(claim: Claim, tables: Evidence, profile: str) -> dict:
    told = {"where": claim.where, "experiment": claim.experiment, "claim": describe(claim), "pair": claim.pair or "all", "paper": claim.value}
    table = tables.get(claim.experiment, pd.DataFrame(columns=["pair", "method", "n", "seed"]))
    grid = study.profile(profile).experiments[claim.experiment]
    names = [claim.method, *(paper.BASELINES if claim.rival == "baselines" else [claim.rival] if claim.rival else [])]
    pairs = [claim.pair] if claim.pair else list(map("-".join, grid.pairs))
    wanted = set(_sizes(claim, grid, profile))
    table = table[table.pair.isin(pairs) & table.method.isin(names) & table.n.isin(wanted)]
    seeds = table.groupby(["pair", "method", "n"]).seed.nunique()
    sizes = [n for n in sorted(wanted) if all(seeds.get((pair, name, n), 0) >= FEWEST_SEEDS
                                              for pair in pairs for name in names)]
    coverage = len(table) / (len(pairs) * len(names) * len(wanted) * len(grid.seeds))
    told |= {"ours": np.nan, "low": np.nan, "high": np.nan, "seeds": 0, "coverage": round(coverage, 3)}
    if len(sizes) < min(2, len(wanted)):
        return told | {"number": NOT_RUN if claim.value is not None else "", "direction": NOT_RUN if claim.rival else "",
                       "why": f"{len(table)} of its runs are there" if len(table) else ""}
    table = table[table.n.isin(sizes)]
    found = _calls(claim, table, pairs, grid) if claim.quantity == "calls" else _difference(claim, table, pairs)
    told |= {"ours": found["mean"], "low": found["low"], "high": found["high"], "seeds": found["seeds"]}
    if np.isnan(found["mean"]):
        why = "a curve does not cross the target between the smallest n and the largest"
    else:
        why = "the interval holds zero" if claim.rival and found["low"] <= 0 <= found["high"] else ""
    holds = -found["high"] > 0 if claim.quantity in LOWER else found["low"] > 0
    inside = claim.value is not None and found["low"] <= claim.value <= found["high"]
    return told | {"number": RUN[bool(inside)] if claim.value is not None else "",
                   "direction": RUN[bool(holds)] if claim.rival else "", "why": why}


def _sizes(claim: Claim, grid: study.Experiment, profile: str) -> Sequence[int]:
    """The n a claim speaks of."""
    if claim.quantity == "height":
        return study.profile(profile).spectra
    return grid.calls if claim.quantity == "calls" or claim.at is None else (int(claim.at),)


def _difference(claim: Claim, table: pd.DataFrame, pairs: Sequence[str]) -> dict[str, float]:
    """The quantity of a method, or how much it is above its rival, over seeds: the mean over n and pairs of each."""
    wide = table.pivot(index=["seed"], columns=["method", "pair", "n"], values=COLUMN[claim.quantity])
    if claim.rival == "baselines":       # the best on the mean over seeds, n and pairs
        others = {name: wide[name].mean().mean() for name in paper.BASELINES}
        rival = min(others, key=others.get) if claim.quantity in LOWER else max(others, key=others.get)
    else:
        rival = claim.rival
    value = wide[claim.method] - wide[rival] if rival else wide[claim.method]
    value = value.dropna()
    if claim.quantity == "narrowing":
        sizes = value.columns.get_level_values("n")
        value = value.loc[:, sizes == sizes.min()].mean(axis=1) - value.loc[:, sizes == sizes.max()].mean(axis=1)
        return analysis.interval(value)
    return analysis.interval(value.mean(axis=1))


def _calls(claim: Claim, table: pd.DataFrame, pairs: Sequence[str], grid: study.Experiment) -> dict[str, float]:
    """Thousands of calls that reach a target, or per cent fewer than the rival, with the bootstrap of whole seeds, the
    same for both; the mean over pairs and over those targets that both curves cross."""
    means, spreads, seeds = [], [], 0
    for pair in pairs:
        wide = table[table.pair == pair].pivot(index="seed", columns=["method", "n"], values="test_accuracy").dropna()
        seeds, ends = max(seeds, len(wide)), (min(grid.calls), max(grid.calls))  # of resamples that do not cross
        for target in grid.targets if claim.at is None else [claim.at]:
            names = paper.BASELINES if claim.rival == "baselines" else [claim.rival] if claim.rival else []
            (mine, spread), *others = (analysis.crossing(target, wide[name]) for name in (claim.method, *names))
            spread = np.clip(spread, *ends)
            mean, spread = mine / 1000, spread / 1000
            if names:
                rival = min(point for point, _ in others)
                rivals = np.clip(np.min([values for _, values in others], axis=0), *ends) / 1000
                mean, spread = (100 * (1 - a / b) if np.isfinite(b).all() else np.nan
                                for a, b in ((mean, rival / 1000), (spread, rivals)))
            if np.isfinite(mine) and np.isfinite(mean):
                means.append(mean)
                spreads.append(spread)
    if not means:
        return {"mean": np.nan, "low": np.nan, "high": np.nan, "seeds": seeds}
    low, high = np.quantile(np.mean(spreads, axis=0), analysis.ENDS)
    return {"mean": float(np.mean(means)), "low": low, "high": high, "seeds": seeds}


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
