"""Students: one run -> its row, its measures, its looks; on a CPU many at once in processes, on CUDA in threads of one process.

Each student has its own seed, batches, stopping and result, the same as if it were alone. On CUDA each thread trains in a
stream of its own and replays its own recorded steps, so that small kernels of many students fill the device together.
"""
import multiprocessing
import os
import threading
import time
import traceback
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Iterator, NamedTuple

import torch
from torch import Tensor, nn

from . import losses, methods, models
from .errors import OutOfTime
from .files import read_tensors, write_tensors
from .images import Dataset, Views, split
from .methods import Method
from .metrics import accuracy, measure
from .place import Place
from .reproducibility import code_version, device_name, versions
from .store import SCHEMA, Store
from .study import Run, profile
from .teachers.weights import read_card
from .training.evaluate import TARGET_WEIGHTS, predict, validate
from .training.features import Features
from .training.graphs import STREAMS
from .training.loop import Progress, Result, fit

Outcome = tuple[dict, dict | None, list[dict]]  # a row, its measures, what was seen along its training


def default_jobs(device: str = "cpu") -> int:
    """Students at once: as many as there are cores, on CUDA 8."""
    return len(os.sched_getaffinity(0)) if device == "cpu" else 8


def outcomes(runs: dict[str, Run], place: Place, jobs: int,
             deadline: float | None) -> Iterator[tuple[str, Outcome | str]]:
    """(key, row and measures and looks), or (key, traceback) of a run that failed; runs cut off by the deadline yield nothing."""
    if place.device != "cpu":
        return in_threads(runs, place, jobs, deadline)
    if jobs > 1:
        context, threads = multiprocessing.get_context("spawn"), max(1, default_jobs() // jobs)
        return _pooled(ProcessPoolExecutor(jobs, context, _start_worker, (threads,)), runs, place, deadline)
    return ((key, outcome) for key, one in runs.items() if (outcome := _outcome(key, one, place, deadline)) is not None)


def in_threads(runs: dict[str, Run], place: Place, jobs: int,
               deadline: float | None) -> Iterator[tuple[str, Outcome | str]]:
    """`outcomes` by threads; whoever leaves this generator early makes them stop at their next round."""
    for name in {one.dataset for one in runs.values()}:
        _images(place, name)             # once, before any thread
    return _pooled(ThreadPoolExecutor(min(jobs, STREAMS)), runs, place, deadline, threading.Event())


def _pooled(pool: Executor, runs: dict[str, Run], place: Place, deadline: float | None,
            stop: threading.Event | None = None) -> Iterator[tuple[str, Outcome | str]]:
    with pool:
        waiting = {pool.submit(_outcome, key, one, place, deadline, stop): key for key, one in runs.items()}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    key, outcome = waiting.pop(future), future.result()
                    if outcome is not None:
                        yield key, outcome
        finally:
            if stop:
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _start_worker(threads: int) -> None:
    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()  # never outlive the batch


def _outcome(key: str, one: Run, place: Place, deadline: float | None,
             stop: threading.Event | None = None) -> Outcome | str | None:
    mark = Store(place.results).mark(key)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(os.getpid()))
        return train_student(key, one, place, deadline, stop)
    except OutOfTime:
        return None
    except Exception:
        return traceback.format_exc()
    finally:
        mark.unlink(missing_ok=True)


@cache
def _images(place: Place, name: str) -> tuple[Dataset, Views]:
    """A dataset and its test views, once per process."""
    dataset = place.dataset(name)
    test = Views(dataset.test, dataset.transform, place.device)
    if place.device != "cpu":
        torch.cuda.synchronize(place.device)             # whatever stream reads it next
    return dataset, test


@cache
def _teacher_test_logits(path: Path) -> torch.Tensor:
    return read_tensors(path)[0]["test"]


