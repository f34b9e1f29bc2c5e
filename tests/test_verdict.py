"""The paper's numbers as data, and the rule that says what is reproduced."""
from dataclasses import replace
from itertools import product
from math import inf, sqrt

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from ckdlib import analysis, estimates, paper, study, verdict, verdict_plot
from ckdlib.paper import CKD, RESNET, VGG, WRN, Claim
from tests.test_analysis import row


# The percentages of its text follow from its own tables, so both were copied right.

def test_table1_gives_the_printed_reductions():
    for pair, printed in paper.TABLE1_DELTA.items():
        for place, delta in enumerate(printed):
            target = paper.TABLE1_TARGETS[place]
            best = paper.printed(pair, "baselines", target)
            mine = paper.printed(pair, CKD, target)
            assert (delta is None) == (mine is None or best is None)
            if delta is not None:            # the printed calls are rounded to 10 of at least 1,600
                assert 100 * (1 - mine / best) == pytest.approx(delta, abs=0.6)
    for pair, rivals in paper.REDUCTIONS.items():
        for rival, value in rivals.items():
            both = zip(paper.TABLE1[pair][CKD], paper.TABLE1[pair][rival], strict=True)
            saved = [100 * (1 - a / b) for a, b in both if a and b]
            assert np.mean(saved) == pytest.approx(value, abs=0.15)


def test_table2_gives_the_printed_gaps():
    for pair, families in paper.WHITE_BOX_GAPS.items():
        mean = {method: np.mean([value for value, _ in cells])
                for method, cells in paper.TABLE2[pair].items()}
        for family, values in families.items():
            ours = [mean[f"{family}+ckd"] - mean[rival] for rival in (family, f"{family}+crd")]
            assert ours == pytest.approx(values, abs=0.011)


def test_every_table_is_whole():
    assert set(paper.TABLE1) == set(paper.TABLE3) == {WRN, RESNET, VGG}
    assert set(paper.TABLE2) == {WRN, VGG}
    for methods in paper.TABLE1.values():
        assert set(methods) == {*paper.BASELINES, CKD}
        assert {len(prices) for prices in methods.values()} == {6}
    for methods in paper.TABLE3.values():
        assert set(methods) == {"crd", "mixup", "rkd", "dist", CKD}
    printed = [price for table in paper.TABLE1.values() for prices in table.values()
               for price in prices if price]
    claimed = [claim.value for claim in paper.CLAIMS]
    assert sorted(printed) == sorted(c.value for c in paper.CLAIMS if c.where == "Table 1")
    for number in (33.64, 23.66, 36.63, 30.44, 30.56, 25.9, 21.34, 16.83, 7.26, 8.46, 4.68, 7.07,
                   5.03, 4.18, 5.88, 4.44, 4.82, 3.64, 7.82, 7.81, 4.00, 7.27, 4.35, 8.19, 2.78,
                   8.63, 8.84, 8.50, 4.27, 4.55, 0.62, 1.68, 2.29, 4.38, 32.95, 35.39, 37.08, 38.4,
                   33.19, 34.96, 37.73, 39.82):
        assert number in claimed, number


def test_every_claim_can_be_run():
    grids = study.profile(paper.PROFILE).experiments
    for claim in paper.CLAIMS:
        grid, names = grids[claim.experiment], {claim.method, claim.rival} - {"", "baselines"}
        assert names <= set(grid.methods)
        assert not claim.pair or tuple(claim.pair.split("-")) in grid.pairs
        if claim.at is not None:
            assert claim.at in (grid.targets if claim.quantity == "calls" else grid.calls)
        if claim.quantity == "calls" and not claim.rival:
            assert min(grid.calls) <= 1000 * claim.value <= max(grid.calls)


def test_every_claim_stands_once():
    said = [replace(claim, where="", note="") for claim in paper.CLAIMS]
    assert len(set(said)) == len(said)


def test_what_the_papers_own_numbers_contradict_is_said():
    noted = {(c.where, c.pair, c.method, c.rival, c.at) for c in paper.CLAIMS if c.note}
    assert noted == {
        ("Table 1, Δ", RESNET, CKD, "baselines", 35),                   # 0.48 %
        ("Table 1, Δ", RESNET, CKD, "baselines", 30),                   # Mixup's dash
        ("section 5.1, at every n", RESNET, CKD, "mixup", None),
        ("section 5.1, CRD next best", WRN, "crd", "mixup", None),
        ("section 5.1, CRD next best", RESNET, "crd", "mixup", None),
        ("section 3.1", RESNET, "dist", "rkd", None)}
    assert paper.passed(RESNET, "mixup", 30) and not paper.passed(RESNET, "mixup", 55)
    assert not paper.passed(WRN, "kd", 55) and not paper.passed(WRN, "kd", 50)


