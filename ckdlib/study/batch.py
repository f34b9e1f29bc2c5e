"""A batch: runs -> rows. Plan, teachers, their calls, students; each row kept as it comes."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from ..errors import InputError, OutOfTime, RunsFailed
from ..files import remove_leftovers, replacing
from ..progress import Meter, Report, silent
from ..records import Row
from ..stopping import deferred
from ..training import check_device
from .attempt import Failure
from .choosing import choose_images, save_splits
from .cluster import Cluster, opened
from .executors import default_jobs, train_students
from .plan import Left, Pace, pace_on, plan
from .runs import Run
from .store import Store
from .student import StudentResult
from .tasks import Task, prepare
from .teachers import ask_teachers, open_teachers
from .workers import Tasks, check_sendable, only_once
from .workspace import Workspace


def run(
    runs: Sequence[Run],
    workspace: Workspace,
    jobs: int | None = None,
    time_budget: float | None = None,
    add_features: bool = False,
    report: Report = print,
    cluster: str | None = None,
) -> list[Row]:
    """Train every run that has no row yet.

    Other batches may be at the same folder: each teacher, call and student is made once.

    Parameters
    ----------
    runs : sequence of Run
    workspace : Workspace
    jobs : int, optional
        Students at once.
    time_budget : float, optional
        Minutes after which it stops, with every finished run kept.
    add_features : bool
        Make calls a second time where white-box methods need feature maps that were not kept.
    cluster : str, optional
        Train by the workers of a cluster of dask.distributed: 'local', a scheduler's address, or
        the file that it wrote. `jobs` are then students at once of each GPU; of 'local' on a CPU
        they are its workers.

    Returns
    -------
    list of Row
        The rows of all runs that are done (none where the time was used up before the first
        student).

    Raises
    ------
    InputError
        Before anything starts, if a run cannot be; RunsFailed at the end, if runs failed.
    Stopped
        By Ctrl-C or SIGTERM, with every finished run kept.
    """
    only_once()
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    store = workspace.store
    prepared = prepare(runs, workspace, store, report)
    jobs = jobs or default_jobs(workspace.device)
    if cluster or (jobs > 1 and workspace.device == "cpu"):
        check_sendable(prepared.tasks.values())
    remove_leftovers(workspace.results)
    store.marks.clear()
    pace = pace_on(workspace.device, prepared.rows)
    for line in plan(prepared.runs, pace, prepared.datasets, workspace.device):
        report(line)
    if prepared.left:
        _check_device(workspace, report)
    with ExitStack() as stack:
        crew = None
        if cluster and prepared.left:
            at = opened(cluster, workspace, prepared.datasets, jobs, deadline, report)
            crew = stack.enter_context(at)
        try:
            teachers = open_teachers(prepared.left, workspace, prepared.datasets, deadline, report)
            tasks = prepared.with_teachers({name: card for name, (_, card) in teachers.items()})
            done = prepared.done
            left = [task for key, task in tasks.items() if key not in done]
            todo = choose_images(left, workspace, deadline, report)
            tasks |= {task.key: task for task in todo}
            ask_teachers(todo, teachers, workspace, add_features, deadline, report)
        except OutOfTime as stopped:
            report(str(stopped))
            return []
        save_splits(todo, workspace, report)
        return train_tasks(tasks, workspace, prepared.rows, jobs, deadline, pace, report, crew)


def train_tasks(
    tasks: Mapping[str, Task],
    workspace: Workspace,
    rows: Sequence[Row],
    jobs: int | None = None,
    deadline: float | None = None,
    pace: Pace | None = None,
    report: Report = print,
    cluster: Cluster | None = None,
) -> list[Row]:
    """Train the tasks that have no row yet; their teachers were asked.

    Parameters
    ----------
    tasks : mapping
        By the run's name.
    workspace : Workspace
    rows : sequence of Row
        That are there.
    jobs : int, optional
        Students at once.
    deadline : float, optional
        Of `time.monotonic`.
    pace : Pace, optional
        What is known of the time that runs take.
    cluster : Cluster, optional
        Whose workers train.

    Returns
    -------
    list of Row
        Of all tasks that are done.

    Raises
    ------
    RunsFailed
        At the end, if runs failed.
    Stopped
        By Ctrl-C or SIGTERM, with every finished run kept.
    """
    done = {row["run"] for row in rows}
    todo = [task for key, task in tasks.items() if key not in done]
    total, store = len(tasks), workspace.store
    jobs = jobs or default_jobs(workspace.device)
    at_once = cluster.slots if cluster else jobs
    report(
        f"{total - len(todo)} of {total} students are trained; {len(todo)} to go, {at_once} at once"
    )
    pace = pace or pace_on(workspace.device, rows)
    students = _Students(todo, total, store, pace, report, cluster)
    if todo:
        students.train(workspace, min(jobs, len(todo)), deadline)
    found = store.rows(silent) if students.others else [*rows, *students.rows]
    return [row for row in found if row["run"] in tasks]


def _check_device(workspace: Workspace, report: Report) -> None:
    precision = check_device(workspace.device, workspace.precision, report)
    if precision != workspace.precision:
        raise InputError(
            f"{workspace.precision} cannot be had on {workspace.device}, see above; choose "
            f"--precision {precision}"
        )


class _Students:
    """The students of a batch: marked, trained, and their rows appended as they come."""

    def __init__(
        self,
        todo: Sequence[Task],
        total: int,
        store: Store,
        pace: Pace,
        report: Report,
        cluster: Cluster | None = None,
    ):
        self.cluster = cluster
        self.left = Left({task.key: task.run for task in todo})
        self.todo, self.total, self.store = todo, total, store
        self.pace, self.report = pace, report
        self.rows: list[Row] = []
        self.failed = 0
        self.others = False  # has another batch trained some?
        self.marked: set[str] = set()

    def train(self, workspace: Workspace, jobs: int, deadline: float | None) -> None:
        """Train all that nobody else does."""
        shown = Meter("students trained", len(self.todo), "student", self.report)
        with shown, deferred() as pending:
            stop = pending.__bool__
            words = (workspace, jobs, deadline, stop, self.report, self.cluster)
            trained = train_students(self._claimed(deadline), *words)
            try:
                for task, result in trained:
                    self._keep(task, result)
                    at_once = self.cluster.slots if self.cluster else jobs
                    self._tell(result, max(1, at_once), shown)
            finally:
                for key in self.marked:
                    self.store.marks.release(key)
        if self.failed:
            raise RunsFailed(f"{self.failed} runs failed, see above; the others are kept")
        if self.left:
            self.report(
                f"the time budget is used up with {len(self.left)} students left; the same command "
                "goes on"
            )

    def _claimed(self, deadline: float | None = None) -> Tasks:
        """The tasks until `deadline`, each marked as this batch's; None while others train what is
        left.
        """
        left, told = list(self.todo), False
        while left:
            others = []
            for task in left:
                if deadline is not None and time.monotonic() > deadline:
                    return
                if self._is_done(task.key):
                    continue
                if not self.store.marks.take(task.key, self.cluster is not None):
                    others.append(task)
                    continue
                self.marked.add(task.key)
                if not self._is_done(task.key):  # between the look and the mark
                    yield task
            if others and not told:
                self.report(
                    f"{len(others)} students are being trained by another batch; this one waits"
                )
                told = True
            left = others
            if left:
                yield None

    def _is_done(self, key: str) -> bool:
        """Has another batch trained it meanwhile?"""
        if self.store.changed():
            self.others = True
            for row in self.store.rows(silent):
                self.left.drop(row["run"])
        return key not in self.left

    def _keep(self, task: Task, result: StudentResult | Failure) -> None:
        if isinstance(result, Failure):
            self._note(task, result)
        else:
            self.store.append(*result)
            self.store.failed(task.key).unlink(missing_ok=True)
            self.rows.append(result.row)
            self.pace.add(result.row)
        self.left.drop(task.key)
        self.store.marks.release(task.key)
        self.marked.discard(task.key)

    def _note(self, task: Task, failure: Failure) -> None:
        """Tell why a run failed; that goes to a file too, with a traceback."""
        if failure.fatal:
            raise InputError(failure.why)
        self.failed += 1
        path = self.store.failed(task.key)
        with replacing(path) as beside:
            beside.write_text(f"{failure.why}\n{failure.detail}")
        where = f" (traceback: {path})" if failure.detail else ""
        self.report(f"failed: {task.key}: {failure.why}{where}")

    def _tell(self, result: StudentResult | Failure, jobs: int, shown: Meter) -> None:
        done, seconds = len(self.todo) - len(self.left), self.left.seconds(self.pace)
        told = describe(result.row) if isinstance(result, StudentResult) else ""
        if shown.visible:
            shown.at(done, f"last: {told}" if told and shown.line else "", seconds / jobs)
        elif told:
            count = f"{self.total - len(self.left)}/{self.total}"
            self.report(f"[{count}] {told}, about {seconds / jobs / 60:.1f} min left")


def describe(row: Row) -> str:
    """A row in a line."""
    run = f"{row['teacher']}-{row['student']} {row['method']} n={row['n']} seed {row['seed']}"
    return f"{run}: test {row['test_accuracy']:.2f} % ({row['status']}), {row['seconds']:.1f} s"
