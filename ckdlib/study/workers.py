"""Worker processes: each trains one student after another, and is replaced if it dies."""

import multiprocessing
import os
import pickle
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from signal import SIG_IGN, SIGINT, signal
from typing import Any

import cloudpickle
import torch

from ..errors import InputError
from ..origins import place
from .attempt import Failure, attempt
from .student import StudentResult
from .tasks import Task
from .workspace import Workspace

ATTEMPTS = 3  # at a run whose worker process dies
POLL = 0.5  # seconds between two looks at what else there is

Trained = tuple[Task, StudentResult | Failure]
Tasks = Iterator[Task | None]  # None where there is nothing to take at the moment


def next_of(tasks: Tasks) -> tuple[bool, Task | None]:
    """Whether there was one more, and the task."""
    for task in tasks:
        return True, task
    return False, None


class CannotStart(Exception):
    """Worker processes die before they are ready; `taken` are the tasks they had."""

    def __init__(self, taken: list[Task]):
        super().__init__("worker processes cannot be started")
        self.taken = taken


class _Worker:
    """A process that trains one student after another."""

    def __init__(self, threads: int):
        context = multiprocessing.get_context("spawn")
        self.connection, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, threads), daemon=True)
        self.process.start()
        there.close()
        self.ready = False
        self.task: Task | None = None

    def give(self, task: Task, workspace: Workspace, deadline: float | None) -> None:
        """Let it train a student."""
        self.task = task
        _send(self.connection, (task, workspace, deadline))

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


def _send(connection: Connection, value: object) -> None:
    """Pickled without torch's own way, which needs shared memory that not every machine has; what
    scripts, notebooks and plugins define goes as it is.
    """
    connection.send_bytes(cloudpickle.dumps(value))


def check_sendable(tasks: Iterable[Task]) -> None:
    """Refuse methods and networks that cannot go to worker processes."""
    for task in {(task.run.method, task.run.student): task for task in tasks}.values():
        try:
            cloudpickle.dumps((task.method, task.student))
        except Exception as error:  # whatever an object may raise
            raise InputError(
                f"{task.run.method} of {task.run.student} cannot be sent to worker processes "
                f"({place(error)}); choose --jobs 1"
            ) from None


def _receive(connection: Connection) -> Any:
    return pickle.loads(connection.recv_bytes())


def _serve(connection: Connection, threads: int) -> None:
    """A worker's life: a task in, a result out."""
    signal(SIGINT, SIG_IGN)  # the batch decides, and kills it
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()

    def follow() -> None:  # never outlive the batch
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    _send(connection, "ready")
    while True:
        try:
            task, workspace, deadline = _receive(connection)
        except EOFError:
            return
        except Exception as error:
            why = f"a worker process cannot have it ({place(error)}); choose --jobs 1"
            _send(connection, Failure(why))
            continue
        _send(connection, attempt(task, workspace, deadline))


class Processes:
    """Trains tasks by worker processes, which are replaced as they die.

    Raises
    ------
    CannotStart
        From `give` and `results`, with the tasks that it had, if processes die before they are
        ready.
    """

    def __init__(self, workspace: Workspace, jobs: int, deadline: float | None):
        self.workspace, self.deadline = workspace, deadline
        self.threads = max(1, cores() // jobs)
        self.slots = jobs
        self.workers: list[_Worker] = []
        self.again: deque[Task] = deque()
        self.died: Counter[str] = Counter()

    @property
    def _training(self) -> dict[Connection, _Worker]:
        return {worker.connection: worker for worker in self.workers if worker.task}

    @property
    def busy(self) -> bool:
        """Has it any that did not come back?"""
        return bool(self._training or self.again)

    @property
    def room(self) -> bool:
        """May it be given one more?"""
        return len(self._training) + len(self.again) < self.slots

    def give(self, task: Task) -> None:
        """Let an idle worker train it."""
        idle = [worker for worker in self.workers if not worker.task]
        try:
            worker = idle[0] if idle else self._hire()
            worker.give(task, self.workspace, self.deadline)
        except OSError:  # no more processes, no more memory
            raise CannotStart(self._taken() + [task]) from None

    def _hire(self) -> _Worker:
        worker = _Worker(self.threads)
        self.workers.append(worker)
        return worker

    def results(self, seconds: float) -> Iterator[Trained]:
        """What came within so many seconds."""
        while self.again:
            self.give(self.again.popleft())
        yield from self._received(seconds)

    def last(self) -> Iterator[Trained]:
        """What was finished when a stop came."""
        yield from self._received(0)

    def _received(self, seconds: float) -> Iterator[Trained]:
        busy = self._training
        if not busy:
            time.sleep(seconds)
        for connection in wait_for(list(busy), seconds) if busy else ():
            worker = busy[connection]  # type: ignore[index]
            task = worker.task
            assert task is not None
            try:
                found = _receive(worker.connection)
            except (EOFError, ConnectionError):
                failure = self._lost(worker, task)
                if failure:
                    yield task, failure
                continue
            if not worker.ready:
                worker.ready = True  # that it told
                continue
            worker.task = None
            if found is not None:
                yield task, found

    def _lost(self, worker: _Worker, task: Task) -> Failure | None:
        """A worker died; its run is tried again, a few times."""
        self.workers.remove(worker)
        worker.kill()
        if not worker.ready:
            raise CannotStart(self._taken() + [task])
        self.died[task.key] += 1
        if self.died[task.key] < ATTEMPTS:
            self.again.append(task)
            return None
        code = worker.process.exitcode
        return Failure(
            f"its worker process died {ATTEMPTS} times, the last time by exit code {code} (out of "
            "memory? try fewer --jobs)"
        )

    def _taken(self) -> list[Task]:
        return [worker.task for worker in self.workers if worker.task] + list(self.again)

    def close(self) -> None:
        """End all of them."""
        for worker in self.workers:
            worker.kill()


def only_once() -> None:
    """Stop a worker process that, as it starts, runs the user's script, which is unguarded."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)  # the first one says so, and goes on alone


def cores() -> int:
    """Of this process."""
    return len(os.sched_getaffinity(0))
