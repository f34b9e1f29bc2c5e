"""Runs -> rows: what is planned, teacher calls first, then students, each row kept as its run finishes."""
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Callable, Sequence

import torch
from tqdm import tqdm

from . import methods, models
from .errors import InputError, OutOfTime, choose, difference
from .files import writable_folder, write_json, write_tensors
from .images import Dataset, Views, split, teacher_view
from .methods import INNER, Problem
from .metrics import measure
from .place import Place
from .plan import askers, grouped, plan
from .recipes import RECIPES
from .store import Store
from .students import default_jobs, outcomes
from .study import Run, expected_seconds, profile
from .teachers.weights import import_teacher, load_teacher, read_card, train_teacher
from .training.evaluate import predict

Report = Callable[[str], None]


def run(runs: Sequence[Run], place: Place, jobs: int | None = None, time_budget: float | None = None,
        add_features: bool = False, report: Report = print) -> list[dict]:
    """Train every run that has no row yet; returns the rows of all runs that are done (none where the time was used up
    before the first student).

    jobs: students at once; time_budget: minutes after which it stops, with every finished run kept; add_features: make
    calls a second time where white-box methods need feature maps that were not kept.
    InputError before anything starts if a run cannot be. RuntimeError at the end if runs failed.
    """
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    datasets = check(runs, place, report)
    runs = [one for one in runs if one.dataset in datasets]
    store, keys = Store(place.results), {}
    for line in plan(runs, place, datasets):
        report(line)
    try:
        for name, part in grouped(runs, "dataset").items():
            keys |= _keys(part, place, datasets[name], deadline, report)
        done = {row["run"] for row in store.rows(report)}
        todo = {key: one for key, one in keys.items() if key not in done}
        for name, part in grouped(todo.values(), "dataset").items():
            _call_teachers(part, place, datasets[name], add_features, deadline, report)
            _save_splits(part, place, datasets[name])
    except OutOfTime as stopped:
        report(str(stopped))
        return []
    _train(todo, len(keys), store, place, jobs or default_jobs(place.device), deadline, report)
    return [row for row in store.rows(lambda line: None) if row["run"] in keys]


def check(runs: Sequence[Run], place: Place, report: Report = print) -> dict[str, Dataset]:
    """The images of the runs by name; experiments on further images that are not here are left out, which is reported.

    InputError if the first run's images, a run's n or method, or the results folder cannot be used.
    """
    if not runs:
        raise InputError("nothing to run: no experiment holds all of these; name one with --experiment")
    writable_folder(place.results)
    if other := {row["precision"] for row in Store(place.results).rows(lambda line: None)} - {place.precision}:
        raise InputError(f"{place.results} holds rows of precision {', '.join(other)}, which no table mixes with "
                         f"{place.precision}; leave out --precision or choose another folder with --results")
    datasets = {}
    for name, part in grouped(runs, "dataset").items():
        try:
            datasets[name] = place.dataset(name)
        except InputError as error:
            if not datasets:
                raise
            report(f"{part[0].experiment} is left out: {error}")
    runs = [one for one in runs if one.dataset in datasets]
    for dataset in datasets.values():
        _same_transform(dataset, place)
    for name, n in grouped(runs, "dataset", "n"):
        split(len(datasets[name].train), n, seed=0)
    with torch.device("meta"):
        for name, source, student, method_name in grouped(runs, "dataset", "teacher", "student", "method"):
            method, problem = methods.get(method_name), Problem(len(datasets[name].classes), images=2)
            if method.white_box:
                problem = problem._replace(student=inner_shapes(student, datasets[name]),
                                           teacher=inner_shapes(source, datasets[name]))
            method.helpers(problem)
    return datasets


def _same_transform(dataset: Dataset, place: Place) -> None:
    """InputError if the results folder holds rows of these images, cut in another way: no table mixes them."""
    own = json.loads(json.dumps(asdict(dataset.transform)))
    for row in Store(place.results).rows(lambda line: None):
        if row["dataset_sha256"] == dataset.digest and (other := row["transform"]) != own:
            raise InputError(f"{place.results} holds rows of the same images cut in another way ({difference(other, own)}); choose another "
                             f"folder with --results, or the same options (--no-flip, or flip in a notebook) as before")


