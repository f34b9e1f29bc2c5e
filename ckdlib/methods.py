"""The registry of methods: how a batch is drawn, how the student sees it, and which loss terms with which weights.

A new method is one entry here, its loss in `losses`, and its test; no code that trains compares method names.
"""
import re
from dataclasses import dataclass
from inspect import signature
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from . import losses
from .errors import InputError, choose

PAIR_LIMIT = 100_000                     # ordered pairs kept for a run, as in the reference
IMAGES_PER_CLASS = 5                     # of a class in one batch of RKD
NEGATIVES = 16_384                       # drawn for an image in one step of CRD
INNER = slice(1, -1)                     # of a network's features: the maps that white-box losses may use
HINT = 1                                 # of those: the one that FitNets matches


@dataclass
class Batch:
    """What a loss term may use. k is 2 for methods that draw pairs and 1 for all others."""
    index: Tensor                        # [k, B] positions in the training split
    labels: Tensor                       # [k, B]
    teacher: Tensor | None               # [k, B, C] kept teacher logits
    logits: Tensor                       # [passes, B, C] student logits, one pass an image (mixup: one pass a pair)
    mixing: Tensor                       # 0-d, the share of the first image where images are mixed
    pool: Tensor                         # [N] labels of the whole training split
    helpers: Mapping[str, nn.Module]     # what the method trains beside the student
    random: torch.Generator              # on the device
    features: Sequence[Tensor] = ()      # the student's inner maps, a level [passes, B, ...]; white-box methods only
    teacher_features: Sequence[Tensor] = ()  # the kept ones of the teacher, a level [k, B, ...]


class Problem(NamedTuple):
    """What sizes the modules that are trained beside a student."""
    classes: int
    images: int                          # in the training split
    present: int = 2                     # classes that these images are of
    student: Sequence[tuple[int, ...]] = ()  # shapes of the inner maps, a level [C, H, W]; white-box methods only
    teacher: Sequence[tuple[int, ...]] = ()


Seen = tuple[Tensor, Sequence[Tensor]]   # what a student makes of a batch: its logits, its inner maps
Sampler = Callable[[Tensor, int, torch.Generator], Iterator[Tensor]]


# How a batch is drawn: an endless iterator of positions [k, B] in the training split.

def passes(labels: Tensor, batch: int, random: torch.Generator) -> Iterator[Tensor]:
    """Shuffled passes over the images, the last short batch kept; a last batch of one joins the one before."""
    while True:
        yield from _cut(torch.randperm(len(labels), generator=random)[None], batch)


def pairs(labels: Tensor, batch: int, random: torch.Generator, limit: int = PAIR_LIMIT) -> Iterator[Tensor]:
    """Shuffled passes over a fixed pool of ordered pairs i != j, all of them or `limit` drawn without repetition."""
    count = len(labels)
    every = count * (count - 1)
    seed = int(torch.randint(2**62, (), generator=random))
    code = torch.from_numpy(np.random.default_rng(seed).choice(every, min(every, limit), replace=False))
    first, rest = code // (count - 1), code % (count - 1)
    pool = torch.stack([first, rest + (rest >= first)])
    while True:
        yield from _cut(pool[:, torch.randperm(pool.shape[1], generator=random)], batch)


def by_class(labels: Tensor, batch: int, random: torch.Generator, most: int = IMAGES_PER_CLASS) -> Iterator[Tensor]:
    """Up to `most` random images of each class, classes in random order, until the batch is full."""
    members = [torch.nonzero(labels == label).flatten() for label in labels.unique()]
    while True:
        chosen: list[Tensor] = []
        for c in torch.randperm(len(members), generator=random).tolist():
            chosen.append(members[c][torch.randperm(len(members[c]), generator=random)[:most]])
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


# How the student sees a batch of views, k tensors [B, 3, H, W] -> logits [passes, B, C] and inner maps.

def each(net: nn.Module, views: list[Tensor], mixing: Tensor) -> Seen:
    """Every image of the example in a training-mode pass of its own."""
    return torch.stack([net(view) for view in views]), ()


def inside(net: nn.Module, views: list[Tensor], mixing: Tensor) -> Seen:
    """The same, with the inner feature maps."""
    passes = [net.forward_features(view) for view in views]
    levels = zip(*(maps[INNER] for maps, _ in passes))
    return torch.stack([logits for _, logits in passes]), [torch.stack(level) for level in levels]


