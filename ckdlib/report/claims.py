"""Claims of the paper -> reproduced, not reproduced, undecided or not yet run, by one rule.

RULE decides; `verdicts` judges the paper's claims by rows of its own study, `directions` says which
way they point at another size, where the numbers themselves mean nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from ..records import Measures, Row
from ..study.grid import PROFILES
from . import paper
from .claim_words import describe, label
from .estimates import (
    COLUMN,
    FEWEST_SEEDS,
    LOWER,
    Curves,
    Estimate,
    curves,
    estimate,
    needed,
    rivals,
)
from .paper import Claim
from .rows import frame, rows_of_experiment, with_measures
from .spectra import mean_log_spectrum

RULE = """\
A NUMBER is reproduced if the 90 % interval of (ours - the paper's) lies within ± delta; not
reproduced if the 95 % interval leaves out zero and the difference is beyond delta; else undecided.
delta is 2 points of accuracy, 10 points of per cent fewer calls, 0.01 of correlation; for Table 2
and section 5.2, twice the sd that follows from those printed in Table 2, where that is more.
A DIRECTION (one method above another) is reproduced if the 95 % interval of the paired difference
lies on the claimed side of zero, not reproduced if on the other side, else undecided. One that is
claimed at every n must lie so at each; it is refuted by one n on the other side (with 95 % for all
n together).
WHAT IS COMPARED. Of Table 1: our accuracy at the calls it prints, interpolated between the two n
beside them, with its target. Of per cent fewer calls: where our mean curves first cross the
targets, the mean over those that the paper prints for both methods. The ends of a curve go on by
one step of the grid; one that crosses nowhere there gives a bound, which may decide a direction or
refute a number but reproduces none.
INTERVALS are t over seeds, each seed's n and targets averaged first. For claims of every n, seeds
are a random effect and all n share one scatter.
NEEDED are 3 seeds, the same ones, at every n that decides; for a direction on the mean over n, at
2 n or more. Less is not yet run; it is undecided if diverged runs are why. Our test images of
Stanford Cars are cut from its training images, so that only directions are judged there.
BY CHANCE: how many would come out not reproduced, about, if all that were judged held (of a
direction, at most)."""
YES, NO, UNDECIDED, NOT_RUN = "reproduced", "not reproduced", "undecided", "not yet run"
NOT_COMPARABLE = "not comparable"  # a number of other test images than the paper's
OUTCOMES = (YES, NO, UNDECIDED, NOT_RUN, NOT_COMPARABLE)
POINTS, PER_CENT, CORRELATION, SDS = 2.0, 10.0, 0.01, 2.0  # delta
INSIDE, OUTSIDE = 0.90, 0.95  # of the intervals that reproduce and that refute

Evidence = Mapping[str, pd.DataFrame]  # experiment -> rows, with columns correlation and height


class _Run(NamedTuple):
    n: int
    seed: int
    status: str


Runs = Mapping[tuple[str, str], list[_Run]]  # by pair and method


class _Experiment(NamedTuple):
    runs: Runs
    curves: Mapping[str, Curves]  # column -> curves


def evidence(rows: Sequence[Row], measures: Mapping[str, Measures], profile: str) -> Evidence:
    """What the rows of one profile can say, an entry for each experiment that has any."""
    rows = [row for row in rows if row["profile"] == profile]
    tables = {}
    for experiment in PROFILES[profile].experiments:
        if not rows_of_experiment(rows, experiment):
            continue
        table = frame(rows, experiment, report=lambda line: None)
        table = with_measures(table, measures)
        tables[experiment] = table.assign(correlation=table.gap, height=mean_log_spectrum(table))
    return tables


def verdicts(
    claims: Iterable[Claim], tables: Evidence, profile: str = paper.PROFILE
) -> pd.DataFrame:
    """What RULE says of each claim, of its number and of its direction.

    Parameters
    ----------
    claims : iterable of Claim
    tables : Evidence
        As `evidence` gives it.
    profile : str
        Whose grids say which n and seeds are needed.

    Returns
    -------
    DataFrame
        A line for each claim: the paper's number, ours with its 95 % interval (low, high) and
        seeds, and the verdicts (empty where none is claimed). Of Table 1, `paper` is the target and
        `ours` the accuracy at the printed calls; of a claim of every n, `ours` is the difference
        where it is least. delta: of the number; chance: how probably the number would be refuted if
        it were true; coverage: the share of the claim's own grid that was run; why: what limits the
        verdict; note: what of the paper's own numbers speaks against it.
    """
    nothing = _Experiment({}, {})
    there = {name: _experiment(table) for name, table in tables.items()}
    lines = []
    for claim in claims:
        lines.append(_judge(claim, there.get(claim.experiment, nothing), profile))
    return pd.DataFrame(lines)


def directions(claims: Iterable[Claim], tables: Evidence, profile: str) -> pd.DataFrame:
    """The directions of the claims at another size, without the numbers.

    Returns
    -------
    DataFrame
        As `verdicts` gives it: each direction once, on the mean over its pairs.
    """
    compared = []
    for c in claims:
        if c.rival and c.at is None:
            bare = Claim(c.where, c.experiment, c.quantity, "", c.method, c.rival, every=c.every)
            compared.append(bare)
    lines = verdicts(dict.fromkeys(compared), tables, profile)
    return lines.drop(columns=["pair", "paper", "number", "delta", "chance", "note"])


def _experiment(table: pd.DataFrame) -> _Experiment:
    runs: dict[tuple[str, str], list[_Run]] = {}
    for row in table.itertuples():
        run = _Run(row.n, row.seed, row.status)
        runs.setdefault((row.pair, row.method), []).append(run)
    columns = set(COLUMN.values()) & set(table)
    return _Experiment(runs, {column: curves(table, column) for column in columns})


def delta(claim: Claim) -> float:
    """How far ours may be from the paper's number, in its unit; nan where it prints none.

    Fixed by the paper alone.
    """
    if claim.value is None:
        return float("nan")
    if claim.quantity == "correlation":
        return CORRELATION
    if claim.quantity == "calls" and claim.rival:
        return PER_CENT
    return max(POINTS, SDS * (claim.sd or 0))


class _Part(NamedTuple):
    """How much of what a claim speaks of was run; what is said where that is too little."""

    coverage: float
    diverged: int
    lost: str
    why: str


def _judge(claim: Claim, experiment: _Experiment, profile: str) -> dict:
    chosen = PROFILES[profile]
    grid = chosen.experiments[claim.experiment]
    pairs = [claim.pair] if claim.pair else list(map("-".join, grid.pairs))
    sizes = needed(claim, grid, chosen.spectra)
    curves = experiment.curves.get(COLUMN[claim.quantity], {})
    found = estimate(claim, curves, pairs, grid, sizes)
    part = _part(claim, experiment.runs, pairs, sizes, grid.seeds)
    record = {
        "where": claim.where,
        "experiment": claim.experiment,
        "claim": describe(claim),
        "label": label(claim),
        "quantity": claim.quantity,
        "pair": claim.pair or "all",
        "paper": _printed(claim),
    }
    record |= {"ours": np.nan, "low": np.nan, "high": np.nan, "seeds": 0}
    record |= {"coverage": part.coverage, "number": part.lost, "direction": part.lost}
    record |= {"why": part.why, "note": claim.note, "delta": delta(claim), "chance": 0.0}
    if found is not None:
        record |= _judgement(claim, found, part)
    if claim.value is None:
        record["number"] = ""
    if not claim.rival:
        record["direction"] = ""
    return record


def _judgement(claim: Claim, found: Estimate, part: _Part) -> dict:
    """What an estimate changes of a claim's record."""
    low, high = _ends(found, OUTSIDE)
    number, direction = _number(claim, found, part.lost), _direction(claim, found)
    judged: dict[str, Any] = {"ours": found.mean, "low": low, "high": high, "seeds": found.seeds}
    judged |= {"number": number, "direction": direction}
    judged["why"] = _limits(claim, found, part.diverged, judged)
    if claim.value is not None and number in (YES, NO, UNDECIDED) and not found.unrun:
        judged["chance"] = chance(delta(claim), found)
    return judged


def _limits(claim: Claim, found: Estimate, diverged: int, record: Mapping) -> str:
    """What limits a verdict, in words."""
    whys = [found.why, f"{diverged} of its runs diverged" if diverged else ""]
    if record["number"] == NOT_COMPARABLE:
        whys.append("other test images")
    if claim.rival and record["direction"] == UNDECIDED and not np.isnan(found.mean):
        if record["low"] < 0 < record["high"]:
            whys.append("the interval holds zero")
        else:
            whys.append("on the other side there, but not with 95 % for all n together")
    return "; ".join(filter(None, whys))


def _part(
    claim: Claim, runs: Runs, pairs: Sequence[str], sizes: Sequence[int], seeds: Sequence[int]
) -> _Part:
    ran, counts = [], []
    for pair, name, size in product(pairs, (claim.method, *rivals(claim)), sizes):
        mine = [run for run in runs.get((pair, name), ()) if run.n == size]
        counts.append(len(mine))
        ran += mine
    planned = sum(run.seed in seeds for run in ran)
    coverage = round(planned / len(counts) / len(seeds), 3)
    diverged = sum(run.status == "diverged" for run in ran)
    if diverged and min(counts) >= FEWEST_SEEDS:
        return _Part(coverage, diverged, UNDECIDED, f"{diverged} of its runs diverged")
    return _Part(coverage, diverged, NOT_RUN, f"{len(ran)} of its runs are there" if ran else "")


def _printed(claim: Claim) -> float | None:
    return claim.at if claim.quantity == "calls" and not claim.rival else claim.value


def _ends(found: Estimate, level: float) -> tuple[float, float]:
    """The interval; open on the side that a bound leaves open."""
    half = stats.t.ppf((1 + level) / 2, found.df) * found.error
    low = -np.inf if found.side < 0 else found.mean - half
    high = np.inf if found.side > 0 else found.mean + half
    return low, high


def _number(claim: Claim, found: Estimate, lost: str) -> str:
    target = _printed(claim)
    if target is None:
        return ""
    if found.unrun or found.untold:
        return lost if found.unrun else UNDECIDED
    if not claim.comparable:
        return NOT_COMPARABLE
    low, high = np.subtract(_ends(found, INSIDE), target)
    if -delta(claim) <= low and high <= delta(claim):
        return YES
    low, high = np.subtract(_ends(found, OUTSIDE), target)
    return NO if abs(found.mean - target) > delta(claim) and not low <= 0 <= high else UNDECIDED


def _direction(claim: Claim, found: Estimate) -> str:
    sign = -1 if claim.quantity in LOWER else 1
    if sign * _ends(found, OUTSIDE)[(1 - sign) // 2] > 0:
        return YES
    level = 1 - (1 - OUTSIDE) / found.sizes
    return NO if sign * _ends(found, level)[(1 + sign) // 2] < 0 else UNDECIDED


def chance(within: float, found: Estimate) -> float:
    """How probably a true number would be refuted: 5 % at most, less where delta is wide."""
    if not found.error > 0:
        return 0.0
    reach = max(within / found.error, stats.t.ppf((1 + OUTSIDE) / 2, found.df))
    return float(2 * stats.t.sf(reach, found.df))
