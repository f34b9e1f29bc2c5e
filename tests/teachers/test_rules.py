"""From answers to logits: against loops, and what is noticed."""

import math

import numpy as np
import pytest
import torch

from ckdlib.errors import InputError
from ckdlib.teachers.rules import agreement, complete, from_top_k, in_order, to_logits

LOGITS = 3 * torch.randn(40, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("answers, says", [
    (LOGITS, "taken as logits"),
    (LOGITS.softmax(1), "are probabilities"),
    (LOGITS.softmax(1).half(), "are probabilities"),
    (LOGITS.softmax(1) - 1e-6, "are probabilities"),  # of one minus others
    (LOGITS.log_softmax(1), "logarithms of probabilities"),
])  # fmt: skip
def test_the_kind_is_noticed_and_logits_are_the_same(answers, says):
    found = to_logits(answers)
    assert says in found.rule
    wanted = LOGITS - LOGITS.mean(1, keepdim=True)
    certain = LOGITS.softmax(1).amin(1) > 2e-3  # no probability is raised to the least
    assert certain.sum() > 5 and torch.allclose(found.values[certain], wanted[certain], atol=0.2)
    assert torch.allclose(found.values.mean(1), torch.zeros(40), atol=1e-5)


def test_probabilities_below_a_thousandth_of_an_equal_share_count_as_that():
    found = to_logits(torch.tensor([[1.0, 0.0, 0.0, 0.0]])).values[0].tolist()
    logs = [math.log(1.0), *[math.log(0.001 / 4)] * 3]
    assert found == pytest.approx([value - sum(logs) / 4 for value in logs], abs=1e-5)


NEVER = torch.log(torch.tensor([[0.75, 0.25, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5 - 1e-6, 1e-6]]))


@pytest.mark.parametrize("kind", [None, "log-probabilities"])
def test_the_logarithm_of_no_probability_counts_as_the_least(kind):
    assert complete(NEVER).all()
    values = to_logits(NEVER, kind).values
    assert values.isfinite().all() and values.mean(1).abs().max() < 1e-5
    gaps = [math.log(0.75) - math.log(1e-6), -math.log(1e-6)]  # less than a thousandth of a third
    assert (values[:2, 0] - values[:2, 2]).tolist() == pytest.approx(gaps, abs=1e-4)
    few = to_logits(NEVER[:2], kind).values
    assert (few[0, 0] - few[0, 2]).item() == pytest.approx(math.log(0.75 / (1e-3 / 3)), abs=1e-4)


def test_minus_infinity_among_logits_is_refused():
    odd = torch.tensor([[0.0, 1.0], [2.0, -torch.inf], [torch.nan, 0.0], [torch.inf, 0.0]])
    assert complete(odd).tolist() == [True, False, False, False]
    mixed = torch.cat([NEVER, torch.tensor([[3.0, 1.0, 2.0]])])
    for kind in (None, "logits"):
        with pytest.raises(InputError, match="row 0 of the teacher's answers holds minus infinity"):
            to_logits(mixed, kind)


@pytest.mark.parametrize("answers, kind, says", [
    (LOGITS.sigmoid(), None, r"lie in 0 to 1 and row \d+ sums to"),
    (torch.tensor([[0.5, 0.5], [0.9, 0.8]]), None, "row 1 sums to 1.7"),
    (torch.tensor([[0.5, 0.5], [0.9, 0.8]]), "probabilities", "row 1 sums to 1.7"),
    (torch.tensor([[1.5, -0.5]]), "probabilities", "the least is -0.5"),
    (LOGITS, "log-probabilities", "said to be log-probabilities"),
    (LOGITS, "logit", "did you mean 'logits'"),
])  # fmt: skip
def test_answers_of_another_kind_are_refused(answers, kind, says):
    with pytest.raises(InputError, match=says):
        to_logits(answers, kind)


def test_logits_may_be_said_to_be_logits():
    values = LOGITS.sigmoid()
    assert torch.allclose(
        to_logits(values, "logits").values, values - values.mean(1, keepdim=True), atol=1e-6
    )


def test_the_rest_of_one_is_shared_by_the_other_classes():
    random = np.random.default_rng(0)
    count, k = 7, 3
    classes = np.stack([random.permutation(count)[:k] for _ in range(20)])
    values = random.dirichlet(np.ones(k + 1), 20)[:, :k]
    classes[3, 1:], classes[5] = -1, -1  # a row of one class, and of none
    for kind, given in (("probabilities", values), ("log-probabilities", np.log(values))):
        found, rule = from_top_k(torch.tensor(classes), torch.tensor(given), count, kind)
        assert "shared by the others equally" in rule
        for row in range(20):
            said = {c: v for c, v in zip(classes[row], values[row]) if c >= 0}
            rest = (1 - sum(said.values())) / (count - len(said))
            wanted = [said.get(c, rest) for c in range(count)]
            assert found[row].tolist() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("classes, values, kind, says", [
    ([[0, 1]], [[0.8, 0.4]], "probabilities", "row 0 sum to 1.2"),
    ([[0, 1]], [[0.8, -0.1]], "probabilities", "row 0 sum to 0.7"),
    ([[0, 1]], [[0.8, math.nan]], "probabilities", "row 0 sum to nan"),
    ([[0, 1], [2, 2]], [[0.3, 0.3]] * 2, "probabilities", "row 1 holds a class twice"),
    ([[0]], [[3.0]], "logits", "given as logits, which say nothing of the others"),
])  # fmt: skip
def test_the_best_classes_must_be_probabilities(classes, values, kind, says):
    with pytest.raises(InputError, match=says):
        from_top_k(torch.tensor(classes), torch.tensor(values), 3, kind)


def test_columns_are_found_by_name():
    answers = torch.tensor([[1.0, 2.0, 3.0]])
    assert in_order(answers, ["b", "x", "a"], ["a", "b"]).tolist() == [[3.0, 1.0]]
    for theirs, says in (
        (["a", "b"], r"2 names of the teacher's classes \(2 different\) for 3"),
        (["a", "b", "b"], r"3 names of the teacher's classes \(2 different\)"),
        (["b", "x", "y"], "no class 'a' \\(1 of 2"),
    ):
        with pytest.raises(InputError, match=says):
            in_order(answers, theirs, ["a", "b"])


def said(labels, classes, right, seed=0):
    """Answers of a teacher that is right on such a share, else anywhere."""
    random = torch.Generator().manual_seed(seed)
    other = torch.randint(classes, labels.shape, generator=random)
    best = torch.where(torch.rand(labels.shape, generator=random) < right, labels, other)
    return torch.nn.functional.one_hot(best, classes).float()


def test_another_order_of_classes_is_noticed():
    labels = torch.arange(200) % 10
    shifted = said(labels, 10, 0.9).roll(1, 1)
    found = agreement(shifted, labels)
    assert found.order == (*range(1, 10), 0) and found.right < 5
    right = (shifted.argmax(1).add(9) % 10 == labels).double().mean().item()
    assert found.at_best == pytest.approx(100 * right, abs=1e-6)
    warning = found.warning([f"class {i}" for i in range(10)])
    assert "another order" in warning and "'class 0' seems to be in its place 1" in warning


@pytest.mark.parametrize("classes, count", [(100, 200), (10, 20), (10, 8), (2, 8), (50, 100)])
def test_no_other_order_is_seen_where_there_is_none(classes, count):
    for seed in range(10):
        labels = torch.arange(count) % classes
        found = agreement(said(labels, classes, 0.6, seed), labels)
        assert "another order" not in found.warning(list(map(str, range(classes))))


def test_a_teacher_that_is_seldom_right_is_doubted():
    labels = torch.arange(100) % 4
    found = agreement(said(labels, 4, 0.0), labels)
    share = 100 * (said(labels, 4, 0.0).argmax(1) == labels).double().mean().item()
    assert found.right == pytest.approx(share) and found.order is not None
    assert f"right on {share:.1f} % only" in found.warning(list("abcd"))
    assert agreement(said(labels, 4, 0.8), labels).warning(list("abcd")) == ""
