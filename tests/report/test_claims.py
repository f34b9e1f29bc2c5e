"""The rule that says what is reproduced."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ckdlib import study
from ckdlib.report import claims, estimates, paper
from ckdlib.report.paper import CKD, RESNET, VGG, WRN, Claim
from tests.report.test_accuracy import row

ACCURACY = Claim("here", "black_box", "accuracy", WRN, CKD, "kd", value=5.0)
EVERY = replace(ACCURACY, value=None, every=True)
CURVE = np.linspace(30, 60, 13)
CALLS = np.array(study.profile(paper.PROFILE).experiments["black_box"].calls)
WAVE = {CKD: 0.3}  # how far the seeds of a method are apart, else 1
RAGGED = (0.4, -1.1, 0.2, 0.9, -0.4)  # five seeds around their mean, which is 0


def evidence(values, seeds=3, experiment="black_box", pair=WRN, apart=WAVE, **columns):
    """Rows of the paper's study: method -> accuracy at each n; seeds lie `apart` around it."""
    grid = study.profile(paper.PROFILE).experiments[experiment]
    rows = []
    for method, curve in values.items():
        for n, accuracy in zip(grid.calls, curve):
            for seed in range(1, seeds + 1):
                more = apart.get(method, 1) * (seed - (seeds + 1) / 2)
                own = {name: value[method] + more / 1000 for name, value in columns.items()}
                rows.append(
                    {
                        "pair": pair,
                        "method": method,
                        "n": n,
                        "seed": seed,
                        "test_accuracy": accuracy + more,
                        "status": "done",
                        "correlation": np.nan,
                        "height": np.nan,
                    }
                    | own
                )
    return {experiment: pd.DataFrame(rows)}


def at(tables, method, sizes):
    """Which rows are of a method and of some n."""
    table = tables["black_box"]
    return (table.method == method) & table.n.isin(sizes)


def without(tables, method, sizes):
    return {"black_box": tables["black_box"][~at(tables, method, sizes)]}


def judge(claim, tables):
    (line,) = claims.verdicts([claim], tables).to_dict("records")
    return line


def words(line):
    return line["number"], line["direction"], line["why"]


def test_a_number_and_a_direction_that_hold():
    line = judge(ACCURACY, evidence({CKD: CURVE + 5.1, "kd": CURVE}))
    half = stats.t.ppf(0.975, 2) * 0.7 / sqrt(3)  # seeds differ by 0.3 - 1 = -0.7
    assert (line["ours"], line["low"], line["high"]) == pytest.approx((5.1, 5.1 - half, 5.1 + half))
    assert words(line) == ("reproduced", "reproduced", "")
    assert line["seeds"] == 3 and line["coverage"] == pytest.approx(3 / 5)
    assert line["delta"] == 2 and 0 < line["chance"] < 0.05


@pytest.mark.parametrize("seeds", [3, 5])
def test_a_number_holds_where_its_interval_is_within_delta(seeds):
    tables = evidence({CKD: CURVE + 30, "kd": CURVE}, seeds)
    error = 0.7 * np.std(range(seeds), ddof=1) / sqrt(seeds)
    inside, outside = (stats.t.ppf(level, seeds - 1) * error for level in (0.95, 0.975))
    for sign in (-1, 1):

        def outcome(apart, sign=sign):
            return judge(replace(ACCURACY, value=30 + sign * apart), tables)["number"]

        assert outcome(2 - inside - 0.01) == "reproduced"
        assert outcome(2 - inside + 0.01) == outcome(max(2, outside) - 0.01) == "undecided"
        assert outcome(max(2, outside) + 0.01) == "not reproduced"


def test_noise_makes_no_pass_easier():
    values = {CKD: CURVE + 5, "kd": CURVE}
    outcomes = [
        judge(ACCURACY, evidence(values, apart={CKD: spread, "kd": 0}))["number"]
        for spread in (0.1, 1.0, 3.0, 30.0)
    ]
    assert outcomes == ["reproduced", "reproduced", "undecided", "undecided"]


def test_the_other_direction_and_none():
    line = judge(ACCURACY, evidence({CKD: CURVE - 30, "kd": CURVE}))
    assert words(line) == ("not reproduced", "not reproduced", "")
    line = judge(replace(ACCURACY, value=None), evidence({CKD: CURVE + 0.1, "kd": CURVE}))
    assert words(line) == ("", "undecided", "the interval holds zero")
    assert np.isnan(line["delta"]) and line["chance"] == 0


@pytest.mark.parametrize(
    "tables, why",
    [
        ({}, ""),
        (evidence({CKD: CURVE}), "39 of its runs are there"),
        (evidence({CKD: CURVE, "kd": CURVE}, seeds=2), "52 of its runs are there"),
        (evidence({CKD: CURVE[:1], "kd": CURVE[:1]}), "6 of its runs are there"),
    ],
)
def test_too_few_runs_are_not_yet_run(tables, why):
    line = judge(ACCURACY, tables)
    assert words(line) == ("not yet run", "not yet run", why) and np.isnan(line["ours"])


