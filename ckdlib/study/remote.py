"""What runs on the workers of a cluster: look whether one can take part, then train.

A worker's ckdlib may be another, or none; so what looks goes there by value.
"""

import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..files import HOST, writable_folder
from ..origins import place
from ..reproducibility import choose_device, code_version, versions
from .attempt import Failure, Stop, attempt
from .student import StudentResult

SEEN = 5.0  # seconds after which a new file of a shared folder is seen by all machines


@dataclass(frozen=True)
class Ticket:
    """What a worker must have to take part in a batch."""

    token: Path  # a file in the results folder, the same on all machines
    secret: str  # what it holds
    images: bytes  # the datasets, pickled: where they lie and their digests
    device: str
    threads: int | None = None  # of torch; None: as the worker was started


def software() -> dict[str, str]:
    """What must be the same on all machines."""
    own = versions()
    return own | {"python": own["python"].rpartition(".")[0], "code of ckdlib": code_version()}


def by_value() -> tuple[Callable[..., str], Callable[..., Any]]:
    """`look` and `serve`, pickled with their code because they stand in a function."""

    def look(expected: dict[str, str], ticket: bytes) -> str:
        """Why a worker cannot take part; '' if it can."""
        try:
            from ckdlib.reproducibility import code_version, versions
        except ImportError as error:
            return f"it cannot import ckdlib ({error}); install there what is installed here"
        own = versions()
        own |= {"python": own["python"].rpartition(".")[0], "code of ckdlib": code_version()}
        for name, value in expected.items():
            if own.get(name) != value:
                return f"{name} is {own.get(name)} there and {value} here; install the same"
        from ckdlib.study.remote import lacks

        return lacks(ticket)

    def serve(expected: dict[str, str], ticket: bytes, task: bytes) -> Any:
        """A task's result; the worker's address, and why, where it cannot take part."""
        from distributed import get_worker

        why = look(expected, ticket)
        if why:
            return {"worker": get_worker().address, "why": why}
        from ckdlib.study.remote import train

        return train(task)

    return look, serve


_LOOKING = threading.Lock()


def lacks(ticket: bytes) -> str:
    """What this worker lacks to take part, and the way out; '' if nothing. Found once."""
    with _LOOKING:
        return _found_lacking(ticket)


@cache
def _found_lacking(ticket: bytes) -> str:
    needed: Ticket = pickle.loads(ticket)
    folder = needed.token.parents[1]
    if not _seen(needed):
        return (
            f"it does not see {folder}; put the results into a folder that all machines see under "
            "the same path, and name that with --results"
        )
    try:
        writable_folder(folder)
        choose_device(needed.device)
    except InputError as error:
        return str(error)
    try:
        pickle.loads(needed.images)
    except Exception as error:
        return (
            f"it cannot have the images ({place(error)}); put them into a folder that all machines "
            "see under the same path, and name that with --data or --dataset"
        )
    if needed.threads:
        torch.set_num_threads(needed.threads)
    return ""


def _seen(needed: Ticket) -> bool:
    until = time.monotonic() + SEEN
    while time.monotonic() < until:
        try:
            return needed.token.read_text() == needed.secret
        except OSError:
            time.sleep(SEEN / 10)
    return False


def train(packed: bytes) -> StudentResult | Failure | None:
    """A task's result, as `attempt` has it."""
    try:
        task, workspace, seconds = pickle.loads(packed)
    except Exception as error:
        return Failure(f"a worker of {HOST} cannot have it ({place(error)})")
    choose_device(workspace.device)
    workspace.store.marks.place(task.key)
    deadline = None if seconds is None else time.monotonic() + seconds
    return attempt(task, workspace, deadline, _given_up())


def _given_up() -> Stop:
    """Is nobody interested in this worker's task any more: was the batch stopped, or did it end?"""
    from distributed import get_worker
    from distributed.worker import thread_state

    worker, key = get_worker(), thread_state.key

    def stop() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return stop
