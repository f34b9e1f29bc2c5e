"""Rows -> numbers, against the paper's own examples and loops written here."""

from itertools import product
from math import inf, isnan, nan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ckdlib import images, report, study
from ckdlib.errors import InputError
from ckdlib.report import figures, paper
from ckdlib.report.calls import crossing
from ckdlib.report.figures.style import CHOSEN, METHODS, method_style


def row(method, n, seed, accuracy, **other):
    return {
        "run": f"{method} {n} {seed} {other}",
        "profile": "quick",
        "experiment": "black_box",
        "dataset": "digits",
        "dataset_sha256": "d",
        "teacher": "t",
        "student": "s",
        "teacher_sha256": None if method == "ce" else "x",
        "method": method,
        "n": n,
        "seed": seed,
        "recipe": {"steps": 1, "learning_rate": 0.05},
        "learning_rate": 0.05,
        "precision": "float32",
        "status": "done",
        "teacher_calls": n,
        "student_passes": 1,
        "seconds": 1.0,
        "val_accuracy": accuracy,
        "test_accuracy": accuracy,
    } | other


def frame(rows):
    return report.frame(rows, "black_box", report=lambda line: None)


# Calls to reach an accuracy.


def test_the_papers_own_example():
    assert report.calls_to_reach(45, [4000, 4400], [40, 50]) == 4200


@pytest.mark.parametrize(
    "target, accuracy, calls",
    [
        (30, [10, 30, 50], 200),
        (10, [10, 30, 50], 100),
        (50, [10, 30, 50], 400),
        (51, [10, 30, 50], nan),
        (9, [10, 30, 50], nan),
        (40, [10, 50, 30], 175),
        (40, [10, 30, 30], nan),
        (40, [50, 30, 45], nan),
        (20, [10, 20, 20], 200),
    ],
)
def testfirst_crossings(target, accuracy, calls):
    assert report.calls_to_reach(target, [100, 200, 400], accuracy) == pytest.approx(
        calls, nan_ok=True
    )
    assert report.calls_to_reach(target, [400, 100, 200], np.roll(accuracy, 1)) == pytest.approx(
        calls, nan_ok=True
    )


def test_bad_curves():
    for calls, accuracy in (([1, 2], [1]), ([1, 1], [1, 2])):
        with pytest.raises(ValueError, match="no n twice"):
            report.calls_to_reach(50, calls, accuracy)
    for target in (-1, 100.5):
        with pytest.raises(InputError, match="choose between 0 and 100"):
            report.calls_to_reach(target, [1, 2], [1, 2])


def test_missing_runs_are_said_and_missing_experiments_too():
    said = []
    rows = [row("kd", 80, 1, 50.0, teacher="resnet14", student="resnet8")]
    table = report.frame(rows, "black_box", "large_n", report=said.append)
    assert len(table) == 1 and said[0].startswith(
        "no rows of experiment 'large_n'; make them with: python -m ckdlib run"
    )
    assert (
        said[1] == "119 of the 120 runs of black_box are missing:"
        and "  resnet14-resnet8 kd: n = 40 160 320, seeds 1 2 3; " in said[3]
    )
    with pytest.raises(InputError, match="no rows of experiment 'cars'"):
        report.frame(rows, "cars")


def test_means_over_n_use_the_seeds_that_have_every_n():
    rows = [
        row(method, n, seed, base + n / 100 + seed)
        for method, base in (("kd", 50), ("ckd", 60))
        for n in (100, 200)
        for seed in (1, 2)
    ] + [row("kd", 100, 3, 0.0)]
    table = frame(rows)
    means = report.mean_accuracies(table, ["ckd", "kd", "crd"])
    assert (
        means.method.tolist() == ["ckd", "kd"]
        and means["mean"].tolist() == [63, 53]
        and means.seeds.tolist() == [2, 2]
    )
    (gap,) = report.mean_differences(table, "ckd", "kd").to_dict("records")
    assert (gap["mean"], gap["seeds"], gap["above"]) == (10, 2, "kd")
    assert report.mean_differences(table, "vid", "kd").empty
    assert (report.baseline(table, "crd", "kd"), report.baseline(table, "crd")) == ("kd", "ckd")


def test_diverged_runs_and_an_n_of_one_method_enter_no_mean():
    rows = (
        [row("kd", n, seed, 50.0) for n in (100, 200) for seed in (1, 2)]
        + [row("ckd", 100, seed, 53.0) for seed in (1, 2)]
        + [row("kd", n, 3, 1.0, status="diverged") for n in (100, 200)]
    )
    mean = report.mean_accuracies(frame(rows), ["kd"]).iloc[0]
    gap = report.mean_differences(frame(rows), "ckd", "kd").iloc[0]
    assert (mean["mean"], mean.seeds, gap["mean"], gap.seeds) == (50, 2, 3, 2)


