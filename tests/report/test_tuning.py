"""Which setting tuning finds, by hand; what is said and drawn of it."""

from math import isnan

import pytest

from ckdlib import report
from ckdlib.report import answers, figures
from tests.report.test_accuracy import frame, row

FIRST = {"kd": 20, "kd:kl=4": 26, "kd:kl=16": 24, "kd:kl=2": 25, "ce": 14, "ce:labels=3": 12}
AGAIN = {"kd:kl=4": 22, "kd:kl=16": 28, "kd:kl=2": 21, "ce": 13, "ce:labels=3": 16}


def rows(**changes):
    return [row(one, 40, 11, value, **changes) for one, value in FIRST.items()] + [
        row(one, 40, 12, value, **changes) for one, value in AGAIN.items()
    ]


@pytest.fixture
def tried():
    return report.trials(frame(rows()))


def test_the_best_of_those_that_were_tried_again(tried):
    assert tried.setting.tolist() == [
        *("ce:labels=3", "ce"),
        *("kd:kl=16", "kd:kl=4", "kd:kl=2", "kd"),
    ]
    assert tried.accuracy.tolist() == [14, 13.5, 26, 24, 23, 20]
    assert tried["first"].tolist() == [12, 14, 24, 26, 25, 20]
    assert tried.seeds.tolist() == [2, 2, 2, 2, 2, 1]
    assert tried["rank"].tolist() == [1, 2, 1, 2, 3, 4]


def test_a_worse_setting_that_was_tried_again_ranks_before_one_that_was_not():
    worse = report.trials(frame([*rows(), row("kd:kl=9", 40, 11, 99.0)]))
    assert worse[worse.method == "kd"].setting.iloc[0] == "kd:kl=16"


def test_the_three_best_of_the_first_seed_are_tried_again(tried):
    assert report.finalists(tried) == ["ce:labels=3", "ce", "kd:kl=16", "kd:kl=4", "kd:kl=2"]


def test_what_tuning_wins_is_counted_on_the_seed_of_all_settings(tried):
    found = report.tuned(tried).set_index("method")
    assert found.index.tolist() == ["kd", "ce"]
    assert found.setting.tolist() == ["kd:kl=16", "ce:labels=3"]
    assert found.accuracy.tolist() == [26, 14]
    assert found.authors.tolist() == [20, 14]
    assert found.won.tolist() == [4, -2]
    assert found.tried.tolist() == [4, 2]


def test_without_the_authors_setting_nothing_is_said_of_what_it_wins():
    found = report.tuned(report.trials(frame([row("kd:kl=4", 40, 11, 20.0)])))
    assert isnan(found.won.iloc[0]) and isnan(found.authors.iloc[0])


def test_a_setting_that_diverged_is_the_worst():
    gone = row("kd:kl=99", 40, 11, None, status="diverged") | {"val_accuracy": None}
    tried = report.trials(frame([*rows(), gone]))
    last = tried[tried.method == "kd"].iloc[-1]
    assert (last.setting, last.accuracy) == ("kd:kl=99", 0)


def test_the_figure_marks_all_the_best_and_the_authors(tried):
    panel = figures.trials(tried).axes[0]
    every, best, own = (one.get_offsets()[:, 0].tolist() for one in panel.collections)
    assert sorted(every) == sorted(FIRST.values())
    assert best == [12, 24] and own == [14, 20]
    heights = [one.get_offsets()[:, 1].tolist() for one in panel.collections[1:]]
    assert heights == [[1, 2], [1, 2]]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["KD", "labels only (CE)"]
    assert figures.trials(tried[:0]).axes[0].texts


MSE, CKD = "mse:teacher=5", "ckd_calibrated:teacher=20"
BEST = {"kd": "kd:kl=16", "mse": MSE, "ckd_calibrated": CKD, "ce": "ce"}


def told(levels):
    """The answer of methods that have these accuracies with seeds 1, 2, 3, at two n."""
    lines = [
        row(method, n, seed, accuracy)
        for method, accuracies in levels.items()
        for n in (40, 80)
        for seed, accuracy in enumerate(accuracies, 1)
    ]
    return answers.equal_tuning(frame(lines), BEST).found


LEVELS = {
    "ce": (10, 10, 10),
    "kd": (20, 20, 20),
    "kd:kl=16": (26, 27, 28),
    "mse": (21, 21, 21),
    MSE: (24, 24, 24),
    "ckd_calibrated": (23, 23, 23),
    CKD: (25, 26, 27),
}


@pytest.mark.parametrize(
    ("compared", "says"),
    [
        ((25.5, 26, 26.5), f"Yes.** {{}}: `{CKD}` is 2.0 points [0.8, 3.2] above `{MSE}`"),
        ((20, 21, 22), f"No.** {{}}: `{CKD}` is 3.0 points [0.5, 5.5] below `{MSE}`"),
        (
            (24, 25, 26),
            f"Undecided.** {{}}: `{CKD}` and `{MSE}` cannot be told apart (+1.0 [-1.5, +3.5])",
        ),
    ],
)
def test_does_comparing_help_where_all_are_tuned(compared, says):
    with_and_without = "With and without comparisons, all tuned alike (mean over n)"
    found = told(LEVELS | {CKD: compared})
    assert found.startswith(f"**{says.format(with_and_without)}. Best of all that are tuned: ")


