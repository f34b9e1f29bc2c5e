"""Which images to ask the teacher about: rankings of those that may be, so that they nest in n."""

import torch
from torch import Tensor

from ..errors import choose

RANDOM = "random"
BALANCED = "balanced"
SELECTIONS = (RANDOM, BALANCED, "k_centre", "margin", "entropy")
BY_STUDENT = SELECTIONS[2:]  # rank by what a student that learned from labels alone makes of them


def ranking(
    name: str, labels: Tensor, count: int, logits: Tensor | None, features: Tensor | None
) -> Tensor:
    """The first images to ask about.

    Parameters
    ----------
    name : str
        Of SELECTIONS.
    labels : Tensor [N]
        Of the images, in random order.
    count : int
        How many, at most N.
    logits : Tensor [N, C] or None
    features : Tensor [N, D] or None
        Of a student that learned from labels alone; for BY_STUDENT.

    Returns
    -------
    Tensor [count]
        Positions.

    Raises
    ------
    InputError
        For an unknown name.
    ValueError
        Where the student's are needed and are not given.
    """
    choose("selection of images", name, SELECTIONS)
    if name == RANDOM:
        return torch.arange(count)
    if name == BALANCED:
        return balanced(labels)[:count]
    if logits is None or features is None:
        raise ValueError(f"{name} ranks by a student's logits and features")
    if name == "k_centre":
        return k_centre(features, count)
    sure = {"margin": margin, "entropy": negative_entropy}[name](logits)
    return sure.argsort(stable=True)[:count]


def balanced(labels: Tensor) -> Tensor:
    """[N] positions: one image of each class after another, in the given order."""
    order = labels.argsort(stable=True)
    starts = torch.cumsum(labels.bincount(), 0) - labels.bincount()
    turn = torch.empty_like(labels)  # how many of its class come before it
    turn[order] = torch.arange(len(labels)) - starts[labels[order]]
    return turn.argsort(stable=True)


def margin(logits: Tensor) -> Tensor:
    """[N] of logits [N, C]: how much likelier the first class is than the second; small where a
    student is unsure (Scheffer et al. 2001).
    """
    first, second = logits.float().softmax(-1).topk(2).values.T
    return first - second


def negative_entropy(logits: Tensor) -> Tensor:
    """[N] of logits [N, C]: sum of p log p, in nats; small where a student is unsure."""
    logs = logits.float().log_softmax(-1)
    return (logs.exp() * logs).sum(-1)


def k_centre(features: Tensor, count: int) -> Tensor:
    """[count] positions of features [N, D]: the first, then always the one that is farthest from
    those that were taken (Gonzalez 1985; Sener and Savarese 2018).
    """
    features = features.float()
    norms = (features**2).sum(1)
    taken = torch.zeros(count, dtype=torch.long)
    nearest = torch.full_like(norms, torch.inf)
    for i in range(1, count):
        last = taken[i - 1]
        nearest = torch.minimum(nearest, norms + norms[last] - 2 * features @ features[last])
        nearest[last] = -torch.inf
        taken[i] = nearest.argmax()
    return taken
