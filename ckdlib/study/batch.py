"""A batch: runs -> rows. Plan, teachers, their calls, students; each row kept as it comes."""

import sys
import time
from collections.abc import Sequence

from tqdm import tqdm

from ..errors import InputError, OutOfTime
from ..files import write_json
from ..records import Row
from ..teachers import read_card
from .executors import default_jobs, train_students
from .plan import Pace, pace_on, plan
from .runs import Run, grouped
from .tasks import Report, Task, check, open_images, resolve
from .teachers import ask_teachers, open_teachers
from .workspace import Workspace


def run(
    runs: Sequence[Run],
    workspace: Workspace,
    jobs: int | None = None,
    time_budget: float | None = None,
    add_features: bool = False,
    report: Report = print,
) -> list[Row]:
    """Train every run that has no row yet.

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

    Returns
    -------
    list of Row
        The rows of all runs that are done (none where the time was used up before the first
        student).

    Raises
    ------
    InputError
        Before anything starts, if a run cannot be.
    RuntimeError
        At the end, if runs failed.
    """
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    datasets = open_images(runs, workspace, report)
    runs = [one for one in runs if one.dataset in datasets]
    rows = workspace.store.rows(report)
    check(runs, workspace, datasets, rows)
    pace = pace_on(workspace.device, rows)
    for line in plan(runs, pace, datasets, workspace.device):
        report(line)
    try:
        teachers = open_teachers(runs, workspace, datasets, deadline, report)
        digests = {name: card["weights_sha256"] for name, (_, card) in teachers.items()}
        tasks = resolve(runs, datasets, digests, workspace.precision)
        done = {row["run"] for row in rows}
        todo = [task for key, task in tasks.items() if key not in done]
        ask_teachers(todo, teachers, workspace, add_features, deadline, report)
    except OutOfTime as stopped:
        report(str(stopped))
        return []
    _save_splits(todo, workspace)
    new = _train(todo, tasks, pace, workspace, jobs, deadline, report)
    return [row for row in rows + new if row["run"] in tasks]


def _save_splits(tasks: Sequence[Task], workspace: Workspace) -> None:
    """Index lists of every n and seed, beside the rows."""
    for task in tasks:
        name = f"{task.dataset.name}-n{task.run.n}-seed{task.run.seed}.json"
        path = workspace.results / "splits" / name
        if not path.exists():
            indices = {
                "dataset_sha256": task.dataset.digest,
                "train": task.train_index.tolist(),
                "validation": task.val_index.tolist(),
            }
            write_json(path, indices)


def _train(
    todo: Sequence[Task],
    tasks: dict[str, Task],
    pace: Pace,
    workspace: Workspace,
    jobs: int | None,
    deadline: float | None,
    report: Report,
) -> list[Row]:
    """Train the students of `todo`; each row is appended as it comes. Returns the new rows."""
    jobs = jobs or default_jobs(workspace.device)
    total = len(tasks)
    report(
        f"{total - len(todo)} of {total} students are trained; {len(todo)} to go, {jobs} at once"
    )
    if not todo:
        return []
    left = {task.key: task.run for task in todo}
    new: list[Row] = []
    failed = 0
    with tqdm(total=len(todo), unit="student", disable=not sys.stdout.isatty()) as bar:
        for key, result in train_students(todo, workspace, min(jobs, len(todo)), deadline):
            del left[key]
            if isinstance(result, str):
                failed += 1
                report(f"failed: {key}\n{result}")
                continue
            workspace.store.append(*result)
            new.append(result.row)
            pace.add(result.row)
            bar.update()
            if bar.disable:
                seconds = pace.seconds(left.values()) or 0.0
                minutes = seconds / jobs / 60
                told = f"[{total - len(left)}/{total}] {describe(result.row)}"
                report(f"{told}, about {minutes:.1f} min left")
    if failed:
        raise RuntimeError(f"{failed} runs failed, see above; the others are kept")
    if left:
        report(
            f"the time budget is used up with {len(left)} students left; the same command goes on"
        )
    return new


def describe(row: Row) -> str:
    """A row in a line."""
    run = f"{row['teacher']}-{row['student']} {row['method']} n={row['n']} seed {row['seed']}"
    return f"{run}: test {row['test_accuracy']:.2f} % ({row['status']}), {row['seconds']:.1f} s"


def status(runs: Sequence[Run], workspace: Workspace) -> list[str]:
    """A line for each experiment: runs done, running and left, teacher calls kept, time left."""
    rows, running = workspace.store.rows(), set(workspace.store.running())
    done = {row["run"] for row in rows}
    pace = pace_on(workspace.device, rows)
    lines = []
    for experiment, part in grouped(runs, "experiment").items():
        name = part[0].dataset
        try:
            dataset = workspace.dataset(name)
        except InputError as error:
            lines.append(
                f"{experiment}: 0/{len(part)} runs done, its images are not here ({error})"
            )
            continue
        digests = {}
        for model in {one.teacher for one in part}:
            path = workspace.teacher_path(dataset, model)
            if path.exists():
                digests[name, model] = read_card(path)["weights_sha256"]
        tasks = resolve(part, {name: dataset}, digests, workspace.precision)
        left = [task.run for key, task in tasks.items() if key not in done]
        calls = 0
        for model, seed in {(one.teacher, one.seed) for one in part}:
            if (name, model) in digests:
                calls += workspace.ledger(dataset, digests[name, model], seed).calls
        seconds = pace.seconds(left)
        hours = "no estimate yet"
        if seconds is not None:
            hours = f"about {seconds / 3600:.2f} h one at a time"
        lines.append(
            f"{experiment}: {len(tasks) - len(left)}/{len(tasks)} runs done, "
            f"{len(running & tasks.keys())} running, {len(left)} left, {calls} teacher calls "
            f"made, {hours}"
        )
    return lines
