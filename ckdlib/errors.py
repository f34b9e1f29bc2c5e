"""A user's mistake: one line that names the value and the remedy.

The command line prints it and exits with 2.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line, with the value and what would be right.
    """


class RunsFailed(InputError):
    """Some runs of a batch failed; the others are kept."""


class OutOfTime(Exception):
    """The time budget ended; everything finished is kept, and the same command goes on."""


def choose(kind: str, name, options: Iterable) -> None:
    """Check that `name` is one of `options`.

    Parameters
    ----------
    kind : str
        What it is ('method', 'profile', ...), for the message.
    name : object
    options : iterable

    Raises
    ------
    InputError
        If it is none of them; the message lists them, and the closest where one is near.
    """
    options = list(options)
    if name in options:
        return
    close = get_close_matches(str(name), [str(option) for option in options], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise InputError(f"unknown {kind} {name!r}: {hint}choose from {', '.join(map(str, options))}")


def not_installed(module: str | None, what: str, extra: str) -> InputError:
    """Says which extra of this library brings a module that `what` (a plural) need."""
    package = str(module).partition(".")[0]
    return InputError(
        f"{package} is not installed, and {what} need it; install what they need with: "
        f'pip install "ckdlib[{extra}]"'
    )


def difference(one, other, name: str = "") -> str:
    """Where two values differ, of mappings their entries: 'flip True and False'."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return f"{name} {one} and {other}".strip()
    return ", ".join(
        difference(one.get(key), other.get(key), f"{name}.{key}".strip("."))
        for key in {**one, **other}
        if one.get(key) != other.get(key)
    )
