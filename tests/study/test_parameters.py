"""Values for notebooks: as they are declared, or refused in one line."""

import json
from pathlib import Path

import nbformat
import pytest

from ckdlib.errors import InputError
from ckdlib.study.parameters import SOURCES, declared, read

BATCH, TABLE, TOUR = "02_experiments.ipynb", "03_table1_figure2.ipynb", "00_tour.ipynb"


@pytest.mark.parametrize(
    "notebook, name, text, value",
    [
        (BATCH, "n", "50", [50]),
        (BATCH, "n", "[50]", [50]),
        (BATCH, "n", "40,80", [40, 80]),
        (BATCH, "methods", "kd", ["kd"]),
        (BATCH, "methods", "['kd', 'ckd']", ["kd", "ckd"]),
        (BATCH, "methods", "[]", []),
        (BATCH, "learning_rates", "0.1", [0.1]),
        (BATCH, "flip", "False", False),
        (BATCH, "time_budget", "5", 5),
        (BATCH, "image_size", "null", None),
        (BATCH, "device", "cpu", "cpu"),
        (BATCH, "profile", '"quick"', "quick"),
        (BATCH, "dataset", "digits", "digits"),
        (TABLE, "targets", "30", [30]),
        (TABLE, "targets", "[30, 40.5]", [30, 40.5]),
        (TABLE, "save_to", "null", None),
        (TABLE, "save_to", "None", None),
        (TOUR, "n", "50", 50),
        ("06_figure5_flatness.ipynb", "rivals", "kd", ["kd"]),
    ],
)
def test_values_are_read_as_declared(notebook, name, text, value):
    assert read(SOURCES / notebook, [(name, text)]) == {name: value}


@pytest.mark.parametrize(
    "notebook, name, text, path",
    [
        (BATCH, "results", "runs/x", "runs/x"),
        (BATCH, "results", "2024", "2024"),
        (BATCH, "results", "true", "true"),
        (BATCH, "dataset", "pictures", "pictures"),
        (TABLE, "save_to", "figures", "figures"),
        ("01_teacher.ipynb", "checkpoint", "a.pth", "a.pth"),
        ("10_verdict.ipynb", "folders", "2024", ["2024"]),
        ("10_verdict.ipynb", "folders", '["a", "b/c"]', ["a", "b/c"]),
    ],
)
def test_paths_are_from_the_current_folder(tmp_path, monkeypatch, notebook, name, text, path):
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    whole = (
        [f"{tmp_path}/{one}" for one in path] if isinstance(path, list) else f"{tmp_path}/{path}"
    )
    assert read(SOURCES / notebook, [(name, text)]) == {name: whole}


WHOLE = "where a list of whole numbers is declared; give such"


@pytest.mark.parametrize(
    "notebook, name, text, says",
    [
        (BATCH, "seeds", '["1"]', f'seeds = ["1"], {WHOLE}, for instance [1]'),
        (BATCH, "n", "many", f'n = "many", {WHOLE}, for instance [40, 80]'),
        (BATCH, "n", "[1.5]", f"n = [1.5], {WHOLE}, for instance [40, 80]"),
        (BATCH, "n", "true", f"n = true, {WHOLE}, for instance [40, 80]"),
        (BATCH, "n", "null", f"n = null, {WHOLE}, for instance [40, 80]"),
        (
            BATCH,
            "methods",
            "null",
            'methods = null, where a list of texts is declared; give such, for instance ["kd", '
            '"ckd"]',
        ),
        (
            BATCH,
            "flip",
            "0",
            "flip = 0, where true or false is declared; give such, for instance true",
        ),
        (
            BATCH,
            "results",
            "null",
            'results = null, where text is declared; give such, for instance "../runs/try"',
        ),
        (
            BATCH,
            "results",
            "",
            'results = "", where text is declared; give such, for instance "../runs/try"',
        ),
        (
            BATCH,
            "time_budget",
            "soon",
            'time_budget = "soon", where a number is declared; give such',
        ),
        (
            BATCH,
            "image_size",
            "32.5",
            "image_size = 32.5, where a whole number is declared; give such",
        ),
        (
            TABLE,
            "targets",
            '["30"]',
            'targets = ["30"], where a list of numbers is declared; give such',
        ),
        (
            TOUR,
            "n",
            "[50]",
            "n = [50], where a whole number is declared; give such, for instance 100",
        ),
        ("06_figure5_flatness.ipynb", "n", '["50"]', f'n = ["50"], {WHOLE}'),
    ],
)
def test_values_of_another_kind_are_refused(notebook, name, text, says):
    with pytest.raises(InputError) as error:
        read(SOURCES / notebook, [(name, text)])
    assert str(error.value) == f"{notebook}: {says}"


def test_a_name_is_given_once():
    with pytest.raises(InputError, match="^-p n is given twice; give a list, for instance"):
        read(SOURCES / BATCH, [("n", "40"), ("n", "80")])


def test_values_from_python_are_checked_as_well():
    there = declared(SOURCES / BATCH)
    assert there["results"].check(Path("runs/x")) == "runs/x"
    assert there["n"].check((40, 80)) == [40, 80]
    with pytest.raises(InputError, match='seeds = ."1".'):
        there["seeds"].check(["1"])


def test_what_is_declared_of_no_kind_takes_any_value(tmp_path):
    cell = nbformat.v4.new_code_cell(
        "more = {'a': 1}\nother = None\nlater = max(1, 2)\nlevel = 0.5",
        metadata={"tags": ["parameters"]},
    )
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    page = tmp_path / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), page)
    given = {"more": {"b": [2]}, "other": ["x"], "later": "y", "level": 1}
    words = [(name, json.dumps(value)) for name, value in given.items()]
    assert read(page, words) == given


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "notes.md").write_text("# Notes")
    with pytest.raises(InputError, match="notes.md is no notebook; name an .ipynb file"):
        declared(tmp_path / "notes.md")
    for content in ('{"cells": [', '{"a": 1}', "[]", ""):
        (tmp_path / "torn.ipynb").write_text(content)
        with pytest.raises(InputError, match="torn.ipynb cannot be read as a notebook") as error:
            declared(tmp_path / "torn.ipynb")
        assert "\n" not in str(error.value)
