"""The paper's numbers as data, and the rule that says what is reproduced."""
from dataclasses import replace

import numpy as np
import pytest

from ckdlib import analysis, paper, study, verdict
from ckdlib.paper import CKD, RESNET, VGG, WRN, Claim


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
                   37.08, 38.4, 33.19, 34.96, 37.73, 39.82, 15):
        assert number in [claim.value for claim in paper.CLAIMS], number


def test_every_claim_can_be_run():
    grids = study.profile(paper.PROFILE).experiments
    for claim in paper.CLAIMS:
        grid, names = grids[claim.experiment], {claim.method, claim.rival} - {"", "baselines"}
        assert names <= set(grid.methods) and (not claim.pair or tuple(claim.pair.split("-")) in grid.pairs)
        assert claim.at is None or claim.at in (grid.targets if claim.quantity == "calls" else grid.calls)


# The rule.

ACCURACY = Claim("here", "black_box", "accuracy", WRN, CKD, "kd", value=5.0)


def evidence(values, spread=(-1, 0, 1), experiment="black_box", pair=WRN, **columns):
    """Rows of the paper's study: method -> accuracy at each n, a seed for each entry of `spread`, added to it."""
    grid = study.profile(paper.PROFILE).experiments[experiment]
    rows = []
    for method, curve in values.items():
        for n, accuracy in zip(grid.calls, curve):
            for seed, more in enumerate(spread, 1):
                rows.append({"pair": pair, "method": method, "n": n, "seed": seed, "test_accuracy": accuracy + more,
                             "correlation": np.nan, "height": np.nan}
                            | {name: value[method] + more / 1000 for name, value in columns.items()})
    return {experiment: analysis.pd.DataFrame(rows)}


def judge(claim, tables):
    line, = verdict.verdicts([claim], tables).to_dict("records")
    return line


CURVE = np.linspace(30, 60, 13)


def test_a_number_and_a_direction_that_hold():
    line = judge(ACCURACY, evidence({CKD: CURVE + 5, "kd": CURVE}, spread=(0, 0, 0)))
    assert (line["ours"], line["seeds"], line["direction"], line["number"]) == (pytest.approx(5), 3, "reproduced", "reproduced")
    assert line["coverage"] == pytest.approx(3 / 5)


def test_a_direction_without_the_number():
    line = judge(ACCURACY, evidence({CKD: CURVE + 2, "kd": CURVE}))
    assert (line["number"], line["direction"], line["why"]) == ("not reproduced", "reproduced", "")


def test_the_other_direction():
    line = judge(ACCURACY, evidence({CKD: CURVE - 5, "kd": CURVE}))
    assert (line["number"], line["direction"], line["why"]) == ("not reproduced", "not reproduced", "")


def test_an_interval_that_holds_zero_reproduces_nothing_and_says_so():
    tables = evidence({CKD: CURVE + 0.1, "kd": CURVE})
    tables["black_box"].loc[lambda t: (t.method == "kd") & (t.seed == 1), "test_accuracy"] += 3
    line = judge(ACCURACY, tables)
    assert (line["direction"], line["why"]) == ("not reproduced", "the interval holds zero")


@pytest.mark.parametrize("tables, why", [
    ({}, ""), (evidence({CKD: CURVE}), "39 of its runs are there"),
    (evidence({CKD: CURVE, "kd": CURVE}, spread=(0, 1)), "52 of its runs are there"),
    (evidence({CKD: CURVE[:1], "kd": CURVE[:1]}), "6 of its runs are there")])
def test_too_few_runs_are_not_yet_run(tables, why):
    line = judge(ACCURACY, tables)
    assert (line["number"], line["direction"], line["why"]) == ("not yet run", "not yet run", why) and np.isnan(line["ours"])


def test_less_is_better_for_correlations_and_curves():
    for quantity in ("correlation", "height"):
        tables = evidence({CKD: CURVE, "kd": CURVE}, correlation={CKD: 0.1, "kd": 0.2}, height={CKD: 1, "kd": 2})
        claim = Claim("here", "black_box", quantity, WRN, CKD, "kd")
        assert judge(claim, tables)["direction"] == "reproduced"
        assert judge(replace(claim, method="kd", rival=CKD), tables)["direction"] == "not reproduced"


def test_calls_and_reductions():
    calls = np.array(study.profile(paper.PROFILE).experiments["black_box"].calls)
    tables = evidence({CKD: calls / 100, "kd": calls / 125}, spread=(-0.1, 0, 0.1))
    line = judge(Claim("Table 1", "black_box", "calls", WRN, CKD, at=40, value=4.0), tables)
    assert line["ours"] == pytest.approx(4) and line["number"] == "reproduced" and line["low"] < 4 < line["high"]
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 40, 20), tables)
    assert line["ours"] == pytest.approx(20) and line["direction"] == "reproduced"
    line = judge(Claim("mean", "black_box", "calls", WRN, CKD, "kd"), tables)       # 50 and 45 % too, but not 55 %
    assert line["ours"] == pytest.approx(20)
    line = judge(Claim("Table 1", "black_box", "calls", WRN, "kd", at=55, value=4.0), tables)
    assert (line["number"], np.isnan(line["ours"])) == ("not reproduced", True) and "does not cross" in line["why"]


def test_the_best_baseline_is_the_rival():
    tables = evidence({CKD: CURVE + 5} | {name: CURVE + i / 2 for i, name in enumerate(paper.BASELINES)})
    line = judge(Claim("B", "black_box", "accuracy", WRN, CKD, "baselines"), tables)
    assert line["ours"] == pytest.approx(5 - 2)


def test_a_gap_that_narrows():
    tables = evidence({CKD: [50, 50, 50, 52], "kd": [45, 46, 48, 51]}, experiment="large_n")
    line = judge(Claim("B", "large_n", "narrowing", WRN, CKD, "kd"), tables)
    assert line["ours"] == pytest.approx(4) and line["direction"] == "reproduced"


def test_directions_at_another_size_carry_no_number():
    grid = study.profile("pilot").experiments["black_box"]
    tables = evidence({CKD: CURVE + 5, "kd": CURVE, "crd": CURVE}, pair="resnet20-resnet8")
    tables["black_box"].n = tables["black_box"].n.map(dict(zip(study.profile("paper").experiments["black_box"].calls, grid.calls)))
    lines = verdict.directions(paper.CLAIMS, {"black_box": tables["black_box"].dropna(subset="n")}, "pilot").set_index("claim")
    assert lines.loc["ckd_pairs is above kd (points), mean over n", "direction"] == "reproduced"
    assert lines.loc["ckd_pairs is above rkd (points), mean over n", "direction"] == "not yet run"
    assert "number" not in lines and "paper" not in lines and not lines.reset_index().duplicated(["experiment", "claim"]).any()
