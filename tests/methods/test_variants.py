"""Methods that ask about other images (`@`), or learn labels of all images (`+spare`)."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from ckdlib import losses, methods
from ckdlib.errors import InputError
from ckdlib.methods import Batch
from ckdlib.methods.sampling import spare_batches


def seeded():
    return torch.Generator().manual_seed(0)


def test_a_selection_is_part_of_a_name_and_of_a_definition():
    plain, chosen = methods.get("kd"), methods.get("kd@margin")
    assert plain.select == "random" and "select" not in plain.definition()
    assert chosen.definition() == plain.definition() | {"select": "margin"}
    assert methods.canonical("kd@random") == "kd"
    assert methods.canonical("kd+spare@k_centre:kl=3,labels=1") == "kd+spare@k_centre:kl=3"
    assert methods.get("kd+spare@k_centre:kl=3").terms["kl"].weight == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kd@margins", "did you mean 'margin'"),
        ("ce@margin", "ce asks no teacher"),
        ("crd+spare", "trains nothing beside"),
        ("kd+spare+spare", "images one by one"),  # a second name of kd+spare
        ("ckd_pairs+spare", "images one by one"),
        ("ckd_calibrated+spare", "images one by one"),
        ("kl+spare", "has a term of the labels"),
        ("kb+spare", "unknown method 'kb': choose from kd"),
    ],
)
def test_what_cannot_be(name, said):
    with pytest.raises(InputError, match=said):
        methods.get(name)


def test_beside_each_image_asked_about_is_one_of_all():
    labels = torch.arange(50)
    draws = spare_batches(labels, 8, seeded(), asked=20)
    batches = [next(draws) for _ in range(15)]
    asked = [i for batch in batches for i in batch[0].tolist()]
    others = [i for batch in batches for i in batch[1].tolist()]
    assert {batch.shape for batch in batches} == {(2, 8), (2, 4)}
    assert sorted(asked) == sorted(5 * list(range(20)))  # five passes
    assert sorted(others) == sorted(2 * list(range(50)))  # two


def test_labels_are_learned_from_one_image_and_the_teacher_from_the_other():
    random = seeded()
    student = torch.randn(2, 6, 10, generator=random, requires_grad=True)
    teacher = torch.randn(2, 6, 10, generator=random)
    teacher[1] = torch.nan  # was not asked
    labels = torch.randint(10, (2, 6), generator=random)
    index = torch.arange(12).view(2, 6)
    nothing = torch.tensor(0.3), labels.flatten(), {}, random
    batch = Batch(index, labels, teacher, student, *nothing)
    found = methods.get("dist+spare:kl=3").loss(batch)
    assert torch.equal(found["labels"], cross_entropy(student[1], labels[1]))
    assert torch.equal(found["kl"], 3 * losses.kd(student[0], teacher[0]))
    assert torch.equal(found["dist"], 2 * losses.dist(student[0], teacher[0]))
    sum(found.values()).backward()
    assert student.grad.isfinite().all()


def test_hard_labels_are_the_teachers_best_class():
    random = seeded()
    student, teacher = torch.randn(2, 1, 6, 10, generator=random)
    labels = torch.zeros(1, 6, dtype=torch.long)  # not looked at
    nothing = torch.tensor(0.3), labels[0], {}, random
    batch = Batch(torch.arange(6)[None], labels, teacher, student, *nothing)
    best = torch.tensor([max(range(10), key=row.__getitem__) for row in teacher[0].tolist()])
    found = methods.get("hard+kl").loss(batch)
    assert torch.equal(found["hard"], cross_entropy(student[0], best))
    assert torch.equal(found["kl"], losses.kd(student[0], teacher[0]))