class Lesson(NamedTuple):
    """What one student learns from, on the device."""
    dataset: Dataset
    test: Views
    method: Method
    shown: Views                         # training images
    held_out: Views                      # validation images
    teacher_sha256: str | None           # None and no answers for methods that ask no teacher
    answers: Tensor | None
    features: Features | None

    def fit(self, net: nn.Module, one: Run, place: Place, after_round) -> Result:
        return fit(net, self.method, one.recipe, self.shown, self.answers, self.held_out, one.seed,
                         after_round=after_round, features=self.features, precision=place.precision)

    def offset(self, net: nn.Module) -> Tensor | None:
        """[C]: what calibration would add to the logits; None without answers."""
        if self.answers is None:
            return None
        target = losses.joint_target(self.shown.labels, self.answers, *TARGET_WEIGHTS)
        return losses.calibration_offset(predict(net, self.shown), target)


def lesson(one: Run, place: Place) -> tuple[Lesson, nn.Module]:
    """A run's images and kept teacher calls, and its student as it starts."""
    dataset, test = _images(place, one.dataset)
    method, device = methods.get(one.method), torch.device(place.device)
    training, validation = split(len(dataset.train), one.n, one.seed)
    shown, held_out = (Views(dataset.train[part], dataset.transform, device) for part in (training, validation))
    answers, features, digest = None, None, None
    if method.needs_teacher:
        digest = read_card(place.teacher_path(dataset, one.teacher))["weights_sha256"]
        ledger = place.ledger(dataset, digest, one.seed)
        answers = ledger.kept(training).to(device)
        features = ledger.kept_features(training, device) if method.white_box else None
    net = models.new(one.student, len(dataset.classes), one.seed).to(device)
    return Lesson(dataset, test, method, shown, held_out, digest, answers, features), net


def train_student(key: str, one: Run, place: Place, deadline: float | None = None,
                  stop: threading.Event | None = None) -> Outcome:
    """Train one student on the kept teacher calls, keep its weights and test logits; returns its row and measures, and the
    looks along its training that its experiment asks for."""
    def in_time() -> None:
        if deadline is not None and time.monotonic() > deadline or stop is not None and stop.is_set():
            raise OutOfTime

    def after_round(progress: Progress) -> None:
        in_time()
        if every and progress.rounds % every == 0:
            along.append(look(key, given, net, progress))

    in_time()
    given, net = lesson(one, place)
    every, along = profile(one.profile).experiments[one.experiment].follow if given.method.needs_teacher else 0, []
    result = given.fit(net, one, place, after_round)
    logits = predict(net, given.test)
    write_tensors(place.results / "students" / f"{key}.safetensors", net.state_dict())
    write_tensors(place.results / "logits" / f"{key}.safetensors", {"test": logits.half()})
    row = {"schema": SCHEMA} | asdict(one) | one.identity(given.dataset, given.teacher_sha256, place.precision) | {
        "run": key, "dataset": given.dataset.name, "learning_rate": one.recipe.learning_rate, "status": result.status,
        "teacher_calls": len(given.shown) if given.method.needs_teacher else 0,
        "val_accuracy": round(validate(net, given.held_out).item(), 4),
        "test_accuracy": round(accuracy(logits, given.test.labels).item(), 4),
        "steps": result.steps, "best_step": result.best_step, "student_passes": result.student_passes,
        "seconds": round(result.seconds, 2), "logits": f"logits/{key}.safetensors",
        "device": device_name(torch.device(place.device)), "code": code_version(), "versions": versions(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if result.status != "done":
        return row, None, along
    reference = _teacher_test_logits(place.teacher_logits(given.teacher_sha256)) if given.method.needs_teacher else None
    return row, measure(key, logits, given.test.labels, reference, given.offset(net)), along


def look(key: str, given: Lesson, net: nn.Module, progress: Progress) -> dict:
    """A student as it is after a round: test_accuracy, the norm of its `offset`, and calibrated_accuracy, the test accuracy
    if that were added."""
    logits, offset = predict(net, given.test), given.offset(net)
    right, calibrated = (round(accuracy(answers, given.test.labels).item(), 4) for answers in (logits, logits + offset))
    return {"run": key, "step": progress.steps, "loss": progress.loss, "score": progress.score, "test_accuracy": right,
            "offset": float(f"{offset.norm().item():.5g}"), "calibrated_accuracy": calibrated}
