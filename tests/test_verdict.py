"""The paper's numbers as data, and the rule that says what is reproduced."""
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from ckdlib import analysis, paper, study, verdict
from ckdlib.paper import CKD, RESNET, VGG, WRN, Claim
from tests.test_analysis import row


# The percentages of its text follow from its own tables, so both were copied right.

def test_table1_gives_the_printed_reductions():
    for pair, printed in paper.TABLE1_DELTA.items():
        for place, delta in enumerate(printed):
            rivals = [paper.TABLE1[pair][rival][place] for rival in paper.BASELINES if paper.TABLE1[pair][rival][place]]
            mine = paper.TABLE1[pair][CKD][place]
            assert (delta is None) == (mine is None or not rivals)
            if delta is not None:            # the printed calls are rounded to 10 of at least 1,600
                assert 100 * (1 - mine / min(rivals)) == pytest.approx(delta, abs=0.6)
    for pair, rivals in paper.REDUCTIONS.items():
        for rival, value in rivals.items():
            both = [(a, b) for a, b in zip(paper.TABLE1[pair][CKD], paper.TABLE1[pair][rival]) if a and b]
            assert np.mean([100 * (1 - a / b) for a, b in both]) == pytest.approx(value, abs=0.15)


def test_table2_gives_the_printed_gaps():
    for pair, families in paper.WHITE_BOX_GAPS.items():
        mean = {method: np.mean([value for value, _ in cells]) for method, cells in paper.TABLE2[pair].items()}
        for family, values in families.items():
            ours = [mean[f"{family}+ckd"] - mean[rival] for rival in (family, f"{family}+crd")]
            assert ours == pytest.approx(values, abs=0.011)


def test_every_table_is_whole():
    assert set(paper.TABLE1) == set(paper.TABLE3) == {WRN, RESNET, VGG} and set(paper.TABLE2) == {WRN, VGG}
    assert all(set(methods) == {*paper.BASELINES, CKD} and all(len(prices) == 6 for prices in methods.values())
               for methods in paper.TABLE1.values())
    assert all(set(methods) == {"crd", "mixup", "rkd", "dist", CKD} for methods in paper.TABLE3.values())
    printed = [claim.value for claim in paper.CLAIMS if claim.where == "Table 1"]
    assert sorted(printed) == sorted(v for table in paper.TABLE1.values() for prices in table.values() for v in prices if v)
    for number in (33.64, 23.66, 36.63, 30.44, 30.56, 25.9, 21.34, 16.83, 7.26, 8.46, 4.68, 7.07, 5.03, 4.18, 5.88, 4.44, 4.82, 3.64,
                   7.82, 7.81, 4.00, 7.27, 4.35, 8.19, 2.78, 8.63, 8.84, 8.50, 4.27, 4.55, 0.62, 1.68, 2.29, 4.38, 32.95, 35.39,
                   37.08, 38.4, 33.19, 34.96, 37.73, 39.82):
        assert number in [claim.value for claim in paper.CLAIMS], number


def test_every_claim_can_be_run():
    grids = study.profile(paper.PROFILE).experiments
    for claim in paper.CLAIMS:
        grid, names = grids[claim.experiment], {claim.method, claim.rival} - {"", "baselines"}
        assert names <= set(grid.methods) and (not claim.pair or tuple(claim.pair.split("-")) in grid.pairs)
        assert claim.at is None or claim.at in (grid.targets if claim.quantity == "calls" else grid.calls)


# The rule.

ACCURACY = Claim("here", "black_box", "accuracy", WRN, CKD, "kd", value=5.0)
CURVE = np.linspace(30, 60, 13)
WAVE = {CKD: 0.3}                        # how far the seeds of a method are apart, else 1


def evidence(values, seeds=3, experiment="black_box", pair=WRN, apart=WAVE, **columns):
    """Rows of the paper's study: method -> accuracy at each n; seeds lie `apart` around it, evenly."""
    grid = study.profile(paper.PROFILE).experiments[experiment]
    rows = []
    for method, curve in values.items():
        for n, accuracy in zip(grid.calls, curve):
            for seed in range(1, seeds + 1):
                more = apart.get(method, 1) * (seed - (seeds + 1) / 2)
                rows.append({"pair": pair, "method": method, "n": n, "seed": seed, "test_accuracy": accuracy + more,
                             "status": "done", "correlation": np.nan, "height": np.nan}
                            | {name: value[method] + more / 1000 for name, value in columns.items()})
    return {experiment: analysis.pd.DataFrame(rows)}


