"""Methods of one's own: what a function may be, what is refused, weights as a word."""

import json
import re
from math import inf, nan

import pytest
import torch

import ckdlib
from ckdlib import losses, methods, models
from ckdlib.errors import InputError
from ckdlib.images import Views
from ckdlib.methods import Method, Term, terms
from ckdlib.training import Recipe, fit
from tests.methods.test_methods import fixed_batch


def squares(student, teacher):
    return (student - teacher).square().mean()


def named(student, teacher, labels):
    return {"a": student.mean(), "b": labels.float().mean() * teacher.mean()}


def add(function=squares, name="mine", weights=None, **options):
    weights = {"labels": 0.5, "x": 3.0} if weights is None else weights
    assert ckdlib.method(name, weights=weights, **options)(function) is function
    return methods.get(name)


def test_one_tensor_is_the_one_term_beside_the_librarys_labels():
    method = add(source="Me 2026")
    batch = fixed_batch(method)
    found = method.loss(batch)
    s, t = batch.student_logits[0], batch.teacher_logits[0]
    assert list(found) == ["labels", "x"] and (method.label, method.source) == ("mine", "Me 2026")
    torch.testing.assert_close(found["x"], 3 * squares(s, t))
    entropy = torch.nn.functional.cross_entropy(s, batch.labels[0])
    torch.testing.assert_close(found["labels"], 0.5 * entropy)


def test_a_dict_names_its_terms_and_may_have_labels_of_its_own():
    found = add(named, weights={"b": 2, "a": 1}).loss(batch := fixed_batch(methods.get("kd")))
    assert list(found) == ["b", "a"]
    torch.testing.assert_close(
        found["b"], 2 * batch.labels.float().mean() * batch.teacher_logits.mean()
    )
    own = add(lambda s, t: {"labels": s.sum(), "a": t.sum()}, weights={"labels": 1, "a": 1})
    torch.testing.assert_close(own.loss(batch)["labels"], batch.student_logits.sum())
    without = add(lambda s, t: {"a": t.sum()}, weights={"labels": 1, "a": 1}).loss(batch)
    torch.testing.assert_close(without["labels"], terms.CE["labels"].loss(batch))
    assert "labels" not in add(weights={"x": 1}).loss(batch)


def test_the_function_is_called_once_a_batch_and_may_take_the_batch():
    calls = []

    def whole(batch):
        calls.append(batch)
        return {"a": batch.student_logits.mean(), "b": batch.student_logits.sum()}

    method = add(whole, weights={"a": 1, "b": 1, "labels": 1}, sampler=methods.pair_batches)
    batch = fixed_batch(method)
    method.loss(batch)
    assert calls == [batch] and batch.labels.shape[0] == 2 and method.passes == 2


def test_defaults_are_the_functions_own():
    def tempered(student, teacher, temperature=4.0):
        return losses.kd(student, teacher, temperature)

    batch = fixed_batch(methods.get("kd"))
    found = add(tempered, weights={"kl": 1}).loss(batch)["kl"]
    torch.testing.assert_close(found, methods.get("kd").loss(batch)["kl"])


def test_a_term_of_a_library_name_trains_nothing_beside_the_student():
    method = add(weights={"labels": 1, "crd": 1})
    assert not list(method.helpers(methods.Problem(10, 8)).parameters())


