"""What of a study is done, running and left."""

import json
from collections import Counter
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
    """A line for each experiment: runs done, running (where) and left, teacher calls kept, time
    left; and one for each run that failed.

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
        told, *failed = _by_key(part, dataset, workspace, rows, pace)
        lines += [f"{experiment}: {told}", *failed]
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
) -> list[str]:
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
    left = [key for key in tasks if key not in done]
    places = workspace.store.marks.places()
    running = [key for key in left if key in places]
    at = Counter(places[key] for key in running if places[key])
    seconds = pace.seconds(tasks[key].run for key in left)
    hours = "no estimate yet" if seconds is None else _hours(seconds, at.total())
    told = (
        f"{len(tasks) - len(left)}/{len(tasks)} runs done, {_running(len(running), at)}, "
        f"{len(left)} left, {calls} teacher calls kept, {hours}"
    )
    failed = [f"  failed: {key}: {why}" for key in left if (why := workspace.store.why(key))]
    return [told, *failed]


def _running(count: int, at: Counter) -> str:
    """'5 running (a 3, b 1; 1 waiting for a worker)'."""
    words = [", ".join(f"{host} {many}" for host, many in sorted(at.items()))]
    if waiting := count - at.total():
        words.append(f"{waiting} waiting for a worker")
    where = f" ({'; '.join(filter(None, words))})" if count else ""
    return f"{count} running{where}"


def _hours(seconds: float, at_once: int) -> str:
    alone = f"about {seconds / 3600:.2f} h one at a time"
    if at_once < 2:
        return alone
    return f"{alone}, {seconds / 3600 / at_once:.2f} h with {at_once} at once as now"
