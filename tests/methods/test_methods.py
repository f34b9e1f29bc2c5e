"""The registry: every method descends on a batch; what each sampler draws."""

import json
import re

import pytest
import torch

from ckdlib import losses, methods, models
from ckdlib.errors import InputError
from ckdlib.images import Views
from ckdlib.methods import Batch
from tests import GOLDEN

LABELS = torch.arange(10).repeat_interleave(13)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Answers:
    """Feature maps of a network, gathered as kept ones are."""

    def __init__(self, net, views):
        with torch.no_grad():
            self.maps = net.eval().forward_features(views.plain(slice(None)))[0][methods.INNER]
        self.shapes = [tuple(level.shape[1:]) for level in self.maps]

    def __getitem__(self, index):
        return [level[index] for level in self.maps]


@pytest.mark.parametrize("name", [*methods.METHODS, "rkd_1", "rkd_5"])
def test_every_method_trains_one_batch_down(name, digits):
    method = methods.get(name)
    some = digits.train[torch.arange(64)]
    views, logits = Views(some, digits.transform), 3 * torch.randn(64, 10, generator=seeded())
    net = models.new("resnet8", 10)
    features = Answers(models.new("resnet14", 10, seed=1), views)
    helpers = method.helpers(methods.Problem(10, 64, 2, features.shapes, features.shapes))
    index = next(method.sampler(some.labels, 32, seeded()))
    inputs = [views.random(row, views.draw(len(row), seeded(1))) for row in index]
    mixing = torch.tensor(0.3)
    optimiser = torch.optim.SGD([*net.parameters(), *helpers.parameters()], 0.01, 0.9)
    losses = []
    for _ in range(12):
        seen, maps = method.forward(net, inputs, mixing)
        batch = Batch(
            index,
            some.labels[index],
            logits[index] if method.needs_teacher else None,
            seen,
            mixing,
            some.labels,
            helpers,
            seeded(2),
            maps,
            features[index] if method.white_box else (),
        )
        terms = method.loss(batch)
        assert all(term.shape == () and torch.isfinite(term) for term in terms.values())
        losses.append(sum(terms.values()))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]


def test_weights_of_the_protocol():
    weights = {
        name: {name: term.weight for name, term in method.terms.items()}
        for name, method in methods.METHODS.items()
    }
    assert weights["crd"] == {"labels": 1, "kl": 1, "crd": 0.8} and weights["dist"] == {
        "labels": 1,
        "kl": 1,
        "dist": 2,
    }
    assert weights["rkd"] == {"labels": 1, "kl": 1, "rkd": 1} and weights["ckd"] == {
        "labels": 1,
        "teacher": 1,
    }
    assert weights["fitnets"] == {"labels": 1, "kl": 1, "fitnets": 100} and weights["vid"] == {
        "labels": 1,
        "kl": 1,
        "vid": 1,
    }
    assert weights["fitnets+crd"] == {"labels": 1, "kl": 1, "crd": 0.8, "fitnets": 100}
    assert (
        weights["vid+ckd"] == {"labels": 1, "teacher": 1, "vid": 1}
        and methods.get("vid+ckd").sampler is methods.pair_batches
    )
    assert weights["ce+ckd"] == weights["ce+mse"] == {"labels": 1, "teacher": 5}
    ours = {"labels": 1, "teacher": 5, "dist": 2}
    assert weights["ce+ckd+dist"] == weights["ce+mse+dist"] == ours
    assert weights["mixup"] == {"labels": 1, "teacher": 1} and weights["ce"] == {"labels": 1}


def test_passes_show_every_image_once_and_leave_no_batch_of_one():
    drawn = methods.epoch_batches(torch.zeros(129), 64, seeded())
    sizes, seen = [], []
    for _ in range(methods.steps_per_epoch(129, 64)):
        batch = next(drawn)
        sizes.append(batch.shape[1])
        seen += batch[0].tolist()
    assert sizes == [64, 65] and sorted(seen) == list(range(129))
    assert next(drawn)[0].tolist() != seen[:64]


@pytest.mark.parametrize(
    "images, steps", [(64, 1), (65, 1), (66, 2), (128, 2), (129, 2), (1280, 20), (1, 1)]
)
def test_steps_per_epoch(images, steps):
    assert methods.steps_per_epoch(images, 64) == steps


def test_pairs_are_ordered_and_distinct():
    drawn = methods.pair_batches(torch.zeros(9), 72, seeded())
    first, second = next(drawn)
    assert len(set(zip(first.tolist(), second.tolist()))) == 72 and (first != second).all()


def test_the_pool_of_pairs_is_limited_and_fixed():
    drawn = methods.pair_batches(torch.zeros(20), 40, seeded(), limit=40)
    pools = [set(zip(*next(drawn).tolist())) for _ in range(2)]
    assert pools[0] == pools[1] and len(pools[0]) == 40


def test_by_class_takes_five_of_a_class():
    batch = next(methods.class_batches(LABELS, 32, seeded()))[0]
    counts = LABELS[batch].bincount(minlength=10)
    assert len(set(batch.tolist())) == 32 and sorted(counts.tolist()) == [
        0,
        0,
        0,
        2,
        5,
        5,
        5,
        5,
        5,
        5,
    ]