def test_which_is_best_and_what_tuning_is_worth():
    assert told(LEVELS).endswith(
        "Best of all that are tuned: `kd:kl=16` at n = 40, 80 (27.0, 27.0 %). "
        "With their authors' settings: `ckd_calibrated` at n = 40, 80 (23.0, 23.0 %). "
        "Of 3 methods whose tuned setting is not their authors', tuning helps 3 and harms 0, by "
        "their intervals; it is worth most to one: `kd:kl=16` is 7.0 points [4.5, 9.5] above `kd`."
    )


def test_one_that_is_not_tuned_yet_is_left_out():
    assert "Of 1 methods" not in told({"ce": (1, 2, 3), **{one: LEVELS[one] for one in (MSE, CKD)}})
    assert told({"kd": (1, 2, 3)}).startswith("**Undecided: no rows of tuned methods")


def test_every_comparison_beside_the_same_method_without():
    levels = {
        "ce+ckd": (5, 6, 7),
        "ce+mse": (6, 7, 8),
        "ce+ckd+dist": (9, 9, 9),
        "ce+mse+dist": (8, 9, 9),
    }
    lines = [
        row(one, 40, seed, value)
        for one, values in levels.items()
        for seed, value in enumerate(values, 1)
    ]
    found = answers.equal_tuning(frame(lines), {one: one for one in levels}).found
    assert (
        "`ce+ckd` is 1.0 points [1.0, 1.0] below `ce+mse`; `ce+ckd+dist` and `ce+mse+dist` "
        in found
    )


def test_calls_that_ours_save_where_all_are_tuned():
    best = {"kd": "kd:kl=16", "ce": "ce", "ce+ckd": "ce+ckd", "dist": "dist"}
    curves = {
        "kd:kl=16": (10, 20, 30),
        "kd": (0, 1, 2),
        "ce": (1, 2, 3),
        "ce+ckd": (20, 30, 40),
        "dist": (20, 30, 40),
    }
    lines = [
        row(one, n, seed, accuracy) | ({"teacher_calls": 0} if one == "ce" else {})
        for one, accuracies in curves.items()
        for n, accuracy in zip((40, 80, 160), accuracies, strict=True)
        for seed in (1, 2, 3)
    ]
    saved = report.saved_alike(frame(lines), best)
    means = saved[saved.target.isna()].set_index("rival")
    assert means.index.tolist() == ["kd", "dist"] and set(means.method) == {"ce+ckd"}
    assert means.fewer["dist"] == 0 and means.fewer["kd"] == pytest.approx(50)
    assert (
        " For equal accuracy, all tuned alike, `ce+ckd` needs 0 % [0, 0] fewer calls (undecided) "
        "than `dist` and 50 % [50, 50] fewer calls than `kd`. "
    ) in answers.equal_tuning(frame(lines), best | {"ce+mse": "ce"}).found


def test_authors_settings_and_tuned_ones_side_by_side():
    lines = [
        row(one, n, seed, n + seed)
        for one in ("mse", MSE, "ce")
        for n in (40, 80)
        for seed in (1, 3)
    ]
    lines += [row("kd:kl=16", 40, 1, 20.0), row("other", 40, 1, 20.0)]
    found = report.side_by_side(report.summary(frame(lines)), BEST)
    assert found.index.get_level_values("method").tolist() == ["kd", "mse", "ce"]
    assert found.columns.tolist() == [
        (which, n) for which in ("authors' setting", "tuned") for n in (40, 80)
    ]
    assert found.to_numpy().tolist() == [
        ["", "", "20.00 ± nan", ""],
        *[["42.00 ± 1.41", "82.00 ± 1.41", "42.00 ± 1.41", "82.00 ± 1.41"]] * 2,
    ]


def test_the_best_of_all_is_told_where_all_were_run():
    lines = [row(one, 40, s, v) for one, v in ((MSE, 20), (CKD, 19)) for s in (1, 2, 3)]
    lines += [row(MSE, 80, seed, 30.0) for seed in (1, 2, 3)]
    assert f"Best of all that are tuned: `{MSE}` at n = 40 (20.0 %)." in (
        answers.equal_tuning(frame(lines), {"mse": MSE, "ckd_calibrated": CKD}).found
    )


def test_the_figure_of_equal_tuning_has_a_panel_an_n_and_the_first_on_top():
    levels = {"kd": 20, "kd:kl=16": 27, MSE: 24, "ckd": 50}
    lines = [row(one, n, s, v + s) for one, v in levels.items() for n in (40, 80) for s in (1, 3)]
    cells = report.summary(frame(lines))
    figure = figures.equal_tuning(cells, BEST)
    assert [panel.get_title()[-6:] for panel in figure.axes] == ["n = 40", "n = 80"]
    panel = figure.axes[0]
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert names == ["KD", "MSE control", "CKD calibrated", "labels only (CE)"]
    assert panel.get_yticks().tolist() == [4, 3, 2, 1]
    (found,) = panel.containers
    place = found[0].get_xydata()[:2].tolist()
    assert place == [[29, 4], [26, 3]]
    authors = panel.collections[-1].get_offsets().filled(-1)[0].tolist()
    assert authors == [22, 4]
    assert figures.equal_tuning(cells, {"vid": "vid"}).axes[0].texts
