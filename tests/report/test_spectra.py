"""Measures of logits against loops and known matrices; what is made of them for Figure 5 and Table
3.
"""

from math import exp, log, sqrt

import numpy as np
import pandas as pd
import pytest
import torch

from ckdlib import report
from ckdlib.errors import InputError
from ckdlib.measures import correlation_draws, measure
from ckdlib.metrics import class_singular_values, effective_rank, singular_values
from ckdlib.report.spectra import mean_log_spectrum
from tests.report.test_accuracy import frame, row

RANDOM = np.random.default_rng(0)
LOGITS, OTHER, LABELS = (
    RANDOM.normal(size=(60, 4)),
    RANDOM.normal(size=(60, 4)),
    RANDOM.integers(4, size=60),
)


def test_singular_values_of_a_known_matrix():
    left, right = (
        np.linalg.qr(RANDOM.normal(size=(9, 3)))[0],
        np.linalg.qr(RANDOM.normal(size=(3, 3)))[0],
    )
    assert singular_values(left @ np.diag([5, 2, 0.5]) @ right) == pytest.approx([5, 2, 0.5])
    assert singular_values(LOGITS) ** 2 == pytest.approx(
        np.linalg.eigvalsh(LOGITS.T @ LOGITS)[::-1]
    )


def test_singular_values_class_by_class():
    curves = [singular_values(LOGITS[LABELS == label]) for label in range(4)]
    assert class_singular_values(LOGITS, LABELS) == pytest.approx(np.mean(curves, axis=0))
    few = class_singular_values(np.array([[3.0, 4.0], [0.0, 2.0]]), [0, 1])
    assert few == pytest.approx([3.5, 0])  # one image a class: one value, and zero for the rest
    assert class_singular_values([[3.0, 4.0, 0.0]], [0]) == pytest.approx([5, 0, 0])


def test_effective_rank():
    assert effective_rank([2, 2, 2]) == pytest.approx(3) and effective_rank(
        [7, 0, 0]
    ) == pytest.approx(1)
    assert effective_rank([3, 1]) == pytest.approx(exp(-0.75 * log(0.75) - 0.25 * log(0.25)))


def loop_gap(student, teacher):
    def correlation(x, a, b):
        a, b = ([line[c] - sum(line[c] for line in x) / len(x) for line in x] for c in (a, b))
        return sum(p * q for p, q in zip(a, b)) / sqrt(
            sum(p * p for p in a) * sum(q * q for q in b)
        )

    classes = range(len(student[0]))
    gaps = [
        abs(correlation(student, a, b) - correlation(teacher, a, b))
        for a in classes
        for b in classes
    ]
    return sum(gaps) / len(gaps)  # the diagonal is in it


def test_correlation_gap_is_the_mean_over_all_entries():
    assert report.correlation_gap(LOGITS, OTHER) == pytest.approx(
        loop_gap(LOGITS.tolist(), OTHER.tolist())
    )
    assert report.correlation_gap(LOGITS, 3 * LOGITS + 1) == pytest.approx(0)
    assert np.isnan(report.correlation_gap(LOGITS * [1, 1, 0, 1], OTHER))


def test_draws_are_the_same_for_all_and_without_repetition():
    draws = correlation_draws(500)
    assert draws.shape == (50, 100) and torch.equal(draws, correlation_draws(500))
    assert all(len(set(draw.tolist())) == 100 for draw in draws) and not torch.equal(
        draws[0], draws[1]
    )


def test_a_line_of_measures():
    logits, teacher = torch.tensor(LOGITS).float(), torch.tensor(OTHER).float()
    offset = torch.tensor([1.0, -2.0, 0.0, 2.0])
    line = measure("run", logits, torch.tensor(LABELS), teacher, offset)
    assert line["raw"] == pytest.approx(singular_values(LOGITS), rel=1e-4)
    assert line["centred"] == pytest.approx(singular_values(LOGITS - LOGITS.mean(0)), rel=1e-4)
    assert line["calibrated"] == pytest.approx(singular_values(LOGITS + offset.numpy()), rel=1e-4)
    assert line["offset"] == 3 and line["calibrated_accuracy"] == pytest.approx(
        100 * ((LOGITS + offset.numpy()).argmax(1) == LABELS).mean(), rel=1e-4
    )
    draw = correlation_draws(60)[7]
    assert line["correlation_gaps"][7] == pytest.approx(
        report.correlation_gap(LOGITS[draw], OTHER[draw]), rel=1e-4
    )
    assert not {"calibrated", "correlation_gaps"} & set(measure("ce", logits, torch.tensor(LABELS)))


