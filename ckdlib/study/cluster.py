"""The workers of a cluster of dask.distributed: another home for the same tasks.

They read answers and images from folders that all machines see under the same paths, and keep
students there; rows come back here, and only this process appends them.
"""

import pickle
import queue
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import cloudpickle

from ..errors import InputError
from ..files import HOST, replacing
from ..images import Dataset
from ..origins import place
from ..progress import Report
from .attempt import Failure
from .marks import TOUCHED
from .remote import Ticket, by_value, software
from .schedulers import LOCAL, connected, distributed
from .student import StudentResult
from .tasks import Task
from .workers import POLL, Trained, cores
from .workspace import Workspace

LONG = 30.0  # seconds that a worker may take to send a result, or to notice that time is up
GONE = "the scheduler is gone; everything finished is kept, and the same command goes on"


@contextmanager
def opened(
    where: str,
    workspace: Workspace,
    datasets: Mapping[str, Dataset],
    jobs: int,
    deadline: float | None,
    report: Report,
) -> Iterator["Cluster"]:
    """The workers of a cluster, those that are there looked at.

    Parameters
    ----------
    where : str
        'local', a scheduler's address, or the file that it wrote.
    jobs : int
        Students at once: of 'local' on a CPU in all, on CUDA of each GPU.

    Raises
    ------
    InputError
        If there is no such cluster, or one of its workers cannot take part.
    """
    dask = distributed()
    threads = max(1, cores() // jobs) if where == LOCAL and workspace.device == "cpu" else None
    secret = uuid4().hex
    token = workspace.results / "running" / f".cluster-{HOST}-{secret}"
    with ExitStack() as stack:
        client = stack.enter_context(connected(dask, where, workspace.device, jobs))
        with replacing(token) as beside:
            beside.write_text(secret)
        stack.callback(token.unlink, missing_ok=True)
        images = cloudpickle.dumps(list(datasets.values()))
        ticket = Ticket(token, secret, images, workspace.device, threads)
        cluster = Cluster(client, workspace, ticket, jobs, deadline, report)
        stack.callback(cluster.close)
        cluster.look()
        yield cluster


class Cluster:
    """Trains tasks by the workers of a scheduler, as many at once as they have room for."""

    def __init__(
        self,
        client: Any,
        workspace: Workspace,
        ticket: Ticket,
        jobs: int,
        deadline: float | None,
        report: Report,
    ):
        self.client, self.workspace, self.deadline = client, workspace, deadline
        self.jobs, self.report = jobs, report
        self.ticket, self.software = pickle.dumps(ticket), software()
        self.look_at, self.serve = by_value()
        self.running: dict[Any, Task] = {}
        self.finished: queue.Queue[Any] = queue.Queue()
        self.again: deque[Task] = deque()
        self.away: set[str] = set()  # workers that cannot take part
        self.slots = 0
        self.counted = self.touched = 0.0  # when, of `time.monotonic`

    def look(self) -> None:
        """Refuse workers that cannot take part.

        Raises
        ------
        InputError
        """
        look = self.look_at

        async def aside(software: dict[str, str], ticket: bytes) -> str:
            import asyncio

            return await asyncio.to_thread(look, software, ticket)

        found = self.client.run(aside, self.software, self.ticket, on_error="return")
        for address, why in found.items():
            if why:
                raise InputError(f"worker {address} cannot take part: {why}")
        self._count()
        if not self.slots:
            self.report(_no_workers(len(found), self.workspace.device))

    def _count(self) -> None:
        """How many students can be trained at once, as workers come and go."""
        if time.monotonic() < self.counted + POLL:
            return
        self.counted = time.monotonic()
        if self.client.status == "connecting":
            return
        if self.client.status != "running":
            raise InputError(GONE)
        known = self.client.sync(self.client.scheduler.identity, n_workers=-1)
        workers = known["workers"].values()
        before, self.slots = self.slots, sum(map(self._room_of, workers))
        if before and not self.slots:
            self.report(_no_workers(len(workers), self.workspace.device))

    def _room_of(self, worker: Mapping[str, Any]) -> int:
        if self.workspace.device == "cpu":
            return worker["nthreads"]
        return min(worker["nthreads"], int(self.jobs * worker["resources"].get("GPU", 0)))

    @property
    def room(self) -> bool:
        """May it be given one more?"""
        return len(self.running) < self.slots and not self.again

    @property
    def busy(self) -> bool:
        """Has it any that did not come back?"""
        return bool(self.running or self.again)

    def give(self, task: Task) -> None:
        """Let a worker train it."""
        seconds = None if self.deadline is None else self.deadline - time.monotonic()
        packed = cloudpickle.dumps((task, self.workspace, seconds))
        needs = None
        if self.workspace.device != "cpu":
            needs = {"GPU": (1 - 1e-6) / self.jobs}  # so that as many as `jobs` fit
        future = self.client.submit(
            self.serve,
            self.software,
            self.ticket,
            packed,
            key=f"{task.key}-{uuid4().hex[:8]}",
            resources=needs,
            pure=False,
        )
        self._follow(future, task)

    def results(self, seconds: float) -> Iterator[Trained]:
        """What came within so many seconds."""
        self._count()
        self._touch()
        while self.again and len(self.running) < self.slots:
            self.give(self.again.popleft())
        until = time.monotonic() + seconds
        while True:
            try:
                future = self.finished.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return
            until = 0.0  # what is there already, and no more
            task = self.running.pop(future)
            found = self._result(future, task)
            if found is not None:
                yield task, found
            if future not in self.running:
                future.release()  # it is kept, and not made again if its worker dies

    def last(self) -> Iterator[Trained]:
        """What was finished when a stop came."""
        yield from self.results(0)

    def _result(self, future: Any, task: Task) -> StudentResult | Failure | None:
        dask = distributed()
        try:
            found = future.result(timeout=LONG)
        except dask.KilledWorker as error:
            worker = error.last_worker.address
            return Failure(
                f"its worker process died {error.allowed_failures + 1} times, the last one at "
                f"{worker} (out of memory? try fewer at once)"
            )
        except (dask.TimeoutError, TimeoutError):  # lost with its worker, and made again
            self._follow(future, task)
            return None
        except (dask.CancelledError, CancelledError):
            raise InputError(GONE) from None
        except Exception as error:  # whatever a worker may send
            return Failure(f"a worker raised {place(error)}")
        if isinstance(found, dict):
            self._send_away(**found)
            self.again.append(task)
            return None
        return found

    def _send_away(self, worker: str, why: str) -> None:
        if worker not in self.away:
            self.away.add(worker)
            self.report(f"worker {worker} is sent away: {why}")
            self.client.retire_workers([worker])

    def _follow(self, future: Any, task: Task) -> None:
        self.running[future] = task
        future.add_done_callback(self.finished.put)

    def _touch(self) -> None:
        """Say to other hosts that the runs are somebody's, those too that wait for a worker."""
        if time.monotonic() > self.touched + TOUCHED:
            self.touched = time.monotonic()
            for task in self.running.values():
                self.workspace.store.marks.touch(task.key)

    @property
    def over(self) -> bool:
        """Is the time used up, and also what workers need to notice it?"""
        if self.deadline is None:
            return False
        return time.monotonic() > self.deadline + (LONG if self.running else 0)

    def close(self) -> None:
        """Give up what is not finished; its workers notice it at their next step."""
        if self.running and self.client.status == "running":
            self.client.cancel(list(self.running))
        self.running.clear()


def _no_workers(count: int, device: str) -> str:
    if count and device != "cpu":
        return (
            f"none of {count} workers has a GPU to give; start them with: dask worker ADDRESS "
            "--nthreads 8 --resources GPU=1"
        )
    return "no worker is there yet; students wait for one: dask worker ADDRESS --nthreads 1"
