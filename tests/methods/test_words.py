"""Weights and parameters as words: what they change, what names a run, what is refused."""

import json

import pytest
import torch

import ckdlib
from ckdlib import losses, methods, study
from ckdlib.errors import InputError
from ckdlib.study.runs import run_name
from tests import PROJECT
from tests.methods.test_methods import fixed_batch


def value(name, term):
    return methods.get(name).loss(fixed_batch(methods.get(name)))[term]


def logits():
    batch = fixed_batch(methods.get("kd"))
    return batch.student_logits[0], batch.answers[0], batch.labels[0]


@pytest.mark.parametrize("name, term, expected", [
    ("kd:temperature=2", "kl", lambda s, t, y: losses.kd(s, t, 2.0)),
    ("kd:kl=3,temperature=2", "kl", lambda s, t, y: 3 * losses.kd(s, t, 2.0)),
    ("kl:temperature=1", "kl", lambda s, t, y: losses.kd(s, t, 1.0)),
    ("dist:kl.temperature=2", "kl", lambda s, t, y: losses.kd(s, t, 2.0)),
    ("dist:kl.temperature=2", "dist", lambda s, t, y: 2 * losses.dist(s, t)),
    ("dist:dist.temperature=1,beta=3,gamma=0", "dist",
     lambda s, t, y: 2 * losses.dist(s, t, 3, 0, 1)),
    ("rkd:angle_weight=0,distance_weight=1", "rkd", lambda s, t, y: losses.rkd(s, t, 1, 0)),
    ("lskd:temperature=3", "lskd", lambda s, t, y: 9 * losses.lskd(s, t, 3)),
    ("dkd:beta=2,alpha=0", "dkd", lambda s, t, y: losses.dkd(s, t, y, 0, 2)),
    ("rld:beta=2,confidence_temperature=3", "rld",
     lambda s, t, y: losses.rld(s, t, y, 1, 2, 4, 3)),
    ("ce+smoothing:smoothing=0", "labels",
     lambda s, t, y: torch.nn.functional.cross_entropy(s, y)),
])  # fmt: skip
def test_parameters_reach_the_loss(name, term, expected):
    torch.testing.assert_close(value(name, term), expected(*logits()))


def test_parameters_reach_what_is_trained_beside_the_student():
    problem = methods.Problem(10, 8, 2, [(4, 4, 4), (6, 4, 4)], [(4, 4, 4), (6, 4, 4)])
    crd = methods.get("crd:crd.temperature=0.1,dim=16,momentum=0").helpers(problem)["crd"]
    assert (crd.temperature, crd.momentum, crd.bank_student.shape) == (0.1, 0, (8, 16))
    assert methods.get("fitnets:level=0").helpers(problem)["fitnets"].conv.out_channels == 4
    assert value("fitnets:level=0", "fitnets") != value("fitnets", "fitnets")
    vid = methods.get("vid:variance=2").helpers(problem)["vid"]
    start = torch.nn.functional.softplus(vid[0].log_scale) + 1e-5
    torch.testing.assert_close(start, torch.full((4,), 2.0))
    drawn = []
    keep = methods.get("crd:negatives=7")
    batch = fixed_batch(keep)
    batch.helpers = {"crd": lambda s, t, index, draws: drawn.append(draws) or s.sum()}
    keep.loss(batch)
    assert (drawn[0].sum(1) == 7).all()


def test_alpha_is_of_the_shares_of_mixed_images():
    def shares(alpha):
        return methods.mixing_shares(4000, alpha, torch.Generator().manual_seed(1))

    uniform = torch.rand(4000, generator=torch.Generator().manual_seed(1))
    assert torch.equal(shares(1), uniform)  # as it was before alpha could be chosen
    for alpha in (0.2, 0.999, 4.0):
        found = shares(alpha)
        assert found.dtype == torch.float32 and found.min() >= 0 and found.max() <= 1
        assert found.mean().item() == pytest.approx(0.5, abs=0.02)
        assert found.var().item() == pytest.approx(1 / (8 * alpha + 4), rel=0.05)
        assert torch.equal(found.argsort(stable=True), uniform.argsort(stable=True)) or alpha == 0.2
    assert torch.equal(shares(0), uniform.round())
    for name in ("mixup", "ce+mixup"):
        assert methods.get(f"{name}:alpha=0.2").mixing == 0.2 and methods.get(name).mixing == 1


def test_a_training_mixes_as_its_method_says(monkeypatch, digits):
    from ckdlib import models
    from ckdlib.images import Views
    from ckdlib.recipes import Recipe
    from ckdlib.training import fit, loop

    told, draw = [], methods.mixing_shares
    monkeypatch.setattr(
        loop, "mixing_shares", lambda count, alpha, random: told.append(alpha) or draw(
            count, alpha, random
        )
    )  # fmt: skip
    views = Views(digits.train[torch.arange(32)], digits.transform)
    for name in ("ce+mixup", "ce+mixup:alpha=0.2"):
        recipe = Recipe(schedule="one_cycle", steps=1)
        fit(models.new("resnet8", 10), methods.get(name), recipe, views, None, views)
    assert told == [1.0, 0.2]