def inner_shapes(model: str, dataset: Dataset) -> list[tuple[int, ...]]:
    """Shapes of the feature maps of one image that white-box methods may use, [C, H, W] a level."""
    return models.feature_shapes(model, len(dataset.classes), dataset.transform.crop)[INNER]


def status(runs: Sequence[Run], place: Place) -> list[str]:
    """A line for each experiment: runs done, running and left, teacher calls kept, an estimate of the time left."""
    store = Store(place.results)
    rows, running = store.rows(), set(store.running())
    done, lines = {row["run"] for row in rows}, []
    for experiment, part in grouped(runs, "experiment").items():
        try:
            dataset = place.dataset(part[0].dataset)
        except InputError as error:
            lines.append(f"{experiment}: 0/{len(part)} runs done, its images are not here ({error})")
            continue
        digests = {model: read_card(path)["weights_sha256"] for model in {one.teacher for one in part}
                   if (path := place.teacher_path(dataset, model)).exists()}
        keys = {one.key(dataset, digests.get(one.teacher), place.precision): one for one in part}
        left = [one for key, one in keys.items() if key not in done]
        asked = {(one.teacher, one.seed) for one in part}
        calls = sum(place.ledger(dataset, digests[model], seed).calls for model, seed in asked if model in digests)
        seconds = expected_seconds(left, rows)
        hours = "no estimate yet" if seconds is None else f"about {seconds / 3600:.2f} h one at a time"
        lines.append(f"{experiment}: {len(keys) - len(left)}/{len(keys)} runs done, "
                     f"{len(running & keys.keys())} running, {len(left)} left, {calls} teacher calls made, {hours}")
    return lines


def make_teacher(profile_name: str, model: str, place: Place, dataset_name: str | None = None,
                 recipe: str | None = None, checkpoint: Path | None = None, seed: int = 0,
                 time_budget: float | None = None, report: Report = print) -> dict:
    """Find, import or train one teacher of a profile; returns its card (see `train_teacher`).

    recipe: 'reference' or 'fast', None for the profile's own; checkpoint: a RepDistiller `.pth` to import instead.
    A teacher that is there already is kept, unless a checkpoint is given.
    """
    choose("model", model, models.NAMES)
    if recipe is not None:
        choose("teacher recipe", recipe, RECIPES)
    chosen = profile(profile_name)
    folder, device = writable_folder(place.results) / "teachers", torch.device(place.device)
    dataset = place.dataset(dataset_name or chosen.dataset)
    if checkpoint is not None:
        return import_teacher(dataset, model, checkpoint, folder, device)
    path = place.teacher_path(dataset, model)
    if path.exists():
        return load_teacher(path, dataset, model, device)[1]
    deadline = None if time_budget is None else time.monotonic() + 60 * time_budget
    return train_teacher(dataset, model, RECIPES.get(recipe, chosen.teacher_recipe), folder, device,
                                 seed, deadline, report, place.precision)


def _train(todo: dict[str, Run], total: int, store: Store, place: Place, jobs: int, deadline: float | None,
           report: Report) -> None:
    """Train the students of `todo`, appending each row as it comes."""
    report(f"{total - len(todo)} of {total} students are trained; {len(todo)} to go, {jobs} at once")
    if not todo:
        return
    rows, failed, left = store.rows(lambda line: None), 0, dict(todo)
    with tqdm(total=len(todo), unit="student", disable=not sys.stdout.isatty()) as bar:
        for key, outcome in outcomes(todo, place, min(jobs, len(todo)), deadline):
            del left[key]
            if isinstance(outcome, str):
                failed += 1
                report(f"failed: {key}\n{outcome}")
                continue
            row, *beside = outcome
            store.append(row, *beside)
            rows.append(row)
            bar.update()
            if bar.disable:
                minutes = expected_seconds(left.values(), rows) / jobs / 60
                report(f"[{total - len(left)}/{total}] {describe(row)}, about {minutes:.1f} min left")
    if failed:
        raise RuntimeError(f"{failed} runs failed, see above; the others are kept")
    if left:
        report(f"the time budget is used up with {len(left)} students left; the same command goes on")


