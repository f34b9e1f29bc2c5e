"""What rows say of a claim: scatter over seeds, crossings of targets, per cent fewer calls."""

from dataclasses import replace
from itertools import product
from math import inf, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ckdlib import report, study
from ckdlib.report import estimates, paper
from ckdlib.report.paper import CKD, RESNET, WRN, Claim
from ckdlib.report.statistics import resamples
from tests.report.test_claims import CALLS, evidence, judge, without, words


@pytest.mark.parametrize("columns", [1, 2, 6])
def test_cell_errors_are_those_of_a_loop(columns):
    values = np.random.default_rng(columns).normal(size=(5, columns)) + np.random.default_rng(
        9
    ).normal(size=(5, 1))
    rows, columns = values.shape
    grand = sum(values[s, n] for s in range(rows) for n in range(columns)) / rows / columns
    seed = [sum(values[s]) / columns for s in range(rows)]
    size = [sum(values[:, n]) / rows for n in range(columns)]
    of_seeds = columns * sum((m - grand) ** 2 for m in seed) / (rows - 1)
    of_rest = 0.0
    for s, n in product(range(rows), range(columns)):
        of_rest += (values[s, n] - seed[s] - size[n] + grand) ** 2
    of_rest /= max((rows - 1) * (columns - 1), 1)
    error, df = estimates.cell_errors(values)
    variance = (of_seeds + (columns - 1) * of_rest) / columns / rows
    assert error == pytest.approx(sqrt(variance))
    own = [np.var(values[:, n], ddof=1) / rows for n in range(columns)]
    assert error**2 == pytest.approx(np.mean(own))  # the mean of the cells' own
    terms = of_seeds**2 / (rows - 1)
    terms += ((columns - 1) * of_rest) ** 2 / max((rows - 1) * (columns - 1), 1)
    assert df == pytest.approx((rows * columns * variance) ** 2 / terms)
    assert rows - 1 <= df + 1e-9 and df <= (rows - 1) * columns + 1e-9


# Teacher calls.

SLOPES = evidence({CKD: CALLS / 100, "kd": CALLS / 125}, apart={CKD: 0.1, "kd": 0.1})


def test_a_number_of_table1_is_the_accuracy_at_its_calls():
    claim = Claim("Table 1", "black_box", "calls", WRN, CKD, at=40, value=4.1)
    line = judge(claim, SLOPES)
    assert (line["paper"], line["ours"], line["number"]) == (40, pytest.approx(41), "reproduced")
    half = stats.t.ppf(0.975, 2) * 0.1 / sqrt(3)
    assert line["high"] - line["ours"] == pytest.approx(half)
    others = [n for n in CALLS if n not in (4000, 4400)]
    assert judge(claim, without(SLOPES, CKD, others))["number"] == "reproduced"
    for needed in (4000, 4400):
        assert judge(claim, without(SLOPES, CKD, [needed]))["number"] == "not yet run"
    one = replace(claim, value=4.0)  # at an n, only that one is needed
    others = [n for n in CALLS if n != 4000]
    assert judge(one, without(SLOPES, CKD, others))["number"] == "reproduced"
    assert judge(replace(claim, value=4.4), SLOPES)["number"] == "not reproduced"


def test_per_cent_fewer_calls():
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 40, 20), SLOPES)
    assert line["ours"] == pytest.approx(20) and words(line) == ("reproduced", "reproduced", "")
    turned = judge(Claim("Δ", "black_box", "calls", WRN, "kd", CKD, 40, 20), SLOPES)
    assert turned["ours"] == pytest.approx(-20)
    assert words(turned) == ("not reproduced", "not reproduced", "")


def crossings(whole, target):
    """[R] reductions of every resample of the seeds of two curves [seeds, N], by brute force."""
    found = []
    for chosen in resamples(len(whole[0])):
        mine, other = (report.calls_to_reach(target, CALLS, part[chosen].mean(0)) for part in whole)
        found.append(100 * (1 - mine / other))
    return np.array(found)


def test_the_error_of_a_reduction_is_that_of_resampled_seeds():
    noise = np.random.default_rng(3).normal(size=(2, 5, 13)) * 0.15
    curves = np.array([30 + 25 * np.log2(CALLS / 1600) / 2, 27 + 24 * np.log2(CALLS / 1600) / 2])
    whole = curves[:, None] + noise
    rows = [
        {
            "pair": WRN,
            "method": method,
            "n": n,
            "seed": seed,
            "status": "done",
            "test_accuracy": value,
            "correlation": np.nan,
            "height": np.nan,
        }
        for method, part in zip((CKD, "kd"), whole, strict=True)
        for seed, line in enumerate(part, 1)
        for n, value in zip(CALLS, line, strict=True)
    ]
    tables = {"black_box": pd.DataFrame(rows)}
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 45), tables)
    spread = crossings(whole, 45)
    error = spread.std() * sqrt(5 / 4)
    half = (line["high"] - line["low"]) / 2
    assert half / stats.t.ppf(0.975, 4) == pytest.approx(error, rel=0.05)
    mean = [report.calls_to_reach(45, CALLS, part.mean(0)) for part in whole]
    assert line["ours"] == pytest.approx(100 * (1 - mean[0] / mean[1]))


