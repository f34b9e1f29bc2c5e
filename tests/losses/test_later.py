"""Losses later than the paper: golden numbers of their authors' code, loops over plain numbers,
batches at the edge.
"""

from math import log

import pytest
import torch

from ckdlib import losses, methods
from tests.losses.test_losses import DTYPES, check, golden, naive, softened
from tests.methods.test_methods import fixed_batch


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("T", [2, 3, 4])
def test_golden_lskd(T):
    g = golden("later")
    loss = lambda s: losses.lskd(s, g["teacher_logits"], T)
    check(loss, [g["student_logits"]], g[f"lskd_T{T}"], [g[f"lskd_grad_T{T}"]])
    assert T != 2 or losses.lskd(g["student_logits"], g["teacher_logits"]) == loss(
        g["student_logits"]
    )


@pytest.mark.parametrize("T, beta", [(4, 6), (4, 2), (1, 8)])
def test_golden_dkd(T, beta):
    g, case = golden("later"), f"T{T}_alpha1_beta{beta}"
    loss = lambda s: losses.dkd(
        s, g["teacher_logits"], g["labels"], alpha=1.0, beta=beta, temperature=T
    )
    check(loss, [g["student_logits"]], g[f"dkd_{case}"], [g[f"dkd_grad_{case}"]])


def batches(dtype, classes=4):
    s, t = 2 * torch.randn(2, 6, classes, dtype=dtype)
    y = torch.arange(6) % classes
    yield s, t, y
    yield s[:1], t[:1], y[:1]
    yield s[:1].repeat(3, 1), t[:3], y[:3]  # identical students
    yield s[:, :2], t[:, :2], y % 2  # two classes
    yield s, t, t.argmin(1)  # the teacher is as wrong as can be
    yield s, t, t.argmax(1)


def divergence(student, teacher):
    return sum(q * log(q / p) for p, q in zip(student, teacher, strict=True) if q)


def shares(row):
    return [value / sum(row) for value in row]


def without(row, left_out):
    return [value for c, value in enumerate(row) if c not in left_out]


def loop_lskd(s, t, y):
    def standardised(row):
        mean = sum(row) / len(row)
        sd = (sum((v - mean) ** 2 for v in row) / (len(row) - 1)) ** 0.5
        return [(v - mean) / (1e-7 + sd) for v in row]

    rows = [(softened(standardised(a), 2), softened(standardised(b), 2)) for a, b in zip(s, t)]
    return 4 * sum(divergence(*row) for row in rows) / len(s)


def loop_dkd(s, t, y):
    total = 0.0
    for p, q, label in zip((softened(a, 4) for a in s), (softened(b, 4) for b in t), y):
        own = divergence([p[label], 1 - p[label]], [q[label], 1 - q[label]])
        others = divergence(shares(without(p, [label])), shares(without(q, [label])))
        total += 16 * (own + 6 * others)
    return total / len(s)


def loop_rld(s, t, y, S=1):
    total = 0.0
    for a, b, label in zip(s, t, y):
        sure, most = softened(a, S)[label], max(softened(b, S))
        total += S**2 * divergence([sure, 1 - sure], [most, 1 - most])
        wrong = [c for c, value in enumerate(b) if value >= b[label]]
        p, q = without(softened(a, 4), wrong), without(softened(b, 4), wrong)
        total += 8 * 16 * divergence(shares(p), shares(q))
    return total / len(s)


def lskd_of_labels_too(s, t, y):
    return losses.lskd(s, t)


def rld_warm(s, t, y):
    return losses.rld(s, t, y, confidence_temperature=3.0)


def loop_rld_warm(s, t, y):
    return loop_rld(s, t, y, 3)


LOSSES = pytest.mark.parametrize(
    "loss, loop",
    [
        (lskd_of_labels_too, loop_lskd),
        (losses.dkd, loop_dkd),
        (losses.rld, loop_rld),
        (rld_warm, loop_rld_warm),
    ],
    ids=["lskd", "dkd", "rld", "rld_warm"],
)


@DTYPES
@LOSSES
def test_naive_loops(loss, loop, dtype):
    whole = lambda s, t, y: loop(s, t, [int(label) for label in y])
    for student, teacher, labels in batches(dtype):
        tolerance = 1e-3 if dtype == torch.float32 else 1e-9
        naive(loss, whole, student, teacher, labels, tolerance=tolerance)


@DTYPES
@LOSSES
def test_a_student_with_its_teachers_logits_has_nothing_to_learn(loss, loop, dtype):
    t = torch.randn(5, 4, dtype=dtype)
    leaf = t.clone().requires_grad_()
    value = loss(leaf, t, t.argmax(1))
    value.backward()
    assert value.abs() < 1e-5 and leaf.grad.abs().max() < 1e-5


