"""What loss terms are made of: how the student sees a batch, and each term as a function of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import Parameter, signature
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from .. import losses
from ..models import Network

INNER = slice(1, -1)  # of a network's features: the maps that white-box losses may use
Shape = tuple[int, ...]


@dataclass
class Batch:
    """What a loss term may use. k is 2 for methods that draw pairs and 1 for all others."""

    index: Tensor  # [k, B] positions in the training split
    labels: Tensor  # [k, B]
    teacher_logits: Tensor | None  # [k, B, C] kept answers
    student_logits: Tensor  # [passes, B, C], one pass an image (mixup: one pass a pair)
    lam: Tensor  # 0-d, the share of the first image where images are mixed
    all_labels: Tensor  # [N] of the whole training split
    helpers: Mapping[str, nn.Module] | nn.ModuleDict  # what is trained beside the student
    helper_rng: torch.Generator  # on the device
    student_maps: Sequence[Tensor] = ()  # white box: inner maps, a level [passes, B, ...]
    teacher_maps: Sequence[Tensor] = ()  # white box: the kept ones, a level [k, B, ...]

    @property
    def answers(self) -> Tensor:
        """The teacher's logits, for terms that need them.

        Raises
        ------
        ValueError
            If the teacher was not asked.
        """
        if self.teacher_logits is None:
            raise ValueError("this term needs the teacher's logits, and the batch has none")
        return self.teacher_logits

    def row(self, k: int) -> "Batch":
        """The k-th image of each example alone, of a batch whose student sees every image."""
        one = slice(k, k + 1)
        answers = None if self.teacher_logits is None else self.teacher_logits[one]
        return replace(
            self,
            index=self.index[one],
            labels=self.labels[one],
            teacher_logits=answers,
            student_logits=self.student_logits[one],
        )


class Problem(NamedTuple):
    """What sizes the modules that are trained beside a student."""

    classes: int
    images: int  # in the training split
    present: int = 2  # classes that these images are of
    student: Sequence[Shape] = ()  # white box: shapes of the inner maps, a level [C, H, W]
    teacher: Sequence[Shape] = ()


@dataclass(frozen=True)
class Term:
    """A loss of a batch and its weight.

    What a run's identity knows of it is the name of its `formula` (the pure loss that it computes,
    else its own), both their parameters, and the version in `losses.VERSIONS`.
    """

    weight: float
    loss: Callable[..., Tensor]  # of a Batch, and of parameters by name
    formula: Callable | None = None
    changed: Mapping[str, float] = field(default_factory=dict)  # parameters that are no defaults

    def definition(self) -> dict[str, Any]:
        """The term as plain data.

        Raises
        ------
        ValueError
            If nothing names it: two lambdas could not be told apart.
        """
        formula = self.formula or self.loss
        name = formula.__name__.lstrip("_")
        if name == "<lambda>":
            raise ValueError("a term whose loss is a lambda needs a named `formula`")
        version = losses.VERSIONS.get(name, 1)
        parameters = defaults(formula) | defaults(self.loss) | dict(self.changed)
        return {"loss": name, "version": version, "weight": self.weight} | parameters

    @property
    def settable(self) -> dict[str, float]:
        """The parameters that can be changed: numbers that reach the loss, or what is trained."""
        formula = self.formula if _takes_any(self.loss) or isinstance(self.formula, type) else None
        own = (defaults(formula) if formula else {}) | defaults(self.loss)
        return {name: one for name, one in own.items() if type(one) in (int, float)}

    def varied(self, changed: Mapping[str, float]) -> "Term":
        """The same with other values of some of them."""
        loss = partial(self.loss, **accepted(self.loss, changed))
        formula = self.formula or self.loss
        return replace(self, loss=loss, formula=formula, changed={**self.changed, **changed})


def defaults(function: Callable) -> dict[str, Any]:
    """A function's parameters that have a default, and these."""
    parameters = signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def accepted(function: Callable, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the given parameters that a function takes."""
    takes, every = signature(function).parameters, _takes_any(function)
    return {name: value for name, value in given.items() if every or name in takes}


def _takes_any(function: Callable) -> bool:
    kinds = {one.kind for one in signature(function).parameters.values()}
    return Parameter.VAR_KEYWORD in kinds


# How the student sees a batch of views, k tensors [B, 3, H, W] -> logits [passes, B, C], inner maps

Seen = tuple[Tensor, Sequence[Tensor]]


def forward_each(net: nn.Module, views: list[Tensor], lam: Tensor) -> Seen:
    """Every image of the example in a training-mode pass of its own."""
    return torch.stack(list(map(net, views))), ()


def forward_features(net: Network, views: list[Tensor], lam: Tensor) -> Seen:
    """The same, with the inner feature maps."""
    logits, maps = [], []
    for view in views:
        features, answers = net.forward_features(view)
        logits.append(answers)
        maps.append(features[INNER])
    return torch.stack(logits), list(map(torch.stack, zip(*maps, strict=True)))


def forward_mixed(net: nn.Module, views: list[Tensor], lam: Tensor) -> Seen:
    """One pass over lam * first + (1 - lam) * second."""
    return net(torch.lerp(views[1], views[0], lam))[None], ()


# Losses of a batch. Those that compute a pure loss as it is stand in the registry.


def one_hot_labels(b: Batch) -> Tensor:
    """[k, B, C] labels, in the precision of the logits."""
    return one_hot(b.labels, b.student_logits.shape[-1]).to(b.student_logits.dtype)


def _logits(b: Batch) -> tuple[Tensor, Tensor]:
    return b.student_logits[0], b.answers[0]


def _cross_entropy(b: Batch) -> Tensor:
    return cross_entropy(b.student_logits[0], b.labels[0])


def _smoothed_cross_entropy(b: Batch, smoothing: float = 0.1) -> Tensor:
    """With (1 - smoothing) y + smoothing / C for the one-hot labels y (Szegedy et al. 2016)."""
    return cross_entropy(b.student_logits[0], b.labels[0], label_smoothing=smoothing)


def _hard_labels(b: Batch) -> Tensor:
    """Cross-entropy with the teacher's arg max."""
    return cross_entropy(b.student_logits[0], b.answers[0].argmax(-1))


def _comparisons(b: Batch) -> Tensor:
    """All-pairs CKD with the teacher, summed over the classes, in hundreds.

    A class is pulled as hard among few as among many; beside cross-entropy the mean over few
    classes would pull it too hard.
    """
    return _hundreds(b) * losses.ckd(*_logits(b))


def _squared_error(b: Batch) -> Tensor:
    """The same without comparisons."""
    return _hundreds(b) * losses.mse(*_logits(b))


def _hundreds(b: Batch) -> float:
    return b.student_logits.shape[-1] / 100


def _crd(b: Batch, negatives: int = 16_384) -> Tensor:
    draws = losses.draw_negatives(b.all_labels, b.index[0], negatives, b.helper_rng)
    return b.helpers["crd"](b.student_logits[0], b.answers[0], b.index[0], draws)


def _mixed_labels(b: Batch) -> Tensor:
    first, second = b.labels
    return losses.mixup_labels(b.student_logits[0], first, second, b.lam)


def _mixed_answers(b: Batch) -> Tensor:
    first, second = b.answers
    return losses.mixup_teacher(b.student_logits[0], first, second, b.lam)


def _fitnets(b: Batch, level: int = 1) -> Tensor:
    return b.helpers["fitnets"](*_levels(b)[level])


def _vid(b: Batch) -> Tensor:
    return b.helpers["vid"](_levels(b))


def _levels(b: Batch) -> list[tuple[Tensor, Tensor]]:
    """The student's and the teacher's map of each inner level.

    Of pairs, the difference of the two images' maps (CKD, Equation 5).
    """
    student = map(_difference, b.student_maps)
    teacher = map(_difference, b.teacher_maps)
    return list(zip(student, teacher, strict=True))


def _difference(level: Tensor) -> Tensor:
    return level[0] if len(level) == 1 else level[0] - level[1]


# Terms. Their names are those of the rows' loss terms. Losses that take `own` parameters have those
# of their formula.

CE = {"labels": Term(1.0, _cross_entropy)}
SMOOTHED = {"labels": Term(1.0, _smoothed_cross_entropy)}
HARD = {"hard": Term(1.0, _hard_labels)}
KL = {
    "kl": Term(1.0, lambda b, **own: losses.kd(*_logits(b), **own), losses.kd),
}
RKD = {
    "rkd": Term(1.0, lambda b, **own: losses.rkd(*_logits(b), **own), losses.rkd),
}
DIST = {
    "dist": Term(2.0, lambda b, **own: losses.dist(*_logits(b), **own), losses.dist),
}
LSKD = {
    "lskd": Term(9.0, lambda b, **own: losses.lskd(*_logits(b), **own), losses.lskd),
}
DKD = {
    "dkd": Term(1.0, lambda b, **own: losses.dkd(*_logits(b), b.labels[0], **own), losses.dkd),
}
RLD = {
    "rld": Term(1.0, lambda b, **own: losses.rld(*_logits(b), b.labels[0], **own), losses.rld),
}
CRD = {"crd": Term(0.8, _crd, losses.CRD)}
FITNETS = {"fitnets": Term(100.0, _fitnets, losses.FitNets)}
VID = {"vid": Term(1.0, _vid, losses.VID)}
COMPARISONS = {"teacher": Term(5.0, _comparisons)}
SQUARED_ERROR = {"teacher": Term(5.0, _squared_error)}
MIXED_LABELS = {"labels": Term(1.0, _mixed_labels, losses.mixup_labels)}
MIXUP = MIXED_LABELS | {
    "teacher": Term(1.0, _mixed_answers, losses.mixup_teacher),
}
CKD_PAIRS = {
    "labels": Term(
        1.0,
        lambda b: losses.ckd_pairs(*b.student_logits, *one_hot_labels(b)),
        losses.ckd_pairs,
    ),
    "teacher": Term(
        1.0,
        lambda b: losses.ckd_pairs(*b.student_logits, *b.answers),
        losses.ckd_pairs,
    ),
}


def on_labels_and_teacher(loss: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Term]:
    """CKD, Equation 3: one loss against one-hot labels and the same against the teacher."""
    return {
        "labels": Term(1.0, lambda b: loss(b.student_logits[0], one_hot_labels(b)[0]), loss),
        "teacher": Term(1.0, lambda b: loss(*_logits(b)), loss),
    }


def pooled(dims: int) -> dict[str, Term]:
    """Comparisons with the teacher, pooled to `dims` numbers (CKD, Equation 6)."""
    return {
        "teacher": Term(
            1.0,
            lambda b: losses.pooled_ckd(b.student_logits[0], b.answers[0], dims),
            losses.pooled_ckd,
        )
    }
