"""What a budget of calls buys, without a browser: numbers, words, refusals, figure, controls."""

import re
import sys

import pytest
from matplotlib.colors import to_hex

from ckdlib import report, study
from ckdlib.errors import InputError
from ckdlib.report import fit_curve
from ckdlib.report.figures import budget as draw
from ckdlib.report.figures.style import METHODS
from ckdlib.study.evidence import advised
from tests import PROJECT


def rows_of(name):
    return study.Store(PROJECT / "results" / name).rows()


@pytest.fixture(scope="module")
def pilot():
    return report.budget_table(rows_of("pilot"))


@pytest.fixture(scope="module")
def quick():
    return report.budget_table(rows_of("quick"))


def curve_of(table, method, *sizes, images=10_000):
    own = table[(table.method == method) & table.n.isin(sizes)]
    return fit_curve(own.n, own.test_accuracy, images)


def test_the_numbers_are_the_rows_and_the_curves(pilot):
    found = report.budget(pilot, 1000, 0.002)
    assert (found.near, found.best.method, found.alone.method) == (1280, "ce+ckd+dist", "ce")
    curve = curve_of(pilot, "ce+ckd+dist", 640, 1280, 1600, 1920, 2560)
    assert found.best.fitted == (640, 1280, 1600, 1920, 2560)
    assert found.best.expected == curve.predict(1000)
    assert found.best.twice == curve.gain(1000, 2000)
    slope = (curve.predict(1100).value - curve.predict(1000).value) / 100
    assert found.best.next_call == pytest.approx(slope, rel=0.1)
    assert found.alone.expected == curve_of(pilot, "ce", 1280, 2560).predict(1000)


def test_at_the_most_calls_it_says_what_advise_says(pilot):
    found = report.budget(pilot, 5120, 0.002)
    value, low, high = found.best.twice
    line = next(
        line
        for line in report.advise(rows_of("pilot"), "fewer_calls", found.best.method).splitlines()
        if line.startswith(f"| `{found.best.method}`")
    )
    assert f"{value:+.1f} [{low:.1f}, {high:.1f}]" in line


def test_the_best_is_that_of_the_nearest_n(quick):
    lines = report.rivals_of_best(quick).set_index("n")
    for calls, near in ((20, 20), (29, 40), (110, 80), (115, 160), (9000, 960)):
        found = report.budget(quick, calls)
        assert (found.near, found.best.method) == (near, lines.best[near])
        assert list(found.level) == lines.level[near]


def test_the_sentences(pilot):
    expected = [
        r"1,000 calls cost 2\.00; ce\+ckd\+dist is best in rows of n = 1,280: a new student is "
        r"expected to reach 32\.6 % \[29\.7, 35\.6\]",
        "not significantly below it: none; too few seeds in common to say: crd, kd, rkd, mixup, ce",
        re.escape(f"the study would try {advised(100, True)}"),
        r"labels alone \(ce\), on the same images: 11\.6 % \[8\.4, 15\.4\], beyond its rows "
        r"\(n = 1,280 to 5,120\)",
        r"the next call buys 0\.014 points: at that rate a point takes 72 calls, 0\.14 in your "
        "money",
        r"twice the calls: \+7\.6 points \[4\.6, 10\.8\], 1,000 more calls, 2\.00 in your money",
    ]
    said = report.budget(pilot, 1000, 0.002).sentences
    assert len(said) == len(expected)
    for line, pattern in zip(said, expected):
        assert re.fullmatch(pattern, line), line
    free = " ".join(report.budget(pilot, 1000).sentences)
    assert "money" not in free and "cost" not in free


@pytest.mark.parametrize(
    "calls, says",
    [
        (160, "no row of ce+ckd has so few calls (n = 320 to 5,120): the curve is carried back"),
        (2560, None),
        (2561, "has twice the calls (n = 320 to 5,120): the curve is carried on"),
        (5121, "has so many calls (n = 320 to 5,120): the curve is carried on"),
        (20_481, "the curve is carried on, further than such curves were tried (4 times)"),
    ],
)
def test_beyond_the_rows_is_said(pilot, calls, says):
    found = report.budget(pilot, calls)
    told = [line for line in found.sentences if "carried" in line]
    assert (told[0].endswith(says) if says else not told) and len(told) <= 1
    width = found.best.expected.high - found.best.expected.low
    if calls > 5120:
        near = report.budget(pilot, 5120).best.expected
        assert width > near.high - near.low


def test_labels_alone_are_told_where_there_are_rows_and_labels(pilot):
    assert report.budget(pilot, 639).alone is None
    assert "labels alone (ce): no rows near so few calls" in report.budget(pilot, 639).sentences
    bare = report.budget(pilot, 2000, has_labels=False)
    assert bare.alone is None and any("without labels" in line for line in bare.sentences)
    alone = pilot[pilot.method.isin(["ce", "mixup"])]
    assert report.budget(alone, 2000, has_labels=False).best.method == "mixup"


def test_what_the_study_would_try_is_of_these_classes_and_labels(pilot, quick):
    assert report.budget(pilot, 2000, has_labels=False).advice == advised(100, False)
    assert report.budget(quick, 100).advice == advised(10, True)
    own = report.budget(pilot.assign(dataset="birds"), 2000)
    assert own.advice is None and not any("would try" in line for line in own.sentences)


