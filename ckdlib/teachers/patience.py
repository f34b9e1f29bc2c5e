"""Asking again where a teacher fails, and about one picture after another."""

from collections.abc import Callable
from typing import Any

import torch
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential
from torch import Tensor

from ..errors import InputError
from ..progress import Report
from .answers import checked_answers

# mistakes of the code, which asking again does not mend
MISTAKES = (TypeError, NameError, AttributeError, ImportError, SyntaxError, NotImplementedError)
LONGEST = 60.0  # seconds between two attempts
IN_A_ROW = 3  # pictures about which it fails alone: then it rather cannot be reached


def patient(
    ask: Callable[[Tensor], Any], attempts: int, wait: float, report: Report
) -> Callable[[Tensor], Tensor]:
    """The same function, asked again where it fails.

    Where it goes on failing it is asked about each picture alone, once; those about which it fails
    then get rows of nan.

    Parameters
    ----------
    ask : callable
    attempts : int
        At one batch, in all.
    wait : float
        Seconds before the second attempt; twice as long before each further one, at most LONGEST.
    report : callable
        Is told of each failure.

    Returns
    -------
    callable
        Pictures [B, H, W, 3] -> scores [B, C].

    Raises
    ------
    InputError
        From the new function: where it fails at IN_A_ROW pictures, one after another, or at once
        where the code is wrong.
    """
    alone = _Alone(ask, report)

    def told(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        report(f"the teacher failed ({_why(error)}); asked again in {state.upcoming_sleep:.3g} s")

    def patiently(images: Tensor) -> Tensor:
        tries = Retrying(
            stop=stop_after_attempt(attempts),
            wait=wait_exponential(multiplier=wait, max=LONGEST),
            retry=retry_if_exception(_passing),
            before_sleep=told,
            reraise=True,
        )
        try:
            return alone.noted(_scores(tries(ask, images), images))
        except InputError:
            raise
        except Exception as error:
            if _passing(error) and (found := alone.scores(images)) is not None:
                return found
            raise _end(error, images, attempts) from error

    return patiently


class _Alone:
    """Asks about pictures one by one."""

    def __init__(self, ask: Callable[[Tensor], Any], report: Report):
        self.ask, self.report = ask, report
        self.width: int | None = None  # numbers in an answer, once one is known
        self.failed = 0  # pictures, one after another

    def noted(self, scores: Tensor) -> Tensor:
        self.width, self.failed = scores.shape[1], 0
        return scores

    def scores(self, images: Tensor) -> Tensor | None:
        """[B, C], rows of nan where it fails; None where it rather cannot be reached."""
        rows: list[Tensor | None] = []
        for image in images.split(1):
            rows.append(self._one(image) if len(images) > 1 else None)
            self.failed += rows[-1] is None
            if self.failed == IN_A_ROW:
                return None
        if self.width is None:
            return None
        unknown = torch.full((1, self.width), torch.nan)
        return torch.cat([unknown if row is None else row for row in rows])

    def _one(self, image: Tensor) -> Tensor | None:
        try:
            return self.noted(_scores(self.ask(image), image))
        except InputError:
            raise
        except Exception as error:
            if not _passing(error):
                raise _end(error, image) from error
            self.report(f"the teacher failed ({_why(error)}) at a picture alone; it is passed over")
            return None


def _scores(answer: Any, images: Tensor) -> Tensor:
    return checked_answers(answer, len(images)).tensors["logits"]


def _passing(error: BaseException) -> bool:
    """May it not come again, or not with another picture?"""
    return isinstance(error, Exception) and not isinstance(error, (InputError, *MISTAKES))


def _end(error: Exception, images: Tensor, attempts: int = 1) -> InputError:
    times = f"{attempts} times" if _passing(error) else "for a mistake in it"
    return InputError(
        f"the teacher failed {times} ({_why(error)}) at {len(images)} pictures "
        f"{list(images.shape[1:])}; what it answered before is kept, and the same call goes on"
    )


def _why(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]
