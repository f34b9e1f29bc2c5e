"""Weights and parameters of a method as words: 'kl=3,temperature=2'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError
from .terms import forward_mixed

if TYPE_CHECKING:
    from .registry import Method

MIXING = "alpha"  # of methods that mix images: of Beta(alpha, alpha), of which their shares are
ABOVE_0 = ("temperature", "confidence_temperature", "dim", "negatives", "variance", "eps")
UP_TO_1 = ("momentum", "smoothing")


class Option(NamedTuple):
    """What can be set of a method."""

    term: str  # '': of the method itself
    parameter: str  # '': the term's weight


def options(method: Method) -> dict[str, tuple[Option, float]]:
    """Word -> what it sets, and the method's own value: weights first, then parameters.

    A parameter goes by its name, or by `term.name` where two terms have it.
    """
    found = {name: (Option(name, ""), term.weight) for name, term in method.terms.items()}
    parameters = [
        (Option(name, parameter), value)
        for name, term in method.terms.items()
        for parameter, value in term.settable.items()
    ]
    if method.forward is forward_mixed:
        parameters.append((Option("", MIXING), method.mixing))
    named = Counter(option.parameter for option, _ in parameters)
    for option, value in parameters:
        alone = named[option.parameter] == 1 and option.parameter not in method.terms
        found[option.parameter if alone else f"{option.term}.{option.parameter}"] = option, value
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
    known = options(method)
    given: dict[Option, float] = {}
    for part in text.split(","):
        word, _, number = part.partition("=")
        option = _option(known, word)
        if option is None or option in given:
            raise _unknown(name, part, known)
        given[option] = (
            _parameter(name, word, number, option, method)
            if option.parameter
            else check_weight(name, word, number)
        )
    return given


def write(method: Method, given: Mapping[Option, float]) -> str:
    """The words that set these, in the order of `options`, a method's own values left out."""
    known = options(method).items()
    changed = [
        f"{word}={_shown(given[option])}"
        for word, (option, own) in known
        if given.get(option, own) != own
    ]
    return ",".join(changed)


def _option(known: Mapping[str, tuple[Option, float]], word: str) -> Option | None:
    if word in known:
        return known[word][0]
    term, _, parameter = word.partition(".")
    longer = Option(term, parameter)
    return longer if longer.parameter and longer in [one for one, _ in known.values()] else None


def _unknown(name: str, part: str, known: Mapping[str, tuple[Option, float]]) -> InputError:
    weights = [word for word, (option, _) in known.items() if not option.parameter]
    parameters = [word for word in known if word not in weights]
    has = f"its parameters {', '.join(parameters)}" if parameters else "it has no parameters"
    return InputError(
        f"{name!r}: {part!r} gives no weight of a term and no parameter, or one a second time; its "
        f"terms are {', '.join(weights)}, {has}; write for instance "
        f"{name.partition(':')[0]}:{weights[0]}=2"
    )


def check_weight(method: str, term: str, value: Any) -> float:
    """A weight as a number; InputError if it is none, negative or infinite."""
    weight = _number(value)
    if isinstance(value, bool) or weight < 0:
        raise InputError(
            f"method {method!r}: weight {value!r} of {term} is no number of at least 0"
        )
    return weight + 0.0  # no -0


def _parameter(name: str, word: str, text: str, option: Option, method: Method) -> float:
    """A parameter as a number of its kind."""
    value, parameter = _number(text), option.parameter
    whole = bool(option.term) and type(method.terms[option.term].settable[parameter]) is int
    above = parameter in ABOVE_0 or not option.term
    most = 1 if parameter in UP_TO_1 else float("inf")
    if value < 0 or value > most or (above and value == 0) or (whole and value % 1):
        kind = "whole number" if whole else "number"
        range_ = "above 0" if above else "from 0 to 1" if most == 1 else "of at least 0"
        raise InputError(f"method {name!r}: {word} {text!r} is no {kind} {range_}")
    return int(value) if whole else value + 0.0


def _number(value: Any) -> float:
    """-1 for what is none, or not finite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return -1.0
    return number if isfinite(number) else -1.0


def _shown(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