def mixed(net: nn.Module, views: list[Tensor], mixing: Tensor) -> Seen:
    """One pass over mixing * first + (1 - mixing) * second."""
    return net(torch.lerp(views[1], views[0], mixing))[None], ()


# Loss terms.

@dataclass(frozen=True)
class Term:
    """A loss of a batch and its weight. What a run's identity knows of it is the name of its `formula` (the pure loss that
    it computes, else its own), the defaults of both their parameters, and the version in `losses.VERSIONS`."""
    weight: float
    loss: Callable[[Batch], Tensor]
    formula: Callable | None = None

    def definition(self) -> dict:
        """The term as plain data. ValueError if nothing names it: two lambdas could not be told apart."""
        formula = self.formula or self.loss
        name = formula.__name__.lstrip("_")
        if name == "<lambda>":
            raise ValueError("a term whose loss is a lambda needs a named `formula`")
        return {"loss": name, "version": losses.VERSIONS.get(name, 1), "weight": self.weight,
                **_defaults(formula), **_defaults(self.loss)}


def _defaults(function: Callable) -> dict:
    parameters = signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _hot(b: Batch) -> Tensor:
    return one_hot(b.labels, b.logits.shape[-1]).to(b.logits.dtype)


def _cross_entropy(b: Batch) -> Tensor:
    return cross_entropy(b.logits[0], b.labels[0])


def _kl(b: Batch) -> Tensor:
    return losses.kd(b.logits[0], b.teacher[0])


def _crd(b: Batch, negatives: int = NEGATIVES) -> Tensor:
    draws = losses.draw_negatives(b.pool, b.index[0], negatives, b.random)
    return b.helpers["crd"](b.logits[0], b.teacher[0], b.index[0], draws)


def _levels(b: Batch) -> list[tuple[Tensor, Tensor]]:
    """The student's and the teacher's map of each inner level; of pairs the difference of the two (CKD, Equation 5)."""
    student, teacher = ([level[0] if len(level) == 1 else level[0] - level[1] for level in maps]
                        for maps in (b.features, b.teacher_features))
    return list(zip(student, teacher, strict=True))


def _fitnets(b: Batch, level: int = HINT) -> Tensor:
    return b.helpers["fitnets"](*_levels(b)[level])


def _vid(b: Batch) -> Tensor:
    return sum(level(*maps) for level, maps in zip(b.helpers["vid"], _levels(b), strict=True))


def _comparisons(b: Batch) -> Tensor:
    """All-pairs CKD with the teacher, summed over the classes, in hundreds: a class is pulled as hard among few as among
    many, where beside cross-entropy the mean over few would pull it too hard."""
    return b.logits.shape[-1] / 100 * losses.ckd(b.logits[0], b.teacher[0])


def _twice(loss: Callable[..., Tensor]) -> dict[str, Term]:
    """The paper's Equation 3: one squared error against one-hot labels and one against the teacher's logits."""
    return {"labels": Term(1.0, lambda b: loss(b.logits[0], _hot(b)[0]), loss),
            "teacher": Term(1.0, lambda b: loss(b.logits[0], b.teacher[0]), loss)}


# Modules trained beside the student, by the name of their term.

def _contrast(problem: Problem) -> losses.CRD:
    if problem.present < 2:
        raise InputError("all training images are of one class, and CRD contrasts classes; choose a larger n")
    return losses.CRD(problem.classes, problem.images)


HELPERS: dict[str, Callable[[Problem], nn.Module]] = {
    "crd": _contrast,
    "fitnets": lambda p: losses.FitNets(p.student[HINT], p.teacher[HINT]),
    "vid": lambda p: nn.ModuleList(losses.VID(s[0], t[0]) for s, t in zip(p.student, p.teacher, strict=True)),
}


