"""The registry of methods: how a batch is drawn, how the student sees it, and which loss terms with which weights.

A new method is one entry here, its loss in `losses`, and its test; no other code compares method names.
"""
from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from . import losses
from .errors import choose

PAIR_LIMIT = 100_000                     # ordered pairs kept for a run, as in the reference
IMAGES_PER_CLASS = 5                     # of a class in one batch of RKD
NEGATIVES = 16_384                       # drawn for an image in one step of CRD


@dataclass
class Batch:
    """What a loss term may use. k is 2 for methods that draw pairs and 1 for all others."""
    index: Tensor                        # [k, B] positions in the training split
    labels: Tensor                       # [k, B]
    teacher: Tensor | None               # [k, B, C] kept teacher logits
    logits: Tensor                       # [passes, B, C] student logits, one pass an image (mixup: one pass a pair)
    mixing: Tensor                       # 0-d, the share of the first image where images are mixed
    pool: Tensor                         # [N] labels of the whole training split
    helper: nn.Module | None             # what the method trains beside the student
    random: torch.Generator              # on the device


Sampler = Callable[[Tensor, int, torch.Generator], Iterator[Tensor]]
Term = Callable[[Batch], Tensor]


# How a batch is drawn: an endless iterator of positions [k, B] in the training split.

def passes(labels: Tensor, batch: int, random: torch.Generator) -> Iterator[Tensor]:
    """Shuffled passes over the images, the last short batch kept; a last batch of one joins the one before."""
    while True:
        yield from _cut(torch.randperm(len(labels), generator=random)[None], batch)


def pairs(labels: Tensor, batch: int, random: torch.Generator) -> Iterator[Tensor]:
    """Shuffled passes over a fixed pool of ordered pairs i != j, all of them or PAIR_LIMIT drawn without repetition."""
    count = len(labels)
    every = count * (count - 1)
    seed = int(torch.randint(2**62, (), generator=random))
    code = torch.from_numpy(np.random.default_rng(seed).choice(every, min(every, PAIR_LIMIT), replace=False))
    first, rest = code // (count - 1), code % (count - 1)
    pool = torch.stack([first, rest + (rest >= first)])
    while True:
        yield from _cut(pool[:, torch.randperm(pool.shape[1], generator=random)], batch)


def by_class(labels: Tensor, batch: int, random: torch.Generator) -> Iterator[Tensor]:
    """Up to IMAGES_PER_CLASS random images of each class, classes in random order, until the batch is full."""
    members = [torch.nonzero(labels == label).flatten() for label in labels.unique()]
    while True:
        chosen: list[Tensor] = []
        for c in torch.randperm(len(members), generator=random).tolist():
            chosen.append(members[c][torch.randperm(len(members[c]), generator=random)[:IMAGES_PER_CLASS]])
            if sum(map(len, chosen)) >= batch:
                break
        yield torch.cat(chosen)[None, :batch]


def _cut(order: Tensor, batch: int) -> list[Tensor]:
    parts = list(order.split(batch, 1))
    if len(parts) > 1 and parts[-1].shape[1] == 1:
        parts[-2:] = [torch.cat(parts[-2:], 1)]
    return parts


def steps_per_epoch(images: int, batch: int) -> int:
    """Optimiser steps of one nominal epoch, the same for every method: those of one pass over the images."""
    return max(1, -(-images // batch) - (images % batch == 1 and images > 1))


# How the student sees a batch of views, k tensors [B, 3, H, W] -> logits [passes, B, C].

def each(net: nn.Module, views: list[Tensor], mixing: Tensor) -> Tensor:
    """Every image of the example in a training-mode pass of its own."""
    return torch.stack([net(view) for view in views])


def mixed(net: nn.Module, views: list[Tensor], mixing: Tensor) -> Tensor:
    """One pass over mixing * first + (1 - mixing) * second."""
    return net(torch.lerp(views[1], views[0], mixing))[None]


# Loss terms.

def _hot(b: Batch) -> Tensor:
    return one_hot(b.labels, b.logits.shape[-1]).to(b.logits.dtype)


def _labels(b: Batch) -> Tensor:
    return cross_entropy(b.logits[0], b.labels[0])


def _kl(b: Batch) -> Tensor:
    return losses.kd(b.logits[0], b.teacher[0])


def _crd(b: Batch) -> Tensor:
    draws = losses.draw_negatives(b.pool, b.index[0], NEGATIVES, b.random)
    return b.helper(b.logits[0], b.teacher[0], b.index[0], draws)


def _twice(loss: Callable[..., Tensor]) -> dict[str, tuple[float, Term]]:
    """The paper's Equation 3: one squared error against one-hot labels and one against the teacher's logits."""
    return {"labels": (1.0, lambda b: loss(b.logits[0], _hot(b)[0])),
            "teacher": (1.0, lambda b: loss(b.logits[0], b.teacher[0]))}


@dataclass(frozen=True)
class Method:
    terms: Mapping[str, tuple[float, Term]]              # name -> weight, loss term
    sampler: Sampler = passes
    forward: Callable[[nn.Module, list[Tensor], Tensor], Tensor] = each
    helper: Callable[[int, int], nn.Module] | None = None  # classes, training images -> module trained beside
    asks: bool = True                                    # does it need the teacher's answers?
    calibrated: bool = False                             # is the classifier's bias set in closed form?

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms by name; their sum is what the student descends."""
        return {name: weight * term(batch) for name, (weight, term) in self.terms.items()}


_LABELS_AND_KL = {"labels": (1.0, _labels), "kl": (1.0, _kl)}

METHODS: dict[str, Method] = {
    "ce": Method({"labels": (1.0, _labels)}, asks=False),
    "kd": Method(_LABELS_AND_KL),
    "crd": Method(_LABELS_AND_KL | {"crd": (0.8, _crd)}, helper=losses.CRD),
    "mixup": Method(
        {"labels": (1.0, lambda b: losses.mixup_labels(b.logits[0], *b.labels, b.mixing)),
         "teacher": (1.0, lambda b: losses.mixup_teacher(b.logits[0], *b.teacher, b.mixing))},
        sampler=pairs, forward=mixed),
    "rkd": Method(_LABELS_AND_KL | {"rkd": (1.0, lambda b: losses.rkd(b.logits[0], b.teacher[0]))}, sampler=by_class),
    "dist": Method(_LABELS_AND_KL | {"dist": (2.0, lambda b: losses.dist(b.logits[0], b.teacher[0]))}),
    "ckd": Method(_twice(losses.ckd)),
    "ckd_pairs": Method(
        {"labels": (1.0, lambda b: losses.ckd_pairs(*b.logits, *_hot(b))),
         "teacher": (1.0, lambda b: losses.ckd_pairs(*b.logits, *b.teacher))},
        sampler=pairs),
    "mse": Method(_twice(losses.mse)),
    "ckd_calibrated": Method(_twice(losses.ckd), calibrated=True),
}


def get(name: str) -> Method:
    """A method by name. InputError lists the names."""
    choose("method", name, METHODS)
    return METHODS[name]