def test_a_seed_that_lacks_an_n_counts_in_the_mean_curve_but_in_no_resample():
    point, spread = crossing(50, pd.DataFrame([[40, 60], [40, 60], [nan, 90]], columns=[100, 200]))
    assert point == pytest.approx(100 + 1000 / 30) and spread.tolist() == [150] * 4


def test_a_printed_table_beside_ours():
    rows = [
        row("vid", 3200, seed, 40.0 + seed, teacher="vgg13", student="vgg8") for seed in (1, 2, 3)
    ]
    beside = report.accuracies_beside(report.summary(frame(rows)), paper.TABLE2, paper.TABLE2_CALLS)
    beside = beside.set_index(["pair", "method", "n"])
    assert beside.loc[(paper.VGG, "vid", 3200)].tolist() == ["40.87 ± 1.09", "42.00 ± 1.00", 3]
    assert beside.loc[(paper.WRN, "vid", 3200)].tolist() == ["42.70 ± 0.97", "not run", 0]


CURVES = {
    "kd": [[70, 80], [60, 90], [50, 70]],
    "ckd": [[81, 95], [85, 95], [90, 97]],
    "crd": [[10, 20], [10, 20], [10, 20]],
}


@pytest.fixture
def table():
    return frame(
        [
            row(method, n, seed, accuracy)
            for method, curves in CURVES.items()
            for seed, curve in enumerate(curves)
            for n, accuracy in zip((100, 200), curve)
        ]
    )


def test_the_interval_is_that_of_every_resample_of_seeds(table):
    cell = report.calls_table(table, [75]).set_index("method").loc["kd"]
    spread = []
    for seeds in product(range(3), repeat=3):
        low, high = (np.mean([CURVES["kd"][seed][i] for seed in seeds]) for i in (0, 1))
        spread.append(
            inf if high < 75 else -inf if low > 75 else 100 + 100 * (75 - low) / (high - low)
        )
    spread.sort()
    assert cell.calls == pytest.approx(175) and cell.seeds == 3
    assert (cell.low, cell.high) == (
        pytest.approx(spread[0]),
        pytest.approx(spread[26]),
    ) and cell.high == inf


def test_table1_prints_what_is_not_inside(table):
    text = report.table1(report.calls_table(table, [60, 75]), ["kd", "ckd", "crd"])
    assert text.loc[("t-s", "ckd"), "75 %"] == "≤100" and text.loc[("t-s", "crd"), "60 %"] == ">200"
    assert text.loc[("t-s", "kd"), "75 %"].startswith("175 [") and text.loc[
        ("t-s", "kd"), "75 %"
    ].endswith(">200]")
    assert text.loc[("t-s", "Δ ckd"), "75 %"] == "≥ 42.9 %"  # at most 100 calls against 175


