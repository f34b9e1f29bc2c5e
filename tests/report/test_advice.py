"""`ckd advise`: what it says is what the rows and the curve say; mistakes are a line each."""

import json

import pandas as pd
import pytest

from ckdlib import report, study
from ckdlib.__main__ import main
from ckdlib.report import fit_curve
from tests import PROJECT


def said(capsys, *words):
    assert main(["advise", *words]) == 0
    return capsys.readouterr().out


def cells(text, start):
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return line.strip("| ").split(" | ")


@pytest.fixture(scope="module")
def pilot():
    rows = study.Store(PROJECT / "results/pilot").rows()
    return report.frame(rows, "fewer_calls", report=lambda line: None)


def test_the_numbers_are_the_curves(capsys, pilot):
    text = said(capsys, "--price", "0.002")
    assert text.startswith("fewer_calls, cifar100; ") and "`resnet20-resnet8`" in text
    own = pilot[(pilot.method == "dist") & (pilot.n >= 1280)]
    curve = fit_curve(own.n, own.test_accuracy, 10_000)
    there = own[own.n == 5120].test_accuracy.mean()
    told = [f"{there:.1f}", f"{curve.predict(5120).value:.1f}"]
    for factor, price in ((2, "10.24"), (4, "30.72")):
        value, low, high = (round(one, 1) for one in curve.gain(5120, factor * 5120))
        told.append(f"{value:+.1f} [{low:.1f}, {high:.1f}] for {price}")
    assert cells(text, "| `dist` |") == ["`dist`", "5120", *told]


def test_the_best_at_each_n_and_who_may_be_as_good(capsys, pilot):
    best = report.rivals_of_best(pilot[pilot.status == "done"]).set_index("n")
    means = pilot.pivot_table(index="n", columns="method", values="test_accuracy")
    assert best.best.to_dict() == means.idxmax(axis=1).to_dict()
    assert best.best[2560] == "ce+ckd+dist" and best.level[2560] == ["dist"]
    assert "ce+ckd+dist" in best.level[5120] and "ckd" not in best.level[5120]
    text = said(capsys)
    assert cells(text, "| 2560 |") == ["2560", "`ce+ckd+dist`", "42.2", "`dist`"]


def made_up(curves, seeds=(1, 2, 3)):
    return pd.DataFrame(
        [
            {"method": method, "seed": seed, "n": n, "test_accuracy": value + wiggle * (seed - 2),
             "teacher_calls": n, "status": "done"}
            for method, (values, wiggle) in curves.items()
            for n, value in values.items()
            for seed in seeds
        ]
    )  # fmt: skip


def test_significance_is_paired_over_seeds():
    same = {100: 50.0, 200: 60.0}
    lower = {n: value - 1 for n, value in same.items()}
    found = report.rivals_of_best(
        made_up({"a": (same, 3.0), "b": (lower, 3.1), "c": (lower, -3.0)})
    )
    assert list(found.best) == ["a", "a"] and list(found.level) == [["c"], ["c"]]


def test_one_seed_says_nothing():
    table = made_up({"a": ({100: 50.0}, 0), "b": ({100: 40.0}, 0)}, seeds=(1,))
    (line,) = report.rivals_of_best(table).itertuples()
    assert (line.best, line.level, line.untold) == ("a", [], ["b"])


def test_a_method_of_labels_alone_asks_for_nothing(capsys):
    text = said(capsys, "--experiment", "black_box", "--method", "ce", "--price", "1")
    assert cells(text, "| `ce` |")[3] == "asks no teacher"
    assert "| `kd` |" not in text and "| 2560 | `dist` | 41.1 |" in text


def test_digits_are_of_500_images(capsys):
    text = said(capsys, "--results", "results/quick", "--experiment", "black_box", "--method", "kd")
    rows = study.Store(PROJECT / "results/quick").rows()
    own = report.frame(rows, "black_box", report=lambda line: None)
    own = own[(own.method == "kd") & (own.n >= 80)]
    value, low, high = fit_curve(own.n, own.test_accuracy, 500).gain(320, 640)
    assert f"{value:+.1f} [{low:.1f}, {high:.1f}]" in cells(text, "| `kd` |")


@pytest.mark.parametrize(
    "words, says",
    [
        (["--results", "{}"], "no rows in {}; make some with: python -m ckdlib run --results {}"),
        (["--experiment", "fewer"], "unknown experiment of these rows 'fewer'"),
        (["--experiment", "cars"], "unknown experiment of these rows 'cars'"),
        (["--method", "kdd"], "unknown method of these rows 'kdd'"),
        (
            ["--experiment", "protocol", "--method", "kd"],
            "rows of 'kd' at one n (1280) make no curve",
        ),
        (["--price", "-1"], "price -1.0 of a call: give a number of at least 0"),
        (["--price", "nan"], "price nan of a call"),
        (["--price", "cheap"], "invalid float value: 'cheap'"),
    ],
)
def test_mistakes(words, says, tmp_path, capsys):
    words = [word.replace("{}", str(tmp_path)) for word in words]
    try:
        code = main(["advise", *words])
    except SystemExit as stopped:
        code = stopped.code
    told = capsys.readouterr()
    assert code == 2 and not told.out and told.err.count("\n") == 1
    assert told.err.startswith("error: ") and says.replace("{}", str(tmp_path)) in told.err


def quick():
    """The committed rows of digits."""
    return study.Store(PROJECT / "results/quick").rows()


def test_rows_that_all_diverged(tmp_path, capsys):
    text = "".join(json.dumps(row | {"status": "diverged"}) + "\n" for row in quick())
    (tmp_path / "rows.jsonl").write_text(text)
    assert main(["advise", "--results", str(tmp_path)]) == 2
    assert "diverged; train with --learning-rates" in capsys.readouterr().err


def test_the_users_own_images(tmp_path, capsys):
    """Rows of `run --dataset FOLDER`, made of committed ones: another name, another image count."""
    lines = []
    for row in quick():
        if row["experiment"] == "black_box" and row["method"] == "kd" and row["seed"] == 1:
            lines.append(json.dumps(row | {"dataset": "/home/me/birds"}) + "\n")
    (tmp_path / "rows.jsonl").write_text("".join(lines))
    text = said(capsys, "--results", str(tmp_path))
    assert text.startswith("black_box, /home/me/birds; ") and len(cells(text, "| `kd` |")) == 6
