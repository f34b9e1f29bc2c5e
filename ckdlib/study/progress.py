"""What of a study is done, running and left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..images import Dataset
from ..records import Row
from .plan import Pace, pace_on
from .runs import Run, grouped, needing_teacher
from .tasks import resolve, teacher_of_rows
from .workspace import Workspace


def status(runs: Sequence[Run], workspace: Workspace) -> list[str]:
    """A line for each experiment: runs done, running and left, teacher calls kept, time left.

    Where images are not here, rows are told by their names, and a line says why.
    """
    rows = workspace.store.rows()
    pace = pace_on(workspace.device, rows)
    lines, absent = [], {}
    for experiment, part in grouped(runs, "experiment").items():
        name = part[0].dataset
        try:
            dataset = workspace.dataset(name)
        except InputError as error:
            absent[name] = str(error)
            lines.append(f"{experiment}: {_by_name(part, rows)} (its images are not here)")
            continue
        lines.append(f"{experiment}: {_by_key(part, dataset, workspace, rows, pace)}")
    return lines + [f"{Path(name).name}: {why}" for name, why in absent.items()]


def _by_name(part: Sequence[Run], rows: Sequence[Row]) -> str:
    there = {_likeness(row) for row in rows}
    done = 0
    for run in part:
        like = asdict(run) | {"dataset": Path(run.dataset).name}
        done += _likeness(like) in there
    return f"{done}/{len(part)} runs done, {len(part) - done} left"


def _likeness(row: Mapping[str, Any]) -> str:
    fields = ("dataset", "teacher", "student", "method", "n", "seed", "recipe")
    return json.dumps([row[name] for name in fields], sort_keys=True)


def _by_key(
    part: Sequence[Run], dataset: Dataset, workspace: Workspace, rows: Sequence[Row], pace: Pace
) -> str:
    name = part[0].dataset
    digests, calls = {}, 0
    for model, asking in grouped(needing_teacher(part), "teacher").items():
        digest = workspace.teacher_digest(dataset, model) or teacher_of_rows(model, dataset, rows)
        if digest:
            digests[name, model] = digest
            for seed in grouped(asking, "seed"):
                calls += workspace.ledger(dataset, digest, seed).calls
    tasks = resolve(part, {name: dataset}, digests, workspace.precision)
    done = {row["run"] for row in rows}
    left = [task.run for key, task in tasks.items() if key not in done]
    running = workspace.store.marks.held()
    seconds = pace.seconds(left)
    hours = "no estimate yet" if seconds is None else f"about {seconds / 3600:.2f} h one at a time"
    return (
        f"{len(tasks) - len(left)}/{len(tasks)} runs done, "
        f"{len(tasks.keys() & set(running))} running, {len(left)} left, "
        f"{calls} teacher calls kept, {hours}"
    )
