"""Runs -> rows: teacher calls first, then students in parallel processes, each row kept as its run finishes."""
import multiprocessing
import os
import sys
import threading
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Callable, Iterator, Sequence

import torch
from tqdm import tqdm

from . import data, methods, models, teacher, train
from .data import Dataset, Views
from .errors import OutOfTime, choose
from .files import sha256, writable_folder, write_json, write_tensors
from .place import Place, teacher_view
from .store import Store
from .study import Run, expected_seconds, profile


def default_jobs() -> int:
    """As many students at once as there are cores."""
    return len(os.sched_getaffinity(0))


def run(runs: Sequence[Run], place: Place, jobs: int | None = None, time_budget: float | None = None,
        report: Callable[[str], None] = print) -> list[dict]:
    """Train every run that has no row yet; returns the rows of all runs that are done.

    jobs: students at once; time_budget: minutes after which it stops, with every finished run kept.
    InputError before anything starts if a run cannot be. RuntimeError at the end if runs failed.
    """
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    dataset = check(runs, place)
    store = Store(place.results)
    try:
        keys = _keys(runs, place, dataset, deadline, report)
        done = {row["run"] for row in store.rows(report)}
        todo = {key: one for key, one in keys.items() if key not in done}
        _call_teachers(todo.values(), place, dataset, deadline, report)
    except OutOfTime as stopped:
        report(str(stopped))
        return []
    _save_splits(runs, place, dataset)
    _train(todo, len(keys), store, place, jobs or default_jobs(), deadline, report)
    return [row for row in store.rows(lambda line: None) if row["run"] in keys]


def check(runs: Sequence[Run], place: Place) -> Dataset:
    """The images of the runs. InputError if they, a run's n or the results folder cannot be used."""
    writable_folder(place.results)
    dataset = place.dataset(runs[0].dataset)
    for n in {one.n for one in runs}:
        data.split(len(dataset.train), n, seed=0)
    return dataset


def status(runs: Sequence[Run], place: Place) -> list[str]:
    """A line for each experiment: runs done, running and left, teacher calls kept, an estimate of the time left."""
    store = Store(place.results)
    rows = store.rows()
    dataset = place.dataset(runs[0].dataset)
    digests = {model: teacher.read_card(path)["weights_sha256"] for model in {one.teacher for one in runs}
               if (path := place.teacher_path(dataset.name, model)).exists()}
    done, running = {row["run"] for row in rows}, set(store.running())
    lines = []
    for experiment in dict.fromkeys(one.experiment for one in runs):
        keys = {one.key(dataset.digest, digests.get(one.teacher)): one for one in runs if one.experiment == experiment}
        left = [one for key, one in keys.items() if key not in done]
        asked = {(one.teacher, one.seed) for one in keys.values()}
        calls = sum(place.ledger(dataset, digests[model], seed).calls for model, seed in asked if model in digests)
        seconds = expected_seconds(left, rows)
        hours = "no estimate yet" if seconds is None else f"about {seconds / 3600:.2f} h one at a time"
        lines.append(f"{experiment}: {len(keys) - len(left)}/{len(keys)} runs done, "
                     f"{len(running & keys.keys())} running, {len(left)} left, {calls} teacher calls made, {hours}")
    return lines


def make_teacher(profile_name: str, model: str, place: Place, dataset_name: str | None = None,
                 recipe: str | None = None, checkpoint: Path | None = None, seed: int = 0,
                 time_budget: float | None = None, report: Callable[[str], None] = print) -> dict:
    """Find, import or train one teacher of a profile; returns its card (see `teacher.train_teacher`).

    recipe: 'reference' or 'fast', None for the profile's own; checkpoint: a RepDistiller `.pth` to import instead.
    A teacher that is there already is kept, unless a checkpoint is given.
    """
    choose("model", model, models.NAMES)
    if recipe is not None:
        choose("teacher recipe", recipe, teacher.RECIPES)
    chosen = profile(profile_name)
    folder, device = writable_folder(place.results) / "teachers", torch.device(place.device)
    dataset = place.dataset(dataset_name or chosen.dataset)
    if checkpoint is not None:
        return teacher.import_teacher(dataset, model, checkpoint, folder, device)
    path = place.teacher_path(dataset.name, model)
    if path.exists():
        return teacher.load(path, dataset, model, device)[1]
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    return teacher.train_teacher(dataset, model, teacher.RECIPES.get(recipe, chosen.teacher_recipe), folder, device,
                                 seed, deadline, report)


