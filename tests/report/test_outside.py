"""Methods outside the study's grid: in every table and figure, each with a look of its own."""

import ast
import json
import os
import subprocess
import sys
from itertools import combinations
from math import dist

import matplotlib.figure
import matplotlib.pyplot
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from ckdlib import report, study
from ckdlib.files import append_line
from ckdlib.report import figures
from ckdlib.report.figures.style import METHODS, POOLED, TEACHER, method_style
from ckdlib.report.outside import titled
from ckdlib.report.shown import Folded
from tests import PROJECT
from tests.report.test_accuracy import row

matplotlib.use("agg")
OWN = ("nkd", "rkd_w3", "rkd_3", "kd:kl=3", "a/b:x=2,y=0.5")


def committed(experiment="black_box", methods=OWN, profile="quick"):
    """Rows of a profile, and the same again as if methods of one's own had made those of `kd`."""
    rows = study.Store(PROJECT / "results" / profile).rows(lambda line: None)
    grid = study.profile(profile).experiments[experiment]
    part = [one for one in report.rows_of_experiment(rows, experiment)]
    like = next(method for method in ("kd", "dist", "ckd") if method in grid.methods)
    more = []
    for name in methods:
        for one in part:
            if one["method"] == like:
                said = {"run": f"{name}-{one['run']}", "method": name, "experiment": experiment}
                said["definition"] = {"code": name}
                if ":" not in name or not name.startswith("kd"):
                    said |= {"label": f"{name.upper()} $", "source": "Me 2026"}
                more.append(one | said)
    return part + more


@pytest.fixture(autouse=True)
def _closed():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture
def table():
    return report.frame(committed(), "black_box", report=lambda line: None)


def test_they_stand_last_in_every_table(table):
    grid = study.profile("quick").experiments["black_box"]
    own, cells = sorted(OWN), report.summary(table)
    expected = [*grid.methods, *own]
    (pair,) = table.pair.unique()
    for found in (report.accuracies(cells, grid.methods), report.by_n(cells, "mean", grid.methods)):
        assert found.loc[pair].index.tolist() == expected
    assert report.mean_accuracies(table, grid.methods).method.tolist() == expected
    prices = report.table1(report.calls_table(table, [80, 90]), grid.methods)
    assert [name for name in prices.loc[pair].index if "Δ" not in name] == expected
    assert set(report.paired_differences(table, "kd").method) == {*expected} - {"kd"}
    assert report.outside(table) == own
    assert report.in_order(["b", "kd", "a"], ["ce", "kd"]) == ["kd", "a", "b"]


def test_a_line_says_that_they_stand_outside_and_whose_they_are(table):
    said = "outside the study's grid: a/b:x=2,y=0.5 (Me 2026), kd:kl=3, nkd (Me 2026), rkd_3 (Me "
    assert f"; {said}" in report.about(table)
    told = report.headline(committed())
    lines = told.splitlines()
    assert lines[-1].startswith(said) and lines[-2] == ""
    assert [line.split("`")[1] for line in lines[2:-2]][-len(OWN) :] == sorted(OWN)
    plain = report.frame(committed(methods=()), "black_box", report=lambda line: None)
    assert "outside" not in report.about(plain) + report.headline(committed(methods=()))


def test_fewer_calls_compares_them_both_ways():
    rows = committed("fewer_calls", ["nkd"])
    table = report.frame(rows, "fewer_calls", report=lambda line: None)
    grid = study.profile("quick").experiments["fewer_calls"]
    assert "nkd" in set(report.fresh(table, grid).method)
    told = report.saved(rows)
    assert "| `nkd` |" in told and told.splitlines()[0].endswith("| `nkd` |")


def test_every_figure_draws_them(table, tmp_path):
    cells, means = report.summary(table), report.mean_accuracies(table, OWN)
    drawn = [
        figures.accuracy_curves(cells, against=["n", "student_passes"]),
        figures.differences(report.paired_differences(table, "kd"), "rkd_w3"),
        figures.dots(cells, "test accuracy (%)"),
        figures.calls_saved(report.savings(table, OWN, ["ckd", "rkd", *OWN])),
        figures.history(pd.DataFrame([
            {"method": name, "run": name, "step": step, "offset": 1.0, "test_accuracy": 50.0,
             "calibrated_accuracy": 60.0} for name in OWN for step in (1, 2)
        ])),
    ]  # fmt: skip
    for number, figure in enumerate(drawn):
        figures.save(figure, tmp_path, f"figure{number}")
        texts = {text.get_text() for text in figure.findobj(matplotlib.text.Text)}
        assert {r"NKD \$", r"RKD_W3 \$", r"RKD_3 \$", "KD (kl 3)"} <= texts
    assert not means.empty and figures.calls_saved(report.savings(table, OWN, OWN)).axes