@pytest.mark.parametrize("name, canonical", [
    ("kd:temperature=2", "kd:temperature=2"), ("kd:kl.temperature=2.0", "kd:temperature=2"),
    ("kd:temperature=4", "kd"), ("kd:temperature=2,kl=3", "kd:kl=3,temperature=2"),
    ("dist:dist.temperature=2,kl.temperature=4", "dist:dist.temperature=2"),
    ("crd:negatives=1e3", "crd:negatives=1000"), ("mixup:alpha=1", "mixup"),
    ("mixup:alpha=0.2", "mixup:alpha=0.2"), ("dkd:beta=2", "dkd:beta=2"),
    ("mixup:alpha=.2,teacher=2", "mixup:teacher=2,alpha=0.2"),
    ("ce+smoothing:labels.smoothing=0.1", "ce+smoothing"),
])  # fmt: skip
def test_one_training_has_one_name(name, canonical):
    assert methods.canonical(name) == canonical == methods.canonical(canonical)
    found, same = methods.get(name).definition(), methods.get(canonical).definition()
    assert json.dumps(found, sort_keys=True) == json.dumps(same, sort_keys=True)
    own = methods.get(name.partition(":")[0]).definition()
    assert (found == own) == (":" not in canonical)


def test_a_parameter_is_in_a_runs_name(digits):
    names = ["kd", "kd:temperature=2", "kd:temperature=3", "mixup", "mixup:alpha=0.2"]
    runs = study.select("quick", ["black_box"], method_names=names, calls=[40], seeds=[1])
    assert [run.method for run in runs] == names
    definitions = [run.identity(digits, "teacher", "float32")["definition"] for run in runs]
    assert len(set(map(str, definitions))) == 5
    kept = definitions[1]["terms"]["kl"]
    assert kept == {"loss": "kd", "version": 1, "weight": 1.0, "temperature": 2.0}


@pytest.mark.parametrize("profile", ["quick", "pilot", "paper"])
def test_committed_runs_keep_their_names(profile):
    """What can be set of a method changes nothing of runs that set nothing."""
    rows = study.Store(PROJECT / "results" / profile).rows(lambda line: None)
    now = {name: methods.get(name).definition() for name in {row["method"] for row in rows}}
    for row in rows:
        assert row["definition"] == now[row["method"]], row["run"]
        assert run_name(row | {"definition": now[row["method"]]}) == row["run"]
    assert "kd" in now


@pytest.mark.parametrize("name, says", [
    ("kd:temprature=2", "'temprature=2' gives no weight of a term and no parameter, or one a "
     "second time; its terms are labels, kl, its parameters temperature; write for instance "
     "kd:labels=2"),
    ("dist:temperature=2", "its parameters kl.temperature, beta, gamma, dist.temperature"),
    ("kd:temperature=2,kl.temperature=3", "or one a second time"), ("kd:kl.=2", "no parameter"),
    ("kd:.temperature=2", "no parameter"), ("mixup:.alpha=2", "no parameter"),
    ("ckd:temperature=2", "terms are labels, teacher; write"),
    ("kd:alpha=1", "no parameter"), ("rkd_5:dims=2", "no parameter"),
    ("kd:temperature=0", "temperature '0' is no number above 0"),
    ("kd:temperature=-1", "is no number above 0"), ("kd:temperature=nan", "is no number above 0"),
    ("kd:temperature=inf", "is no number above 0"), ("kd:temperature=", "temperature '' is no num"),
    ("kd:temperature=warm", "temperature 'warm' is no number above 0"),
    ("dist:dist.temperature=0", "dist.temperature '0' is no number above 0"),
    ("dist:beta=-1", "beta '-1' is no number of at least 0"),
    ("ce+smoothing:smoothing=1.1", "smoothing '1.1' is no number from 0 to 1"),
    ("crd:negatives=2.5", "negatives '2.5' is no whole number above 0"),
    ("crd:negatives=0", "no whole number above 0"), ("mixup:alpha=-1", "alpha '-1' is no number"),
])  # fmt: skip
def test_words_that_are_no_parameters(name, says):
    for read in (methods.get, methods.canonical):
        with pytest.raises(InputError) as refused:
            read(name)
        assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("name, says", [
    ("fitnets:level=2", "level 2 of 2 inner feature maps"), ("vid:variance=1e-6", "variance 1e-06"),
    ("vid:variance=800", "variance 800 is no number above eps = 1e-05 and below 700"),
])  # fmt: skip
def test_what_does_not_fit_the_problem_is_refused_with_it(name, says):
    problem = methods.Problem(10, 8, 2, [(4, 4, 4), (6, 4, 4)], [(4, 4, 4), (6, 4, 4)])
    with pytest.raises(InputError, match=says):
        methods.get(name).helpers(problem)


def test_parameters_of_a_function_of_ones_own():
    @ckdlib.method("mine", weights={"labels": 1, "x": 2})
    def mine(student, teacher, temperature=3.0, *, power=2, note=""):
        return losses.kd(student, teacher, temperature) ** power

    s, t, _ = logits()
    torch.testing.assert_close(value("mine", "x"), 2 * losses.kd(s, t, 3.0) ** 2)
    changed = "mine:x=1,temperature=5,power=3"
    torch.testing.assert_close(value(changed, "x"), losses.kd(s, t, 5.0) ** 3)
    assert methods.canonical(changed) == changed
    assert methods.canonical("mine:temperature=3,power=2") == "mine"
    own, other = methods.get("mine").definition(), methods.get("mine:power=3").definition()
    assert other == own | {"parameters": {"power": 3}} and "parameters" not in own
    with pytest.raises(InputError, match="its parameters temperature, power; write"):
        methods.get("mine:note=2")
