"""Methods of one's own: a function of a batch's logits, or a `Method`, under a name."""

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..origins import caller, origin, place
from . import terms
from .registry import METHODS, OUTSIDE, Method
from .sampling import epoch_batches, pair_batches
from .terms import Batch, Term, forward_each, forward_mixed
from .words import check_weight

NAME = re.compile(r"[^\W_][\w+./-]*", re.ASCII)  # no ':', '=' and ',': weights are written so
TAKES = ("the library's Batch", "(student, teacher)", "(student, teacher, labels)")
LABELS = "labels"
LIBRARY = origin(Method).rpartition("/methods/")[0]
Values = dict[str, Tensor]
Function = Callable[..., Tensor | Values]


@dataclass(frozen=True)
class Computed:
    """All terms of a batch by one function of the user's, without their weights."""

    method: str
    function: Function
    terms: Sequence[str]
    takes: int  # how many of student, teacher, labels; 1: the Batch

    def __call__(self, batch: Batch) -> Values:
        """The terms by name.

        Raises
        ------
        InputError
            If the function gives others than those that have a weight, or no 0-d tensors.
        """
        given = self.function(*self._arguments(batch))
        found = {self._one(): given} if isinstance(given, Tensor) else given
        if not isinstance(found, Mapping):
            raise self._fault(f"gives {_shape(given)}, neither a tensor nor a dict of them")
        for name, value in found.items():
            if name not in self.terms:
                raise self._fault(f"gives a term {name!r} that has no weight")
            if not isinstance(value, Tensor) or value.shape != ():
                raise self._fault(f"gives {_shape(value)} as {name!r}, where a 0-d tensor is due")
        values = dict(found)
        if LABELS in self.terms and LABELS not in values:
            values[LABELS] = terms.CE[LABELS].loss(batch)
        if lacking := [name for name in self.terms if name not in values]:
            raise self._fault(f"gives no term {lacking[0]!r}")
        return values

    def alone(self, term: str, batch: Batch) -> Tensor:
        """One of them."""
        return self(batch)[term]

    def _arguments(self, batch: Batch) -> Sequence[Any]:
        if self.takes == 1:
            return [batch]
        if len(batch.labels) != 1:
            raise self._fault(
                f"takes {TAKES[self.takes - 1]}, and its batches are of {len(batch.labels)} images "
                "an example; let it take the library's Batch"
            )
        return [batch.student_logits[0], batch.answers[0], batch.labels[0]][: self.takes]

    def _one(self) -> str:
        beside = [name for name in self.terms if name != LABELS]
        if len(beside) != 1:
            raise self._fault("gives one tensor, for which one term beside 'labels' must stand")
        return beside[0]

    def _fault(self, why: str) -> InputError:
        weights = ", ".join(self.terms)
        return InputError(f"method {self.method!r}: its function {why} (its terms: {weights})")


def _shape(value: Any) -> str:
    return f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


class OwnTerm(Term):
    """A term of which the code of its method tells the rest."""

    def definition(self) -> dict[str, Any]:
        return {"loss": "own", "weight": self.weight}


@dataclass(frozen=True)
class OwnMethod(Method):
    """A method whose terms are computed together, once a batch."""

    computed: Callable[[Batch], Values] = lambda batch: {}

    @property
    def helped(self) -> list[str]:
        return []

    def loss(self, batch: Batch) -> Values:
        values = self.computed(batch)
        return {name: term.weight * values[name] for name, term in self.terms.items()}


def method(
    name: str,
    weights: Mapping[str, float],
    label: str = "",
    source: str = "",
    sampler: Callable = epoch_batches,
    forward: Callable = forward_each,
    needs_teacher: bool = True,
    calibrated: bool = False,
) -> Callable[[Function], Function]:
    """Decorator that makes a function a method of that name.

    The function takes what it needs of a batch by position: (student [B, C], teacher [B, C])
    logits, or these and labels [B], or one argument, the library's `Batch`. It gives a 0-d tensor
    or a dict of named ones, and is called once a batch.

    Parameters
    ----------
    name : str
        Wherever a method is named: letters, digits and _ + . / -.
    weights : mapping
        Of each term. 'labels' is the cross-entropy of the labels unless the function gives one;
        beside it stands the one term of a function that gives a tensor.
    label : str
        In figures; the name without.
    source : str
        Whose method it is; rows hold it.
    sampler, forward, needs_teacher, calibrated
        As `Method` has them.

    Raises
    ------
    InputError
        For a name that is taken, and whatever does not fit together.
    """

    def added(function: Function) -> Function:
        checked = _checked(name, weights)
        computed = Computed(name, function, tuple(checked), _takes(name, function))
        own = {term: OwnTerm(one, partial(computed.alone, term)) for term, one in checked.items()}
        made = OwnMethod(
            own,
            sampler,
            forward,
            needs_teacher,
            calibrated,
            label=label or name,
            source=source,
            own=(function, *_own_parts(sampler, forward)),
            computed=computed,
        )
        _check_fit(name, made, computed.takes)
        add(name, made)
        return function

    return added


