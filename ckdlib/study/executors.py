"""Many students at once: in processes on a CPU, in threads of one process on CUDA.

Each student has its own seed, batches, stopping and result, the same as if it were alone. On CUDA
each thread trains in a stream of its own and replays its own recorded steps, so that small kernels
of many students fill the device together.
"""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)

import torch

from ..errors import OutOfTime
from ..training.graphs import STREAMS
from .student import StudentResult, train_student
from .tasks import Task
from .workspace import Workspace

Trained = tuple[str, StudentResult | str]  # a task's key, and its result or a traceback


def default_jobs(device: str = "cpu") -> int:
    """Students at once: as many as there are cores, on CUDA 8."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else 8


def train_students(
    tasks: Sequence[Task], workspace: Workspace, jobs: int, deadline: float | None
) -> Iterator[Trained]:
    """Each task's key with its result, or with the traceback of its failure, as they finish.

    Tasks that the deadline cuts off yield nothing.
    """
    if workspace.device != "cpu":
        yield from in_threads(tasks, workspace, jobs, deadline)
    elif jobs > 1:
        context = multiprocessing.get_context("spawn")
        threads = max(1, default_jobs() // jobs)
        pool = ProcessPoolExecutor(jobs, context, _start_worker, (threads,))
        yield from _pooled(pool, tasks, workspace, deadline)
    else:
        for task in tasks:
            result = _attempt(task, workspace, deadline)
            if result is not None:
                yield task.key, result


def in_threads(
    tasks: Sequence[Task], workspace: Workspace, jobs: int, deadline: float | None
) -> Iterator[Trained]:
    """`train_students` by threads; leaving this generator stops them at their next round."""
    pool = ThreadPoolExecutor(min(jobs, STREAMS))
    return _pooled(pool, tasks, workspace, deadline, threading.Event())


def _pooled(
    pool: Executor,
    tasks: Sequence[Task],
    workspace: Workspace,
    deadline: float | None,
    stop: threading.Event | None = None,
) -> Iterator[Trained]:
    with pool:
        waiting = {
            pool.submit(_attempt, task, workspace, deadline, stop): task.key for task in tasks
        }
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    key, result = waiting.pop(future), future.result()
                    if result is not None:
                        yield key, result
        finally:
            if stop:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker(threads: int) -> None:
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()

    def follow() -> None:  # never outlive the batch
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _attempt(
    task: Task,
    workspace: Workspace,
    deadline: float | None,
    stop: threading.Event | None = None,
) -> StudentResult | str | None:
    mark = workspace.store.mark(task.key)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(os.getpid()))
        return train_student(task, workspace, deadline, stop)
    except OutOfTime:
        return None
    except Exception:
        return traceback.format_exc()
    finally:
        mark.unlink(missing_ok=True)