def prices(pair):
    rows = []
    for method, line in paper.TABLE1[pair].items():
        for target, price in zip(paper.TABLE1_TARGETS, line):
            missing = inf if target > 40 else -inf
            rows.append(
                {
                    "pair": pair,
                    "method": method,
                    "target": target,
                    "calls": missing if price is None else 1000 * price,
                    "fewest": 1600.0,
                    "most": 6400.0,
                    "seeds": 5,
                    "low": nan,
                    "high": nan,
                }
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize("pair", paper.TABLE1)
def test_delta_is_the_papers(pair):
    """Its printed calls are rounded to ten, so that its deltas are met within half a point.

    One cell differs: for resnet32 at 30 % it passes over Mixup, whose dash says that it is there
    before CKD.
    """
    found = report.reductions(prices(pair), paper.CKD).set_index("target")
    for target, delta in zip(paper.TABLE1_TARGETS, paper.TABLE1_DELTA[pair]):
        if (pair, target) == ("resnet110-resnet32", 30):
            assert isnan(found.reduction[target])
        elif delta is not None:
            assert found.bound[target] == "" and found.reduction[target] == pytest.approx(
                delta, abs=0.5
            )
        else:
            assert found.bound[target] != "" or isnan(found.reduction[target])


def test_delta_has_bounds():
    def reduction(mine, best, most=400.0):
        """Beside two rivals, of which the second, run up to `most`, never comes there."""
        calls = pd.DataFrame(
            [
                {
                    "pair": "p",
                    "target": 50,
                    "method": method,
                    "calls": value,
                    "fewest": 100.0,
                    "most": most if method == "crd" else 400.0,
                }
                for method, value in (("ckd", mine), ("kd", best), ("crd", inf))
            ]
        )
        line = report.reductions(calls, "ckd").iloc[0]
        return line.bound, line.reduction

    assert reduction(150, 300) == ("", 50) and reduction(300, 150) == ("", -100)
    assert reduction(150, 300, most=160.0) == ("", 50)  # a rival of fewer n takes nothing away
    assert reduction(-inf, 200) == (">=", 50) and reduction(200, inf) == (">=", 50)
    assert (
        isnan(reduction(200, -inf)[1])
        and isnan(reduction(inf, 200)[1])
        and isnan(reduction(-inf, -inf)[1])
    )


# Means, intervals, differences.


def test_summary_and_its_t_interval(table):
    cell = report.summary(table).set_index(["method", "n"]).loc[("kd", 100)]
    half = stats.t.ppf(0.975, 2) * 10 / sqrt(3)
    assert (cell["mean"], cell.sd, cell.seeds) == (60, 10, 3)
    assert (cell.low, cell.high) == (pytest.approx(60 - half), pytest.approx(60 + half))


def test_differences_are_paired(table):
    gaps = report.paired_differences(table, "kd").set_index(["method", "n"])
    assert gaps.loc[("ckd", 200), "mean"] == pytest.approx((15 + 5 + 27) / 3)
    assert gaps.loc[("ckd", 200), "sd"] == pytest.approx(np.std([15, 5, 27], ddof=1))
    with pytest.raises(InputError, match="no rows of method 'rkd'"):
        report.paired_differences(table, "rkd")


def test_a_diverged_run_is_counted_and_never_averaged():
    rows = [row("kd", 100, 1, 80), row("kd", 100, 2, 90), row("kd", 100, 3, 10, status="diverged")]
    cell = report.summary(frame(rows)).iloc[0]
    assert (cell["mean"], cell.seeds, cell.diverged) == (85, 2, 1)


def test_validation_stands_beside_test():
    rows = [
        row("kd", n, seed, 50, val_accuracy=60 + seed + n / 100)
        for n in (100, 200)
        for seed in (1, 3)
    ]
    rows += [row("kd", 100, 5, 1, val_accuracy=99, status="diverged")]
    cells = report.summary(frame(rows))
    assert report.by_n(cells, "validation", ["ckd", "kd"]).loc[("t-s", "kd")].to_dict() == {
        100: 63,
        200: 64,
    }


def test_one_seed_has_no_interval():
    cell = report.summary(frame([row("kd", 100, 1, 80)])).iloc[0]
    assert cell["mean"] == 80 and isnan(cell.sd) and isnan(cell.low)
    assert (
        "["
        not in report.table1(report.calls_table(frame([row("kd", 100, 1, 80)]), [80]), ["kd"]).iloc[
            0, 0
        ]
    )


def test_the_learning_rate_is_chosen_on_validation():
    rows = [row("kd", 100, seed, 70, learning_rate=0.1, val_accuracy=60) for seed in (1, 2)]
    rows += [row("kd", 100, seed, 50, learning_rate=0.05, val_accuracy=65) for seed in (1, 2)]
    assert frame(rows).test_accuracy.tolist() == [50, 50]


def test_a_rate_that_was_tried_with_fewer_seeds_is_not_chosen():
    rows = [row("kd", 100, seed, 50.0) for seed in (1, 2)] + [
        row("kd", 100, 1, 90.0, learning_rate=0.1)
    ]
    assert frame(rows).learning_rate.tolist() == [0.05, 0.05]


def test_a_learning_rate_that_diverged_is_not_chosen():
    rows = [row("kd", 100, seed, 35.0) for seed in (1, 2)]
    rows += [
        row("kd", 100, seed, 1.0, learning_rate=0.1, val_accuracy=40, status="diverged")
        for seed in (1, 2)
    ]
    assert frame(rows).learning_rate.tolist() == [0.05, 0.05]
    alone = frame(rows[2:])  # a row that says so stays
    assert alone.status.tolist() == ["diverged"] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"dataset_sha256": "e"},
        {"profile": "pilot"},
        {"precision": "bfloat16"},
        {"teacher_sha256": "y"},
        {"recipe": {"steps": 2}},
        {"transform": {"crop": 8, "flip": True}},
        {"definition": {"terms": {"kl": {"weight": 9.0}}}},
    ],
)
def test_rows_of_different_studies_are_not_mixed(change):
    plain = {
        "transform": {"crop": 8, "flip": False},
        "definition": {"terms": {"kl": {"weight": 1.0}}},
    }
    with pytest.raises(InputError, match="differ in") as error:
        frame([row("kd", 100, 1, 50, **plain), row("kd", 200, 1, 50, **plain | change)])
    for name, says in (
        ("transform", "flip False and True"),
        ("definition", "terms.kl.weight 1.0 and 9.0"),
        ("recipe", "steps 1 and 2"),
    ):
        assert (says in str(error.value)) == (name in change)
    frame(
        [
            row("kd", 100, 1, 50, **plain),
            row("ckd", 100, 1, 50, **plain | {"definition": "another"}),
        ]
    )


