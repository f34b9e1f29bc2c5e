"""Many students at once: in processes on a CPU, in threads of one process on CUDA, or by the
workers of a cluster. One loop feeds them and collects.

Each student has its own seed, batches, stopping and result, the same as if it were alone. On CUDA
each thread trains in a stream of its own and replays its own recorded steps, so that small kernels
of many students fill the device together.

Tasks are taken one by one as there is room, so that nothing begins after a stop.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import Protocol

from ..progress import Report
from ..training.graphs import STREAMS
from .attempt import Stop, attempt
from .cluster import Cluster
from .tasks import Task
from .workers import POLL, CannotStart, Processes, Tasks, Trained, cores, next_of
from .workspace import Workspace


def default_jobs(device: str = "cpu") -> int:
    """Students at once: as many as there are cores, on CUDA 8."""
    return cores() if device == "cpu" else 8


def train_students(
    tasks: Tasks,
    workspace: Workspace,
    jobs: int,
    deadline: float | None,
    stop: Stop = lambda: False,
    report: Report = print,
    cluster: Cluster | None = None,
) -> Iterator[Trained]:
    """Each task with its result, or why there is none, as they finish.

    Tasks that the deadline or `stop` cuts off yield nothing.
    """
    if cluster:
        return _collected(tasks, cluster, lambda: stop() or cluster.over)
    if workspace.device != "cpu":
        return in_threads(tasks, workspace, jobs, deadline, stop)
    if jobs > 1:
        return _in_processes(tasks, workspace, jobs, deadline, stop, report)
    return _one_by_one(tasks, workspace, deadline, stop)


class Crew(Protocol):
    """Who trains many students at once."""

    @property
    def room(self) -> bool:
        """May it be given one more?"""

    @property
    def busy(self) -> bool:
        """Has it any that did not come back?"""

    def give(self, task: Task) -> None:
        """Let it train one more."""

    def results(self, seconds: float) -> Iterator[Trained]:
        """What came within so many seconds."""

    def last(self) -> Iterator[Trained]:
        """What was finished when a stop came."""

    def close(self) -> None:
        """Give up what is not finished."""


def _collected(tasks: Tasks, crew: Crew, stop: Stop) -> Iterator[Trained]:
    """Feed a crew and yield what comes back; leaving this generator closes the crew."""
    more = True
    try:
        while (more or crew.busy) and not stop():
            while more and crew.room and not stop():
                more, task = next_of(tasks)
                if task is None:
                    break
                crew.give(task)
            if crew.busy or more:
                yield from crew.results(POLL)
        yield from crew.last()
    finally:
        crew.close()


def _one_by_one(
    tasks: Tasks, workspace: Workspace, deadline: float | None, stop: Stop
) -> Iterator[Trained]:
    for task in tasks:
        if stop():
            return
        if task is None:
            time.sleep(POLL)
            continue
        result = attempt(task, workspace, deadline, stop)
        if result is not None:
            yield task, result


class Threads:
    """Trains tasks by threads of this process, which stop at their next step where `stop` says."""

    def __init__(self, workspace: Workspace, jobs: int, deadline: float | None, stop: Stop):
        self.workspace, self.deadline, self.stop = workspace, deadline, stop
        self.slots = min(jobs, STREAMS)
        self.pool = ThreadPoolExecutor(self.slots)
        self.left = threading.Event()
        self.running: dict[Future, Task] = {}

    @property
    def room(self) -> bool:
        """May it be given one more?"""
        return len(self.running) < self.slots

    @property
    def busy(self) -> bool:
        """Has it any that did not come back?"""
        return bool(self.running)

    def _stopped(self) -> bool:
        return self.left.is_set() or self.stop()

    def give(self, task: Task) -> None:
        """Let a thread train it."""
        words = (task, self.workspace, self.deadline, self._stopped)
        self.running[self.pool.submit(attempt, *words)] = task

    def results(self, seconds: float) -> Iterator[Trained]:
        """What came within so many seconds."""
        if not self.running:
            time.sleep(seconds)
        for future in wait(self.running, seconds, FIRST_COMPLETED).done:
            task, result = self.running.pop(future), future.result()
            if result is not None:
                yield task, result

    def last(self) -> Iterator[Trained]:
        """What was finished when a stop came, which all notice."""
        while self.running:
            yield from self.results(POLL)

    def close(self) -> None:
        """Stop what is not finished."""
        self.left.set()
        self.pool.shutdown()


def in_threads(
    tasks: Tasks,
    workspace: Workspace,
    jobs: int,
    deadline: float | None,
    stop: Stop = lambda: False,
) -> Iterator[Trained]:
    """`train_students` by threads; leaving this generator stops them at their next step."""
    return _collected(tasks, Threads(workspace, jobs, deadline, stop), stop)


def _in_processes(
    tasks: Tasks,
    workspace: Workspace,
    jobs: int,
    deadline: float | None,
    stop: Stop,
    report: Report,
) -> Iterator[Trained]:
    try:
        yield from _collected(tasks, Processes(workspace, jobs, deadline), stop)
        return
    except CannotStart as error:
        taken = error.taken
    if not stop():
        report(
            "worker processes cannot be started, so students are trained one at a time (a script "
            'needs its call of ckdlib under: if __name__ == "__main__":)'
        )
    yield from _one_by_one(chain(taken, tasks), workspace, deadline, stop)
