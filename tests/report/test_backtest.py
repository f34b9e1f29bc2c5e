"""Whether predicted intervals hold: cases by hand, plain forecasts, committed rows."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ckdlib import report, study
from ckdlib.report import PRIOR, figures
from ckdlib.report.backtest import Case, last, line, power, test_images
from tests import PROJECT

test_images.__test__ = False
EXPERIMENTS = ("fewer_calls", "black_box")


def table(curves, pair="a-b"):
    """method -> seed -> {n: accuracy}."""
    return pd.DataFrame(
        [
            {"pair": pair, "method": method, "seed": seed, "n": n, "test_accuracy": float(accuracy)}
            for method, seeds in curves.items()
            for seed, cells in seeds.items()
            for n, accuracy in cells.items()
        ]
    ).assign(status="done")


def case(accuracies, found, calls=(100, 200, 400), factor=2, method="kd", images=1000, seeds=1):
    n = max(calls)
    return Case("a-b", method, n, factor, factor * n, seeds, calls, accuracies, images, found)


def test_cases_by_hand():
    first = {100: 10, 200: 20, 400: 30, 800: 40}
    found = report.cases(table({"kd": {1: first, 2: first | {800: 42, 1500: 50}}}))
    told = [(one.n, one.times, one.target, one.seeds, one.calls, one.found) for one in found]
    base = (100, 200, 400)
    assert told == [
        (400, 2, 800, 1, base, 40),
        (400, 2, 800, 1, base, 42),
        (400, 2, 800, 2, base * 2, 41),
        (400, 4, 1500, 1, base, 50),
        (800, 2, 1500, 1, (200, 400, 800), 50),
    ]
    assert found[2].accuracies == (10, 20, 30) * 2


def test_an_n_that_was_not_run_has_the_nearest_within_a_quarter():
    cells = {320: 10, 640: 20, 1600: 30, 3840: 40, 5120: 50}
    found = report.cases(table({"kd": {1: cells}}))
    assert [(one.n, one.times, one.target, one.calls) for one in found] == [
        (1600, 2, 3840, (320, 640, 1600)),
        (1600, 4, 5120, (320, 640, 1600)),
    ]
    assert report.cases(table({"kd": {1: {300: 10, 640: 20, 1600: 30, 3840: 40}}})) == []


def test_diverged_runs_are_no_cases():
    rows = table({"kd": {1: {100: 10, 200: 20, 400: 30, 800: 40}}})
    rows.loc[rows.n == 200, "status"] = "diverged"
    assert report.cases(rows) == []


@pytest.mark.parametrize("count", [40, 300, 500, 7000, 10_000])
def test_the_number_of_test_images_is_in_the_accuracies(count):
    right = np.random.default_rng(0).integers(count, size=30)
    assert test_images(np.round(100 * right / count, 4)) == count
    assert test_images([50.0, 75.0]) == 4 and test_images([33.3317]) is not None


def test_plain_forecasts_against_formulas():
    one = case((50.0, 60.0, 64.0), 70.0)
    x = np.log([100, 200, 400])
    for forecast, back in ((line, lambda y: y), (power, lambda y: 100 - np.exp(y))):
        y = np.array(one.accuracies) if forecast is line else np.log(100 - np.array(one.accuracies))
        fitted = stats.linregress(x, y)
        middle = fitted.intercept + fitted.slope * np.log(800)
        residual = ((y - fitted.intercept - fitted.slope * x) ** 2).sum()
        errors = 1 + 1 / 3 + (np.log(800) - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
        half = stats.t.ppf(0.9, 1) * np.sqrt(residual * errors)
        (told,) = forecast(one, [0.8])
        assert told.value == pytest.approx(back(middle))
        assert [told.low, told.high] == pytest.approx(
            sorted([back(middle - half), back(middle + half)])
        )
    (told,) = last(one, [0.95])
    assert told.value == 64 and told.high - 64 == pytest.approx(1.96 * 2.147, rel=1e-3)


def test_no_error_at_all_is_half_an_image():
    (told,) = power(case((98.0, 99.0, 100.0), 100.0), [0.5])
    assert 99 < told.value < 100


def test_coverage_counts():
    lines = pd.DataFrame(
        [
            ["curve", 2, 1, 0.5, 60.0, 55.0, 65.0, 58.0],
            ["curve", 2, 1, 0.5, 60.0, 55.0, 65.0, 50.0],
            ["curve", 2, 1, 0.8, 60.0, 49.0, 70.0, 58.0],
            ["curve", 2, 1, 0.8, 60.0, 49.0, 70.0, 50.0],
            ["curve", 2, 1, 0.95, 60.0, 45.0, 75.0, 58.0],
            ["curve", 2, 1, 0.95, 60.0, -5.0, 75.0, 80.0],
        ],
        columns=["forecast", "times", "seeds", "level", "value", "low", "high", "found"],
    )
    found = report.coverage(lines).loc[("curve", 2, "seed")]
    assert found[["cases", "50 %", "80 %", "95 %"]].tolist() == [2, 50, 100, 50]
    assert found.error == (2 - 20) / 2 and found.width == (30 + 75) / 2
    assert found.rmse == pytest.approx(np.sqrt((4 + 400) / 2))


def test_priors_are_fitted_without_the_method_that_is_judged():
    """Of curves that follow an exponent exactly; another method's curves follow another."""

    def curve(exponent, level):
        return {
            n: 100 * np.sin(level - 0.2 * (n / 400) ** -exponent) ** 2 for n in (100, 200, 400, 800)
        }

    curves = {name: {1: curve(1.0, level)} for name, level in (("a", 0.9), ("b", 1.0), ("c", 1.1))}
    curves["d"] = {seed: curve(0.5, 1 + seed / 50) for seed in range(9)}
    priors = report.fit_priors(report.cases(table(curves)))
    assert set(priors) == {"", "a", "b", "c", "d"}
    assert priors["d"].exponent == pytest.approx(1.0) and priors["a"].exponent < 0.75
    assert report.fit_priors(report.cases(table({"a": curves["a"]}))) == {}