def _train(todo: dict[str, Run], total: int, store: Store, place: Place, jobs: int, deadline: float | None,
           report: Callable[[str], None]) -> None:
    """Train the students of `todo`, appending each row as it comes."""
    report(f"{total - len(todo)} of {total} students are trained; {len(todo)} to go, {jobs} at once")
    rows, failed, left = store.rows(lambda line: None), 0, dict(todo)
    with tqdm(total=len(todo), unit="student", disable=not sys.stdout.isatty()) as bar:
        for key, outcome in _outcomes(todo, place, min(jobs, len(todo)), deadline):
            del left[key]
            if isinstance(outcome, str):
                failed += 1
                report(f"failed: {key}\n{outcome}")
                continue
            store.append(outcome)
            rows.append(outcome)
            bar.update()
            if bar.disable:
                minutes = expected_seconds(left.values(), rows) / jobs / 60
                report(f"[{total - len(left)}/{total}] {describe(outcome)}, about {minutes:.1f} min left")
    if failed:
        raise RuntimeError(f"{failed} runs failed, see above; the others are kept")
    if left:
        report(f"the time budget is used up with {len(left)} students left; the same command goes on")


def describe(row: dict) -> str:
    return (f"{row['teacher']}-{row['student']} {row['method']} n={row['n']} seed {row['seed']}: "
            f"test {row['test_accuracy']:.2f} % ({row['status']}), {row['seconds']:.1f} s")


def _keys(runs: Sequence[Run], place: Place, dataset: Dataset, deadline: float | None, report) -> dict[str, Run]:
    """Run key -> run; teachers that are missing are trained on the way."""
    asked = {one.teacher for one in runs if methods.get(one.method).asks}
    digests = {}
    for model in sorted(asked):
        path = place.teacher_path(dataset.name, model)
        if not path.exists():
            teacher.train_teacher(dataset, model, profile(runs[0].profile).teacher_recipe, place.results / "teachers",
                                  torch.device(place.device), deadline=deadline, report=report)
        digests[model] = teacher.load(path, dataset, model, torch.device("cpu"))[1]["weights_sha256"]
    return {one.key(dataset.digest, digests.get(one.teacher)): one for one in runs}


def _call_teachers(runs: Sequence[Run], place: Place, dataset: Dataset, deadline: float | None, report) -> None:
    """Make every call that the runs need, once: for each teacher and seed those of the largest n hold all others."""
    largest: dict[tuple[str, int], int] = {}
    for one in runs:
        if methods.get(one.method).asks:
            largest[one.teacher, one.seed] = max(one.n, largest.get((one.teacher, one.seed), 0))
    for model in sorted({model for model, _ in largest}):
        device = torch.device(place.device)
        net, card = teacher.load(place.teacher_path(dataset.name, model), dataset, model, device)
        for (_, seed), n in sorted(item for item in largest.items() if item[0][0] == model):
            if deadline is not None and time.monotonic() > deadline:
                raise OutOfTime("time budget is used up while asking the teachers; the same command goes on")
            index, _ = data.split(len(dataset.train), n, seed)
            ledger = place.ledger(dataset, card["weights_sha256"], seed)
            before = ledger.calls
            ledger.ask(index, teacher_view(dataset, seed, device), net)
            report(f"teacher {model}, seed {seed}: {ledger.calls - before} calls made, {ledger.calls} kept")