@pytest.mark.parametrize(
    "asked, says",
    [
        ((0,), "0 calls: give at least 1"),
        ((-5,), "-5 calls: give at least 1"),
        ((float("nan"),), "nan calls: give at least 1"),
        ((float("inf"),), "inf calls: give at least 1"),
        ((1000, -1), "price -1 of a call: give a number of at least 0"),
        ((1000, float("nan")), "price nan of a call: give a number of at least 0"),
        (
            (159,),
            "159 calls: no row has fewer than 320, and of fewer than half of these nothing is "
            "known; give at least 160",
        ),
    ],
)
def test_mistakes_are_a_line(pilot, asked, says):
    with pytest.raises(InputError) as error:
        report.budget(pilot, *asked)
    assert str(error.value) == says


def test_tables_that_make_no_curve(pilot):
    with pytest.raises(InputError, match="at one n alone"):
        report.budget(pilot[pilot.n == 1280], 1280)
    rows = rows_of("quick")
    with pytest.raises(InputError, match="every run diverged"):
        report.budget_table([row | {"status": "diverged"} for row in rows])
    with pytest.raises(InputError, match="no rows of experiment"):
        report.budget_table([])
    others = [row | {"student": "resnet32", "run": row["run"] + "x"} for row in rows]
    with pytest.raises(InputError, match="several pairs"):
        report.budget_table(rows + others)


def test_the_answer_at_each_n(pilot):
    lines = report.budgets(pilot).splitlines()[2:]
    assert [int(line.split(" | ")[0].strip("| ")) for line in lines] == sorted(pilot.n.unique())
    found = report.budget(pilot, 2560)
    mean = pilot[(pilot.method == "ce+ckd+dist") & (pilot.n == 2560)].test_accuracy.mean()
    value, low, high = found.best.expected
    start = (
        f"| 2560 | `ce+ckd+dist` | {mean:.1f} | {value:.1f} % [{low:.1f}, {high:.1f}] | "
        "`dist`, (too few seeds in common: "
    )
    assert any(line.startswith(start) for line in lines)
    assert " * |" in lines[1] and lines[-1].endswith("* |") and " * " not in lines[5]


def test_the_figure_is_of_the_budget(pilot):
    found = report.budget(pilot, 4000)
    panel = draw(found, pilot).axes[0]
    drawn = {(to_hex(line.get_color()), line.get_linestyle()) for line in panel.lines}
    best, alone = METHODS["ce+ckd+dist"].colour, METHODS["ce"].colour
    assert {(best, "-"), (best, "--"), (alone, "-"), (alone, "--")} <= drawn
    own = pilot[pilot.method == "ce+ckd+dist"]
    assert any(list(line.get_ydata()) == list(own.test_accuracy) for line in panel.lines)
    upright = [line.get_xdata()[0] for line in panel.lines if len(set(line.get_xdata())) == 1]
    assert {4000, 8000} <= set(upright)
    bare = draw(report.budget(pilot, 4000, has_labels=False), pilot).axes[0]
    assert alone not in {to_hex(line.get_color()) for line in bare.lines}


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, with what takes its place."""
    seen = []

    class Handle:
        def update(self, what):
            seen.append(("instead", what))

    def display(what, display_id=None):
        seen.append(what)
        return Handle() if display_id else None

    monkeypatch.setattr("IPython.display.display", display)
    return seen


def test_controls_change_figure_and_words(pilot, quick, shown):
    pytest.importorskip("ipywidgets")
    report.explore({"many": pilot, "few": quick}, 1000, controls=True)
    panel, picture, words = shown
    kind, calls, price, labels = panel.children
    assert picture.data.startswith(b"\x89PNG") and words.data.startswith("- 1,000 calls cost 2.00")

    def after(control, value):
        del shown[:]
        control.value = value
        how, found = zip(*shown)
        assert set(how) == {"instead"}
        return found

    moved, said = after(calls, 4000)
    assert moved.data != picture.data and said.data.startswith("- 4,000 calls cost 8.00")
    assert after(price, 0.01)[1].data.startswith("- 4,000 calls cost 40.00")
    assert "without labels" in after(labels, False)[1].data
    assert "in rows of n = 960" in after(kind, "few")[1].data
    (refused,) = after(price, -1)
    assert refused.data == "**price -1.0 of a call: give a number of at least 0**"


def test_without_a_person_there_are_no_controls(pilot, shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    report.explore({"many": pilot})
    assert len(shown) == 2 and shown[0].data.startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r'^ipywidgets is not .*, and controls.*\[notebooks\]"$'):
        report.explore({"many": pilot}, controls=True)


def test_curves_hold_where_they_are_carried_back(pilot, quick):
    """To half of the fewest calls at most: students of the n that was left out lie inside."""
    held = []
    for _, own in (*pilot.groupby("method"), *quick.groupby("method")):
        sizes = sorted(own.n.unique())
        for n, after, _ in zip(sizes, sizes[1:], sizes[2:]):
            if after <= 2 * n:
                found = report.budget(own[own.n > n], n).best.expected
                accuracies = own[own.n == n].test_accuracy
                held += list((accuracies >= found.low) & (accuracies <= found.high))
    assert len(held) > 300 and sum(held) / len(held) > 0.93
