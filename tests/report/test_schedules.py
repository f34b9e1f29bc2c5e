"""Which differences last under another schedule, and what it brings: numbers worked out here."""

from math import sqrt

import pytest
from scipy import stats

from ckdlib import report
from ckdlib.report import answers, figures
from tests.report.test_accuracy import frame, row

LONG = {"learning_rate": 0.05, "patience": 50}
HALF = stats.t.ppf(0.975, 2) / sqrt(3)  # of an interval over 1, 2, 3
QUESTIONS = [("dist", "kd"), ("dist", "mse")]
NAMES = ["1 steps of training", "the paper's schedule"]


def rows(levels, n=(40, 80), recipe=None):
    """Rows of methods with seeds 1, 2, 3, two points more at n = 80."""
    changes = {"recipe": recipe} if recipe else {}
    return [
        row(method, size, seed, accuracy + 2 * (size == 80), **changes)
        for method, accuracies in levels.items()
        for size in n
        for seed, accuracy in enumerate(accuracies, 1)
    ]


SHORT = frame(rows({"kd": (20, 20, 20), "dist": (24, 24, 24), "mse": (22, 22, 22)}))
LATER = frame(rows({"kd": (31, 32, 33), "dist": (32, 34, 36), "mse": (39, 34, 29)}, recipe=LONG))


def test_the_same_questions_under_each_schedule():
    found = report.lasting(report.under_both(SHORT, LATER), QUESTIONS)
    assert found.schedule.tolist() == [NAMES[0]] * 2 + [NAMES[1]] * 2
    assert found["mean"].tolist() == [4, 2, 2, 0]
    assert found.above.tolist() == ["kd", "mse"] * 2 and found.seeds.tolist() == [3] * 4
    assert found.low.tolist()[2] == pytest.approx(2 - HALF)


def test_what_the_schedule_brings_is_paired_over_seeds():
    long = frame(rows({"kd": (31, 32, 33), "dist": (32, 34, 36)}, n=(40,), recipe=LONG))
    found = report.schedule_gains(report.under_both(SHORT, long)).set_index(["method", "n"])
    assert found["mean"].to_dict() == {("kd", 40): 12, ("dist", 40): 10}
    assert found.high["kd", 40] == pytest.approx(12 + HALF)


def test_runs_that_one_schedule_lacks_are_left_out():
    fewer = frame(rows({"kd": (20, 20, 20)}, n=(40,)))
    gone = LATER.assign(status=LATER.status.where(LATER.seed != 2, "diverged"))
    both = report.under_both(fewer, gone)
    assert sorted(zip(both.n, both.seed, strict=True)) == [(40, 1), (40, 1), (40, 3), (40, 3)]
    assert set(both.method) == {"kd"} and report.schedule_gains(both)["mean"].tolist() == [12]
    assert report.lasting(both, QUESTIONS).empty
    nothing = report.under_both(fewer, LATER[LATER.n == 80])
    assert report.schedule_gains(nothing).empty and report.lasting(nothing, QUESTIONS).empty


def told(long, short=SHORT):
    return answers.long_schedule(short, long, QUESTIONS).found


def test_the_answer():
    found = told(LATER)
    ends = f"[{2 - HALF:.1f}, {2 + HALF:.1f}]"
    assert ends == "[-0.5, 4.5]" and found.startswith(
        "**Undecided. Under the paper's schedule (mean over n): `dist` and `kd` cannot be told "
        "apart (+2.0 [-0.5, +4.5]).** `dist` and `mse` cannot be told apart (+0.0 "
    )
    each = "+10.0 to +12.0 points at n = {}, decided for 2 of 3 methods".format
    assert found.endswith(f"Beside a fixed number of steps it brings {each(40)}; {each(80)}.")


@pytest.mark.parametrize(("kd", "says"), [((30, 32, 34), "Yes"), ((34, 36, 38), "No")])
def test_a_lead_that_lasts_or_does_not(kd, says):
    later = rows({"kd": kd, "dist": (32, 34, 36)}, recipe=LONG)
    assert told(frame(later)).startswith(f"**{says}. ")


def test_rows_of_the_papers_schedule_alone():
    assert "it brings" not in told(LATER, SHORT[SHORT.method == "other"])
    assert told(LATER[LATER.method == "kd"]).startswith("**Undecided: no rows of two methods")


def test_a_panel_a_schedule():
    drawn = figures.comparisons(
        report.lasting(report.under_both(SHORT, LATER), QUESTIONS), by="schedule"
    )
    assert [panel.get_title() for panel in drawn.axes] == NAMES
    assert [len(panel.collections) for panel in drawn.axes] == [2, 2]


def test_dots_of_one_n_stand_at_their_names():
    both = report.under_both(SHORT, LATER)
    gains = report.schedule_gains(both)
    for part, up in ((gains[gains.n == 40], [0.0]), (gains, [0.3, -0.3])):
        (panel,) = figures.dots(part, "points").axes
        ticks = panel.get_yticks()
        dots = [line.get_ydata() for line in panel.lines if len(line.get_ydata()) == len(ticks)]
        found = {round(float(height - tick), 6) for ys in dots for height, tick in zip(ys, ticks)}
        assert found == set(up)
