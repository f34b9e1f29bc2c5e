"""From what a teacher says to logits, by stated rules; and whether it speaks of the same classes.

Losses compare logits but for a constant of each image, so that logarithms of probabilities serve.
"""

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..errors import InputError, choose

KINDS = ("logits", "probabilities", "log-probabilities")
TOLERANCE = 0.01  # by which the sum of probabilities may be off
BELOW = 1e-4  # by which a probability may be below 0
LOW = 50.0  # per cent right, below which a teacher is doubted
FEWEST_JUDGED = 20  # pictures of which another order can be told
FAR_BETTER = 20.0  # points by which another order of the classes must be better to be told


class Logits(NamedTuple):
    """What a student learns from, and how it was made."""

    values: Tensor  # [N, C] float32, the mean of each row 0
    rule: str


def complete(answers: Tensor) -> Tensor:
    """Which answers [N, C] can be used at all, [N] bool: finite ones, and logarithms of
    probabilities, of which those of zero are minus infinity.
    """
    logarithms = answers.isneginf().any(1) & (_off(answers.double().exp()) < TOLERANCE)
    return answers.isfinite().all(1) | logarithms


def to_logits(answers: Tensor, kind: str | None = None) -> Logits:
    """Answers as logits.

    Probabilities are noticed by rows of at least 0 that sum to one (or to a hundred, as per cent),
    logarithms of them by rows whose exponentials do. A probability below a thousandth of an equal
    share counts as that; the logarithm of zero as that of such a one, or as the least given.

    Parameters
    ----------
    answers : Tensor [N, C]
    kind : {'logits', 'probabilities', 'log-probabilities'}, optional
        What they are, if it is not to be noticed.

    Raises
    ------
    InputError
        If they are not of the kind that was given; or, of none, lie in 0 to 1 and sum to something
        else.
    """
    if kind is not None:
        choose("kind of answers", kind, KINDS)
    if kind != "logits" and _are_shares(answers.double() / 100, slack=0.02):
        answers, kind = answers.double() / 100, kind or "probabilities"
        answers = answers / answers.sum(1, keepdim=True)
    found = _noticed(answers) if kind is None else kind
    if found == "doubtful":
        raise InputError(
            f"the teacher's answers lie in 0 to 1 and {_worst(answers)}: no probabilities of "
            "classes that exclude each other; say that they are logits (answers='logits'), or make "
            "them sum to one"
        )
    shares = answers.double().exp() if kind == "log-probabilities" else answers
    if kind not in (None, "logits") and not _are_shares(shares):
        raise InputError(
            f"the teacher's answers are said to be {kind}, but {_worst(shares)}, the least is "
            f"{shares.min():.4g}; give rows that sum to one, or say what they are (answers)"
        )
    kind = found
    values = answers.double()
    rule = "answers taken as logits"
    if kind == "probabilities":
        least = 1e-3 / answers.shape[1]
        values = values.clamp_min(least).log()
        rule = f"answers are probabilities: learned as logarithms, of {least:.1g} at least"
        if (answers.amax(1) > 1 - BELOW).all():
            rule += "; WARNING: each is one class alone, which says no more than a label"
    elif kind == "log-probabilities":
        rule = "answers are logarithms of probabilities, which are logits but for a constant"
        least = min(log(1e-3 / answers.shape[1]), values[values.isfinite()].min().item())
        values = values.clamp_min(least)
    elif not values.isfinite().all():
        row = int((~values.isfinite()).any(1).nonzero()[0])
        raise InputError(
            f"row {row} of the teacher's answers holds minus infinity, as the logarithm of no "
            "probability; others are logits: give one kind"
        )
    return Logits((values - values.mean(1, keepdim=True)).float(), rule)


def _noticed(answers: Tensor) -> str:
    if (answers >= -BELOW).all() and (answers <= 1 + TOLERANCE).all():
        return "probabilities" if _are_shares(answers) else "doubtful"
    if (answers <= TOLERANCE).all() and _are_shares(answers.double().exp()):
        return "log-probabilities"
    return "logits"


def _off(shares: Tensor) -> Tensor:
    return (shares.double().sum(1) - 1).abs()


def _are_shares(rows: Tensor, slack: float = TOLERANCE) -> bool:
    return bool((rows >= -BELOW).all() and (_off(rows) < slack).all())


def _worst(shares: Tensor) -> str:
    """'row 3 sums to 1.7', of the row that is farthest from one."""
    row = int(_off(shares).argmax())
    return f"row {row} sums to {shares[row].double().sum():.4g}"


