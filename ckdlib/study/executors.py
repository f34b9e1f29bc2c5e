"""Many students at once: in processes on a CPU, in threads of one process on CUDA.

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

from ..training.graphs import STREAMS
from .attempt import Stop, attempt
from .tasks import Report, Task
from .workers import POLL, CannotStart, Tasks, Trained, cores, in_processes, next_of
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
) -> Iterator[Trained]:
    """Each task with its result, or why there is none, as they finish.

    Tasks that the deadline or `stop` cuts off yield nothing.
    """
    if workspace.device != "cpu":
        return in_threads(tasks, workspace, jobs, deadline, stop)
    if jobs > 1:
        return _in_processes(tasks, workspace, jobs, deadline, stop, report)
    return _one_by_one(tasks, workspace, deadline, stop)


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


def in_threads(
    tasks: Tasks,
    workspace: Workspace,
    jobs: int,
    deadline: float | None,
    stop: Stop = lambda: False,
) -> Iterator[Trained]:
    """`train_students` by threads; leaving this generator stops them at their next step."""
    left = threading.Event()

    def stopped() -> bool:
        return left.is_set() or stop()

    running: dict[Future, Task] = {}
    more = True
    with ThreadPoolExecutor(min(jobs, STREAMS)) as pool:
        try:
            while more or running:
                while more and len(running) < min(jobs, STREAMS) and not stopped():
                    more, task = next_of(tasks)
                    if task is None:
                        break
                    running[pool.submit(attempt, task, workspace, deadline, stopped)] = task
                if stopped() and not running:
                    return
                for future in wait(running, POLL, FIRST_COMPLETED).done:
                    task, result = running.pop(future), future.result()
                    if result is not None:
                        yield task, result
        finally:
            left.set()


def _in_processes(
    tasks: Tasks,
    workspace: Workspace,
    jobs: int,
    deadline: float | None,
    stop: Stop,
    report: Report,
) -> Iterator[Trained]:
    try:
        yield from in_processes(tasks, workspace, jobs, deadline, stop)
        return
    except CannotStart as error:
        taken = error.taken
    if not stop():
        report(
            "worker processes cannot be started, so students are trained one at a time (a script "
            'needs its call of ckdlib under: if __name__ == "__main__":)'
        )
    yield from _one_by_one(chain(taken, tasks), workspace, deadline, stop)
