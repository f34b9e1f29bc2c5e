"""Claims of the paper -> reproduced, not reproduced, undecided or not yet run, by one rule.

RULE decides; `verdicts` judges the paper's claims by rows of its own study, `directions` says which
way they point at another size, where the numbers themselves mean nothing.
"""
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from . import analysis, estimates, paper, representations, study
from .estimates import FEWEST_SEEDS, LOWER, Estimate
from .paper import Claim

RULE = """\
A NUMBER is reproduced if the 90 % interval of (ours - the paper's) lies within ± delta, not
reproduced if the 95 % interval leaves out zero and the difference is beyond delta, else undecided.
delta is 2 points of accuracy, 10 points of per cent fewer calls, 0.01 of correlation; in Table 2,
where an sd is printed, twice that sd if this is more.
A DIRECTION (one method above another) is reproduced if the 95 % interval of the paired difference
lies on the claimed side of zero, not reproduced if on the other side, else undecided. One claimed at
every n must lie so at each; the other side at one n (95 % for all n together) refutes it.
WHAT IS COMPARED. Of Table 1, our accuracy at the calls it prints, interpolated between the n beside
them, with its target. Of per cent fewer calls, where our mean curves cross the targets that the
paper prints for both; the ends of a curve go on by one step of the grid. A curve that crosses
nowhere there gives a bound: it may decide a direction or refute a number, never reproduce one.
INTERVALS are t over seeds, each seed's n and targets averaged first; for claims of every n, seeds
are a random effect and all n share one scatter.
NEEDED are 3 seeds, the same ones, at every n that decides; for directions on the mean over n, at 2 n
or more. Less is not yet run, and undecided if diverged runs are why. Our test images of Stanford
Cars are cut from its training images: there only directions are judged.
BY CHANCE is how many would come out not reproduced if all that are judged held, at most."""
YES, NO, UNDECIDED, NOT_RUN = "reproduced", "not reproduced", "undecided", "not yet run"
NOT_COMPARABLE = "not comparable"        # a number of other test images than the paper's
OUTCOMES = (YES, NO, UNDECIDED, NOT_RUN, NOT_COMPARABLE)
POINTS, PER_CENT, CORRELATION, SDS = 2.0, 10.0, 0.01, 2.0                  # delta
INSIDE, OUTSIDE = 0.90, 0.95             # of the intervals that reproduce and that refute

Evidence = Mapping[str, pd.DataFrame]    # experiment -> its rows with columns correlation and height


def evidence(rows: Sequence[dict], measures: Mapping[str, dict], profile: str) -> Evidence:
    """What the rows of one profile can say, an entry for each experiment that has any."""
    tables, rows = {}, [row for row in rows if row["profile"] == profile]
    for experiment in study.profile(profile).experiments:
        if not study.members(rows, experiment):
            continue
        table = analysis.frame(rows, experiment, report=lambda line: None)
        table = representations.with_measures(table, measures)
        gaps = [np.nanmean(np.array(draws, float)) if isinstance(draws, list) else np.nan
                for draws in table.correlation_gaps]
        tables[experiment] = table.assign(correlation=gaps, height=representations.heights(table))
    return tables


def verdicts(claims: Iterable[Claim], tables: Evidence, profile: str = paper.PROFILE
             ) -> pd.DataFrame:
    """A line for each claim: the paper's number, ours with its 95 % interval and seeds, and what RULE
    says of the number and of the direction (empty where none is claimed).

    Of Table 1, `paper` is the target and `ours` the accuracy at the printed calls; of a claim of
    every n, `ours` is the n where it holds least. delta: of the number; chance: how probably the
    number would be refuted if it were true; coverage: the share of the claim's own grid that was run;
    why: what limits the verdict; note: what of the paper's own numbers speaks against the claim."""
    curves: dict[tuple[str, str], estimates.Curves] = {}
    lines = []
    for claim in claims:
        key = claim.experiment, estimates.COLUMN[claim.quantity]
        if claim.experiment in tables and key not in curves:
            curves[key] = estimates.curves(tables[claim.experiment], claim.quantity)
        lines.append(_judge(claim, tables.get(claim.experiment), curves.get(key, {}), profile))
    return pd.DataFrame(lines)