def add(name: str, method: Method) -> None:
    """Add a method of one's own.

    Raises
    ------
    InputError
        If the name is taken, by this library or by another file (the same file, or another cell of
        the same notebook, replaces its own), or if the method cannot be told from another.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"a method cannot be named {name!r}; choose letters, digits and '_', '+', '.', '/', '-'"
        )
    if not isinstance(method, Method):
        raise InputError(f"method {name!r} is {type(method).__name__}, where a Method is needed")
    if not method.own:
        formulas = [part for term in method.terms.values() for part in (term.loss, term.formula)]
        method = replace(method, own=_own_parts(*formulas, method.sampler, method.forward))
    method = replace(method, label=method.label or name, origin=caller())
    try:
        json.dumps(method.definition())
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"method {name!r} cannot be told from another: {error}") from None
    taken = OUTSIDE.get(name)
    if name in METHODS or (taken and taken.origin != method.origin):
        whose = taken.origin if taken else "ckdlib"
        raise InputError(f"there is a method {name!r} already, of {whose}; choose another name")
    OUTSIDE[name] = method


def try_out(name: str, method: Method, labels: Tensor, classes: int, batch: int = 64) -> None:
    """Refuse a method of one's own that fails on a batch of random logits of such images.

    Parameters
    ----------
    name : str
    method : Method
        Without what is trained beside the student, and without feature maps.
    labels : Tensor [N]
        Of images of the training set.
    classes : int
    batch : int

    Raises
    ------
    InputError
        With what was raised, and where.
    """
    random = torch.Generator().manual_seed(0)
    try:
        index = next(method.sampler(labels, batch, random))
        answers = torch.randn(*index.shape, classes, generator=random)
        shape = (method.passes, index.shape[1], classes)
        method.loss(
            Batch(
                index,
                labels[index],
                answers if method.needs_teacher else None,
                torch.randn(shape, generator=random).requires_grad_(),
                torch.tensor(0.3),
                labels,
                {},
                random,
            )
        )
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"method {name!r} fails on a batch: {place(error)}") from None


def _own_parts(*parts: Any) -> tuple[Callable, ...]:
    """Those that are not this library's: of these a definition holds names and versions."""
    own = [part for part in parts if callable(part) and not origin(part).startswith(LIBRARY)]
    return tuple(own)


def _check_fit(name: str, made: Method, takes: int) -> None:
    """Refuse options that do not go with one another."""
    pairs = made.sampler is pair_batches or made.forward is forward_mixed
    if takes > 1 and (pairs or not made.needs_teacher):
        fault = "draws pairs" if pairs else "asks no teacher"
        raise InputError(
            f"method {name!r} {fault}, and its function takes {TAKES[takes - 1]}; let it take the "
            "library's Batch"
        )
    if made.calibrated and not made.needs_teacher:
        raise InputError(f"method {name!r} is calibrated, which needs the teacher that it does not")
    for option in ("sampler", "forward"):
        if not callable(getattr(made, option)):
            raise InputError(f"method {name!r}: {option} {getattr(made, option)!r} is no function")


def _checked(name: str, weights: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(weights, Mapping) or not weights:
        raise InputError(f"method {name!r}: weights {weights!r} name no term; give {{'kl': 1.0}}")
    checked = {}
    for term, one in weights.items():
        if not isinstance(term, str) or not term.isidentifier():
            raise InputError(f"method {name!r}: a term cannot be named {term!r}; choose a word")
        checked[term] = check_weight(name, term, one if isinstance(one, Real) else repr(one))
    return checked


def _takes(name: str, function: Function) -> int:
    """How many of student, teacher, labels a function takes; 1: the Batch."""
    try:
        shown = inspect.signature(function)
    except (TypeError, ValueError):
        raise InputError(f"method {name!r}: {function!r} is no function") from None
    needed = [one for one in shown.parameters.values() if one.default is one.empty]
    by_place = [one for one in needed if one.kind <= one.POSITIONAL_OR_KEYWORD]
    if len(by_place) != len(needed) or not 1 <= len(by_place) <= len(TAKES):
        raise InputError(
            f"method {name!r}: its function takes {shown}; let it take {', or '.join(TAKES[1:])}, "
            f"or one argument, {TAKES[0]}"
        )
    return len(by_place)