@dataclass(frozen=True)
class Method:
    terms: Mapping[str, Term]
    sampler: Sampler = passes
    forward: Callable[[nn.Module, list[Tensor], Tensor], Seen] = each
    asks: bool = True                                    # does it need the teacher's answers?
    calibrated: bool = False                             # is the classifier's bias set in closed form?
    dims: int | None = None                              # of pooled comparisons; must divide the number of classes

    @property
    def white_box(self) -> bool:
        """Does it need the teacher's feature maps?"""
        return self.forward is inside

    def helpers(self, problem: Problem) -> nn.ModuleDict:
        """What is trained beside the student. InputError if the method does not fit the problem."""
        if self.dims and problem.classes % self.dims:
            divisors = ", ".join(f"rkd_{d}" for d in range(1, problem.classes + 1) if problem.classes % d == 0)
            raise InputError(f"rkd_{self.dims} cannot pool {problem.classes} classes; choose from {divisors}")
        if len(problem.student) != len(problem.teacher):
            raise InputError(f"the student has {len(problem.student)} inner feature maps and the teacher "
                             f"{len(problem.teacher)}, which cannot be matched; choose a pair of one family")
        return nn.ModuleDict({name: HELPERS[name](problem) for name in self.terms if name in HELPERS})

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms by name; their sum is what the student descends."""
        return {name: term.weight * term.loss(batch) for name, term in self.terms.items()}

    def definition(self) -> dict:
        """The method as plain data: what a run's identity knows of it. A version of a loss is raised in `losses.VERSIONS`."""
        return {"terms": {name: term.definition() for name, term in self.terms.items()},
                "sampler": {"name": self.sampler.__name__, **_defaults(self.sampler)},
                "forward": self.forward.__name__, "asks": self.asks, "calibrated": self.calibrated, "dims": self.dims}


_CE = {"labels": Term(1.0, _cross_entropy)}
_CE_AND_KL = _CE | {"kl": Term(1.0, _kl, losses.kd)}
_CE_AND_CKD = _CE | {"teacher": Term(5.0, _comparisons)}
_DIST = {"dist": Term(2.0, lambda b: losses.dist(b.logits[0], b.teacher[0]), losses.dist)}
_RKD = {"rkd": Term(1.0, lambda b: losses.rkd(b.logits[0], b.teacher[0]), losses.rkd)}
_CRD = {"crd": Term(0.8, _crd, losses.CRD)}
_FITNETS = {"fitnets": Term(100.0, _fitnets, losses.FitNets)}
_VID = {"vid": Term(1.0, _vid, losses.VID)}
_MIXUP = {"labels": Term(1.0, lambda b: losses.mixup_labels(b.logits[0], *b.labels, b.mixing), losses.mixup_labels),
          "teacher": Term(1.0, lambda b: losses.mixup_teacher(b.logits[0], *b.teacher, b.mixing), losses.mixup_teacher)}
_PAIRS = {"labels": Term(1.0, lambda b: losses.ckd_pairs(*b.logits, *_hot(b)), losses.ckd_pairs),
          "teacher": Term(1.0, lambda b: losses.ckd_pairs(*b.logits, *b.teacher), losses.ckd_pairs)}

METHODS: dict[str, Method] = {
    "ce": Method(_CE, asks=False),
    "kd": Method(_CE_AND_KL),
    "crd": Method(_CE_AND_KL | _CRD),
    "mixup": Method(_MIXUP, sampler=pairs, forward=mixed),
    "rkd": Method(_CE_AND_KL | _RKD, sampler=by_class),
    "dist": Method(_CE_AND_KL | _DIST),
    "ckd": Method(_twice(losses.ckd)),
    "ckd_pairs": Method(_PAIRS, sampler=pairs),
    "mse": Method(_twice(losses.mse)),
    "ckd_calibrated": Method(_twice(losses.ckd), calibrated=True),
    "ce+ckd": Method(_CE_AND_CKD),
    "ce+ckd+dist": Method(_CE_AND_CKD | _DIST),
    "fitnets": Method(_CE_AND_KL | _FITNETS, forward=inside),
    "fitnets+crd": Method(_CE_AND_KL | _CRD | _FITNETS, forward=inside),
    "fitnets+ckd": Method(_PAIRS | _FITNETS, sampler=pairs, forward=inside),
    "vid": Method(_CE_AND_KL | _VID, forward=inside),
    "vid+crd": Method(_CE_AND_KL | _CRD | _VID, forward=inside),
    "vid+ckd": Method(_PAIRS | _VID, sampler=pairs, forward=inside),
}


def rkd_d(dims: int) -> Method:
    """Comparisons pooled to `dims` numbers beside cross-entropy of the labels (CKD, section 6.1 and Equation 6)."""
    pooled = Term(1.0, lambda b: losses.pooled_ckd(b.logits[0], b.teacher[0], dims), losses.pooled_ckd)
    return Method(_CE | {"teacher": pooled}, dims=dims)


def get(name: str) -> Method:
    """A method by name, `rkd_D` for any D of at least 1 among them. InputError lists the names."""
    if pooled := re.fullmatch(r"rkd_([1-9]\d*)", name):
        return rkd_d(int(pooled[1]))
    choose("method", name, [*METHODS, "rkd_D (D numbers a comparison)"])
    return METHODS[name]
