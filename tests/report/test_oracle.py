"""The rule of the verdict, tried on what a perfect replication would give, and on its reverse."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ckdlib.report import CLAIMS, claim_tables, claims, paper
from ckdlib.report.claims import NO, NOT_COMPARABLE, NOT_RUN, UNDECIDED, YES
from ckdlib.report.paper import CKD
from tests.report import oracle

DRAWS = 3


@pytest.fixture(scope="module")
def true():
    return oracle.truth()


@pytest.fixture(scope="module")
def replications(true):
    return [evidence(true, draw) for draw in range(DRAWS)]


@pytest.fixture(scope="module")
def judged(replications):
    return [claims.verdicts(CLAIMS, tables) for tables in replications]


def evidence(true, draw, **how):
    rows, measures = oracle.replication(np.random.default_rng(draw), true, **how)
    return claims.evidence(rows, measures, paper.PROFILE)


def tally(judged, kind):
    """Outcomes of the claims that can be judged at all; directions without those that the paper's
    own numbers speak against."""
    mine = judged[(judged[kind] != "") & (judged[kind] != NOT_COMPARABLE)]
    return Counter(mine[kind] if kind == "number" else mine.loc[mine["note"] == "", kind])


def share(counts, outcome):
    return counts[outcome] / counts.total()


# The oracle itself.


def test_its_curves_give_back_the_papers_numbers(true):
    means = {cell: curve.mean() for cell, curve in true["black_box"].items()}
    for pair, methods in paper.TABLE1.items():
        for method, prices in methods.items():
            curve = true["black_box"][pair, method]
            assert (np.diff(curve) > 0.29).all()
            for target, price in zip(paper.TABLE1_TARGETS, prices, strict=True):
                if price:
                    at_price = np.interp(1000 * price, oracle.CALLS, curve)
                    assert at_price == pytest.approx(target, abs=1e-6)
                else:
                    assert curve[0] > target or curve[-1] < target
        gaps = {rival: means[pair, CKD] - means[pair, rival] for rival in paper.BASELINES}
        assert gaps == pytest.approx(paper.GAPS[pair], abs=1e-6)
    few = np.isin(oracle.CALLS, oracle.GRIDS["dimensionality"].calls)
    for pair, printed in paper.FIGURE4_MEANS.items():
        assert true["black_box"][pair, "rkd"][few].mean() == pytest.approx(printed["rkd"])
        assert true["dimensionality"][pair, "rkd_100"].mean() == pytest.approx(printed["rkd_100"])


# A perfect replication.


def test_a_perfect_replication_is_reproduced(judged):
    numbers, directions = Counter(), Counter()
    for lines in judged:
        numbers += tally(lines, "number")
        directions += tally(lines, "direction")
        every = lines[lines["where"].str.endswith("every n")]
        assert tally(every, "direction")[YES] >= 11  # of 14; some are little ahead at 6400
        cars = lines[lines["experiment"] == "cars"]
        assert set(cars["number"]) == {"", NOT_COMPARABLE} and set(cars["direction"]) == {YES}
        told = claim_tables.counts(lines).loc["all"]
        assert told["number", NO] <= 2 * told["number", "by chance"] + 3
    assert share(numbers, YES) >= 0.95 and share(directions, YES) >= 0.95
    assert share(numbers, NO) <= 0.01 and share(directions, NO) <= 0.01
    assert numbers[NOT_RUN] == directions[NOT_RUN] == 0


def test_no_kind_of_number_is_undecided_by_its_making(judged):
    lines = pd.concat(judged)
    for where in dict.fromkeys(claim.where for claim in CLAIMS if claim.value and claim.comparable):
        found = tally(lines[lines["where"] == where], "number")
        assert share(found, YES) >= 0.75, (where, found)
    means = lines[(lines["where"] == "section 5.1") & lines["claim"].str.endswith("over targets")]
    assert len(means) == 6 * DRAWS and share(tally(means, "number"), YES) >= 0.9


# Its reverse.


def moved(claim):
    """The same with a number three deltas off (of Table 1: the accuracy at the printed calls)."""
    if claim.value is None:
        return claim
    far = 3 * claims.delta(claim)
    if claim.quantity == "calls" and not claim.rival:
        return replace(claim, at=claim.at + far)
    return replace(claim, value=claim.value + far)


def turned(claim):
    """The same the other way round; for 'the best of the baselines' the rows are."""
    if not claim.rival or claim.rival == "baselines":
        return claim
    return replace(claim, method=claim.rival, rival=claim.method, value=None)


def test_numbers_three_deltas_off_are_not_reproduced(replications):
    counts = tally(claims.verdicts([moved(claim) for claim in CLAIMS], replications[0]), "number")
    assert share(counts, NO) >= 0.95 and counts[YES] == 0


def test_directions_turned_round_are_not_reproduced(replications):
    singles = [
        turned(claim) for claim in CLAIMS if claim.rival not in ("", "baselines") and not claim.note
    ]
    swap = {CKD: "crd", "crd": CKD}
    tables = {
        name: table.assign(method=table["method"].replace(swap))
        for name, table in replications[1].items()
    }
    best = [claim for claim in CLAIMS if claim.rival == "baselines" and not claim.note]
    counts = tally(claims.verdicts(singles, replications[1]), "direction") + tally(
        claims.verdicts(best, tables), "direction"
    )
    assert share(counts, NO) >= 0.95 and counts[YES] == 0


# Three noisy seeds.


def test_three_noisy_seeds_decide_hardly_any_number(true):
    judged = claims.verdicts(CLAIMS, evidence(true, 7, seeds=3, sd=5))
    accuracies = judged[judged["quantity"] != "correlation"]
    counts = tally(accuracies, "number")
    assert share(counts, YES) < 0.08 and share(counts, NO) < 0.08
    assert share(counts, UNDECIDED) > 0.88
    every = judged[judged["where"].str.endswith("every n")]
    assert share(tally(every, "direction"), UNDECIDED) > 0.8
    assert share(tally(judged, "direction"), NO) <= 0.05
