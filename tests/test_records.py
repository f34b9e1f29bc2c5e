"""What counts as a row: every field there, of its kind, finite."""

from math import inf, nan

import pytest
import torch

from ckdlib import reproducibility
from ckdlib.records import Measures, Row, fault
from tests import PROJECT, a_row


def test_a_committed_row_is_one():
    assert fault(a_row(), Row) == ""


@pytest.mark.parametrize("name", a_row())
def test_a_row_has_every_field(name):
    line = a_row()
    del line[name]
    assert fault(line, Row) == f"no {name}"


@pytest.mark.parametrize("name, value", [
    ("test_accuracy", nan), ("val_accuracy", -inf), ("seed", None), ("seed", 1.5), ("n", "40"),
    ("n", True), ("recipe", "fast"), ("status", "fine"), ("teacher_sha256", 3),
])  # fmt: skip
def test_a_row_with_an_odd_value_is_none(name, value):
    assert name in fault(a_row(**{name: value}), Row)


@pytest.mark.parametrize("line", [None, 3, [], "row"])
def test_only_an_object_is_a_record(line):
    assert fault(line, Row) == fault(line, Measures) == "not an object"


def test_measures_of_a_teacher_lack_what_only_students_have():
    line = {"run": "teacher 0", "raw": [1.0, None], "centred": [1], "by_class": []}
    assert fault(line, Measures) == ""
    assert fault(line | {"raw": 3.0}, Measures) == "raw is 3.0"


def test_a_row_names_the_code_that_made_it_and_not_what_only_reads_rows(tmp_path, monkeypatch):
    library = tmp_path / "ckdlib"
    monkeypatch.setattr(reproducibility, "__file__", str(library / "reproducibility.py"))
    digest = reproducibility.code_version.__wrapped__
    for part in ("training", *reproducibility.READERS):
        assert (PROJECT / "ckdlib" / part / "__init__.py").is_file()
        (library / part).mkdir(parents=True)
        (library / part / "new.py").write_text("old")
    first = digest()
    for part in reproducibility.READERS:
        (library / part / "new.py").write_text("new")
    assert digest() == first
    (library / "training/new.py").write_text("new")
    assert digest() != first


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("model\t\t: 17\nmodel name\t: AMD EPYC \nmodel name\t: AMD EPYC\n", " (AMD EPYC),"),
        ("processor\t: 0\n", " CPU, "),
        (None, " CPU, "),
    ],
)
def test_a_row_names_the_processor_where_the_system_tells_it(told, name, tmp_path, monkeypatch):
    about = tmp_path / "cpuinfo"
    if told is not None:
        about.write_text(told)
    monkeypatch.setattr(reproducibility, "CPUINFO", about)
    reproducibility._processor.cache_clear()
    shown = reproducibility.device_name(torch.device("cpu"))
    reproducibility._processor.cache_clear()
    assert name in shown and shown.endswith(" threads")