def describe(row: dict) -> str:
    return (f"{row['teacher']}-{row['student']} {row['method']} n={row['n']} seed {row['seed']}: "
            f"test {row['test_accuracy']:.2f} % ({row['status']}), {row['seconds']:.1f} s")


def _keys(runs: Sequence[Run], place: Place, dataset: Dataset, deadline: float | None, report) -> dict[str, Run]:
    """Run key -> run; teachers that are missing are trained on the way."""
    asked = {one.teacher for one in runs if methods.get(one.method).needs_teacher}
    digests = {}
    for model in sorted(asked):
        path = place.teacher_path(dataset, model)
        if not path.exists():
            train_teacher(dataset, model, profile(runs[0].profile).teacher_recipe, place.results / "teachers",
                                  torch.device(place.device), deadline=deadline, report=report,
                                  precision=place.precision)
        digests[model] = load_teacher(path, dataset, model, torch.device("cpu"))[1]["weights_sha256"]
    return {one.key(dataset, digests.get(one.teacher), place.precision): one for one in runs}


def _call_teachers(runs: Sequence[Run], place: Place, dataset: Dataset, add_features: bool, deadline: float | None,
                   report: Report) -> None:
    """Make every call that the runs need, once: for each teacher and seed those of the largest n hold all others.

    Feature maps are kept of the calls that white-box runs need, of this batch or of the profile, so that a later
    experiment finds them. The teacher is also run on the test images, for Table 3 and Figure 5; that is no call.
    """
    device = torch.device(place.device)
    for model, asking in grouped(askers(runs), "teacher").items():
        net, card = load_teacher(place.teacher_path(dataset, model), dataset, model, device)
        _measure_teacher(net, card["weights_sha256"], place, dataset)

        def inside(images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
            maps, logits = net.forward_features(images)
            return maps[INNER], logits

        for seed, part in sorted(grouped(asking, "seed").items()):
            if deadline is not None and time.monotonic() > deadline:
                raise OutOfTime("time budget is used up while asking the teachers; the same command goes on")
            ledger, view = place.ledger(dataset, card["weights_sha256"], seed), teacher_view(dataset, seed, device)
            before, most = ledger.calls, max(one.n for one in part)
            needed = max((one.n for one in part if methods.get(one.method).white_box), default=0)
            later = min(most, max(map(_later_white_box, part)))
            for n, blind in ((needed, "again" if add_features else "refuse"), (later, "leave")):
                if n:
                    ledger.ask(split(len(dataset.train), n, seed)[0], view, inside, inner_shapes(model, dataset),
                               blind)
            ledger.ask(split(len(dataset.train), most, seed)[0], view, net)
            report(f"teacher {model}, seed {seed}: {ledger.calls - before} calls made, {ledger.calls} kept")


def _later_white_box(one: Run) -> int:
    """The largest n at which the run's profile has white-box students of its teacher; 0 if none."""
    grids = profile(one.profile).experiments
    return max((max(grid.calls) for grid in grids.values() if grid.dataset == grids[one.experiment].dataset
                and (one.teacher, one.student) in grid.pairs
                and any(methods.get(method).white_box for method in grid.methods)), default=0)


def _measure_teacher(net: torch.nn.Module, digest: str, place: Place, dataset: Dataset) -> None:
    """The teacher's test logits and measures, once."""
    if not (path := place.teacher_logits(digest)).exists():
        test = Views(dataset.test, dataset.transform, place.device)
        logits = predict(net, test)
        Store(place.results).note(measure(f"teacher {digest}", logits, test.labels))
        write_tensors(path, {"test": logits})            # last: its presence says that both are there


def _save_splits(runs: Sequence[Run], place: Place, dataset: Dataset) -> None:
    """Index lists of every n and seed, beside the rows."""
    for n, seed in sorted({(one.n, one.seed) for one in runs}):
        path = place.results / "splits" / f"{dataset.name}-n{n}-seed{seed}.json"
        if not path.exists():
            training, validation = split(len(dataset.train), n, seed)
            write_json(path, {"dataset_sha256": dataset.digest, "train": training.tolist(),
                              "validation": validation.tolist()})