def directions(claims: Iterable[Claim], tables: Evidence, profile: str) -> pd.DataFrame:
    """The directions of the claims at another size: each once, on the mean over its pairs, without
    the numbers."""
    once = dict.fromkeys(Claim(c.where, c.experiment, c.quantity, "", c.method, c.rival,
                               every=c.every) for c in claims if c.rival and c.at is None)
    lines = verdicts(once, tables, profile)
    return lines.drop(columns=["pair", "paper", "number", "delta", "chance", "note"])


def counts(judged: pd.DataFrame) -> pd.DataFrame:
    """How many claims have which verdict, by where they stand in the paper, for numbers and for
    directions, with the total; `by chance`: how many at most would be refuted, were all true."""
    parts = {}
    for kind in ("number", "direction"):
        mine = judged[judged[kind] != ""]
        found = pd.crosstab(mine["where"], mine[kind])
        parts[kind] = found.reindex(columns=[word for word in OUTCOMES if word in found])
    told = pd.concat(parts, axis=1).reindex(dict.fromkeys(judged["where"])).fillna(0).astype(int)
    told.loc["all"] = told.sum()
    for kind in parts:
        chance = judged["chance"].where(judged[kind] != "") if kind == "number" else \
            judged[kind].isin([YES, NO, UNDECIDED]) * (1 - OUTSIDE) / 2
        told[kind, "by chance"] = chance.groupby(judged["where"], sort=False).sum()
        told.loc["all", (kind, "by chance")] = chance.sum()
    return told.sort_index(axis=1, level=0, ascending=False, sort_remaining=False).round(1)


def delta(claim: Claim) -> float:
    """How far ours may be from the paper's number, in its unit: fixed by the paper alone."""
    if claim.quantity == "correlation":
        return CORRELATION
    if claim.quantity == "calls" and claim.rival:
        return PER_CENT
    return max(POINTS, SDS * (claim.sd or 0))


def _judge(claim: Claim, table: pd.DataFrame | None, curves: estimates.Curves, profile: str
           ) -> dict:
    grid = study.profile(profile).experiments[claim.experiment]
    pairs = [claim.pair] if claim.pair else ["-".join(pair) for pair in grid.pairs]
    sizes = estimates.needed(claim, grid, study.profile(profile).spectra)
    target = claim.at if claim.quantity == "calls" and not claim.rival else claim.value
    told = {"where": claim.where, "experiment": claim.experiment, "claim": describe(claim),
            "pair": claim.pair or "all", "paper": target, "ours": np.nan, "low": np.nan,
            "high": np.nan, "seeds": 0, "coverage": 0.0, "number": "", "direction": "", "why": "",
            "note": claim.note, "delta": delta(claim) if claim.value is not None else np.nan,
            "chance": 0.0}
    ran = _ran(claim, table, pairs, sizes)
    diverged = int((ran.status == "diverged").sum()) if len(ran) else 0
    if len(ran):
        cells = len(pairs) * (1 + len(estimates.rivals(claim))) * len(sizes)
        told["coverage"] = round(ran.seed.isin(grid.seeds).sum() / cells / len(grid.seeds), 3)
    found = estimates.estimate(claim, curves, pairs, grid, sizes)
    lost = UNDECIDED if diverged and _all_ran(claim, ran, pairs, sizes) else NOT_RUN
    if found is None:
        number = direction = lost
        whys = [f"{diverged} of its runs diverged" if lost == UNDECIDED else
                f"{len(ran)} of its runs are there" if len(ran) else ""]
    else:
        low, high = _ends(found, OUTSIDE)
        told |= {"ours": found.mean, "low": low, "high": high, "seeds": found.seeds}
        number = _number(claim, found, target, lost)
        direction = _direction(claim, found)
        if number in (YES, NO, UNDECIDED) and number != lost and claim.value is not None:
            told["chance"] = chance(delta(claim), found)
        whys = [found.why, f"{diverged} of its runs diverged" if diverged else "",
                "its test images are not the paper's" if number == NOT_COMPARABLE else "",
                "the interval holds zero" if claim.rival and direction == UNDECIDED
                and low < 0 < high else ""]
    return told | {"number": number if claim.value is not None else "",
                   "direction": direction if claim.rival else "",
                   "why": "; ".join(filter(None, whys))}