def _save_splits(runs: Sequence[Run], place: Place, dataset: Dataset) -> None:
    """Index lists of every n and seed, beside the rows."""
    for n, seed in sorted({(one.n, one.seed) for one in runs}):
        path = place.results / "splits" / f"{dataset.name}-n{n}-seed{seed}.json"
        if not path.exists():
            training, validation = data.split(len(dataset.train), n, seed)
            write_json(path, {"dataset_sha256": dataset.digest, "train": training.tolist(),
                              "validation": validation.tolist()})


# Students, in this process or in others.

def _outcomes(runs: dict[str, Run], place: Place, jobs: int,
              deadline: float | None) -> Iterator[tuple[str, dict | str]]:
    """(key, row), or (key, traceback) of a run that failed; runs cut off by the deadline yield nothing."""
    if jobs <= 1:
        for key, one in runs.items():
            outcome = _outcome(key, one, place, deadline)
            if outcome is None:
                return
            yield key, outcome
        return
    threads = max(1, default_jobs() // jobs) if place.device == "cpu" else 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start_worker, (threads,)) as pool:
        waiting = {pool.submit(_outcome, key, one, place, deadline): key for key, one in runs.items()}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                key, outcome = waiting.pop(future), future.result()
                if outcome is not None:
                    yield key, outcome


def _start_worker(threads: int) -> None:
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()  # never outlive the batch


def _outcome(key: str, one: Run, place: Place, deadline: float | None) -> dict | str | None:
    mark = Store(place.results).mark(key)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(os.getpid()))
        return train_student(key, one, place, deadline)
    except OutOfTime:
        return None
    except Exception:
        return traceback.format_exc()
    finally:
        mark.unlink(missing_ok=True)


@cache
def _loaded(place: Place, name: str) -> tuple[Dataset, Views]:
    """A dataset and its test views, once per process."""
    dataset = place.dataset(name)
    return dataset, Views(dataset.test, dataset.transform, place.device)


def train_student(key: str, one: Run, place: Place, deadline: float | None = None) -> dict:
    """Train one student on the kept teacher calls, keep its weights and test logits, and return its row."""
    def in_time(*_) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise OutOfTime

    in_time()
    dataset, test = _loaded(place, one.dataset)
    method, device = methods.get(one.method), torch.device(place.device)
    training, validation = data.split(len(dataset.train), one.n, one.seed)
    answers, digest = None, None
    if method.asks:
        path = place.teacher_path(dataset.name, one.teacher)
        digest = teacher.read_card(path)["weights_sha256"]
        answers = place.ledger(dataset, digest, one.seed).kept(training).to(device)
    net = teacher.new(one.student, len(dataset.classes), one.seed).to(device)
    held_out = Views(dataset.train[validation], dataset.transform, device)
    result = train.fit(net, method, one.recipe, Views(dataset.train[training], dataset.transform, device), answers,
                       held_out, one.seed, after_round=in_time)
    logits = train.predict(net, test)
    write_tensors(place.results / "students" / f"{key}.safetensors", net.state_dict())
    write_tensors(place.results / "logits" / f"{key}.safetensors", {"test": logits.half()})
    return asdict(one) | {
        "run": key, "dataset": dataset.name, "learning_rate": one.recipe.learning_rate, "status": result.status,
        "teacher_calls": len(training) if method.asks else 0, "train_images": len(training),
        "val_accuracy": round(train.accuracy(train.predict(net, held_out), held_out.labels), 4),
        "test_accuracy": round(train.accuracy(logits, test.labels), 4),
        "steps": result.steps, "best_step": result.best_step, "student_passes": result.student_passes,
        "seconds": round(result.seconds, 2), "dataset_sha256": dataset.digest, "teacher_sha256": digest,
        "logits": f"logits/{key}.safetensors", "precision": "float32", "device": teacher.device_name(device),
        "code": code_version(), "versions": teacher.versions(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


@cache
def code_version() -> str:
    """SHA-256 of the library's source, so that a row tells which code made it."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return sha256(*(path.read_bytes() for path in sources))[:12]
