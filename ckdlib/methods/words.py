"""Weights and parameters of a method as words: 'kl=3,temperature=2'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError

if TYPE_CHECKING:
    from .registry import Method

MIXING = "alpha"  # of methods that mix images: of Beta(alpha, alpha), of which their shares are
ABOVE_0 = ("temperature", "confidence_temperature", "dim", "negatives", "variance", "eps")
UP_TO_1 = ("momentum", "smoothing")


class Option(NamedTuple):
    """What can be set of a method."""

    term: str  # '': of the method itself
    parameter: str  # '': the term's weight


class Setting(NamedTuple):
    """An option and the method's own value."""

    option: Option
    own: float


def settings(method: Method) -> dict[str, Setting]:
    """What can be set, by its word: weights first, then parameters.

    A parameter goes by its name, or by `term.name` where two terms have it.
    """
    found = {name: Setting(Option(name, ""), term.weight) for name, term in method.terms.items()}
    parameters = [
        Setting(Option(name, parameter), own)
        for name, term in method.terms.items()
        for parameter, own in term.settable.items()
    ]
    parameters += [Setting(Option("", name), own) for name, own in method.settable.items()]
    named = Counter(one.option.parameter for one in parameters)
    for one in parameters:
        term, parameter = one.option
        alone = named[parameter] == 1 and parameter not in method.terms
        found[parameter if alone else f"{term}.{parameter}"] = one
    return found


def read(name: str, method: Method, text: str) -> dict[Option, float]:
    """What the words of `text` set.

    Parameters
    ----------
    name : str
        The method's, as it was written; for messages.
    method : Method
        Without these words.
    text : str

    Raises
    ------
    InputError
        For a word that it does not know or has twice, and for a value that makes no sense.
    """
    known = settings(method)
    full = {".".join(one.option): one for one in known.values() if all(one.option)} | known
    given: dict[Option, float] = {}
    for part in text.split(","):
        word, _, number = part.partition("=")
        if word not in full or full[word].option in given:
            raise _unknown(name, part, known)
        option, own = full[word]
        given[option] = (
            _parameter(name, word, number, own)
            if option.parameter
            else check_weight(name, word, number)
        )
    return given


def write(method: Method, given: Mapping[Option, float]) -> str:
    """The words that set these, in the order of `settings`, a method's own values left out."""
    changed = [
        f"{word}={_shown(given[option])}"
        for word, (option, own) in settings(method).items()
        if given.get(option, own) != own
    ]
    return ",".join(changed)


def _unknown(name: str, part: str, known: Mapping[str, Setting]) -> InputError:
    weights = [word for word, (option, _) in known.items() if not option.parameter]
    others = [word for word in known if word not in weights]
    has = f", its parameters {', '.join(others)}" if others else ""
    return InputError(
        f"{name!r}: {part!r} gives no weight of a term and no parameter, or one a second time; its "
        f"terms are {', '.join(weights)}{has}; write for instance "
        f"{name.partition(':')[0]}:{weights[0]}=2"
    )


def check_weight(method: str, term: str, value: Any) -> float:
    """A weight as a number; InputError if it is none, negative or infinite."""
    weight = _number(value)
    if isinstance(value, bool) or weight < 0:
        raise InputError(
            f"method {method!r}: weight {value!r} of {term} is no number of at least 0"
        )
    return weight


def _parameter(name: str, word: str, text: str, own: float) -> float:
    """A parameter as a number of its own kind; InputError if it cannot be one."""
    value, parameter, whole = _number(text), word.rpartition(".")[2], isinstance(own, int)
    above, share = parameter in ABOVE_0, parameter in UP_TO_1
    if value < 0 or (above and value == 0) or (share and value > 1) or (whole and value % 1):
        among = "above 0" if above else "from 0 to 1" if share else "of at least 0"
        kind = "whole number" if whole else "number"
        raise InputError(f"method {name!r}: {word} {text!r} is no {kind} {among}")
    return int(value) if whole else value


def _number(value: Any) -> float:
    """-1 for what is none, or not finite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return -1.0
    return number + 0.0 if isfinite(number) else -1.0  # no -0


def _shown(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
