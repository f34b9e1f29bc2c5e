"""Methods of one's own: a function of a batch's logits, or a `Method`, under a name."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..models import new
from ..origins import caller, origin, place
from .own import TAKES, Computed, Function, OwnMethod, OwnTerm
from .registry import METHODS, OUTSIDE, Method
from .sampling import epoch_batches, pair_batches
from .terms import Batch, forward_each, forward_mixed
from .words import check_weight

NAME = re.compile(r"[^\W_][\w+./-]*", re.ASCII)  # no ':', '=' and ',': weights are written so
TRIED = 8  # pixels of the images of a trial
LIBRARY = origin(Method).rpartition("/methods/")[0]


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
    """Refuse a method of one's own that fails on a batch of random images with such labels.

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
        views = list(torch.randn(*index.shape, 3, TRIED, TRIED, generator=random))
        seen, _ = method.forward(new("resnet8", classes), views, torch.tensor(0.3))
        method.loss(
            Batch(
                index,
                labels[index],
                answers if method.needs_teacher else None,
                seen,
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