def test_two_n_are_enough_for_a_direction_but_not_for_a_number():
    line = judge(ACCURACY, evidence({CKD: CURVE[:2] + 5, "kd": CURVE[:2]}))
    assert words(line) == ("not yet run", "reproduced", "2 of 13 n") and line["chance"] == 0


def test_seeds_must_be_the_same_ones():
    tables = evidence({CKD: CURVE + 5, "kd": CURVE}, seeds=5)
    table = tables["black_box"]
    lost = at(tables, CKD, [1600]) & (table.seed < 3) | at(tables, "kd", [2000]) & (table.seed > 3)
    line = judge(ACCURACY, {"black_box": table[~lost]})  # only seed 3 has every n
    assert line["direction"] == "not yet run"


def test_runs_that_diverged_are_told_and_decide_nothing():
    tables = evidence({CKD: CURVE + 50, "kd": CURVE})
    table = tables["black_box"]

    def diverged(where):
        return {"black_box": table.assign(status=np.where(where, "diverged", "done"))}

    some = judge(ACCURACY, diverged(at(tables, CKD, [1600])))
    assert words(some) == ("undecided", "reproduced", "12 of 13 n; 3 of its runs diverged")
    every = judge(ACCURACY, diverged(table.method == CKD))
    assert words(every) == ("undecided", "undecided", "39 of its runs diverged")
    one = {"black_box": diverged(table.method == CKD)["black_box"].query("n == 1600")}
    assert judge(ACCURACY, one)["number"] == "not yet run"  # the other n would still have to run


def test_less_is_better_for_correlations_and_curves():
    for quantity in ("correlation", "height"):
        tables = evidence(
            {CKD: CURVE, "kd": CURVE}, correlation={CKD: 0.1, "kd": 0.2}, height={CKD: 1, "kd": 2}
        )
        claim = Claim("here", "black_box", quantity, WRN, CKD, "kd")
        assert judge(claim, tables)["direction"] == "reproduced"
        other = judge(replace(claim, method="kd", rival=CKD), tables)
        assert other["direction"] == "not reproduced"


def test_each_number_has_the_delta_of_its_kind():
    deltas = {}
    for claim in paper.CLAIMS:
        if claim.value is not None:
            deltas.setdefault(claim.where, set()).add(round(claims.delta(claim), 2))
    assert deltas["Table 1"] == deltas["section 5.1, Figure 2"] == {2}
    assert deltas["section 6.1, Figure 4"] == {2}
    assert deltas["Table 1, Δ"] == deltas["section 5.1"] == {10} and deltas["Table 3"] == {0.01}
    assert max(deltas["Table 2"]) == 9 and min(deltas["Table 2"]) == 2  # sds of 4.50 and 0.54
    sds = [4.50, 3.67, 0.74, 0.96, 2.29, 2.46]
    assert max(deltas["section 5.2"]) == pytest.approx(2 * np.linalg.norm(sds) / 3, abs=0.01)


def test_numbers_of_other_test_images_are_never_reproduced():
    claim = replace(ACCURACY, comparable=False)
    line = judge(claim, evidence({CKD: CURVE + 5, "kd": CURVE}))
    assert words(line) == ("not comparable", "reproduced", "other test images")
    assert judge(claim, {})["number"] == "not yet run"
    assert {c.experiment for c in paper.CLAIMS if not c.comparable} == {"cars"}


# At every n.


def test_a_claim_of_every_n_must_hold_at_each():
    gaps = np.full(13, 5.0)
    assert judge(EVERY, evidence({CKD: CURVE + gaps, "kd": CURVE}))["direction"] == "reproduced"
    for gap, outcome in ((0.5, "undecided"), (-0.5, "undecided"), (-12.0, "not reproduced")):
        gaps[4] = gap
        line = judge(EVERY, evidence({CKD: CURVE + gaps, "kd": CURVE}))
        assert line["direction"] == outcome and line["ours"] == pytest.approx(gap)
        assert "least ahead at n = 3200" in line["why"]
    lost = without(evidence({CKD: CURVE + 5, "kd": CURVE}), "kd", [4000])
    assert judge(EVERY, lost)["direction"] == "not yet run"


def test_one_n_on_the_other_side_refutes_with_all_n_together():
    for offset in np.linspace(-0.5, -12, 24):
        gaps = np.full(13, 5.0)
        gaps[4] = offset
        line = judge(EVERY, evidence({CKD: CURVE + gaps, "kd": CURVE}))
        df = 2  # seeds differ alike at every n, so that is all there is
        reach = stats.t.ppf(1 - 0.025 / 13, df) * 0.7 / sqrt(3)
        assert (line["direction"] == "not reproduced") == (-offset > reach)


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
def test_chance_is_how_often_true_numbers_are_refuted(spread):
    draws = np.random.default_rng(0).normal(size=(4000, 5)) * spread
    found = [estimates.over_seeds(pd.Series(draw)) for draw in draws]
    claim = replace(ACCURACY, value=0.0)
    refuted = np.mean([claims._number(claim, one, "") == "not reproduced" for one in found])
    expected = np.mean([claims.chance(2, one) for one in found])
    assert refuted <= expected <= 0.05 and expected <= refuted + 0.03