def from_top_k(classes: Tensor, values: Tensor, count: int, kind: str) -> tuple[Tensor, str]:
    """Whole rows of probabilities from the k best classes.

    What they lack of one is shared equally by the other classes.

    Parameters
    ----------
    classes : Tensor [N, k]
        int64, none twice in a row; -1 where there is none.
    values : Tensor [N, k]
    count : int
        C.
    kind : {'probabilities', 'log-probabilities'}

    Returns
    -------
    Tensor [N, C]
        Probabilities.
    str
        The rule.

    Raises
    ------
    InputError
        If a row sums to more than one, holds a class twice or no probabilities, or logits were
        given: they say nothing of the other classes.
    """
    if kind not in ("probabilities", "log-probabilities"):
        raise InputError(
            f"the best {classes.shape[1]} of {count} classes are given as {kind}, which say "
            "nothing of the others; give probabilities or log-probabilities"
        )
    there = classes >= 0
    ordered = torch.where(there, classes, -1 - torch.arange(classes.shape[1])).sort(1).values
    if (twice := (ordered.diff(dim=1) == 0).any(1)).any():
        raise InputError(f"row {int(twice.nonzero()[0])} holds a class twice; give each once")
    given = values.double().exp() if kind == "log-probabilities" else values.double()
    given = torch.where(there, given, 0.0)
    total = given.sum(1)
    others = count - there.sum(1)
    wrong = (total > 1 + TOLERANCE) | (given < 0).any(1) | ~torch.isfinite(total)
    wrong |= (others == 0) & (total < 1 - TOLERANCE)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        most = "1 in a row of all classes" if others[row] == 0 else "at most 1 in a row"
        raise InputError(f"the probabilities of row {row} sum to {total[row]:.4g}; give {most}")
    share = torch.where(others > 0, (1 - total).clamp_min(0) / others.clamp_min(1), 0.0)
    filled = share[:, None].expand(-1, count + 1).clone()
    filled.scatter_(1, torch.where(there, classes, count), given)
    rows = filled[:, :count]
    rule = f"of {count} classes the best are given: the rest of one is shared by the others equally"
    return (rows / rows.sum(1, keepdim=True)).float(), rule


def in_order(answers: Tensor, theirs: Sequence[str], ours: Sequence[str]) -> Tensor:
    """The columns of our classes, in our order.

    Parameters
    ----------
    answers : Tensor [N, C']
    theirs, ours : sequence of str
        Names of the columns that are there, and of those that are wanted.

    Raises
    ------
    InputError
        If the names do not fit the columns, or lack one that is wanted.
    """
    theirs = list(map(str, theirs))
    if len(theirs) != answers.shape[1] or len(set(theirs)) != len(theirs):
        raise InputError(
            f"{len(theirs)} names of the teacher's classes ({len(set(theirs))} different) for "
            f"{answers.shape[1]} answers an image; give one name for each"
        )
    if lacking := [name for name in ours if name not in theirs]:
        raise InputError(
            f"the teacher has no class {lacking[0]!r} ({len(lacking)} of {len(ours)} are not "
            f"among its {len(theirs)}: {', '.join(theirs[:8])}, ...); give its classes by the "
            "images' names"
        )
    return answers[:, [theirs.index(name) for name in ours]]


class Agreement(NamedTuple):
    """How often a teacher is right, in per cent."""

    right: float
    at_best: float  # if its classes stood in the order that fits other pictures best
    order: tuple[int, ...]  # that which fits all: our class -> its column

    def warning(self, classes: Sequence[str]) -> str:
        """What is to be said of it; '' if nothing is."""
        if self.at_best - self.right > FAR_BETTER:
            first = next((i for i, column in enumerate(self.order) if column != i), 0)
            return (
                f"another order of the classes would fit far better: {self.at_best:.1f} % right "
                f"instead of {self.right:.1f} %; what stands as {classes[first]!r} seems to be "
                f"in its place {self.order[first]}: give the teacher's own order of the classes "
                "(teacher_classes)"
            )
        if self.right < LOW:
            return (
                f"it is right on {self.right:.1f} % only: are the pictures shown as it was trained "
                "on them (size, colours, scale), and are its classes in the images' order?"
            )
        return ""


def agreement(answers: Tensor, labels: Tensor) -> Agreement:
    """Compare a teacher's best classes with labels, in their order and in the best one.

    That is found on every other picture of a class and measured on those between, and the other
    way: on the pictures that it was found on, some order fits better by chance. Of fewer pictures
    than FEWEST_JUDGED it is their own.

    Parameters
    ----------
    answers : Tensor [N, C]
    labels : Tensor [N]
    """
    share, by_class = 100 / max(1, len(labels)), labels.argsort(stable=True)
    labels, said = labels[by_class], answers.argmax(1)[by_class]
    tables = [_table(labels[i::2], said[i::2], answers.shape[1]) for i in (0, 1)]
    both = tables[0] + tables[1]
    right = share * both.trace().item()
    if len(labels) < FEWEST_JUDGED:
        return Agreement(right, right, tuple(range(len(both))))
    best = sum(_fitting(tables[1 - i], tables[i]) for i in (0, 1))
    return Agreement(right, share * best, tuple(_order(both).tolist()))


def _table(labels: Tensor, said: Tensor, count: int) -> np.ndarray:
    table = np.zeros((count, count), int)
    np.add.at(table, (labels.numpy(), said.numpy()), 1)
    return table


def _order(table: np.ndarray) -> np.ndarray:
    """Of each class the column that fits best, its own where that fits as well."""
    own = np.eye(len(table), dtype=int)
    return linear_sum_assignment((len(table) + 1) * table + own, maximize=True)[1]


def _fitting(found_on: np.ndarray, measured_on: np.ndarray) -> int:
    return measured_on[np.arange(len(found_on)), _order(found_on)].sum().item()