# The rule.

ACCURACY = Claim("here", "black_box", "accuracy", WRN, CKD, "kd", value=5.0)
EVERY = replace(ACCURACY, value=None, every=True)
CURVE = np.linspace(30, 60, 13)
CALLS = np.array(study.profile(paper.PROFILE).experiments["black_box"].calls)
WAVE = {CKD: 0.3}                        # how far the seeds of a method are apart, else 1
RAGGED = (0.4, -1.1, 0.2, 0.9, -0.4)     # five seeds around their mean, which is 0


def evidence(values, seeds=3, experiment="black_box", pair=WRN, apart=WAVE, **columns):
    """Rows of the paper's study: method -> accuracy at each n; seeds lie `apart` around it."""
    grid = study.profile(paper.PROFILE).experiments[experiment]
    rows = []
    for method, curve in values.items():
        for n, accuracy in zip(grid.calls, curve):
            for seed in range(1, seeds + 1):
                more = apart.get(method, 1) * (seed - (seeds + 1) / 2)
                rows.append({"pair": pair, "method": method, "n": n, "seed": seed,
                             "test_accuracy": accuracy + more, "status": "done",
                             "correlation": np.nan, "height": np.nan}
                            | {name: value[method] + more / 1000 for name, value in columns.items()})
    return {experiment: analysis.pd.DataFrame(rows)}


def at(tables, method, sizes):
    """Which rows are of a method and of some n."""
    table = tables["black_box"]
    return (table.method == method) & table.n.isin(sizes)


def without(tables, method, sizes):
    return {"black_box": tables["black_box"][~at(tables, method, sizes)]}


def judge(claim, tables):
    line, = verdict.verdicts([claim], tables).to_dict("records")
    return line


def words(line):
    return line["number"], line["direction"], line["why"]


def test_a_number_and_a_direction_that_hold():
    line = judge(ACCURACY, evidence({CKD: CURVE + 5.1, "kd": CURVE}))
    half = stats.t.ppf(0.975, 2) * 0.7 / sqrt(3)             # seeds differ by 0.3 - 1 = -0.7
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
    outcomes = [judge(ACCURACY, evidence(values, apart={CKD: spread, "kd": 0}))["number"]
                for spread in (0.1, 1.0, 3.0, 30.0)]
    assert outcomes == ["reproduced", "reproduced", "undecided", "undecided"]


def test_the_other_direction_and_none():
    line = judge(ACCURACY, evidence({CKD: CURVE - 30, "kd": CURVE}))
    assert words(line) == ("not reproduced", "not reproduced", "")
    line = judge(replace(ACCURACY, value=None), evidence({CKD: CURVE + 0.1, "kd": CURVE}))
    assert words(line) == ("", "undecided", "the interval holds zero")
    assert np.isnan(line["delta"]) and line["chance"] == 0


@pytest.mark.parametrize("tables, why", [
    ({}, ""), (evidence({CKD: CURVE}), "39 of its runs are there"),
    (evidence({CKD: CURVE, "kd": CURVE}, seeds=2), "52 of its runs are there"),
    (evidence({CKD: CURVE[:1], "kd": CURVE[:1]}), "6 of its runs are there")])
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
    line = judge(ACCURACY, {"black_box": table[~lost]})      # only seed 3 has every n
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
    assert judge(ACCURACY, one)["number"] == "not yet run"   # the other n would still have to run


def test_less_is_better_for_correlations_and_curves():
    for quantity in ("correlation", "height"):
        tables = evidence({CKD: CURVE, "kd": CURVE}, correlation={CKD: 0.1, "kd": 0.2},
                          height={CKD: 1, "kd": 2})
        claim = Claim("here", "black_box", quantity, WRN, CKD, "kd")
        assert judge(claim, tables)["direction"] == "reproduced"
        other = judge(replace(claim, method="kd", rival=CKD), tables)
        assert other["direction"] == "not reproduced"


