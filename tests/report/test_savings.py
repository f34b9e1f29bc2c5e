"""Calls saved at equal accuracy: by hand, with bounds, on the seeds that can be compared."""

import numpy as np
import pandas as pd
import pytest

from ckdlib import study
from ckdlib.report import figures, fresh
from ckdlib.report.figures.style import method_style
from ckdlib.report.savings import COLUMNS, savings


def rows(curves, calls=(80, 160, 320), validation=None):
    """A table of method -> seed -> accuracies."""
    return pd.DataFrame(
        [
            {
                "pair": "a-b",
                "method": method,
                "seed": seed,
                "n": count * 5 // 4,
                "teacher_calls": count,
                "status": "done",
                "test_accuracy": float(value),
                "val_accuracy": float((validation or curves)[method][seed][i]),
            }
            for method, by_seed in curves.items()
            for seed, values in by_seed.items()
            for i, (count, value) in enumerate(zip(calls, values))
        ]
    )


def mean(found):
    return found[found.target.isna()].iloc[0]


def test_by_hand():
    """Lines of one slope, the method's 40 calls to the left: of a target at c calls of the rival it
    needs c - 40.
    """
    table = rows({"ckd": {1: [10, 20, 40]}, "ce+ckd": {1: [15, 25, 45]}})
    found = savings(table, ["ce+ckd"], ["ckd"])
    targets = 15 + 25 / 6 * np.arange(1, 6)  # inside 15 to 40, where both rise
    np.testing.assert_allclose(found.target[:5], targets)
    needed = [
        (np.interp(t, [15, 25, 45], [80, 160, 320]), np.interp(t, [10, 20, 40], [80, 160, 320]))
        for t in targets
    ]
    np.testing.assert_allclose(
        found.fewer[:5], [100 * (1 - mine / other) for mine, other in needed]
    )
    assert (
        mean(found).fewer == pytest.approx(found.fewer[:5].mean())
        and set(found.bound) == {""}
        and mean(found).seeds == 1
    )
    assert np.isnan(mean(found).low)


def test_targets_are_fixed_by_validation_not_by_test():
    test, other = (
        {"ckd": {1: [10, 20, 40]}, "ce+ckd": {1: [15, 25, 45]}},
        {"ckd": {1: [11, 20, 30]}, "ce+ckd": {1: [12, 25, 45]}},
    )
    found = savings(rows(test, validation=other), ["ce+ckd"], ["ckd"])
    np.testing.assert_allclose(found.target[:5], 12 + 3 * np.arange(1, 6))


def test_a_method_above_the_whole_rival_saves_at_least_the_rest():
    found = savings(
        rows({"ckd": {1: [10, 15, 20]}, "ce+ckd": {1: [30, 40, 50]}}), ["ce+ckd"], ["ckd"]
    )
    np.testing.assert_allclose(found.target[:5], 10 + 10 / 6 * np.arange(1, 6))
    assert set(found.bound) == {">="}
    np.testing.assert_allclose(
        found.fewer[:5],
        [100 * (1 - 80 / np.interp(t, [10, 15, 20], [80, 160, 320])) for t in found.target[:5]],
    )


def test_methods_that_are_not_compared_do_not_matter():
    table = rows({"ckd": {1: [10, 20, 40]}, "ce+ckd": {1: [15, 25, 45]}, "ce": {1: [1, 2, 3]}})
    table.loc[table.method == "ce", "teacher_calls"] = 0
    pd.testing.assert_frame_equal(
        savings(table, ["ce+ckd"], ["ckd"]),
        savings(table[table.method != "ce"], ["ce+ckd"], ["ckd"]),
    )


def test_where_the_method_never_comes_nothing_is_claimed():
    table = rows(
        {"ckd": {1: [10, 20, 40]}, "ce+ckd": {1: [8, 9, 12]}},
        validation={"ckd": {1: [10, 20, 40]}, "ce+ckd": {1: [10, 20, 40]}},
    )
    found = savings(table, ["ce+ckd"], ["ckd"])
    assert found.fewer.isna().all()


def test_methods_of_one_n_or_of_no_seed_in_common_are_left_out():
    table = rows({"ckd": {1: [10, 20, 40]}, "ce+ckd": {2: [15, 25, 45]}, "kd": {1: [1, 2, 3]}})
    assert savings(table, ["ce+ckd"], ["ckd"]).empty
    assert savings(table[table.n == table.n.min()], ["ckd"], ["kd"]).empty
    assert len(savings(table, ["ckd"], ["kd"])) == 6