def test_a_class_without_variance_is_told():
    flat = torch.tensor(LOGITS * [1, 1, 0, 1])
    assert (
        measure("run", flat, torch.tensor(LABELS), torch.tensor(OTHER))["correlation_gaps"]
        == [None] * 50
    )


# What is made of them.

CURVES = {
    ("ckd_pairs", 1): [10, 1],
    ("ckd_pairs", 2): [20, 2],
    ("kd", 1): [100, 10],
    ("kd", 2): [200, 20],
    ("ce", 1): [1, 1],
    ("ce", 2): [1, 1],
}
GAPS = {
    ("ckd_pairs", 1): [0.1, 0.2, 0.3],
    ("ckd_pairs", 2): [0.2, 0.4, None],
    ("kd", 1): [0.5] * 3,
    ("kd", 2): [0.7] * 3,
}


@pytest.fixture
def measured():
    table = frame([row(method, 50, seed, 50.0) for method, seed in CURVES])
    kept = {}
    for line in table.itertuples():
        curve, gaps = CURVES[line.method, line.seed], GAPS.get((line.method, line.seed))
        kept[line.run] = {"run": line.run, "raw": curve, "centred": curve, "by_class": curve} | (
            {"calibrated": curve, "correlation_gaps": gaps} if gaps else {}
        )
    return report.measured(table, kept)


def test_curves_and_their_height(measured):
    found = report.spectra(measured)
    assert list(found) == ["raw", "column means removed", "calibrated", "of one class"]
    curves = found["raw"].set_index(["method", "rank"])["mean"]
    assert curves["ckd_pairs", 1] == 15 and curves["kd", 2] == 15
    scaled = report.spectra(measured, divide=True)["raw"].set_index(["method", "rank"])["mean"]
    assert scaled["ckd_pairs", 2] == scaled["kd", 2] == pytest.approx(0.1)
    assert set(found["calibrated"].method) == {"ckd_pairs", "kd"}
    assert (
        mean_log_spectrum(measured)[(measured.method == "kd") & (measured.seed == 1)].item() == 1.5
    )


def test_rounding_is_no_singular_value(measured):
    """Logits of few features have few singular values; what float32 leaves beyond them is neither
    shown nor compared.
    """
    lengthened = measured.assign(raw=measured.raw.map(lambda values: [*values, values[0] * 1e-8]))
    ranks = report.spectra(lengthened)["raw"]["rank"]
    assert set(ranks) == set(report.spectra(measured)["raw"]["rank"])
    assert mean_log_spectrum(lengthened).equals(mean_log_spectrum(measured))
    teacher = {
        f"teacher {digest}": {"raw": [2.0, 1.0, 1e-8]}
        for digest in measured.teacher_sha256.dropna()
    }
    assert report.teacher_curves(measured, teacher) == {"raw": [2.0, 1.0]}


def test_a_curve_that_is_only_scaled_is_lower_as_it_is_and_undecided_when_divided(measured):
    flat = report.flatness(measured, "ckd_pairs", ["kd", "crd"]).set_index("curve")
    assert (
        set(flat.rival) == {"kd"}
        and flat.loc["raw", "mean"] == pytest.approx(-1)
        and flat.loc["raw", "direction"] == "lower"
    )
    assert (
        flat.loc["raw / largest", "mean"] == pytest.approx(0)
        and flat.loc["raw / largest", "direction"] == "undecided"
    )
    text = report.flatness_table(flat.reset_index())
    assert text.loc[("raw", 50), "kd"].startswith("-1.00 [-1.00") and list(text.columns) == ["kd"]
    counts = report.count_directions(flat.reset_index())
    assert counts.loc["raw"].to_dict() == {"lower": 1, "undecided": 0, "higher": 0}


