"""Our accuracies beside the curves that the paper prints, by hand."""

import pytest

from ckdlib import report
from ckdlib.report import answers, figures, paper
from tests.report.test_accuracy import frame, row

TEACHER, STUDENT = paper.WRN.split("-")


def rows(levels):
    """Rows of method -> accuracy at n = 2000, two seeds a point above and below."""
    return frame(
        [
            row(method, 2000, seed, level + seed, teacher=TEACHER, student=STUDENT)
            for method, level in levels.items()
            for seed in (-1, 1)
        ]
    )


def test_a_printed_curve_is_a_line_between_its_points():
    """KD: 30 % at 1,720 calls, 35 % at 2,290, 40 % at 2,800."""
    table = rows({"kd": 40, "ce": 10})
    (own,) = report.above_printed(table).itertuples()
    assert own.printed == pytest.approx(30 + 5 * (2000 - 1720) / (2290 - 1720))
    (read,) = report.above_printed(table, report.WITH_VALIDATION).itertuples()
    assert (read.method, read.n, read.at, read.ours) == ("kd", 2000, 2500, 40)
    assert read.above == pytest.approx(40 - (35 + 5 * (2500 - 2290) / (2800 - 2290)))


def test_a_curve_is_not_known_outside_its_points():
    table = rows({"rkd": 30})  # from 2,020 calls on
    assert report.above_printed(table).empty
    assert report.readings(table).isna().all(axis=None)  # of one n two readings, or none
    assert len(report.above_printed(table, report.WITH_VALIDATION)) == 1


def test_the_nearer_reading_is_counted():
    evidence = {"black_box": rows({"kd": 37, "crd": 34, "ckd_pairs": 45, "rkd": 30})}
    assert answers.printed(evidence) == (
        "**wrn_40_2 → wrn_16_2: for 2 of 3 methods ours are nearer to the paper's curve if its n "
        "counts the validation images too.** Points above the curve, the mean over the n that "
        "both readings hold, if it counts "
        "calls alone: `kd` +4.5, `crd` -0.1, the paper's CKD (`ckd_pairs`) +3.4; validation images "
        "too: `kd` -0.1, `crd` -5.4, the paper's CKD -1.0."
    )
    assert answers.printed({}).startswith("No rows yet")


def test_the_figure_has_a_panel_a_method_and_both_readings():
    evidence = {"black_box": rows({"kd": 37, "ckd_pairs": 45, "ce": 10})}
    ((name, figure),) = figures.printed(evidence).items()
    assert name == "printed_wrn_40_2-wrn_16_2"
    first, last = figure.axes[:2]
    assert [panel.get_title() for panel in (first, last)] == ["KD", "CKD (the paper's)"]
    curve, calls, images = first.lines
    assert curve.get_xdata().tolist() == [1720, 2290, 2800, 3450, 4370]
    assert (calls.get_xdata().tolist(), images.get_xdata().tolist()) == ([2000], [2500])
    assert calls.get_ydata().tolist() == images.get_ydata().tolist() == [37]
    assert figures.printed({}) == {}
    other = rows({"ce": 10})
    assert figures.printed({"black_box": other}) == {}
