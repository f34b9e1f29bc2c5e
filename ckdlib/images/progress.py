"""What is told while images are opened: lines, and how far a long decode has come."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache as once
from typing import TypeVar

from tqdm import tqdm

Report = Callable[[str], None]
EVERY = 30  # seconds between two lines where there is no terminal

T = TypeVar("T")


@once
def say_once(line: str) -> None:
    """Print a line to stderr, the same one once in a process."""
    print(line, file=sys.stderr, flush=True)


def silent(line: str) -> None:
    """Say nothing."""


def progress(
    items: Iterable[T], total: int, what: str, report: Report, unit: str = "image"
) -> Iterator[T]:
    """Yield the items; a bar on a terminal, else a line every EVERY seconds.

    Parameters
    ----------
    items : iterable
    total : int
        How many there are.
    what : str
        What is done with them, for the line.
    report : callable
        Is given each line.
    unit : str
        What an item is, for the bar.
    """
    hidden, said = not sys.stderr.isatty(), time.monotonic()
    with tqdm(total=total, desc=what, unit=unit, delay=1, leave=False, disable=hidden) as bar:
        for count, item in enumerate(items, 1):
            bar.update()
            if hidden and time.monotonic() - said >= EVERY:
                said = time.monotonic()
                report(f"{what}: {count:,} of {total:,}")
            yield item