def judge(claim, tables):
    line, = verdict.verdicts([claim], tables).to_dict("records")
    return line


def words(line):
    return line["number"], line["direction"], line["why"]


def test_a_number_and_a_direction_that_hold():
    line = judge(ACCURACY, evidence({CKD: CURVE + 5.5, "kd": CURVE}))
    half = stats.t.ppf(0.975, 2) * 0.7 / sqrt(3)             # seeds differ by 0.3 - 1 = -0.7
    assert (line["ours"], line["low"], line["high"]) == pytest.approx((5.5, 5.5 - half, 5.5 + half))
    assert words(line) == ("reproduced", "reproduced", "") and line["seeds"] == 3 and line["coverage"] == pytest.approx(3 / 5)


def test_a_number_must_lie_where_a_second_study_would_find_it():
    for seeds in (3, 5):
        reach = stats.t.ppf(0.975, seeds - 1) * 0.7 * np.std(range(seeds), ddof=1) * sqrt(1 / seeds + 1 / 5)
        tables = evidence({CKD: CURVE + 30, "kd": CURVE}, seeds)
        inside, outside = (judge(replace(ACCURACY, value=30 - share * reach), tables)["number"] for share in (0.99, 1.01))
        assert (inside, outside) == ("reproduced", "not reproduced")


def test_the_other_direction_and_none():
    assert words(judge(ACCURACY, evidence({CKD: CURVE - 30, "kd": CURVE}))) == ("not reproduced", "not reproduced", "")
    line = judge(replace(ACCURACY, value=None), evidence({CKD: CURVE + 0.1, "kd": CURVE}))
    assert words(line) == ("", "undecided", "the interval holds zero")


@pytest.mark.parametrize("tables, why", [
    ({}, ""), (evidence({CKD: CURVE}), "39 of its runs are there"),
    (evidence({CKD: CURVE, "kd": CURVE}, seeds=2), "52 of its runs are there"),
    (evidence({CKD: CURVE[:1], "kd": CURVE[:1]}), "6 of its runs are there")])
def test_too_few_runs_are_not_yet_run(tables, why):
    line = judge(ACCURACY, tables)
    assert words(line) == ("not yet run", "not yet run", why) and np.isnan(line["ours"])


def test_two_n_are_enough_for_a_direction_but_not_for_a_number():
    line = judge(ACCURACY, evidence({CKD: CURVE[:2] + 5, "kd": CURVE[:2]}))
    assert words(line) == ("not yet run", "reproduced", "2 of 13 n")


def test_seeds_must_be_the_same_ones():
    tables = evidence({CKD: CURVE + 5, "kd": CURVE}, seeds=5)["black_box"]
    lost = ((tables.method == CKD) & (tables.n == 1600) & (tables.seed < 3)) | ((tables.method == "kd") & (tables.n == 2000) & (tables.seed > 3))
    assert judge(ACCURACY, {"black_box": tables[~lost]})["direction"] == "not yet run"       # only seed 3 has every n


def test_runs_that_diverged_are_told_and_decide_nothing():
    table = evidence({CKD: CURVE + 50, "kd": CURVE})["black_box"]
    bad = (table.method == CKD) & (table.n == 1600)
    assert words(judge(ACCURACY, {"black_box": table.assign(status=np.where(bad, "diverged", "done"))})) == (
        "not yet run", "reproduced", "3 of its runs diverged; 12 of 13 n")
    every = table.assign(status=np.where(table.method == CKD, "diverged", "done"))
    assert words(judge(ACCURACY, {"black_box": every})) == ("undecided", "undecided", "39 of its runs diverged")