def test_each_number_has_the_delta_of_its_kind():
    deltas = {}
    for claim in paper.CLAIMS:
        if claim.value is not None:
            deltas.setdefault(claim.where, set()).add(round(verdict.delta(claim), 2))
    assert deltas["Table 1"] == deltas["section 5.1, Figure 2"] == {2}
    assert deltas["section 6.1, Figure 4"] == {2}
    assert deltas["Table 1, Δ"] == deltas["section 5.1"] == {10} and deltas["Table 3"] == {0.01}
    assert max(deltas["Table 2"]) == 9 and min(deltas["Table 2"]) == 2       # sds of 4.50 and 0.54
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
        df = 2                           # seeds differ alike at every n, so that is all there is
        reach = stats.t.ppf(1 - 0.025 / 13, df) * 0.7 / sqrt(3)
        assert (line["direction"] == "not reproduced") == (-offset > reach)


@pytest.mark.parametrize("columns", [1, 2, 6])
def test_cell_errors_are_those_of_a_loop(columns):
    values = np.random.default_rng(columns).normal(size=(5, columns)) \
        + np.random.default_rng(9).normal(size=(5, 1))
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
    assert error ** 2 == pytest.approx(np.mean(own))         # the mean of the cells' own
    terms = of_seeds ** 2 / (rows - 1)
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
    one = replace(claim, value=4.0)      # at an n, only that one is needed
    assert judge(one, without(SLOPES, CKD, [n for n in CALLS if n != 4000]))["number"] == "reproduced"
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
    for chosen in analysis.resamples(len(whole[0])):
        mine, other = (analysis.calls_to_reach(target, CALLS, part[chosen].mean(0))
                       for part in whole)
        found.append(100 * (1 - mine / other))
    return np.array(found)


def test_the_error_of_a_reduction_is_that_of_resampled_seeds():
    noise = np.random.default_rng(3).normal(size=(2, 5, 13)) * 0.15
    curves = np.array([30 + 25 * np.log2(CALLS / 1600) / 2, 27 + 24 * np.log2(CALLS / 1600) / 2])
    whole = curves[:, None] + noise
    rows = [{"pair": WRN, "method": method, "n": n, "seed": seed, "status": "done",
             "test_accuracy": value, "correlation": np.nan, "height": np.nan}
            for method, part in zip((CKD, "kd"), whole, strict=True)
            for seed, line in enumerate(part, 1) for n, value in zip(CALLS, line, strict=True)]
    tables = {"black_box": analysis.pd.DataFrame(rows)}
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 45), tables)
    spread = crossings(whole, 45)
    error = spread.std() * sqrt(5 / 4)
    assert (line["high"] - line["low"]) / 2 / stats.t.ppf(0.975, 4) == pytest.approx(error, rel=0.05)
    mean = [analysis.calls_to_reach(45, CALLS, part.mean(0)) for part in whole]
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
    assert best == {30: ("kd", "rkd", "dist", "crd")}        # Mixup is a dash there


def test_a_crossing_just_outside_the_grid_is_one():
    curve = analysis.pd.DataFrame(np.add.outer([-1.0, 0, 1], CALLS / 100), [1, 2, 3], CALLS)
    for target, calls, side in ((15.5, 1550, 0), (12, 1200, 0), (11, 1200, -1), (16, 1600, 0),
                                (66, 6600, 0), (68, 6800, 0), (69, 6800, 1), (40, 4000, 0)):
        found = estimates.crossing(target, curve, CALLS.tolist())
        assert (found.calls, found.side) == (pytest.approx(calls), side), target
        assert found.seeds.to_list() == pytest.approx([calls + 100, calls, calls - 100])
    falling = curve[CALLS[::-1]].set_axis(CALLS, axis=1)
    assert estimates.crossing(70, falling, CALLS.tolist()).side == 1
    assert estimates.crossing(15, falling, CALLS.tolist()).side == -1
    coarse = [1600, 3200, 6400]          # a step down would be 0 calls: half the smallest n instead
    assert estimates.crossing(7, curve[coarse], coarse)[::2] == (800, -1)


@pytest.mark.parametrize("lost, there", [
    ([], True), ([1600, 2000, 6400], True), ([3600], False), ([4000], False), ([4400], True),
    ([4800, 5200, 5600, 6000, 6400], True), ([n for n in CALLS if n > 3600], False),
    ([n for n in CALLS if n < 4000], False)])
