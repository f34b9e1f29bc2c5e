"""How a batch is drawn: an endless iterator of positions [k, B] in the training split.

k is 2 for methods that draw pairs and 1 for all others. What a sampler's parameters are by default
is part of a run's identity (`registry.Method.definition`).
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor


def epoch_batches(labels: Tensor, batch: int, random: torch.Generator) -> Iterator[Tensor]:
    """Shuffled passes over the images, the last short batch kept.

    A last batch of one image joins the one before it.
    """
    while True:
        yield from _cut(torch.randperm(len(labels), generator=random)[None], batch)


def spare_batches(
    labels: Tensor, batch: int, random: torch.Generator, asked: int
) -> Iterator[Tensor]:
    """Pairs: an image that the teacher was asked about, one of the first `asked`, as
    `epoch_batches` draws them; and beside it one of all images, in shuffled passes of their own.
    """
    rest = torch.empty(0, dtype=torch.long)
    for first in epoch_batches(labels[:asked], batch, random):
        count = first.shape[1]
        while len(rest) < count:
            rest = torch.cat([rest, torch.randperm(len(labels), generator=random)])
        beside, rest = rest[:count], rest[count:]
        yield torch.cat([first, beside[None]])


def pair_batches(
    labels: Tensor, batch: int, random: torch.Generator, limit: int = 100_000
) -> Iterator[Tensor]:
    """Shuffled passes over a fixed pool of ordered pairs i != j.

    All of them, or `limit` drawn without repetition, as the published code keeps.
    """
    count = len(labels)
    every = count * (count - 1)
    seed = int(torch.randint(2**62, (), generator=random))
    drawn = np.random.default_rng(seed).choice(every, min(every, limit), replace=False)
    code = torch.from_numpy(drawn)
    first, rest = code // (count - 1), code % (count - 1)
    pool = torch.stack([first, rest + (rest >= first)])
    while True:
        yield from _cut(pool[:, torch.randperm(pool.shape[1], generator=random)], batch)


def class_batches(
    labels: Tensor, batch: int, random: torch.Generator, most: int = 5
) -> Iterator[Tensor]:
    """Up to `most` random images of each class, classes in random order, until it is full."""
    members = [torch.nonzero(labels == label).flatten() for label in labels.unique()]
    while True:
        chosen: list[Tensor] = []
        for c in torch.randperm(len(members), generator=random).tolist():
            some = torch.randperm(len(members[c]), generator=random)[:most]
            chosen.append(members[c][some])
            if sum(map(len, chosen)) >= batch:
                break
        yield torch.cat(chosen)[None, :batch]


def mixing_shares(count: int, alpha: float, random: torch.Generator) -> Tensor:
    """Shares [count] of the first of two images that are mixed, of Beta(alpha, alpha).

    Whatever alpha, they are the quantiles of the same uniform numbers; of alpha 0 they are 0 and 1,
    and nothing is mixed.
    """
    uniform = torch.rand(count, generator=random)
    if alpha in (0, 1):
        return uniform if alpha else uniform.round()
    return torch.from_numpy(betaincinv(alpha, alpha, uniform.double().numpy())).float()


def _cut(order: Tensor, batch: int) -> list[Tensor]:
    parts = list(order.split(batch, 1))
    if len(parts) > 1 and parts[-1].shape[1] == 1:
        parts[-2:] = [torch.cat(parts[-2:], 1)]
    return parts


def steps_per_epoch(images: int, batch: int) -> int:
    """Optimiser steps of one nominal epoch: those of one pass over the images, for every method."""
    joined = images % batch == 1 and images > 1
    return max(1, -(-images // batch) - joined)