def test_less_is_better_for_correlations_and_curves():
    for quantity in ("correlation", "height"):
        tables = evidence({CKD: CURVE, "kd": CURVE}, correlation={CKD: 0.1, "kd": 0.2}, height={CKD: 1, "kd": 2})
        claim = Claim("here", "black_box", quantity, WRN, CKD, "kd")
        assert judge(claim, tables)["direction"] == "reproduced"
        assert judge(replace(claim, method="kd", rival=CKD), tables)["direction"] == "not reproduced"


CALLS = np.array(study.profile(paper.PROFILE).experiments["black_box"].calls)
SLOPES = evidence({CKD: CALLS / 100, "kd": CALLS / 125}, apart={CKD: 0.1, "kd": 0.1})


def test_calls_and_reductions():
    line = judge(Claim("Table 1", "black_box", "calls", WRN, CKD, at=40, value=4.0), SLOPES)
    assert line["ours"] == pytest.approx(4) and line["number"] == "reproduced" and line["low"] < 4 < line["high"]
    error = 0.01 * sqrt(3) * np.std(range(3), ddof=0) / sqrt(2)     # of the mean of three seeds, 10 calls apart, by bootstrap
    assert line["high"] - 4 == pytest.approx(stats.t.ppf(0.975, 2) * error / sqrt(3), rel=0.01)
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 40, 20), SLOPES)
    assert line["ours"] == pytest.approx(20) and words(line) == ("reproduced", "reproduced", "")


def test_a_curve_beyond_the_grid_bounds_its_calls():
    line = judge(Claim("Table 1", "black_box", "calls", WRN, "kd", at=55, value=4.0), SLOPES)
    assert line["ours"] == 6.4 and words(line) == ("not reproduced", "", "1 of 1 targets, 1 by a bound")
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 55, 20), SLOPES)     # the rival never gets there
    assert line["ours"] == pytest.approx(100 * (1 - 5.5 / 6.4)) and words(line) == (
        "undecided", "reproduced", "1 of 1 targets, 1 by a bound")
    early = evidence({CKD: CURVE + 30, "kd": CURVE}, apart={})                          # there before the smallest n
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 50, 20), early)
    assert line["direction"] == "reproduced" and line["ours"] == pytest.approx(100 * (1 - 1600 / 4800), rel=0.01)
    line = judge(Claim("Δ", "black_box", "calls", WRN, "kd", CKD, 50, 20), early)
    assert line["direction"] == "not reproduced"
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 29, 20), early)       # both are above it from the start
    assert words(line)[:2] == ("undecided", "undecided") and "no curve crosses" in line["why"]


def test_the_mean_over_targets_says_how_many():
    line = judge(Claim("mean", "black_box", "calls", WRN, CKD, "kd"), SLOPES)
    assert line["why"] == "6 of 6 targets, 1 by a bound"
    bound = 100 * (1 - 5.5 / 6.4)
    assert line["ours"] == pytest.approx(np.mean([bound, 20, 20, 20, 20, 20]), abs=0.2)


def test_the_best_baseline_is_the_rival():
    tables = evidence({CKD: CURVE + 50} | {name: CURVE + i / 2 for i, name in enumerate(paper.BASELINES)})
    line = judge(Claim("B", "black_box", "accuracy", WRN, CKD, "baselines"), tables)
    assert line["ours"] == pytest.approx(50 - 2)


def test_a_gap_that_narrows():
    tables = evidence({CKD: [50, 50, 50, 52], "kd": [45, 46, 48, 51]}, experiment="large_n", apart={})
    line = judge(Claim("B", "large_n", "narrowing", WRN, CKD, "kd"), tables)
    assert line["ours"] == pytest.approx(4) and line["direction"] == "reproduced"


def test_evidence_of_rows(tmp_path):
    rows = [row(method, n, seed, 50.0 + seed, profile="pilot", teacher="resnet20", student="resnet8", dataset="cifar100")
            for method in ("ckd_pairs", "kd") for n in (1600, 3200) for seed in (1, 2, 3)]
    rows[0]["status"] = "diverged"
    kept = {r["run"]: {"run": r["run"], "raw": [10.0, 1.0], "centred": [1.0], "by_class": [1.0], "correlation_gaps": [0.1, None]}
            for r in rows[1:]}
    table = verdict.evidence(rows, kept, "pilot")["black_box"]
    assert len(table) == 12 and table.correlation.count() == 11 and set(table.height.dropna()) == {0.5}
    assert verdict.evidence(rows, {}, "pilot")["black_box"].height.isna().all() and verdict.evidence(rows, {}, "paper") == {}


