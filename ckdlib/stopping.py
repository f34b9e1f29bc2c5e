"""Ctrl-C and SIGTERM: noted while something must come to its end, then obeyed."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal asked to stop; what was finished is kept."""

    def __init__(self, number: int = signal.SIGINT):
        super().__init__("stopped; everything finished is kept and the same command goes on")
        self.exit_status = 128 + number


def obey(number: int, frame: FrameType | None = None) -> NoReturn:
    """A signal handler: stop here."""
    raise Stopped(number)


class Pending:
    """The signal that was noted, if one was."""

    number = 0

    def __bool__(self) -> bool:
        return self.number > 0

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """A signal handler: the first signal is noted, a second one is obeyed."""
        if self.number:
            obey(number)
        self.number = number

    def obey(self) -> None:
        """Stop here if a signal was noted."""
        if self.number:
            raise Stopped(self.number)


@contextmanager
def deferred() -> Iterator[Pending]:
    """Signals are noted, and obeyed at the end of the block.

    In threads other than the main one, which get no signals, none ever is.
    """
    pending = Pending()
    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    before = {number: signal.signal(number, pending.note) for number in SIGNALS}
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    pending.obey()
