"""Losses against golden numbers of the published code, against naive loops, and by their
mathematical properties.
"""

from itertools import permutations
from math import exp, log, sqrt

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from ckdlib import losses
from tests import GOLDEN

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def golden(name):
    return {key: torch.from_numpy(value) for key, value in np.load(GOLDEN / f"{name}.npz").items()}


def close(ours, expected, tolerance=1e-10):
    """Relative to the largest entry, as some gradients have entries of rounding alone."""
    assert ours.shape == expected.shape
    assert (ours.detach() - expected).abs().max() <= tolerance * expected.abs().max().clamp(
        min=1e-300
    )


def check(loss, inputs, expected, gradients):
    """A loss of leaf tensors against its golden value and gradients."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = loss(*leaves)
    close(value, expected)
    for ours, theirs in zip(torch.autograd.grad(value, leaves), gradients):
        close(ours, theirs)


def naive(loss, loop, *inputs, tolerance):
    """A loss against its loop over plain numbers, and a finite gradient."""
    leaf = inputs[0].clone().requires_grad_()
    value = loss(leaf, *inputs[1:])
    assert value.ndim == 0 and value.dtype == inputs[0].dtype
    assert value.item() == pytest.approx(
        loop(*(x.double().tolist() for x in inputs)), rel=tolerance, abs=tolerance
    )
    value.backward()
    assert torch.isfinite(leaf.grad).all()


# Golden numbers.


@pytest.mark.parametrize("T", [4, 1])
def test_golden_kd(T):
    g = golden("kd")
    check(
        lambda s: losses.kd(s, g["teacher_logits"], T),
        [g["student_logits"]],
        g[f"loss_T{T}"],
        [g[f"grad_student_T{T}"]],
    )


@pytest.mark.parametrize(
    "part, weights",
    [("", (25.0, 50.0)), ("_distance_only", (1.0, 0.0)), ("_angle_only", (0.0, 1.0))],
)
def test_golden_rkd(part, weights):
    g = golden("rkd")
    check(
        lambda s: losses.rkd(s, g["teacher_logits"], *weights),
        [g["student_logits"]],
        g[f"loss{part}"],
        [g[f"grad_student{part}"]],
    )


@pytest.mark.parametrize(
    "part, weights", [("", (1.0, 1.0)), ("_inter_only", (1.0, 0.0)), ("_intra_only", (0.0, 1.0))]
)
def test_golden_dist(part, weights):
    g = golden("dist")
    check(
        lambda s: losses.dist(s, g["teacher_logits"], *weights),
        [g["student_logits"]],
        g[f"loss{part}"],
        [g[f"grad_student{part}"]],
    )


@pytest.mark.parametrize("groups", ["n2", "n3"])
def test_golden_ckd(groups):
    g = golden("ckd")
    sides = [g[f"{groups}_{side}_student_logits"] for side in ("pos", "neg")]
    teacher = [g[f"{groups}_{side}_teacher_logits"].mean(1) for side in ("pos", "neg")]
    labels = [
        one_hot(g[f"{groups}_{side}_labels"], 100).double().mean(1) for side in ("pos", "neg")
    ]
    gradients = [g[f"{groups}_grad_{side}_student_logits"] for side in ("pos", "neg")]
    close(losses.ckd_pairs(*(s.mean(1) for s in sides), *labels), g[f"{groups}_loss_cls"])
    close(losses.ckd_pairs(*(s.mean(1) for s in sides), *teacher), g[f"{groups}_loss_rel"])
    check(
        lambda p, n: (
            losses.ckd_pairs(p.mean(1), n.mean(1), *labels)
            + losses.ckd_pairs(p.mean(1), n.mean(1), *teacher)
        ),
        sides,
        g[f"{groups}_loss_total"],
        gradients,
    )
    first_release = [
        g[f"{groups}_release2023_grad_{side}_student_logits"] for side in ("pos", "neg")
    ]
    check(
        lambda p, n: (
            losses.kd(p.mean(1) - n.mean(1), labels[0] - labels[1])
            + losses.kd(p.mean(1) - n.mean(1), teacher[0] - teacher[1])
        ),
        sides,
        g[f"{groups}_release2023_loss_total"],
        first_release,
    )


def test_golden_mixup():
    g = golden("mixup")
    labels = lambda s: losses.mixup_labels(s, g["labels_first"], g["labels_second"], g["lam"])
    teacher = lambda s: losses.mixup_teacher(
        s, g["teacher_logits_first"], g["teacher_logits_second"], g["lam"]
    )
    close(labels(g["student_logits"]), g["loss_cls"])
    close(teacher(g["student_logits"]), g["fn0_loss_rel"])
    check(
        lambda s: labels(s) + teacher(s),
        [g["student_logits"]],
        g["fn0_loss_total"],
        [g["fn0_grad_student"]],
    )
    close(torch.lerp(g["images_second"], g["images_first"], g["lam"]), g["images_mixed"])


@pytest.mark.parametrize("case", ["a", "b"])
def test_golden_all_pairs(case):
    g = golden("allpairs")
    check(
        lambda s: losses.ckd(s, g[f"{case}_teacher_logits"]),
        [g[f"{case}_student_logits"]],
        g[f"{case}_ckd_loss"],
        [g[f"{case}_ckd_grad_student"]],
    )


@pytest.mark.parametrize("dims", [1, 10, 50, 100])
def test_golden_pooled(dims):
    g = golden("allpairs")
    check(
        lambda s: losses.pooled_ckd(s, g["a_teacher_logits"], dims),
        [g["a_student_logits"]],
        g[f"a_rkd_d{dims}_loss"],
        [g[f"a_rkd_d{dims}_grad_student"]],
    )


def golden_crd(g, temperature):
    module = losses.CRD(100, int(g["n_data"]), 16, temperature, float(g["nce_m"])).double()
    state = {f"bank_{side}": g[f"memory_{side}_initial"] for side in ("student", "teacher")}
    state |= {
        f"embed_{side}.{what}": g[f"embed_{side}_linear_{what}"]
        for side in ("student", "teacher")
        for what in ("weight", "bias")
    }
    module.load_state_dict(module.state_dict() | state)
    return module


def counted(contrast, items):
    """Explicit draws [B, 1 + K], the item itself first, as counts [B, N]."""
    return torch.stack([torch.bincount(row, minlength=items) for row in contrast[:, 1:]]).double()


def test_golden_crd():
    g = golden("crd")
    module = golden_crd(g, float(g["nce_t"]))
    for call in ("call1", "call2", "call3"):
        draws = counted(g[f"{call}_contrast_idx"], int(g["n_data"]))
        logits = [
            g[f"{call}_{side}_logits"].clone().requires_grad_() for side in ("student", "teacher")
        ]
        value = module(*logits, g[f"{call}_idx"], draws)
        close(value, g[f"{call}_loss"])
        weights = [*module.embed_student.parameters(), *module.embed_teacher.parameters()]
        names = [
            "student_logits",
            "teacher_logits",
            *(
                f"embed_{side}_{what}"
                for side in ("student", "teacher")
                for what in ("weight", "bias")
            ),
        ]
        for name, gradient in zip(names, torch.autograd.grad(value, [*logits, *weights])):
            close(gradient, g[f"{call}_grad_{name}"])
        for side in ("student", "teacher"):
            close(getattr(module, f"bank_{side}"), g[f"{call}_memory_{side}_after"])
            close(getattr(module, f"Z_{side}"), g[f"Z_{side}"])
    assert not any(buffer.requires_grad for buffer in module.buffers())


def test_golden_crd_float32_temperature():
    g = golden("crd")
    module = golden_crd(g, float(g["variant32_nce_t"]))
    values = [
        module(
            g[f"{c}_student_logits"],
            g[f"{c}_teacher_logits"],
            g[f"{c}_idx"],
            counted(g[f"{c}_contrast_idx"], int(g["n_data"])),
        )
        for c in ("call1", "call2", "call3")
    ]
    close(torch.stack(values), g["variant32_losses"], 1e-6)


# Naive loops, ordinary and degenerate batches, both precisions.


def batches(dtype):
    s, t = torch.randn(2, 6, 4, dtype=dtype)
    yield s, t
    yield s[:2], t[:2]
    yield s[:1].repeat(3, 1), t[:3]  # identical students
    yield s[:3], t[:1].repeat(3, 1)  # identical teachers


def softened(row, T):
    total = sum(exp(v / T) for v in row)
    return [exp(v / T) / total for v in row]


def loop_kd(s, t):
    return (
        16
        / len(s)
        * sum(q * log(q / p) for a, b in zip(s, t) for p, q in zip(softened(a, 4), softened(b, 4)))
    )


def loop_ckd(s, t):
    pairs = list(permutations(range(len(s)), 2))
    return (
        sum(
            ((s[i][c] - s[j][c]) - (t[i][c] - t[j][c])) ** 2
            for i, j in pairs
            for c in range(len(s[0]))
        )
        / len(pairs)
        / len(s[0])
    )


def loop_mse(s, t):
    return (
        2 / (len(s) - 1) / len(s[0]) * sum((a - b) ** 2 for r, q in zip(s, t) for a, b in zip(r, q))
    )


def loop_pooled(s, t):
    pool = lambda rows: [[(r[0] + r[1]) / 2, (r[2] + r[3]) / 2] for r in rows]
    return loop_ckd(pool(s), pool(t))


def huber(x):
    return x * x / 2 if abs(x) < 1 else abs(x) - 0.5


def norm(v):
    return sqrt(sum(x * x for x in v))


def loop_rkd(s, t):
    def distances(x):
        d = [[norm([p - q for p, q in zip(a, b)]) for b in x] for a in x]
        positive = [v for row in d for v in row if v > 0]
        return [
            [v / (sum(positive) / len(positive)) if positive else 0.0 for v in row] for row in d
        ]

    def angles(x):
        unit = [
            [
                [(q - p) / max(norm([q - p for p, q in zip(a, b)]), 1e-12) for p, q in zip(a, b)]
                for b in x
            ]
            for a in x
        ]
        return [[[sum(p * q for p, q in zip(u, v)) for v in row] for u in row] for row in unit]

    n, ds, dt, an, at = len(s), distances(s), distances(t), angles(s), angles(t)
    every = range(n)
    return 25 / n**2 * sum(
        huber(ds[i][j] - dt[i][j]) for i in every for j in every
    ) + 50 / n**3 * sum(
        huber(an[i][j][k] - at[i][j][k]) for i in every for j in every for k in every
    )


def loop_dist(s, t):
    p, q = [softened(r, 4) for r in s], [softened(r, 4) for r in t]

    def r(a, b):
        a, b = ([v - sum(x) / len(x) for v in x] for x in (a, b))
        return sum(u * v for u, v in zip(a, b)) / (norm(a) * norm(b) + 1e-8)

    rows = sum(r(a, b) for a, b in zip(p, q)) / len(p)
    columns = sum(r(a, b) for a, b in zip(zip(*p), zip(*q))) / len(p[0])
    return 16 * (1 - rows) + 16 * (1 - columns)


@DTYPES
@pytest.mark.parametrize(
    "loss, loop",
    [
        (losses.kd, loop_kd),
        (losses.ckd, loop_ckd),
        (losses.mse, loop_mse),
        (lambda s, t: losses.pooled_ckd(s, t, 2), loop_pooled),
        (losses.rkd, loop_rkd),
        (losses.dist, loop_dist),
    ],
    ids=["kd", "ckd", "mse", "pooled_ckd", "rkd", "dist"],
)
def test_naive_loops(loss, loop, dtype):
    for student, teacher in batches(dtype):
        naive(loss, loop, student, teacher, tolerance=1e-3 if dtype == torch.float32 else 1e-9)


@DTYPES
def test_all_pairs_is_the_mean_of_given_pairs(dtype):
    s, t = torch.randn(2, 7, 5, dtype=dtype)
    i, j = torch.tensor(list(permutations(range(7), 2))).T
    torch.testing.assert_close(losses.ckd(s, t), losses.ckd_pairs(s[i], s[j], t[i], t[j]))


# Properties.


def test_control_differs_from_ckd_by_the_mean_error():
    s, t = torch.randn(2, 9, 5, dtype=torch.float64)
    close(
        losses.mse(s, t) - losses.ckd(s, t), 2 * 9 / (8 * 5) * (s - t).mean(0).square().sum(), 1e-12
    )


def test_ckd_sees_no_constant_offset_and_the_control_does():
    s, t = torch.randn(2, 9, 5, dtype=torch.float64)
    offset = torch.randn(5, dtype=torch.float64)
    close(losses.ckd(s + offset, t), losses.ckd(s, t))
    assert losses.mse(s + offset, t) != losses.mse(s, t)
    leaf = s.requires_grad_()
    (gradient,) = torch.autograd.grad(losses.ckd(leaf, t), leaf)
    assert gradient.sum(0).abs().max() < 1e-15  # nothing trains the classifier's bias


def test_pooling_to_all_classes_changes_nothing():
    s, t = torch.randn(2, 6, 12)
    torch.testing.assert_close(losses.pooled_ckd(s, t, 12), losses.ckd(s, t))


def test_calibration_minimises_the_control_over_offsets():
    s, t = torch.randn(2, 30, 5, dtype=torch.float64)
    offset = losses.calibration_offset(s, t)
    assert (s + offset - t).mean(0).abs().max() < 1e-15
    close(losses.mse(s + offset, t), losses.ckd(s, t))
    assert all(
        losses.mse(s + offset + 0.1 * torch.randn(5), t) > losses.mse(s + offset, t)
        for _ in range(10)
    )


def test_joint_target():
    labels, z = torch.tensor([1, 0]), torch.tensor([[2.0, 4.0], [6.0, 8.0]])
    torch.testing.assert_close(
        losses.joint_target(labels, z), torch.tensor([[1.0, 2.5], [3.5, 4.0]])
    )
    torch.testing.assert_close(
        losses.joint_target(labels, z, 3, 1), torch.tensor([[0.5, 1.75], [2.25, 2.0]])
    )


def test_negatives_are_uniform_over_other_classes():
    labels = torch.tensor([2, 0, 1, 0, 2, 2, 1, 0, 0, 1])
    index = torch.arange(10)
    draws = losses.draw_negatives(labels, index, 60_000, torch.Generator().manual_seed(1))
    assert torch.equal(draws.sum(1), torch.full((10,), 60_000.0))
    other = labels[index][:, None] != labels[None]
    assert (draws[~other] == 0).all()
    expected = 60_000 / other.sum(1, keepdim=True)
    assert ((draws - expected).abs() < 5 * expected.sqrt())[other].all()
    assert torch.equal(
        draws, losses.draw_negatives(labels, index, 60_000, torch.Generator().manual_seed(1))
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: losses.ckd(x[:1], x[:1]), "a batch of 1"),
        (lambda x: losses.mse(x[:1], x[:1]), "a batch of 1"),
        (lambda x: losses.pooled_ckd(x, x, 3), "dims = 3 does not divide 4"),
        (lambda x: losses.pooled_ckd(x, x, 0), "dims = 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.randn(4, 4))
