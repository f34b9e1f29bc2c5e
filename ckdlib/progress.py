"""How far something is: a bar on a terminal, one line that changes on a page that a person runs,
else lines.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache as once
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

Report = Callable[[str], None]
EVERY = 30  # seconds between two lines where there is no terminal
LIVELY = 0.5  # seconds between two changes of a page's line
# Jupyter's server names the page here, to the kernel of each; what runs pages in batch does not
PAGE = "JPY_SESSION_NAME"

T = TypeVar("T")


@once
def say_once(line: str) -> None:
    """Print a line to stderr, the same one once in a process."""
    print(line, file=sys.stderr, flush=True)


def silent(line: str) -> None:
    """Say nothing."""


def on_page() -> bool:
    """Is this the kernel of a page that a person runs, in JupyterLab or another of its kind?

    Not where pages run in batch: their output is a log, which holds a line for each thing done.
    """
    found = sys.modules.get("IPython")
    shell = found.get_ipython() if found else None
    return PAGE in os.environ and getattr(shell, "kernel", None) is not None


class Meter:
    """So many of something are done.

    Parameters
    ----------
    what : str
        What is done, for the line of a page.
    total : int
    unit : str
        What one is, for the bar.
    report : callable
        What is told lines; a page has one that changes where these are printed.
    terminal : file
        A bar is shown where it is a terminal.
    delay : float
        Seconds before anything is shown.
    **bar
        Further settings of `tqdm`.

    Attributes
    ----------
    visible : bool
        Does anybody see it? Else whoever reports should tell lines.
    line : Line or None
        Of a page.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str,
        report: Report = print,
        terminal: TextIO | None = None,
        delay: float = 0,
        **bar: Any,
    ):
        self.what, self.total = what, total
        self.line = Line(delay) if on_page() and report in (print, say_once) else None
        hidden = self.line is not None or not (terminal or sys.stdout).isatty()
        self.bar = tqdm(total=total, unit=unit, disable=hidden, delay=delay, **bar)
        self.visible = self.line is not None or not hidden
        self.started, self.first = time.monotonic(), 0

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *raised: object) -> None:
        self.bar.close()
        if self.line:
            self.line.end()

    def begin(self, done: int) -> None:
        """So many were done before, in no time of this process."""
        self.first = done

    def at(self, done: int, note: str = "", left: float | None = None) -> None:
        """Show how many are done.

        Parameters
        ----------
        done : int
        note : str
            What else is to be seen.
        left : float, optional
            Seconds until all are; the time that those so far took tells without.
        """
        if self.line:
            self.line.show(self._told(done, note, left))
        elif self.visible:
            self.bar.set_postfix_str(note, refresh=False)
            self.bar.update(done - self.bar.n)

    def seconds_left(self, done: int) -> float:
        """Until all are done, at the pace so far."""
        taken = time.monotonic() - self.started
        return (self.total - done) * taken / max(done - self.first, 1)

    def _told(self, done: int, note: str, left: float | None) -> str:
        parts = [f"{self.what}: {done:,} of {self.total:,}", note]
        if done < self.total:
            seconds = self.seconds_left(done) if left is None else left
            parts.append(f"about {seconds / 60:.1f} min left")
        else:
            parts.append(f"{time.monotonic() - self.started:.0f} s")
        return ", ".join(filter(None, parts))


class Line:
    """One line of a page, which changes."""

    def __init__(self, delay: float = 0) -> None:
        self.handle: Any = None
        self.text = self.seen = ""
        self.due = time.monotonic() + delay

    def show(self, text: str) -> None:
        """Show it, unless the last one is so new that nobody read it."""
        self.text = text
        if time.monotonic() >= self.due:
            self._write()

    def end(self) -> None:
        """Show the last one, where any was to be seen."""
        if self.text != self.seen and (self.handle or time.monotonic() >= self.due):
            self._write()

    def _write(self) -> None:
        self.seen, self.due = self.text, time.monotonic() + LIVELY
        data = {"text/plain": self.text}
        if self.handle:
            self.handle.update(data, raw=True)
            return
        from IPython.display import display

        self.handle = display(data, raw=True, display_id=True)


def progress(
    items: Iterable[T], total: int, what: str, report: Report, unit: str = "image"
) -> Iterator[T]:
    """Yield the items, and show how many were.

    Parameters
    ----------
    items : iterable
    total : int
        How many there are.
    what : str
        What is done with them.
    report : callable
        Is given a line every EVERY seconds where nothing else is shown.
    unit : str
        What an item is.
    """
    said = time.monotonic()
    with Meter(what, total, unit, report, sys.stderr, 1, desc=what, leave=False) as shown:
        for count, item in enumerate(items, 1):
            shown.at(count)
            if not shown.visible and time.monotonic() - said >= EVERY:
                said = time.monotonic()
                report(f"{what}: {count:,} of {total:,}")
            yield item