def test_evidence_is_of_one_profile_and_of_raw_curves():
    rows = [row("kd", 50, 1, 50.0), row("kd", 50, 1, 90.0, profile="pilot", dataset="cifar100"), row("crd", 50, 1, 1.0, status="diverged")]
    kept = {r["run"]: {"run": r["run"], "raw": [10, 10], "centred": [1, 1], "correlation_gaps": [0.1, None, 0.3]} for r in rows[:2]}
    table = verdict.evidence(rows, kept, "quick")["black_box"].set_index("method")
    assert table.loc["kd", ["test_accuracy", "height", "correlation"]].tolist() == [50, 1, pytest.approx(0.2)]
    assert verdict.evidence(rows[2:], {}, "quick")["black_box"].height.isna().all()


def test_figure5_is_judged_at_its_two_n():
    table = evidence({CKD: CURVE, "kd": CURVE}, height={CKD: 1, "kd": 2})["black_box"]
    table.loc[~table.n.isin([1600, 3200]) & (table.method == CKD), "height"] = 99
    assert judge(Claim("F5", "black_box", "height", WRN, CKD, "kd"), {"black_box": table})["ours"] == pytest.approx(-1)


def test_the_best_of_several_rivals_is_the_lowest_where_less_is_better():
    gaps = {CKD: 0.1} | {name: 0.2 + i / 10 for i, name in enumerate(paper.BASELINES)}
    line = judge(Claim("T3", "black_box", "correlation", WRN, CKD, "baselines"), evidence(dict.fromkeys(gaps, CURVE), correlation=gaps))
    assert line["ours"] == pytest.approx(-0.1)


def test_a_claim_of_all_pairs_is_judged_on_their_mean():
    tables = [evidence({CKD: [50] * 3 + [end], "kd": [40] * 4}, experiment="large_n", pair=pair)["large_n"]
              for pair, end in ((WRN, 48), (VGG, 46), (RESNET, 44))]
    line = judge(Claim("B", "large_n", "narrowing", "", CKD, "kd"), {"large_n": analysis.pd.concat(tables)})
    assert line["ours"] == pytest.approx(4) and line["coverage"] == pytest.approx(3 / 5)


def test_calls_are_compared_with_those_of_the_best_baseline():
    curves = {CKD: CALLS / 100} | {name: CALLS / (125 + 5 * i) for i, name in enumerate(paper.BASELINES)}
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "baselines", 40), evidence(curves, apart=dict.fromkeys(curves, 0)))
    assert [line[name] for name in ("ours", "low", "high")] == pytest.approx([20] * 3)


def test_resamples_that_do_not_cross_count_as_the_ends():
    line = judge(Claim("T1", "black_box", "calls", WRN, CKD, at=31), evidence({CKD: CURVE}, apart={CKD: 5}))
    assert np.isfinite([line["low"], line["high"]]).all()


def test_more_seeds_than_the_grid_has_cover_no_more_of_it():
    assert judge(ACCURACY, evidence({CKD: CURVE, "kd": CURVE}, seeds=10))["coverage"] == 1


def test_directions_at_another_size_carry_no_number():
    grid = study.profile("pilot").experiments["black_box"]
    table = evidence({CKD: CURVE + 50, "kd": CURVE, "crd": CURVE}, pair="resnet20-resnet8")["black_box"]
    table = table.assign(n=table.n.map(dict(zip(CALLS, grid.calls)))).dropna(subset="n")
    lines = verdict.directions(paper.CLAIMS, {"black_box": table}, "pilot")
    told = lines[lines.experiment == "black_box"].set_index("claim").direction
    assert told["ckd_pairs is above kd (points), mean over n"] == "reproduced"
    assert told["ckd_pairs is above rkd (points), mean over n"] == "not yet run"
    assert "number" not in lines and "paper" not in lines and not lines.duplicated(["experiment", "claim"]).any()