# Means.


def test_the_best_baseline_is_the_rival():
    values = {CKD: CURVE + 50} | {name: CURVE + i / 2 for i, name in enumerate(paper.BASELINES)}
    line = judge(Claim("B", "black_box", "accuracy", WRN, CKD, "baselines"), evidence(values))
    assert line["ours"] == pytest.approx(50 - 2)


def test_a_gap_that_narrows():
    tables = evidence(
        {CKD: [50, 50, 50, 52], "kd": [45, 46, 48, 51]}, experiment="large_n", apart={}
    )
    line = judge(Claim("B", "large_n", "narrowing", WRN, CKD, "kd"), tables)
    assert line["ours"] == pytest.approx(4) and line["direction"] == "reproduced"


def test_evidence_of_rows(tmp_path):
    rows = [
        row(
            method,
            n,
            seed,
            50.0 + seed,
            profile="pilot",
            teacher="resnet20",
            student="resnet8",
            dataset="cifar100",
        )
        for method in ("ckd_pairs", "kd")
        for n in (1600, 3200)
        for seed in (1, 2, 3)
    ]
    rows[0]["status"] = "diverged"
    curves = {"raw": [10.0, 1.0], "centred": [1.0], "by_class": [1.0]}
    kept = {r["run"]: {"run": r["run"], "correlation_gaps": [0.1, None]} | curves for r in rows[1:]}
    table = claims.evidence(rows, kept, "pilot")["black_box"]
    assert len(table) == 12 and table.correlation.count() == 11
    assert set(table.height.dropna()) == {0.5}
    assert claims.evidence(rows, {}, "pilot")["black_box"].height.isna().all()
    assert claims.evidence(rows, {}, "paper") == {}


def test_evidence_is_of_one_profile_and_of_raw_curves():
    rows = [
        row("kd", 50, 1, 50.0),
        row("kd", 50, 1, 90.0, profile="pilot", dataset="cifar100"),
        row("crd", 50, 1, 1.0, status="diverged"),
    ]
    measured = {"raw": [10, 10], "centred": [1, 1], "correlation_gaps": [0.1, None, 0.3]}
    kept = {r["run"]: {"run": r["run"]} | measured for r in rows[:2]}
    table = claims.evidence(rows, kept, "quick")["black_box"].set_index("method")
    told = table.loc["kd", ["test_accuracy", "height", "correlation"]].tolist()
    assert told == [50, 1, pytest.approx(0.2)]
    assert claims.evidence(rows[2:], {}, "quick")["black_box"].height.isna().all()


def test_figure5_is_judged_at_its_two_n():
    tables = evidence({CKD: CURVE, "kd": CURVE}, height={CKD: 1, "kd": 2})
    table = tables["black_box"]
    table.loc[~table.n.isin([1600, 3200]) & (table.method == CKD), "height"] = 99
    line = judge(Claim("F5", "black_box", "height", WRN, CKD, "kd"), tables)
    assert line["ours"] == pytest.approx(-1)


def test_the_best_of_several_rivals_is_the_lowest_where_less_is_better():
    gaps = {CKD: 0.1} | {name: 0.2 + i / 10 for i, name in enumerate(paper.BASELINES)}
    line = judge(
        Claim("T3", "black_box", "correlation", WRN, CKD, "baselines"),
        evidence(dict.fromkeys(gaps, CURVE), correlation=gaps),
    )
    assert line["ours"] == pytest.approx(-0.1)


def test_a_claim_of_all_pairs_is_judged_on_their_mean():
    tables = [
        evidence({CKD: [50] * 3 + [end], "kd": [40] * 4}, experiment="large_n", pair=pair)
        for pair, end in ((WRN, 48), (VGG, 46), (RESNET, 44))
    ]
    together = {"large_n": pd.concat([table["large_n"] for table in tables])}
    line = judge(Claim("B", "large_n", "narrowing", "", CKD, "kd"), together)
    assert line["ours"] == pytest.approx(4) and line["coverage"] == pytest.approx(3 / 5)


def test_more_seeds_than_the_grid_has_cover_no_more_of_it():
    tables = evidence({CKD: CURVE, "kd": CURVE}, seeds=10)
    assert judge(ACCURACY, tables)["coverage"] == 1


def test_directions_at_another_size_carry_no_number():
    grid = study.profile("pilot").experiments["black_box"]
    table = evidence({CKD: CURVE + 50, "kd": CURVE, "crd": CURVE}, pair="resnet20-resnet8")
    table = table["black_box"]
    table = table.assign(n=table.n.map(dict(zip(CALLS, grid.calls)))).dropna(subset="n")
    lines = claims.directions(paper.CLAIMS, {"black_box": table}, "pilot")
    told = lines[lines.experiment == "black_box"].set_index("claim").direction
    assert told["ckd_pairs is above kd (points), mean over n"] == "reproduced"
    assert told["ckd_pairs is above kd (points) at every n"] == "reproduced"
    assert told["ckd_pairs is above rkd (points), mean over n"] == "not yet run"
    assert not {"number", "paper", "pair"} & set(lines)
    assert not lines.duplicated(["experiment", "claim"]).any()