def test_a_rival_that_never_comes_there_is_a_bound():
    table = rows(
        {"ckd": {1: [10, 20, 21]}, "ce+ckd": {1: [10, 20, 40]}},
        validation={"ckd": {1: [10, 20, 40]}, "ce+ckd": {1: [10, 20, 40]}},
    )
    found = savings(table, ["ce+ckd"], ["ckd"])
    last = found.iloc[4]  # 35 %: the method needs 280, the rival more than 320
    assert (last.target, last.fewer, last.bound) == (
        pytest.approx(35),
        pytest.approx(12.5),
        ">=",
    ) and mean(found).bound == ">="


def test_a_rival_ahead_at_its_fewest_calls_leaves_nothing_to_say():
    table = rows(
        {"ckd": {1: [35, 36, 40]}, "ce+ckd": {1: [10, 20, 40]}},
        validation={"ckd": {1: [10, 20, 40]}, "ce+ckd": {1: [10, 20, 40]}},
    )
    found = savings(table, ["ce+ckd"], ["ckd"])
    assert (
        found.fewer[:4].isna().all()
        and mean(found).targets == 1
        and mean(found).fewer == found.fewer[4] < 0
    )


def test_intervals_hold_the_seeds_of_both():
    curves = {
        "ckd": {s: [10 + s, 20 + s, 40 + s] for s in (1, 2, 3)},
        "ce+ckd": {s: [15 + 2 * s, 25 + 2 * s, 45 + 2 * s] for s in (1, 2, 3, 4)},
    }
    found = mean(savings(rows(curves), ["ce+ckd"], ["ckd"]))
    assert found.seeds == 3 and found.low < found.fewer < found.high
    same = {"ckd": {s: [10, 20, 40] for s in (1, 2)}, "ce+ckd": {s: [15, 25, 45] for s in (1, 2)}}
    exact = mean(savings(rows(same), ["ce+ckd"], ["ckd"]))
    assert exact.low == pytest.approx(exact.fewer) == pytest.approx(exact.high)


def test_only_fresh_seeds_of_the_grid():
    grid = study.Experiment((("a", "b"),), ("ckd",), (100, 200), (4, 5))
    table = pd.DataFrame(
        [
            {"method": method, "n": n, "seed": seed}
            for method in ("ckd", "kd")
            for n in (100, 300)
            for seed in (1, 4)
        ]
    )
    assert fresh(table, grid).to_dict("records") == [{"method": "ckd", "n": 100, "seed": 4}]


def test_figures_show_bounds_by_arrows():
    table = rows({"ckd": {1: [10, 15, 20]}, "mse": {1: [20, 30, 45]}, "ce+ckd": {1: [30, 40, 50]}})
    saved = savings(table, ["ce+ckd"], ["ckd", "mse"])
    bounds = saved[saved.bound == ">="]
    means, single = bounds[bounds.target.isna()], bounds.dropna(subset=["target", "fewer"])
    assert 0 < len(means) < saved.target.isna().sum() and 0 < len(single)
    (panel,) = figures.calls_saved(saved).axes
    arrows = [text for text in panel.texts if text.get_text() == "→"]
    assert [text.xy[0] for text in arrows] == pytest.approx(list(means.fewer))
    (panel,) = figures.saving_curves(saved).axes
    arrows = [text.xy for text in panel.texts if text.get_text() == "↑"]
    assert sorted(arrows) == sorted(zip(single.target, single.fewer, strict=True))


def test_the_figure_of_a_training():
    lines = pd.DataFrame(
        [
            {
                "method": method,
                "run": f"{method}.{seed}",
                "step": step,
                "offset": 3.0 * step,
                "test_accuracy": 10.0 + step,
                "calibrated_accuracy": 20.0 * seed + step,
            }
            for method in ("mse", "ckd")
            for seed in (1, 2)
            for step in (5, 10)
        ]
    )
    offset, plain, calibrated = figures.history(lines).axes
    assert [list(line.get_ydata()) for line in offset.lines] == [[15, 30]] * 4
    assert [list(line.get_ydata()) for line in calibrated.lines] == [[25, 30], [45, 50]] * 2
    assert [text.get_text() for text in calibrated.get_legend().get_texts()] == [
        "CKD (all pairs)",
        "MSE control",
    ]
    assert plain.get_ylim() == calibrated.get_ylim()


def test_a_marker_of_corners_is_a_marker():
    """Of methods that the study does not hold it is a tuple, which is no data."""
    names = (f"kd:kl={i}" for i in range(2, 99))
    name = next(one for one in names if isinstance(method_style(one).marker, tuple))
    lines = [["a-b", name, "kd", 3, float("nan"), 5, 10.0, 5.0, 15.0, ""]]
    (panel,) = figures.calls_saved(pd.DataFrame(lines, columns=COLUMNS)).axes
    (points, _) = panel.lines
    assert (
        points.get_xdata().tolist() == [10.0] and points.get_marker() == method_style(name).marker
    )