def _ran(claim: Claim, table: pd.DataFrame | None, pairs: Sequence[str], sizes: Sequence[int]
         ) -> pd.DataFrame:
    if table is None:
        return pd.DataFrame()
    names = (claim.method, *estimates.rivals(claim))
    return table[table.pair.isin(pairs) & table.method.isin(names) & table.n.isin(sizes)]


def _all_ran(claim: Claim, ran: pd.DataFrame, pairs: Sequence[str], sizes: Sequence[int]) -> bool:
    """Has every pair, method and n of the claim enough seeds, diverged ones counted?"""
    seeds = ran.groupby(["pair", "method", "n"]).seed.nunique()
    cells = len(pairs) * (1 + len(estimates.rivals(claim))) * len(sizes)
    return len(seeds) == cells and seeds.min() >= FEWEST_SEEDS


def _ends(found: Estimate, level: float) -> tuple[float, float]:
    """The interval; open on the side that a bound leaves open."""
    half = stats.t.ppf((1 + level) / 2, found.df) * found.error
    return (-np.inf if found.side < 0 else found.mean - half,
            np.inf if found.side > 0 else found.mean + half)


def _number(claim: Claim, found: Estimate, target: float | None, lost: str) -> str:
    if claim.value is None:
        return ""
    if found.unrun or found.untold:
        return lost if found.unrun else UNDECIDED
    if not claim.comparable:
        return NOT_COMPARABLE
    low, high = (end - target for end in _ends(found, INSIDE))
    if -delta(claim) <= low and high <= delta(claim):
        return YES
    low, high = (end - target for end in _ends(found, OUTSIDE))
    return NO if abs(found.mean - target) > delta(claim) and not low <= 0 <= high else UNDECIDED


def _direction(claim: Claim, found: Estimate) -> str:
    sign = -1 if claim.quantity in LOWER else 1
    if sign * _ends(found, OUTSIDE)[(1 - sign) // 2] > 0:
        return YES
    level = 1 - (1 - OUTSIDE) / found.sizes
    return NO if sign * _ends(found, level)[(1 + sign) // 2] < 0 else UNDECIDED


def chance(within: float, found: Estimate) -> float:
    """How probably a number that is true would be refuted: 5 % at most, less where delta is wide."""
    if not found.error > 0:
        return 0.0
    reach = max(within / found.error, stats.t.ppf((1 + OUTSIDE) / 2, found.df))
    return float(2 * stats.t.sf(reach, found.df))


def describe(claim: Claim) -> str:
    """The claim in words."""
    if not claim.rival:
        return f"{claim.method}: {_level(claim)}"
    rival = "the best baseline" if claim.rival == "baselines" else claim.rival
    return f"{claim.method} " + {
        "calls": f"needs fewer calls than {rival} (% fewer)",
        "accuracy": f"is above {rival} (points)",
        "narrowing": f"is less above {rival} at the largest n than at the smallest (points)",
        "correlation": f"is nearer the teacher's correlations than {rival}",
        "height": f"has lower singular values than {rival} (log10)"}[claim.quantity] + _where(claim)


def _level(claim: Claim) -> str:
    if claim.quantity == "calls" and claim.value is not None:
        return f"accuracy (%) at {1000 * claim.value:.0f} calls"
    what = {"calls": "calls", "accuracy": "accuracy (%)", "correlation": "correlation gap",
            "height": "height (log10)"}
    return what[claim.quantity] + _where(claim)


def _where(claim: Claim) -> str:
    if claim.quantity == "narrowing":
        return ""
    if claim.at is not None:
        return f" at {claim.at:g} %" if claim.quantity == "calls" else f" at n = {claim.at:g}"
    if claim.every:
        return " at every n"
    return ", mean over targets" if claim.quantity == "calls" else ", mean over n"