def test_only_the_n_beside_a_crossing_must_have_been_run(lost, there):
    claim = Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 40, 20)
    line = judge(claim, without(SLOPES, CKD, lost))          # 40 % is reached at n = 4000
    assert line["number"] == line["direction"] == ("reproduced" if there else "not yet run")


def test_a_bound_decides_directions_and_refutes_but_reproduces_nothing():
    steep = evidence({CKD: CALLS / 100, "kd": CALLS / 1000}, apart={CKD: 0.1, "kd": 0.1})
    claim = Claim("Δ", "black_box", "calls", WRN, CKD, "kd", 50, 26.5)
    line = judge(claim, steep)           # the rival needs 6,800 calls at least
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
    curves = {CKD: CALLS / 100} | {name: CALLS / (125 + 5 * i)
                                   for i, name in enumerate(paper.BASELINES)}
    line = judge(Claim("Δ", "black_box", "calls", WRN, CKD, "baselines", 40),
                 evidence(curves, apart=dict.fromkeys(curves, 0)))
    assert [line[name] for name in ("ours", "low", "high")] == pytest.approx([20] * 3)


# Means.

def test_the_best_baseline_is_the_rival():
    values = {CKD: CURVE + 50} | {name: CURVE + i / 2 for i, name in enumerate(paper.BASELINES)}
    line = judge(Claim("B", "black_box", "accuracy", WRN, CKD, "baselines"), evidence(values))
    assert line["ours"] == pytest.approx(50 - 2)


def test_a_gap_that_narrows():
    tables = evidence({CKD: [50, 50, 50, 52], "kd": [45, 46, 48, 51]}, experiment="large_n",
                      apart={})
    line = judge(Claim("B", "large_n", "narrowing", WRN, CKD, "kd"), tables)
    assert line["ours"] == pytest.approx(4) and line["direction"] == "reproduced"


def test_evidence_of_rows(tmp_path):
    rows = [row(method, n, seed, 50.0 + seed, profile="pilot", teacher="resnet20",
                student="resnet8", dataset="cifar100")
            for method in ("ckd_pairs", "kd") for n in (1600, 3200) for seed in (1, 2, 3)]
    rows[0]["status"] = "diverged"
    curves = {"raw": [10.0, 1.0], "centred": [1.0], "by_class": [1.0]}
    kept = {r["run"]: {"run": r["run"], "correlation_gaps": [0.1, None]} | curves for r in rows[1:]}
    table = verdict.evidence(rows, kept, "pilot")["black_box"]
    assert len(table) == 12 and table.correlation.count() == 11
    assert set(table.height.dropna()) == {0.5}
    assert verdict.evidence(rows, {}, "pilot")["black_box"].height.isna().all()
    assert verdict.evidence(rows, {}, "paper") == {}


def test_evidence_is_of_one_profile_and_of_raw_curves():
    rows = [row("kd", 50, 1, 50.0), row("kd", 50, 1, 90.0, profile="pilot", dataset="cifar100"),
            row("crd", 50, 1, 1.0, status="diverged")]
    measured = {"raw": [10, 10], "centred": [1, 1], "correlation_gaps": [0.1, None, 0.3]}
    kept = {r["run"]: {"run": r["run"]} | measured for r in rows[:2]}
    table = verdict.evidence(rows, kept, "quick")["black_box"].set_index("method")
    told = table.loc["kd", ["test_accuracy", "height", "correlation"]].tolist()
    assert told == [50, 1, pytest.approx(0.2)]
    assert verdict.evidence(rows[2:], {}, "quick")["black_box"].height.isna().all()


def test_figure5_is_judged_at_its_two_n():
    tables = evidence({CKD: CURVE, "kd": CURVE}, height={CKD: 1, "kd": 2})
    table = tables["black_box"]
    table.loc[~table.n.isin([1600, 3200]) & (table.method == CKD), "height"] = 99
    line = judge(Claim("F5", "black_box", "height", WRN, CKD, "kd"), tables)
    assert line["ours"] == pytest.approx(-1)


def test_the_best_of_several_rivals_is_the_lowest_where_less_is_better():
    gaps = {CKD: 0.1} | {name: 0.2 + i / 10 for i, name in enumerate(paper.BASELINES)}
    line = judge(Claim("T3", "black_box", "correlation", WRN, CKD, "baselines"),
                 evidence(dict.fromkeys(gaps, CURVE), correlation=gaps))
    assert line["ours"] == pytest.approx(-0.1)