def test_looks_are_their_own(table):
    looks = [method_style(name) for name in ("nkd", "sp", "mine", "rkd_w3", "kd:kl=3", "kd:kl=2")]
    taken = [to_rgb(one.colour) for one in (*METHODS.values(), TEACHER)]
    taken += [POOLED(share)[:3] for share in (0, 0.5, 1)]
    for look in looks:
        assert min(dist(to_rgb(look.colour), other) for other in taken) > 0.15
        assert look.marker not in {one.marker for one in METHODS.values()}
    for one, other in combinations(looks, 2):
        assert (one.colour, one.marker) != (other.colour, other.marker)
    assert method_style("nkd").label == r"NKD \$"
    assert method_style("a/b:x=2,y=0.5").label == r"A/B:X=2,Y=0.5 \$ (x 2, y 0.5)"
    assert method_style("rkd_5").label.startswith("$") and method_style("rkd_3").label != "rkd_3"


def test_looks_depend_on_the_name_alone():
    code = (
        "from ckdlib.report.figures.style import method_style, ordered\n"
        "print(method_style('nkd'), method_style('kd:kl=3'), ordered(['z', 'b', 'kd', 'a', 'ce']))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1 and "['ce', 'kd', 'a', 'b', 'z']" in told.pop()


def test_pooled_comparisons_are_those_of_the_study(table):
    assert figures.pooled(["rkd_3", "rkd_w3", "rkd_10", "rkd_2", "rkd", "rkd_5:teacher=2"]) == [
        "rkd_2",
        "rkd_10",
    ]
    assert figures.ordered(["rkd_10", "rkd_3", "rkd_w3", "kd"]) == [
        "kd",
        "rkd_10",
        "rkd_3",
        "rkd_w3",
    ]


def test_a_dash_in_a_name_is_no_arrow():
    rows = [row("kd", n, 1, 50.0, teacher="my-net", student="a-b") for n in (40, 80)]
    report.frame(rows, "black_box", report=lambda line: None)
    assert titled("my-net-a-b") == "my-net → a-b" and titled("t-s") == "t → s"


def shown(page, **parameters):
    """What a page shows: its cells run here, the values of their last lines, its figures."""
    values, space = [], {"display": lambda *shown: values.extend(shown)}
    for cell in json.loads((PROJECT / "notebooks" / f"{page}.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            body = ast.parse("".join(cell["source"])).body
            last = body.pop() if isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), page, "exec"), space)
            if last:
                values.append(eval(compile(ast.Expression(last.value), page, "eval"), space))
            if "parameters" in cell["metadata"].get("tags", []):
                space.update(parameters)
    drawn = [value for value in space.values() if isinstance(value, matplotlib.figure.Figure)]
    answer = next(value for value in values if isinstance(value, report.Answer))
    tables = [value for value in values if isinstance(value, pd.DataFrame)]
    for one in values:
        parts = one.parts if isinstance(one, Folded) else ()
        tables += [part for part in parts if isinstance(part, pd.DataFrame)]
    return answer, tables, drawn


@pytest.mark.parametrize("page, experiment, tables, drawn", [
    ("03_table1_figure2", "black_box", 4, 2), ("04_table2_white_box", "white_box", 1, 2),
    ("05_figure4_dimensionality", "dimensionality", 1, 2), ("11_fewer_calls", "fewer_calls", 4, 4),
])  # fmt: skip
def test_pages_show_them(page, experiment, tables, drawn, tmp_path):
    for one in committed(experiment, ["nkd", "rkd_w3"]):
        append_line(tmp_path / "rows.jsonl", one)
    answer, found, pictures = shown(page, results=str(tmp_path))
    assert "outside the study's grid: nkd (Me 2026), rkd_w3 (Me" in answer.made_of
    assert len(found) == tables and len(pictures) == drawn
    for table in found:
        assert {"nkd", "rkd_w3"} <= set(table.reset_index().get("method"))
    for figure in pictures:
        texts = "\n".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))
        assert r"NKD \$" in texts and r"RKD_W3 \$" in texts