def test_no_rows():
    with pytest.raises(InputError, match="no rows of experiment 'black_box'"):
        frame([])


def test_the_papers_numbers_stand_beside_its_own_study_only(table):
    calls = report.calls_table(table, [75])
    assert not report.comparable(table)
    with pytest.raises(InputError, match="do not stand beside"):
        report.table1_vs_paper(table, calls)
    own = frame(
        [
            row(
                "kd",
                n,
                1,
                n / 100,
                profile="paper",
                dataset="cifar100",
                teacher="wrn_40_2",
                student="wrn_16_2",
            )
            for n in (1600, 6400)
        ]
    )
    beside = report.table1_vs_paper(own, report.calls_table(own, paper.TABLE1_TARGETS)).set_index(
        ["pair", "method", "target"]
    )
    assert beside.loc[("wrn_40_2-wrn_16_2", "kd", 50)].tolist() == ["4.37", "5.00", 1]
    assert beside.loc[("vgg13-vgg8", "crd", 55)].tolist() == ["–", "not run", 0]


def test_correlation_gap():
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(2, 50, 4))
    total = 0.0
    for a, b in product(range(4), repeat=2):
        total += abs(
            stats.pearsonr(student[:, a], student[:, b])[0]
            - stats.pearsonr(teacher[:, a], teacher[:, b])[0]
        )
    assert report.correlation_gap(student, teacher) == pytest.approx(total / 16)
    assert report.correlation_gap(teacher, 3 * teacher + 1) == pytest.approx(0, abs=1e-12)
    student[:, 1] = 2
    assert isnan(report.correlation_gap(student, teacher))


# Figures.


def test_figures_hold_every_method_and_are_the_same_bytes(table, tmp_path):
    figures.style()
    for folder in ("a", "b"):
        figure = figures.accuracy_curves(report.summary(table), "t", "digits")
        figures.save(figure, tmp_path / folder, "figure2")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["KD", "CRD", "CKD (all pairs)"] and "95 % t interval" in figure.get_suptitle()
    for name in ("figure2.png", "figure2.pdf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    figures.differences(report.paired_differences(table, "kd"), "kd")
    with pytest.raises(InputError, match="unknown interval"):
        figures.accuracy_curves(report.summary(table), "sem")


def test_every_method_has_a_look_of_its_own():
    from ckdlib import methods

    assert set(METHODS) == set(methods.METHODS)
    assert len({(look.colour, look.line) for look in METHODS.values()}) == len(METHODS)
    black_box = [METHODS[method] for method in study.BLACK_BOX]
    assert len({look.marker for look in black_box}) == len(black_box)


def test_a_name_is_drawn_by_its_parts():
    assert method_style("kd:kl=3,labels=2").label == "KD (kl 3, labels 2)"
    assert method_style("dist@k_centre").label == "DIST, k-centre"
    assert method_style("ce+spare").label == "labels only (CE), all labels"
    assert method_style("dist+spare@margin:dist=1").label == (
        "DIST, all labels, least margin (dist 1)"
    )
    chosen = set(images.SELECTIONS) - {images.RANDOM}
    assert set(CHOSEN) == chosen


def test_a_new_method_can_be_drawn():
    assert method_style("mine").label == "mine" and figures.ordered(
        ["mine", "rkd_5", "kd", "rkd"]
    ) == ["kd", "rkd", "rkd_5", "mine"]


def test_variants_stand_beside_their_method():
    shown = ["ce", "kd", "kd:kl=4", "rkd", "rkd_5", "rkd_5:teacher=2", "rkd_10", "dist"]
    shown += ["dist+spare", "dist@margin", "dist@margin:dist=2", "mine", "mine:a=1"]
    assert figures.ordered(reversed(shown)) == shown