@pytest.mark.parametrize("options, says", [
    ({"name": "kd"}, "there is a method 'kd' already, of ckdlib"),
    ({"name": "a:b"}, "cannot be named 'a:b'"), ({"name": "a=b"}, "cannot be named"),
    ({"name": ""}, "cannot be named"), ({"name": "../a"}, "cannot be named"),
    ({"weights": {}}, "name no term"), ({"weights": [1]}, "name no term"),
    ({"weights": {"x": -1}}, "weight -1 of x is no number of at least 0"),
    ({"weights": {"x": inf}}, "weight inf of x"), ({"weights": {"x": nan}}, "weight nan of x"),
    ({"weights": {"x": "9"}}, "weight .*9.* of x"), ({"weights": {"x": True}}, "weight True of x"),
    ({"weights": {"a b": 1}}, "a term cannot be named 'a b'"),
    ({"function": lambda: 0}, "its function takes"), ({"function": lambda *a: 0}, "takes"),
    ({"function": lambda a, b, c, d: 0}, "let it take .student, teacher., or .student, teacher, "),
    ({"function": 3}, "is no function"),
    ({"function": lambda a, *, b: 0}, "its function takes"),
    ({"sampler": methods.pair_batches}, "draws pairs, and its function takes"),
    ({"needs_teacher": False}, "asks no teacher, and its function takes .student, teacher."),
    ({"function": lambda b: 0, "needs_teacher": False, "calibrated": True}, "needs the teacher"),
    ({"sampler": 3}, "sampler 3 is no function"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_when_it_is_defined(options, says):
    with pytest.raises(InputError, match=says) as refused:
        add(**options)
    assert "\n" not in str(refused.value) and not methods.OUTSIDE


@pytest.mark.parametrize("function, weights, says", [
    (squares, {"x": 1, "y": 1}, "gives one tensor, for which one term beside 'labels'"),
    (squares, {"labels": 1}, "gives one tensor, for which one term beside 'labels'"),
    (lambda s, t: {"z": s.mean()}, {"x": 1}, "gives a term 'z' that has no weight"),
    (lambda s, t: {}, {"x": 1}, "gives no term 'x'"),
    (lambda s, t: (s - t).square(), {"x": 1}, r"shape \[8, 10\] as 'x', where a 0-d tensor"),
    (lambda s, t: {"x": 1.0}, {"x": 1}, "gives float as 'x'"),
    (lambda s, t: 1.0, {"x": 1}, "gives float, neither a tensor nor a dict"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_at_the_first_batch(function, weights, says):
    method = add(function, weights=weights)
    with pytest.raises(InputError, match="method 'mine': its function .*" + says):
        method.loss(fixed_batch(method))


@pytest.mark.parametrize("examples", [1, 2, 3])
def test_a_sampler_may_draw_any_number_of_images_an_example(digits, examples):
    """It is tried as it is trained."""

    def several(labels, batch, random):
        while True:
            yield torch.randint(len(labels), (examples, 2 * batch), generator=random)

    def spread(batch):
        assert batch.student_logits.shape == (examples, *batch.index.shape[1:], 10)
        return batch.student_logits.square().mean()

    method = add(spread, weights={"x": 1.0}, sampler=several)
    methods.try_out("mine", method, digits.train.labels, 10)
    views = Views(digits.train[torch.arange(40)], digits.transform)
    recipe = Recipe(schedule="one_cycle", steps=2, checks=1, batch=16)
    result = fit(models.new("resnet8", 10), method, recipe, views, torch.zeros(40, 10))
    assert result.status == "done" and result.student_passes == 2 * examples * 32


def test_a_sampler_of_pairs_is_told_at_the_first_batch():
    method = add(sampler=lambda *given: methods.pair_batches(*given))
    with pytest.raises(InputError, match="batches are of 2 images an example"):
        method.loss(fixed_batch(methods.get("ckd_pairs")))


def test_a_definition_holds_what_determines_the_loss():
    def definition(**options):
        return json.dumps(add(**options).definition(), sort_keys=True)

    first = definition()
    assert first == definition(label="other", source="other") and '"code"' in first
    changed = [
        definition(weights={"labels": 0.5, "x": 4}),
        definition(weights={"labels": 0.5, "y": 3}),
        definition(function=lambda s, t: (s - t).square().sum()),
        definition(sampler=methods.class_batches),
        definition(sampler=lambda labels, batch, random: iter([])),
        definition(calibrated=True),
    ]
    assert len({first, *changed}) == 7
    assert "code" not in methods.get("kd").definition()


def test_its_steps_are_not_recorded(monkeypatch, digits):
    """On CUDA: it may look at values, which no recorded step can, or change with time."""
    from ckdlib import models
    from ckdlib.images import Views
    from ckdlib.recipes import Recipe
    from ckdlib.training import fit, graphs, loop, steps

    def fixed(name, net):
        views = Views(digits.train[torch.arange(32)], digits.transform)
        recipe = Recipe(schedule="one_cycle", steps=1)
        told = []

        def replay(*given, fixed=True, **more):
            told.append(fixed)
            return graphs.GraphReplay(*given, fixed=fixed, **more)

        monkeypatch.setattr(loop, "GraphReplay", replay)
        monkeypatch.setattr(steps, "GraphReplay", replay)
        fit(models.new(net, 10), methods.get(name), recipe, views, torch.randn(32, 10), views)
        return told

    add()
    models.add("own", lambda classes: models.build("resnet8", classes))
    assert fixed("kd", "resnet8") == [True, True] and fixed("kd", "own") == [False, False]
    assert fixed("mine", "resnet8") == [False, True]
    cuda = torch.device("cuda")
    assert not graphs.GraphReplay(print, cuda, fixed=False).records
    assert graphs.GraphReplay(print, cuda).records


def test_a_name_is_another_files_or_ones_own(tmp_path):
    add()
    add(function=named, weights={"a": 1, "b": 1})  # the same file, as a cell that is changed
    assert list(methods.get("mine").terms) == ["a", "b"]
    (tmp_path / "other.py").write_text(
        "import ckdlib\n@ckdlib.method('mine', weights={'x': 1})\ndef f(s, t): return s.mean()"
    )
    with pytest.raises(InputError, match="other.py, line 2: there is a method 'mine' already, of "):
        ckdlib.load_plugins(tmp_path / "other.py")


def test_a_whole_method_is_added_as_well():
    def near(b, power=2):
        return (b.student_logits[0] - b.answers[0]).abs().pow(power).mean()

    methods.add("near", Method(terms.CE | {"near": Term(2.0, near)}, methods.class_batches))
    known = methods.get("near").definition()
    assert known["terms"]["near"] == {"loss": "near", "version": 1, "weight": 2.0, "power": 2}
    assert known["code"] and methods.get("near:near=1").terms["near"].weight == 1
    with pytest.raises(InputError, match="cannot be told from another: a term whose loss is a la"):
        methods.add("near", Method({"near": Term(2.0, lambda b: b.lam)}))
    with pytest.raises(InputError, match="is int, where a Method is needed"):
        methods.add("three", 3)


def test_a_registered_rkd_3_comes_before_the_pooled_family():
    assert methods.get("rkd_3").dims == 3
    add(name="rkd_3")
    assert methods.get("rkd_3").dims is None and methods.get("rkd_5").dims == 5


@pytest.mark.parametrize("name, canonical, weights", [
    ("kd:kl=3", "kd:kl=3", {"labels": 1, "kl": 3}),
    ("kd:kl=3.0,labels=5e-1", "kd:labels=0.5,kl=3", {"labels": 0.5, "kl": 3}),
    ("ce+ckd:teacher=2,labels=0.5", "ce+ckd:labels=0.5,teacher=2", {"labels": 0.5, "teacher": 2}),
    ("kd:kl=1", "kd", {"labels": 1, "kl": 1}),
    ("kd:kl=0.1234567891", "kd:kl=0.1234567891", {"labels": 1, "kl": 0.1234567891}),
    ("rkd_5:teacher=0", "rkd_5:teacher=0", {"labels": 1, "teacher": 0}),
    ("mine:x=1", "mine:x=1", {"labels": 0.5, "x": 1}),
])  # fmt: skip
def test_weights_are_a_word(name, canonical, weights):
    add()
    assert methods.canonical(name) == canonical == methods.canonical(canonical)
    found = methods.get(name)
    assert {term: one.weight for term, one in found.terms.items()} == weights
    base = methods.get(name.partition(":")[0])
    batch = fixed_batch(base)
    for term, value in found.loss(batch).items():
        own = base.terms[term].weight
        torch.testing.assert_close(value, base.loss(batch)[term] * weights[term] / own)
    assert (found.definition() == base.definition()) == (canonical == "kd")


@pytest.mark.parametrize("name, says", [
    ("kd:kx=3", "'kx=3' gives no weight of a term.*its terms are labels, kl"),
    ("kd:", "its terms are labels, kl"), ("kd:kl=1,kl=2", "or one a second time"),
    ("kd:kl", "weight '' of kl"), ("kd:kl=x", "weight 'x' of kl is no number of at least 0"),
    ("kd:kl=-1", "weight '-1' of kl"), ("kd:kl=inf", "weight 'inf' of kl"),
    ("kd:kl=nan", "weight 'nan' of kl"), ("kdd:kl=3", "unknown method 'kdd'"),
])  # fmt: skip
def test_words_that_are_no_weights(name, says):
    for read in (methods.get, methods.canonical):
        with pytest.raises(InputError, match=says) as refused:
            read(name)
        assert "\n" not in str(refused.value)


def test_unknown_methods_name_ones_own():
    add()
    with pytest.raises(InputError, match=re.escape("did you mean 'mine'")):
        methods.get("mien")
