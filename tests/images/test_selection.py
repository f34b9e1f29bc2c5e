"""Which images are asked about: rankings beside loops, and how they nest."""

from collections import Counter

import pytest
import torch

from ckdlib.errors import InputError
from ckdlib.images import SELECTIONS, others, pool, ranking, split

N, CLASSES = 60, 5


@pytest.fixture
def seen():
    random = torch.Generator().manual_seed(3)
    labels = torch.randint(CLASSES, (N,), generator=random)
    logits = torch.randn(N, CLASSES, generator=random)
    return labels, logits, torch.randn(N, 4, generator=random).relu()


@pytest.mark.parametrize("name", SELECTIONS)
def test_every_ranking_nests(name, seen):
    labels, logits, features = seen
    every = ranking(name, labels, N, logits, features)
    assert sorted(every.tolist()) == list(range(N))
    for n in (1, 8, 33):
        assert torch.equal(ranking(name, labels, n, logits, features), every[:n])


def test_a_balanced_ranking_takes_one_of_each_class_in_turn(seen):
    labels = seen[0]
    left, taken = list(range(N)), []
    while left:
        turn, met = [], set()
        for i in left:
            if int(labels[i]) not in met:
                met.add(int(labels[i]))
                turn.append(i)
        taken += turn
        left = [i for i in left if i not in turn]
    assert ranking("balanced", labels, N, None, None).tolist() == taken
    counts = Counter(labels[taken[: 5 * CLASSES]].tolist())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_centre_is_the_farthest_from_all_before(seen):
    features = seen[2].double()
    taken = [0]
    while len(taken) < 20:
        far = [min(float((one - features[i]).norm()) for i in taken) for one in features]
        taken.append(far.index(max(far)))
    assert ranking("k_centre", seen[0], 20, seen[1], seen[2]).tolist() == taken


def test_equal_images_are_each_a_centre_once():
    same = torch.ones(6, 3)
    found = ranking("k_centre", torch.zeros(6, dtype=torch.long), 6, torch.ones(6, 2), same)
    assert sorted(found.tolist()) == list(range(6))


@pytest.mark.parametrize("name", ["margin", "entropy"])
def test_the_least_sure_images_come_first(name, seen):
    labels, logits, features = seen
    shares = [sorted(row.softmax(-1).tolist(), reverse=True) for row in logits.double()]
    if name == "margin":
        sure = [first - second for first, second, *_ in shares]
    else:
        sure = [float((row.softmax(-1) * row.log_softmax(-1)).sum()) for row in logits.double()]
    least = sorted(range(N), key=sure.__getitem__)
    assert ranking(name, labels, N, logits, features).tolist() == least


def test_the_pool_begins_with_what_chance_asks_about():
    there = pool(1000, seed=4)
    for n in (8, 100, 640):
        train, validation = split(1000, n, 4)
        assert torch.equal(there[:n], train)
        assert not set(there.tolist()) & set(validation.tolist())
        rest = others(1000, train, validation)
        assert sorted([*rest.tolist(), *train.tolist(), *validation.tolist()]) == list(range(1000))


def test_what_cannot_be_ranked(seen):
    with pytest.raises(InputError, match=r"'margins'.*did you mean 'margin'"):
        ranking("margins", *seen[:1], 3, *seen[1:])
    with pytest.raises(ValueError, match="a student's logits"):
        ranking("margin", seen[0], 3, None, None)
