"""The registry of methods: which terms, how a batch is drawn, how the student sees it.

A new method is one entry here, its loss in `losses`, and its test; no code that trains compares
method names.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .. import losses
from ..errors import InputError, choose
from ..images import RANDOM, SELECTIONS
from ..models import Network
from ..origins import digest
from . import terms, words
from .helpers import HELPERS
from .sampling import class_batches, epoch_batches, pair_batches, spare_batches
from .terms import (
    Batch,
    Problem,
    Seen,
    Term,
    forward_each,
    forward_features,
    forward_mixed,
)
from .words import MIXING, Option


@dataclass(frozen=True)
class Method:
    """How a student learns."""

    terms: Mapping[str, Term]
    sampler: Callable[[Tensor, int, torch.Generator], Iterator[Tensor]] = epoch_batches
    forward: Callable[[Network, list[Tensor], Tensor], Seen] = forward_each
    needs_teacher: bool = True
    calibrated: bool = False  # is the classifier's bias set in closed form?
    dims: int | None = None  # of pooled comparisons; must divide the number of classes
    mixing: float = 1.0  # alpha: where images are mixed, their shares are of Beta(alpha, alpha)
    select: str = RANDOM  # which images the teacher is asked about, of SELECTIONS
    spare: bool = False  # are labels learned from all images, asked about or not?
    label: str = ""  # of one's own: what figures call it,
    source: str = ""  # whose it is,
    origin: str = ""  # the file that it stands in,
    own: tuple[Callable, ...] = ()  # and the functions whose code is part of its definition

    @property
    def white_box(self) -> bool:
        """Does it need the teacher's feature maps?"""
        return self.forward is forward_features

    @property
    def passes(self) -> int:
        """Passes of the student for one example of a batch."""
        pairs = self.sampler is pair_batches or (self.spare and self.needs_teacher)
        return 2 if pairs and self.forward is not forward_mixed else 1

    @property
    def pulls(self) -> tuple[float, float]:
        """Weights of labels and teacher in the mean that calibration sets: those of the two squared
        errors, whose sum has its least there. Equal ones where nothing is set, but measured.
        """
        labels, teacher = (
            float(self.terms[name].weight) if name in self.terms else 0.0
            for name in (LABELS, "teacher")
        )
        return (labels, teacher) if self.calibrated and labels + teacher else (1.0, 1.0)

    def helpers(self, problem: Problem) -> nn.ModuleDict:
        """What is trained beside the student.

        Raises
        ------
        InputError
            If the method does not fit the problem.
        """
        classes = problem.classes
        if self.dims and classes % self.dims:
            fitting = [f"rkd_{d}" for d in range(1, classes + 1) if classes % d == 0]
            raise InputError(
                f"rkd_{self.dims} cannot pool {classes} classes; choose from {', '.join(fitting)}"
            )
        if len(problem.student) != len(problem.teacher):
            raise InputError(
                f"the student has {len(problem.student)} inner feature maps "
                f"and the teacher {len(problem.teacher)}, which cannot be matched; "
                "choose a pair of one family"
            )
        trained = nn.ModuleDict()
        for name in self.helped:
            trained[name] = HELPERS[name](problem, **self.terms[name].changed)
        return trained

    @property
    def helped(self) -> list[str]:
        """The terms that train something beside the student."""
        return [name for name in self.terms if name in HELPERS]

    def batches(
        self, labels: Tensor, batch: int, random: torch.Generator, asked: int
    ) -> Iterator[Tensor]:
        """Positions [k, B] without end, of images of which the teacher was asked about the first
        `asked`.
        """
        if self.spare and self.needs_teacher:
            return spare_batches(labels, batch, random, asked)
        return self.sampler(labels, batch, random)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms by name; their sum is what the student descends."""
        seen = {name: self._part(name, batch) for name in self.terms}
        return {name: term.weight * term.loss(seen[name]) for name, term in self.terms.items()}

    def _part(self, term: str, batch: Batch) -> Batch:
        """What a term sees: of spare labels, the second image of each example is the labels'."""
        if not (self.spare and self.needs_teacher):
            return batch
        return batch.row(int(term == LABELS))

    def definition(self) -> dict[str, Any]:
        """The method as plain data: what a run's identity knows of it."""
        known = {
            "terms": {name: term.definition() for name, term in self.terms.items()},
            "sampler": {"name": self.sampler.__name__} | terms.defaults(self.sampler),
            "forward": self.forward.__name__,
            "needs_teacher": self.needs_teacher,
            "calibrated": self.calibrated,
            "dims": self.dims,
        }
        known |= {"mixing": self.mixing} if self.mixing != 1 else {}
        known |= {"select": self.select} if self.select != RANDOM else {}
        known |= {"spare": True} if self.spare else {}
        known |= {"pulls": list(self.pulls)} if self.pulls[0] != self.pulls[1] else {}
        return known | {"code": digest(*self.own, losses.VERSIONS)} if self.origin else known

    @property
    def settable(self) -> dict[str, float]:
        """The parameters of the method itself, beside those of its terms, and what they are."""
        return {MIXING: self.mixing} if self.forward is forward_mixed else {}

    def varied(self, given: Mapping[Option, float]) -> "Method":
        """The same method with other weights and parameters."""
        changed = dict(self.terms)
        for (term, parameter), value in given.items():
            if term and parameter:
                changed[term] = changed[term].varied({parameter: value})
            elif term:
                changed[term] = replace(changed[term], weight=value)
        own = {parameter: value for (term, parameter), value in given.items() if not term}
        return replace(self, terms=changed)._set(own)

    def _set(self, changed: Mapping[str, float]) -> "Method":
        return replace(self, mixing=changed.get(MIXING, self.mixing))