def test_rounding_below_the_rank_of_a_network_counts_for_nothing():
    features = RANDOM.normal(size=(400, 3)).astype("float32")
    logits = {
        method: torch.tensor(scale * features @ RANDOM.normal(size=(3, 8)).astype("float32") + 1)
        for method, scale in (("ckd_pairs", 1), ("kd", 10))
    }
    table = frame([row(method, 50, seed, 50.0) for method in logits for seed in (1, 2)])
    kept = {
        line.run: measure(line.run, logits[line.method], torch.zeros(400))
        for line in table.itertuples()
    }
    table = report.measured(table, kept)
    assert (
        len(table.raw[0]) == 8 and 0 < table.raw[0][4] < 1e-5 * table.raw[0][0]
    )  # three features and an offset: rank 4
    assert mean_log_spectrum(table)[0] == pytest.approx(np.log10(table.raw[0][:4]).mean())


def test_a_narrow_pair_shortens_no_other(measured):
    """The ranks that are compared are those of one pair's networks."""
    narrow = measured.assign(
        pair="narrow",
        raw=measured.raw.map(lambda values: [values[0], values[0] * 1e-8] if values else None),
    )
    both = mean_log_spectrum(pd.concat([measured, narrow], ignore_index=True))
    assert both[: len(measured)].equals(mean_log_spectrum(measured))


def test_correlations_over_draws_and_seeds(measured):
    cells = report.correlations(measured).set_index("method")
    assert (
        cells.loc["ckd_pairs", "mean"] == pytest.approx((0.2 + 0.3) / 2)
        and cells.loc["ckd_pairs", "undefined"] == 1
    )
    assert cells.loc["ckd_pairs", "draws"] == pytest.approx((0.1 + 0.02**0.5) / 2)
    assert (
        cells.loc["kd", ["mean", "draws", "undefined"]].tolist() == pytest.approx([0.6, 0, 0])
        and "ce" not in cells.index
    )


def test_runs_without_measures_are_named():
    table = frame([row("kd", 50, 1, 50.0)])
    with pytest.raises(
        InputError, match=f"1 runs have no measures, for instance {table.run.item()[:5]}"
    ):
        report.measured(table, {})


def test_students_that_asked_no_teacher(measured):
    alone = measured[measured.method == "ce"]
    with pytest.raises(InputError, match="0 teachers were asked"):
        report.teacher_curves(alone, {})
    with pytest.raises(InputError, match="2 teachers were asked"):
        report.teacher_curves(
            measured.assign(teacher_sha256=["x", "y"] * 3), {"teacher x": {"raw": [1]}}
        )
    with pytest.raises(InputError, match="the measures of teacher x are not in measures.jsonl"):
        report.teacher_curves(measured, {})
    with pytest.raises(InputError, match="no student of these rows asked a teacher"):
        report.correlations(alone)
    nothing = report.flatness(alone, "ckd_pairs", ["kd"])
    assert (
        nothing.empty
        and report.flatness_table(nothing).empty
        and report.count_directions(nothing).empty
    )
    assert report.teacher_curves(measured, {"teacher x": {"raw": [1], "by_class": [2]}}) == {
        "raw": [1],
        "of one class": [2],
    }


def test_sizes_that_were_run(measured):
    assert report.sizes(measured, (50, 200)) == [50]
    assert report.sizes(pd.DataFrame({"n": [400, 50, 200, 50]}), (7, 8)) == [50, 200]


def test_ranks_are_those_of_the_centred_logits(measured):
    table = measured.assign(raw=[[7, 0]] * 6, centred=[[2, 2]] * 6)
    assert report.ranks(table)["mean"].tolist() == pytest.approx([2, 2, 2])


def test_a_difference_with_a_wide_interval_is_undecided(measured):
    table = measured.assign(
        raw=[
            [100, 100] if key == ("kd", 1) else [10, 10]
            for key in zip(measured.method, measured.seed)
        ]
    )
    flat = report.flatness(table, "kd", ["ckd_pairs"]).set_index("curve")
    assert flat.loc["raw", "mean"] == 0.5 and flat.loc["raw", "direction"] == "undecided"