def test_the_mean_of_reductions_is_over_what_the_paper_prints_of_both():
    curves = {CKD: CALLS / 100, "kd": CALLS / 125, "crd": CALLS / 110}
    line = judge(Claim("mean", "black_box", "calls", WRN, CKD, "crd"), evidence(curves))
    assert line["ours"] == pytest.approx(100 * (1 - 100 / 110)) and not line["why"]
    grid = study.profile(paper.PROFILE).experiments["black_box"]
    targets = estimates._targets(Claim("", "", "calls", WRN, CKD, "crd"), WRN, grid)
    assert list(targets) == [55, 50, 45, 40]
    everywhere = estimates._targets(Claim("", "", "calls", "", CKD, "crd"), "a-b", grid)
    assert list(everywhere) == [55, 50, 45, 40, 35, 30]
    best = estimates._targets(Claim("", "", "calls", RESNET, CKD, "baselines", 30), RESNET, grid)
    assert best == {30: ("kd", "rkd", "dist", "crd")}  # Mixup is a dash there


def test_a_crossing_just_outside_the_grid_is_one():
    curve = pd.DataFrame(np.add.outer([-1.0, 0, 1], CALLS / 100), [1, 2, 3], CALLS)
    for target, calls, side in (
        (15.5, 1550, 0),
        (12, 1200, 0),
        (11, 1200, -1),
        (16, 1600, 0),
        (66, 6600, 0),
        (68, 6800, 0),
        (69, 6800, 1),
        (40, 4000, 0),
    ):
        found = estimates.crossing(target, curve, CALLS.tolist())
        assert (found.calls, found.side) == (pytest.approx(calls), side), target
        assert found.seeds.to_list() == pytest.approx([calls + 100, calls, calls - 100])
    falling = curve[CALLS[::-1]].set_axis(CALLS, axis=1)
    assert estimates.crossing(70, falling, CALLS.tolist()).side == 1
    assert estimates.crossing(15, falling, CALLS.tolist()).side == -1
    coarse = [1600, 3200, 6400]  # a step down would be 0 calls: half the smallest n instead
    assert estimates.crossing(7, curve[coarse], coarse)[::2] == (800, -1)


@pytest.mark.parametrize(
    "lost, there",
    [
        ([], True),
        ([1600, 2000, 6400], True),
        ([3600], False),
        ([4000], False),
        ([4400], True),
        ([4800, 5200, 5600, 6000, 6400], True),
        ([n for n in CALLS if n > 3600], False),
        ([n for n in CALLS if n < 4000], False),
    ],
)
def test_only_the_n_beside_a_crossing_must_have_been_run(lost, there):
    claim = Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 40, 20)
    line = judge(claim, without(SLOPES, CKD, lost))  # 40 % is reached at n = 4000
    assert line["number"] == line["direction"] == ("reproduced" if there else "not yet run")


def test_a_bound_decides_directions_and_refutes_but_reproduces_nothing():
    steep = evidence({CKD: CALLS / 100, "kd": CALLS / 1000}, apart={CKD: 0.1, "kd": 0.1})
    claim = Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 50, 26.5)
    line = judge(claim, steep)  # the rival needs 6,800 calls at least
    assert line["ours"] == pytest.approx(100 * (1 - 5000 / 6800)) and line["high"] == inf
    assert words(line) == ("undecided", "reproduced", "1 of 1 targets, 1 by a bound")
    assert judge(replace(claim, value=5), steep)["number"] == "not reproduced"
    assert judge(replace(claim, value=60), steep)["number"] == "undecided"
    other = judge(replace(claim, method="kd", rival=CKD), steep)
    assert other["low"] == -inf and other["direction"] == "not reproduced"
    both = evidence({CKD: CALLS / 1000, "kd": CALLS / 1000})
    line = judge(claim, both)
    assert words(line) == ("undecided", "undecided", "curves do not cross the targets")


def test_calls_are_compared_with_those_of_the_best_baseline():
    curves = {CKD: CALLS / 100} | {
        name: CALLS / (125 + 5 * i) for i, name in enumerate(paper.BASELINES)
    }
    line = judge(
        Claim("Δ", "black_box", "calls", WRN, CKD, "baselines", 40),
        evidence(curves, apart=dict.fromkeys(curves, 0)),
    )
    assert [line[name] for name in ("ours", "low", "high")] == pytest.approx([20] * 3)