def test_a_claim_of_all_pairs_is_judged_on_their_mean():
    tables = [evidence({CKD: [50] * 3 + [end], "kd": [40] * 4}, experiment="large_n", pair=pair)
              for pair, end in ((WRN, 48), (VGG, 46), (RESNET, 44))]
    together = {"large_n": analysis.pd.concat([table["large_n"] for table in tables])}
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
    lines = verdict.directions(paper.CLAIMS, {"black_box": table}, "pilot")
    told = lines[lines.experiment == "black_box"].set_index("claim").direction
    assert told["ckd_pairs is above kd (points), mean over n"] == "reproduced"
    assert told["ckd_pairs is above kd (points) at every n"] == "reproduced"
    assert told["ckd_pairs is above rkd (points), mean over n"] == "not yet run"
    assert not {"number", "paper", "pair"} & set(lines)
    assert not lines.duplicated(["experiment", "claim"]).any()


# Counts and figures.

def some_verdicts():
    claims = [ACCURACY, replace(ACCURACY, value=30.0), replace(ACCURACY, value=6.5),
              replace(ACCURACY, comparable=False), replace(ACCURACY, rival="crd"), EVERY,
              Claim("there", "black_box", "accuracy", "", CKD, "kd")]
    tables = evidence({CKD: CURVE + 5, "kd": CURVE})
    return verdict.verdicts(claims, tables)


def test_counts_say_how_many_would_fail_by_chance():
    judged = some_verdicts()
    told = verdict.counts(judged)
    each = 2 * stats.t.sf(2 / (0.7 / sqrt(3)), 2)
    assert told.loc["here", "number"].tolist() == [1, 1, 1, 1, 1, round(3 * each, 1)]
    assert told.loc["here", "direction"].tolist() == [5, 0, 0, 1, round(5 * 0.025, 1)]
    assert told.loc["there", "direction"].tolist() == [0, 0, 0, 1, 0]
    assert told.loc["all", "number"].tolist() == told.loc["here", "number"].tolist()
    three = judged["chance"][judged["number"].isin(verdict.OUTCOMES[:3])]
    assert three.tolist() == pytest.approx([each] * 3) and each < 0.05


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
def test_chance_is_how_often_true_numbers_are_refuted(spread):
    draws = np.random.default_rng(0).normal(size=(4000, 5)) * spread
    found = [estimates.over_seeds(analysis.pd.Series(draw)) for draw in draws]
    claim = replace(ACCURACY, value=0.0)
    refuted = np.mean([verdict._number(claim, one, "") == "not reproduced" for one in found])
    expected = np.mean([verdict.chance(2, one) for one in found])
    assert refuted <= expected <= 0.05 and expected <= refuted + 0.03


def test_figures_show_every_outcome_by_colour_and_by_mark():
    judged = some_verdicts()
    assert set(judged["number"]) == {*verdict.OUTCOMES, ""}
    looks = list(verdict_plot.LOOKS.values())
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == 5
    panel = verdict_plot.numbers(judged).axes[0]
    marks = {line.get_marker() for line in panel.lines}
    assert marks == {"o", "<", "D", "s"}                     # -12.5 deltas is beyond the panel
    labels = [text.get_text() for text in panel.texts]
    assert labels == ["here (1 not yet run)"]
    bars = verdict_plot.overview(judged).axes[0].patches
    drawn = {(to_hex(bar.get_facecolor()), bar.get_hatch() or "") for bar in bars}
    assert drawn == {(look.colour, look.hatch) for look in looks}


def test_figures_of_nothing_run_say_so():
    nothing = verdict.verdicts(paper.CLAIMS, {})
    for draw in (verdict_plot.numbers, verdict_plot.directions):
        assert "not yet run" in draw(nothing).axes[0].texts[0].get_text()
    bars = verdict_plot.overview(nothing).axes[0].patches
    assert {bar.get_facecolor() for bar in bars} == {(1, 1, 1, 1)}


def test_directions_are_drawn_with_the_claimed_side_to_the_right():
    tables = evidence({CKD: CURVE, "kd": CURVE}, height={CKD: 1, "kd": 2})
    claims = [Claim("F5", "black_box", "height", WRN, CKD, "kd")]
    panel = verdict_plot.directions(verdict.verdicts(claims, tables)).axes[0]
    assert panel.lines[-1].get_xdata()[0] == pytest.approx(1)