@LOSSES
def test_a_constant_that_is_added_to_all_logits_is_not_seen(loop, loss):
    s, t = torch.randn(2, 5, 4, dtype=torch.float64)
    for labels in (t.argmin(1), t.argmax(1), torch.arange(5) % 4):
        torch.testing.assert_close(loss(s - 1e4, t - 1e3, labels), loss(s, t, labels))


@DTYPES
@LOSSES
@pytest.mark.parametrize("size", [1e4, 1e-30, 0.0])
def test_logits_of_any_size_are_finite(loss, loop, dtype, size):
    far = size * torch.tensor([[1.0, -1, 0, -1], [-1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    for labels in torch.cartesian_prod(*[torch.arange(4)] * 2).repeat(1, 2):
        student = far.to(dtype).requires_grad_()
        value = loss(student, far.to(dtype).flip(1), labels)
        value.backward()
        assert torch.isfinite(value) and torch.isfinite(student.grad).all()


@DTYPES
@pytest.mark.parametrize("level", [0.0, 0.1, 7.3, -1e4])
def test_logits_that_are_all_equal_pull_at_nothing(dtype, level):
    """Standardised they are zeros: the mean of others' divergences stays, and no gradient."""
    student = torch.randn(3, 7, dtype=dtype)
    student[1] = level
    teacher = torch.randn(3, 7, dtype=dtype)
    leaf = student.clone().requires_grad_()
    value = losses.lskd(leaf, teacher)
    value.backward()
    assert not leaf.grad[1].any() and leaf.grad[0].any()
    student[1] = torch.zeros(7)
    torch.testing.assert_close(losses.lskd(student, teacher), value.detach())
    flat = torch.full((2, 7), level, dtype=dtype)
    assert losses.lskd(flat, flat) == 0


def test_scale_and_offset_of_logits_are_not_seen_by_lskd():
    s, t = torch.randn(2, 6, 5, dtype=torch.float64)
    one = losses.lskd(s, t)
    torch.testing.assert_close(losses.lskd(3 * s - 8, t / 7 + 50), one, rtol=1e-5, atol=0)


def test_dkd_of_one_image_is_kd_with_another_weight_of_the_others():
    s, t = torch.randn(2, 1, 6, dtype=torch.float64)
    for label in range(6):
        others = 1 - (t / 4).softmax(1)[0, label].item()
        found = losses.dkd(s, t, torch.tensor([label]), beta=others)
        torch.testing.assert_close(found, losses.kd(s, t))


def test_no_probability_is_cut_off():
    """A student that is sure of another class is still pulled, by as much as it is wrong."""
    t, y = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([0])
    pulls = []
    for far in (500.0, 1000.0):
        s = torch.tensor([[-far, far, 0.0]]).requires_grad_()
        value = losses.dkd(s, t, y, beta=0.0, temperature=1.0)
        value.backward()
        pulls.append(s.grad[0, 0].item())
        assert value.item() == pytest.approx(2 * far / 3 + log(1 / 3) / 3 + log(2 / 3) * 2 / 3)
    assert pulls == pytest.approx([-1 / 3, -1 / 3])


def test_classes_that_a_wrong_teacher_prefers_are_left_out():
    """Their logits of the student pull at the first part alone, as one class."""
    t, y = torch.tensor([[3.0, 5.0, 1.0, 0.0]]), torch.tensor([0])
    s = torch.tensor([[0.5, 2.0, -1.0, 1.0]]).requires_grad_()
    losses.rld(s, t, y, alpha=0.0).backward()
    assert not s.grad[0, :2].any() and s.grad[0, 2:].all()
    moved = t.clone()
    moved[0, 1] = 9.0  # how far it is wrong is told by the first part alone
    assert losses.rld(s, moved, y, alpha=0.0) == losses.rld(s, t, y, alpha=0.0)
    assert losses.rld(s, moved, y, beta=0.0) != losses.rld(s, t, y, beta=0.0)


def test_smoothed_labels():
    batch = fixed_batch(methods.get("ce"))
    total = 0.0
    for row, label in zip(batch.student_logits[0].double().tolist(), batch.labels[0].tolist()):
        target = [0.9 * (c == label) + 0.1 / len(row) for c in range(len(row))]
        total -= sum(q * log(p) for p, q in zip(softened(row, 1), target, strict=True))
    found = methods.get("ce+smoothing").loss(batch)["labels"]
    assert found.item() == pytest.approx(total / 8, rel=1e-5)


def test_mixed_labels_are_those_of_mixup_and_ask_no_teacher():
    batch = fixed_batch(methods.get("mixup"))
    batch.teacher_logits = None
    found = methods.get("ce+mixup").loss(batch)
    assert list(found) == ["labels"]
    total = 0.0
    for row, one, other in zip(batch.student_logits[0].double().tolist(), *batch.labels.tolist()):
        total -= 0.3 * log(softened(row, 1)[one]) + 0.7 * log(softened(row, 1)[other])
    assert found["labels"].item() == pytest.approx(total / 8, rel=1e-5)