LABELS = "labels"  # the term that learns from them
SPARE = "+spare"  # of names: labels of all images
CE_KL = terms.CE | terms.KL
PAIRS = terms.CKD_PAIRS

METHODS: dict[str, Method] = {
    # black box, the paper's
    "kd": Method(CE_KL),
    "crd": Method(CE_KL | terms.CRD),
    "mixup": Method(terms.MIXUP, pair_batches, forward_mixed),
    "rkd": Method(CE_KL | terms.RKD, class_batches),
    "dist": Method(CE_KL | terms.DIST),
    "ckd_pairs": Method(PAIRS, pair_batches),
    # controls: labels only in three ways, all pairs in closed form, no comparison, the offset set,
    # the teacher only in two
    "ce": Method(terms.CE, needs_teacher=False),
    "ce+mixup": Method(terms.MIXED_LABELS, pair_batches, forward_mixed, needs_teacher=False),
    "ce+smoothing": Method(terms.SMOOTHED, needs_teacher=False),
    "ckd": Method(terms.on_labels_and_teacher(losses.ckd)),
    "mse": Method(terms.on_labels_and_teacher(losses.mse)),
    "ckd_calibrated": Method(terms.on_labels_and_teacher(losses.ckd), calibrated=True),
    "kl": Method(terms.KL),
    "hard": Method(terms.HARD),
    "hard+kl": Method(terms.HARD | terms.KL),
    "logit_mse": Method({"teacher": terms.on_labels_and_teacher(losses.mse)["teacher"]}),
    # later than the paper
    "dkd": Method(terms.CE | terms.DKD),
    "lskd": Method({"labels": replace(terms.CE["labels"], weight=0.1)} | terms.LSKD),
    "rld": Method(terms.CE | terms.RLD),
    # ours, and the same without comparisons
    "ce+ckd": Method(terms.CE | terms.COMPARISONS),
    "ce+ckd+dist": Method(terms.CE | terms.COMPARISONS | terms.DIST),
    "ce+mse": Method(terms.CE | terms.SQUARED_ERROR),
    "ce+mse+dist": Method(terms.CE | terms.SQUARED_ERROR | terms.DIST),
    # white box
    "fitnets": Method(CE_KL | terms.FITNETS, epoch_batches, forward_features),
    "fitnets+crd": Method(CE_KL | terms.CRD | terms.FITNETS, epoch_batches, forward_features),
    "fitnets+ckd": Method(PAIRS | terms.FITNETS, pair_batches, forward_features),
    "vid": Method(CE_KL | terms.VID, epoch_batches, forward_features),
    "vid+crd": Method(CE_KL | terms.CRD | terms.VID, epoch_batches, forward_features),
    "vid+ckd": Method(PAIRS | terms.VID, pair_batches, forward_features),
}


OUTSIDE: dict[str, Method] = {}  # one's own, by name


def rkd_d(dims: int) -> Method:
    """RKD_d: pooled comparisons beside cross-entropy of the labels (CKD, section 6.1)."""
    return Method(terms.CE | terms.pooled(dims), dims=dims)


def get(name: str) -> Method:
    """A method by name: `rkd_D` for any D of at least 1 among them, and any with other weights of
    its terms and other parameters, as `kd:kl=3`, `dist:labels=0.5,beta=2` or `mixup:alpha=0.2`.

    A parameter that two terms have is told by its term, as `dist:kl.temperature=2`. `kd+spare` is
    `kd` that learns labels from all images, `kd@margin` is `kd` that asks about other images; both
    come before the colon, in this order.

    Raises
    ------
    InputError
        If there is none of that name, or it has no such term or parameter; it lists the names.
    """
    base, colon, text = name.partition(":")
    method = _named(base)
    return method.varied(words.read(name, method, text)) if colon else method


def canonical(name: str) -> str:
    """A method's name as runs have it: weights and parameters in the order of its terms, those of
    its own left out, so that one training has one name.
    """
    base, colon, text = name.partition(":")
    method = _named(base)
    changed = words.write(method, words.read(name, method, text)) if colon else ""
    base = base.removesuffix(f"@{RANDOM}")
    return f"{base}:{changed}" if changed else base


def _named(name: str) -> Method:
    """A method by what stands before the colon."""
    base, at, select = name.partition("@")
    if at:
        choose("selection of images", select, SELECTIONS)
        method = _named(base)
        if not method.needs_teacher:
            raise InputError(
                f"{name!r}: {base} asks no teacher about any image; leave out {at}{select}"
            )
        return replace(method, select=select)
    if name.endswith(SPARE) and name not in OUTSIDE:
        return _spare(name)
    if name in OUTSIDE:
        return OUTSIDE[name]
    if found := re.fullmatch(r"rkd_([1-9]\d*)", name):
        return rkd_d(int(found[1]))
    choose("method", name, [*METHODS, *OUTSIDE, "rkd_D (D numbers a comparison)"])
    return METHODS[name]


def _spare(name: str) -> Method:
    """A method whose term of the labels sees images of its own, of all that are labelled."""
    base = name.removesuffix(SPARE)
    method = _named(base)
    plain = method.sampler is epoch_batches and method.forward is forward_each
    further = method.spare or method.calibrated or method.helped or method.own
    if not plain or further or LABELS not in method.terms:
        raise InputError(
            f"{name!r}: labels of further images need a method of images one by one that has a "
            f"term of the labels and trains nothing beside the student, as kd{SPARE}"
        )
    return replace(method, spare=True)