def test_pooled_comparisons_of_all_classes_are_ckd_on_the_teacher_and_cross_entropy_on_labels():
    s, t, y = (
        torch.randn(8, 10, generator=seeded()),
        torch.randn(8, 10, generator=seeded(1)),
        torch.arange(8),
    )
    batch = Batch(y[None], y[None], t[None], s[None], torch.tensor(0.0), y, {}, seeded())
    terms = methods.get("rkd_10").loss(batch)
    torch.testing.assert_close(terms["teacher"], losses.ckd(s, t))
    torch.testing.assert_close(terms["labels"], torch.nn.functional.cross_entropy(s, y))


def test_a_term_that_needs_the_teacher_says_so_where_it_was_not_asked():
    s, y = torch.randn(8, 10, generator=seeded()), torch.arange(8)
    batch = Batch(y[None], y[None], None, s[None], torch.tensor(0.0), y, {}, seeded())
    assert methods.get("ce").loss(batch).keys() == {"labels"}
    with pytest.raises(ValueError, match="needs the teacher's logits"):
        methods.get("kd").loss(batch)


@pytest.mark.parametrize("name", ["kdd", "rkd_0", "rkd_", "rkd_-5", "rkd_1.5", "fitnets+kd"])
def test_unknown_methods_are_refused(name):
    with pytest.raises(InputError, match=f"unknown method '{re.escape(name)}'"):
        methods.get(name)
    with pytest.raises(InputError, match="did you mean 'kd'"):
        methods.get("kdd")


def test_the_inner_losses_reach_the_student():
    _, maps = methods.forward_features(
        models.new("resnet8", 10), [torch.randn(2, 3, 8, 8)], torch.tensor(0.0)
    )
    assert len(maps) == 3 and all(level.requires_grad for level in maps)
    assert methods.get("vid+crd").sampler is methods.get("fitnets").sampler is methods.epoch_batches


@pytest.mark.parametrize(("method", "loss"), [("ce+ckd", losses.ckd), ("ce+mse", losses.mse)])
def test_ours_pull_a_class_as_hard_among_few_as_among_many(method, loss):
    """Each class twice over: its gradient stays, of 100 classes it is that of five times `loss`."""

    def pull(student, teacher, term):
        student = student.clone().requires_grad_()
        batch = Batch(
            labels, labels, teacher[None], student[None], torch.tensor(0.0), labels[0], {}, seeded()
        )
        return torch.autograd.grad(term(batch), student)[0]

    labels = torch.arange(8)[None]
    few, target = torch.randn(8, 50, generator=seeded()), torch.randn(8, 50, generator=seeded(1))
    many, targets = few.repeat(1, 2), target.repeat(1, 2)
    ours = lambda batch: methods.get(method).loss(batch)["teacher"]
    torch.testing.assert_close(pull(many, targets, ours)[:, :50], pull(few, target, ours))
    torch.testing.assert_close(
        pull(many, targets, ours),
        pull(many, targets, lambda b: 5 * loss(b.student_logits[0], b.teacher_logits[0])),
    )


def fixed_batch(method, classes=10, count=8):
    """The same numbers on every machine: no generator is asked."""

    def waves(*shape, start):
        return (
            torch.sin(start + torch.arange(torch.Size(shape).numel(), dtype=torch.float64))
            .view(shape)
            .float()
        )

    passes = (
        1
        if method.forward is methods.forward_mixed or method.sampler is not methods.pair_batches
        else 2
    )
    k = 2 if method.sampler is methods.pair_batches else 1
    index = torch.arange(k * count).view(k, count)
    maps = [(4, 4, 4), (6, 4, 4), (8, 2, 2)]
    helpers = method.helpers(methods.Problem(classes, k * count, 2, maps, maps))
    for i, parameter in enumerate(helpers.parameters()):
        parameter.data = waves(*parameter.shape, start=i) / 10
    for name, buffer in helpers.named_buffers():
        if "bank" in name:
            buffer.copy_(waves(*buffer.shape, start=3.0))
    return Batch(
        index,
        index % classes,
        3 * waves(k, count, classes, start=1.0),
        2 * waves(passes, count, classes, start=2.0),
        torch.tensor(0.3),
        torch.arange(k * count) % classes,
        helpers,
        torch.Generator().manual_seed(0),
        [waves(passes, count, *shape, start=4.0) for shape in maps],
        [waves(k, count, *shape, start=5.0) for shape in maps],
    )


def test_a_changed_formula_has_a_new_version():
    """Every term's value on one batch, beside its definition as they were kept: whoever changes a
    formula raises its version in `losses.VERSIONS` (else finished runs would pass for runs of
    the new formula) and keeps the new value.
    """
    kept = {
        (line["method"], line["term"]): line
        for line in json.loads((GOLDEN / "terms.json").read_text())
    }
    for name in [*methods.METHODS, "rkd_5"]:
        method = methods.get(name)
        for term, value in method.loss(fixed_batch(method)).items():
            line = kept.pop((name, term))
            same = line["definition"] == method.terms[term].definition()
            assert same == (
                value.item() == pytest.approx(line["value"], rel=2e-3 if term == "crd" else 1e-4)
            ), (name, term)
    assert not kept


def test_a_term_without_a_name_cannot_be_told_from_another():
    with pytest.raises(ValueError, match="needs a named `formula`"):
        methods.Term(1.0, lambda batch: 0).definition()