@pytest.fixture(scope="module")
def kept():
    def cases(folder):
        rows = study.Store(PROJECT / "results" / folder).rows()
        return report.cases(report.frame(rows, *EXPERIMENTS, report=lambda line: None))

    return {folder: cases(folder) for folder in ("pilot", "quick")}


@pytest.fixture(scope="module")
def priors(kept):
    return report.fit_priors(kept["pilot"])


def test_the_kept_constants_are_those_of_the_pilot(priors):
    assert priors[""] == pytest.approx(PRIOR)


def test_intervals_of_the_pilot_hold(kept, priors):
    """Leave-one-method-out: within what 63 (42) cases of 21 curves can tell."""
    found = report.coverage(report.judged(kept["pilot"], priors)).loc["curve"]
    assert found.cases.to_dict() == {
        (2, "mean"): 21, (2, "seed"): 63, (4, "mean"): 14, (4, "seed"): 42
    }  # fmt: skip
    assert found["95 %"].round().to_dict() == {
        (2, "mean"): 100, (2, "seed"): 95, (4, "mean"): 100, (4, "seed"): 98
    }  # fmt: skip
    assert found["80 %"].between(75, 92).all() and found["50 %"].between(40, 55).all()
    assert found.error.abs().max() < 0.5 and found.width.max() < 13


def test_plain_forecasts_of_the_pilot_do_not(kept, priors):
    found = report.coverage(report.judged(kept["pilot"], priors))
    for name in ("line in log n", "power law", "the last stays"):
        assert found.loc[name].error.abs().min() > 2.5
        assert found.loc[name, "80 %"].max() < 60 and found.loc[(name, 4)]["95 %"].max() < 80
    assert (found.loc["curve"].rmse + 1 < found.loc["power law"].rmse).all()


def test_the_pilots_constants_hold_on_digits(kept):
    found = report.coverage(report.judged(kept["quick"])).loc["curve"]
    assert (found["95 %"] > 94).all() and found.error.abs().max() < 1
    assert found["50 %"][2, "seed"] < 45  # the middle of the distribution is too narrow there


def test_digits_without_their_number_of_images_have_too_narrow_intervals(kept):
    untold = [one._replace(images=None) for one in kept["quick"]]
    assert report.coverage(report.judged(untold)).loc[("curve", 2, "seed")]["95 %"] < 92


def test_figures(kept, priors):
    tables = {"pilot": report.coverage(report.judged(kept["pilot"], priors))}
    drawn = figures.coverage(tables)
    assert [panel.get_title() for panel in drawn.axes] == [
        "2n, one seed: 63 cases",
        "2n, the mean over seeds: 21 cases",
        "4n, one seed: 42 cases",
        "4n, the mean over seeds: 14 cases",
    ]
    curve = drawn.axes[0].lines[1]
    assert (
        list(curve.get_ydata())
        == tables["pilot"].loc[("curve", 2, "seed")][["50 %", "80 %", "95 %"]].tolist()
    )
    panels = [panel for panel in figures.forecasts(kept["pilot"], priors).axes if panel.get_title()]
    assert len(panels) == 7
    assert list(panels[0].get_xticks()) == [320, 640, 1280, 2560, 5120]


def test_nothing_to_judge_is_said():
    nothing = report.coverage(report.judged([]))
    assert report.coverage_sentence(nothing).startswith("no rows at n/4, n/2, n and 2n or 4n")
    for drawn in (figures.coverage({"": nothing}), figures.forecasts([], {})):
        assert drawn.axes[0].texts[0].get_text().startswith("nothing to judge")


def test_the_documents_say_what_was_found(kept, priors):
    """The table of LOG.md, and the sentence of docs/own-teacher.md."""
    tables = {
        "pilot": report.coverage(report.judged(kept["pilot"], priors)),
        "quick": report.coverage(report.judged(kept["quick"])),
    }
    names = {"power law": "power law of the error", "the last stays": "the last value stays"}
    log = (PROJECT / "LOG.md").read_text()
    for (folder, table), factor in product(tables.items(), (2, 4)):
        for name in ("curve", "line in log n", *names)[:: 2 if folder == "quick" else 1]:
            found = table.loc[(name, factor, "seed")]
            error = f"{found.error:+.1f}" if abs(found.error) >= 0.05 else "0.0"
            held = [f"{found[level]:.0f}" for level in ("50 %", "80 %", "95 %")]
            start, cases = names.get(name, name), ""
            if name == "curve":
                start, cases = f"{folder}, {factor}n: the curve", f"{found.cases:.0f}"
            cells = [start, cases, f"{error}, {found.rmse:.1f}", *held, f"{found.width:.1f}"]
            assert f"| {' | '.join(cells)} |".replace("|  |", "| |") in log
    held = tables["pilot"].loc["curve"]["95 %"]
    says = (
        f"held {held[2, 'seed']:.0f} % and {held[4, 'seed']:.0f} % of what was found at twice and 4"
    )
    assert says in " ".join((PROJECT / "docs/own-teacher.md").read_text().split())
