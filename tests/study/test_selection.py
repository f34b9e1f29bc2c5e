"""Students that ask about chosen images, or learn labels of all: which images they see."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from ckdlib import models, study
from ckdlib.errors import InputError
from ckdlib.images import margin, pool, split
from ckdlib.study import choosing
from ckdlib.study import student as student_module
from ckdlib.tensors import read_tensors


def quiet(line):
    pass


def index_lists(here, name):
    return json.loads((here.results / "splits" / name).read_text())


def test_a_scout_learns_once_and_says_what_to_ask(here, brief, digits, monkeypatch):
    said = []
    rows = study.run(brief(["kd", "kd@margin"], n=[32, 64]), here, jobs=1, report=said.append)
    assert sorted((row["method"], row["n"], row["teacher_calls"]) for row in rows) == [
        ("kd", 32, 32), ("kd", 64, 64), ("kd@margin", 32, 32), ("kd@margin", 64, 64),
    ]  # fmt: skip
    assert sum("learned the labels of" in line for line in said) == 1
    assert any("at most 128 teacher calls" in line for line in said)
    (kept,) = (here.results / "scouts").glob("*.safetensors")
    there, seen = pool(len(digits.train), 1), read_tensors(kept)[0]
    unsure = there[margin(seen["logits"]).argsort(stable=True)]
    for n in (32, 64):
        lists = index_lists(here, f"digits-n{n}-seed1-margin-resnet8.json")
        assert lists["train"] == unsure[:n].tolist()
        assert lists["validation"] == split(len(digits.train), n, 1)[1].tolist()
        assert index_lists(here, f"digits-n{n}-seed1.json")["train"] == there[:n].tolist()
    asked = {int(i) for i in unsure[:64]} | {int(i) for i in there[:64]}
    assert sum(int(line.split()[4]) for line in said if "calls made" in line) == len(asked)
    monkeypatch.setattr(choosing, "fit", None)  # nothing learns a second time
    study.run(brief(["kd@margin", "kd@k_centre"], n=[64]), here, jobs=1, report=quiet)


def test_each_student_asks_about_what_its_own_scout_doubts(here, brief):
    """Of one teacher and seed, two rates: two scouts, and the images of both are shown."""
    (run,) = brief(["kd@margin"], n=[32])
    slow = replace(run, recipe=replace(run.recipe, learning_rate=run.recipe.learning_rate / 50))
    said = []
    rows = study.run([run, slow], here, jobs=1, report=said.append)
    assert len(rows) == 2 and len(list((here.results / "scouts").glob("*.safetensors"))) == 2
    assert any("at most 64 teacher calls" in line for line in said)
    (made,) = (int(line.split()[4]) for line in said if "calls made" in line)
    assert 32 < made <= 64


def test_a_network_without_features_cannot_be_a_scout_and_is_refused_at_once(here, brief):
    @models.model("plain_of_test")
    def plain(classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(192, classes))

    runs = [replace(run, student="plain_of_test") for run in brief(["kd", "kd@margin"], n=[32])]
    with pytest.raises(InputError, match="selections by a student .@margin. need"):
        study.run(runs, here, jobs=1, report=quiet)
    assert not (here.results / "scouts").exists()
    assert len(study.run(runs[:1], here, jobs=1, report=quiet)) == 1


def test_a_balanced_selection_needs_no_scout(here, brief, digits):
    study.run(brief(["kd@balanced"], n=[50]), here, jobs=1, report=quiet)
    assert not (here.results / "scouts").exists()
    lists = index_lists(here, "digits-n50-seed1-balanced.json")
    assert digits.train.labels[lists["train"]].bincount().tolist() == [5] * 10


def test_spare_labels_are_those_of_all_images_that_do_not_validate(
    here, brief, digits, monkeypatch
):
    seen = []
    fit = student_module.fit

    def watched(net, method, recipe, train_views, teacher_logits, *rest, **more):
        seen.append((method, train_views, teacher_logits))
        return fit(net, method, recipe, train_views, teacher_logits, *rest, **more)

    monkeypatch.setattr(student_module, "fit", watched)
    rows = study.run(brief(["ce+spare", "kd+spare"], n=[64]), here, jobs=1, report=quiet)
    assert {row["method"]: row["teacher_calls"] for row in rows} == {"ce+spare": 0, "kd+spare": 64}
    assert {row["status"] for row in rows} == {"done"}
    train, validation = split(len(digits.train), 64, 1)
    for method, views, answers in seen:
        assert len(views) == len(digits.train) - len(validation)
        assert torch.equal(views.labels[:64], digits.train.labels[train])
        assert views.labels.bincount().sum() == len(views)
        assert answers is None or len(answers) == 64, method
    taught = next(row for row in rows if row["method"] == "kd+spare")
    alone = next(row for row in rows if row["method"] == "ce+spare")
    assert taught["student_passes"] == 2 * alone["student_passes"]


def test_a_scout_out_of_time_leaves_nothing(here, brief):
    said = []
    runs = brief(["kd@entropy"], n=[64])
    assert study.run(runs, here, jobs=1, time_budget=0.0, report=said.append) == []
    assert "time budget is used up" in said[-1]
    assert not list(here.results.glob("scouts/*.safetensors"))
    (row,) = study.run(runs, here, jobs=1, report=quiet)
    assert row["status"] == "done"


def test_distill_chooses_its_own_images():
    from ckdlib.distilling.choice import check

    for name, says in (("kd@margin", "`distill`'s own"), ("kd+spare", "choose one without .spare")):
        with pytest.raises(InputError, match=says):
            check(["ce", name], "resnet8", 10, 8)
    check(["ce", "kd+spare"], "resnet8", 10, 8, spare=True)
