"""Profiles and runs as data; the store of rows."""
import json

import pytest

from ckdlib import study
from ckdlib.errors import InputError
from ckdlib.store import Store


def test_profiles():
    count = {name: len(study.select(name)) for name in study.PROFILES}
    assert count == {"quick": 120, "pilot": 90, "paper": 1950}
    paper = study.PROFILES["paper"]
    assert paper.experiments["black_box"].calls == tuple(range(1600, 6401, 400)) and paper.recipe == study.Recipe()
    assert (paper.recipe.learning_rate, paper.recipe.momentum, paper.recipe.weight_decay, paper.recipe.batch,
            paper.recipe.patience, paper.recipe.stages, paper.recipe.max_epochs) == (0.05, 0.9, 5e-4, 64, 50, 3, 1000)


def test_a_selection_narrows_every_axis():
    runs = study.select("paper", pairs=["vgg13-vgg8"], method_names=["kd", "ckd"], calls=[1600], seeds=[7],
                        learning_rates=[0.1, 0.05])
    assert {(r.teacher, r.student, r.method, r.n, r.seed, r.recipe.learning_rate) for r in runs} == {
        ("vgg13", "vgg8", method, 1600, 7, rate) for method in ("kd", "ckd") for rate in (0.1, 0.05)}


@pytest.mark.parametrize("options, says", [
    ({"name": "quik"}, "unknown profile 'quik': did you mean 'quick'"),
    ({"experiments": ["blackbox"]}, "unknown experiment of profile quick 'blackbox': did you mean 'black_box'"),
    ({"method_names": ["kdd"]}, "unknown method 'kdd'"),
    ({"pairs": ["resnet8"]}, "'resnet8' is not a pair"),
    ({"pairs": ["resnet8-resnet9"]}, "unknown model 'resnet9'"),
    ({"calls": [0]}, "n = 0 is too small"), ({"calls": [-5]}, "n = -5 is too small"),
    ({"seeds": [-1]}, "seed -1 is negative"), ({"learning_rates": [0.0]}, "learning rate 0.0 is not positive")])
def test_bad_selections(options, says):
    with pytest.raises(InputError, match=says):
        study.select(**({"name": "quick"} | options))


def test_a_run_is_named_by_what_it_computes():
    kd, ce = study.select("quick", method_names=["kd"], calls=[50], seeds=[1])[0], \
        study.select("quick", method_names=["ce"], calls=[50], seeds=[1])[0]
    assert kd.key("images", "teacher") == kd.key("images", "teacher")
    assert len({kd.key("images", "teacher"), kd.key("others", "teacher"), kd.key("images", "other")}) == 3
    assert ce.key("images", "teacher") == ce.key("images", "other")


def row(name):
    return {"run": name, "method": "kd", "test_accuracy": 50.0}


def test_a_torn_line_costs_that_line_only(tmp_path):
    store, said = Store(tmp_path), []
    store.append(row("a"))
    with open(store.path, "a") as file:
        file.write(json.dumps(row("b"))[:25])            # a machine that lost power in the middle of a write
    store.append(row("c"))
    assert [r["run"] for r in store.rows(said.append)] == ["a", "c"]
    assert len(said) == 1 and "number 2" in said[0] and str(store.path) in said[0]


def test_a_mark_counts_while_its_process_lives(tmp_path):
    import os
    store = Store(tmp_path)
    for name, content in (("mine", os.getpid()), ("dead", 2**22 + 1), ("torn", "")):
        store.mark(name).parent.mkdir(exist_ok=True)
        store.mark(name).write_text(str(content))
    assert store.running() == ["mine"]


def test_time_is_expected_from_like_rows():
    runs = study.select("quick", method_names=["kd", "ckd"], calls=[50, 100], seeds=[1])
    like = {"student": "resnet8", "method": "kd", "n": 50, "seconds": 4.0}
    assert study.expected_seconds(runs, []) is None
    assert study.expected_seconds(runs, [like, like | {"method": "ckd", "seconds": 2.0}]) == 4 + 4 + 2 + 2
