"""Committed rows are gone on from: a copy of them holds their teachers and the calls they made."""

import shutil
from dataclasses import replace

import pytest

from ckdlib import methods, study
from ckdlib.study import open_workspace
from ckdlib.study import teachers as teachers_module
from tests import PROJECT


@pytest.fixture
def mine(tmp_path):
    """A copy of quick's committed rows."""
    shutil.copytree(PROJECT / "results/quick", tmp_path / "mine")
    return open_workspace(tmp_path / "mine", device="cpu", teachers=tmp_path / "none")


def content(folder):
    """Every kept answer and teacher."""
    return {path: path.read_bytes() for path in folder.rglob("*.safetensors")}


@pytest.mark.parametrize("experiment, like", [("black_box", "kd"), ("white_box", "vid")])
def test_a_new_method_costs_its_own_students_alone(mine, monkeypatch, experiment, like):
    """No teacher is trained and no call is made, of feature maps neither."""

    def refused(*words):
        raise AssertionError("a teacher is trained")

    known = methods.get(like)
    labels = replace(known.terms["labels"], weight=0.5)
    new = replace(known, terms=known.terms | {"labels": labels})
    monkeypatch.setitem(methods.METHODS, "new", new)
    monkeypatch.setattr(teachers_module, "train_teacher", refused)
    before, there = content(mine.results), mine.store.rows()
    said = []
    runs = study.select("quick", [experiment], method_names=[like, "new"], calls=[80], seeds=[1])
    rows = study.run(runs, mine, 1, report=said.append)
    assert [row["method"] for row in rows] == [like, "new"]
    assert mine.store.rows()[:-1] == there
    calls = [line for line in said if "calls made" in line]
    assert len(calls) == 1 and ": 0 calls made" in calls[0]
    assert before.items() <= content(mine.results).items()
