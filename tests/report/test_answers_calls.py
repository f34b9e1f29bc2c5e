"""What the pages on images to ask about, and on labels, say first: numbers worked out here."""

from math import sqrt

import pytest
from scipy import stats

from ckdlib import report
from ckdlib.report import answers
from tests.report.test_accuracy import frame, row

T = stats.t.ppf(0.975, 2)
SEEDS = (1, 2, 3)


def rows(**levels):
    """Rows of methods at n = 40 and 80: level + 10 at 80, and the seed in hundredths, 1, 2, 3."""
    return [
        row(method, n, seed, level + 10 * (n == 80) + wave * seed)
        for method, (level, wave) in levels.items()
        for n in (40, 80)
        for seed in SEEDS
    ]


def test_names_of_selections():
    assert report.by_chance("dist@margin:beta=2") == "dist:beta=2"
    assert report.by_chance("dist+spare@k_centre") == "dist+spare"
    table = frame(rows(**{"dist": (50, 0), "dist@margin": (51, 0), "kd": (40, 0)}))
    assert report.selections(table) == ["dist@margin"]


def told(table):
    return answers.which_images(table, report.saved_by_choice(table)).found


def test_a_selection_that_is_better_than_chance():
    """Of seeds 1, 2, 3 it is 5 above: at equal accuracy half of what 40 calls add."""
    table = frame(rows(**{"dist": (50, 0), "dist@k_centre": (53, 1), "dist@margin": (38, 1)}))
    half = T / sqrt(3)
    assert told(table).startswith(
        "**Yes. Of 2 selections the best beside chance, at equal calls (mean over n): "
        f"`dist@k_centre` is 5.0 points [{5 - half:.1f}, {5 + half:.1f}] above `dist`.** "
        "For equal accuracy it needs "
    )
    assert "The others: `dist@margin` is 10.0 points [7.5, 12.5] below `dist`." in told(table)


def test_one_that_is_surely_better_decides_whatever_looks_better():
    table = frame(rows(**{"dist": (50, 0), "dist@margin": (50, 2), "dist@k_centre": (51, 0.1)}))
    assert told(table).startswith("**Yes. Of 2 selections the best beside chance")
    assert "(mean over n): `dist@k_centre` is 1.2 points" in told(table)


def test_each_selection_is_beside_its_own_method():
    table = frame(rows(**{"dist": (50, 0), "kd": (30, 0), "kd@margin": (32, 0)}))
    assert set(report.saved_by_choice(table).rival) == {"kd"}
    assert report.saved_by_choice(table[table.method != "kd@margin"]).empty


@pytest.mark.parametrize(("level", "says"), [(40, "**No. "), (48, "**Undecided. ")])
def test_no_selection_is(level, says):
    table = frame(rows(**{"dist": (50, 0), "dist@margin": (level, 1)}))
    assert told(table).startswith(says)
    assert ("cannot be told apart" in told(table)) == (says == "**Undecided. ")


def test_a_selection_without_chance_beside_it_decides_nothing():
    table = frame(rows(**{"kd": (50, 0), "dist@margin": (51, 0)}))
    assert told(table) == "**Undecided: no selection has rows beside those of chance.**"


def test_a_teacher_pays_from_the_n_where_its_interval_is_above_zero():
    alone = [row("ce+spare", n, seed, 60.0) for n in (40, 80) for seed in SEEDS]
    taught = [row("dist+spare", 40, seed, 59 + 1.0 * (seed - 1)) for seed in SEEDS]
    taught += [row("dist+spare", 80, seed, 64 + 1.0 * (seed - 1)) for seed in SEEDS]
    few = [row("dist", n, seed, 41.5) for n in (40, 80) for seed in SEEDS]
    found = answers.spare_labels(frame([*alone, *taught, *few])).found
    half = T / sqrt(3)
    assert found.startswith(
        "**Yes, from n = 80 on. Points that `dist+spare` is above labels alone (`ce+spare`): "
        f"+0.0 [{-half:+.1f}, {half:+.1f}] at n = 40, +5.0 [{5 - half:+.1f}, {5 + half:+.1f}] at "
        "n = 80.** What the further labels add: `dist+spare` is 21.0 points"
    )
    fewer = [row("dist+spare", 160, seed, 50.0) for seed in SEEDS]
    later = [row("ce+spare", 160, seed, 60.0) for seed in SEEDS]  # where it costs again
    again = answers.spare_labels(frame([*alone, *taught, *fewer, *later])).found
    assert again.startswith("**Undecided. ")
    never = answers.spare_labels(frame([*alone, *(one for one in taught if one["n"] == 40)])).found
    assert never.startswith("**Undecided. ")
    assert answers.spare_labels(frame(few)).found.startswith("**Undecided: no rows of labels")


def test_what_labels_are_worth():
    levels = {"dist": (50, 0), "dist:labels=0": (47, 0.5), "kd": (40, 0), "kl": (30, 0.5),
              "hard": (21, 0.5), "hard+kl": (30, 0.5)}  # fmt: skip
    found = answers.without_labels(frame(rows(**levels))).found
    assert found.startswith("**Yes. Without and with labels (mean over n): `dist:labels=0` is 2.0")
    assert "`hard+kl` is 9.0 points [7.8, 10.2] below `kd`.**" in found
    assert "`kl` and `hard+kl` cannot be told apart" in found
    assert "`hard` is 9.0 points [9.0, 9.0] below `hard+kl`." in found
    assert answers.without_labels(frame(rows(kd=(40, 0)))).found.startswith("**Undecided: no rows")
    half = [one for one in rows(**levels) if one["method"] in ("dist", "dist:labels=0")]
    assert answers.without_labels(frame(half)).found.endswith("below `dist`.**")
