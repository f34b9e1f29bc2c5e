"""Students: one run -> its row and its measures, in this process or in others."""
import multiprocessing
import os
import threading
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Iterator

import torch

from . import data, losses, methods, teacher, train
from .data import Dataset, Views
from .errors import OutOfTime
from .files import read_tensors, sha256, write_tensors
from .measures import measure
from .place import Place
from .store import Store
from .study import Run

Outcome = tuple[dict, dict | None]       # a row and its measures


def default_jobs() -> int:
    """As many students at once as there are cores."""
    return len(os.sched_getaffinity(0))


def outcomes(runs: dict[str, Run], place: Place, jobs: int,
             deadline: float | None) -> Iterator[tuple[str, Outcome | str]]:
    """(key, row and measures), or (key, traceback) of a run that failed; runs cut off by the deadline yield nothing."""
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


def _outcome(key: str, one: Run, place: Place, deadline: float | None) -> Outcome | str | None:
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
def _images(place: Place, name: str) -> tuple[Dataset, Views]:
    """A dataset and its test views, once per process."""
    dataset = place.dataset(name)
    return dataset, Views(dataset.test, dataset.transform, place.device)


@cache
def _teacher_test_logits(path: Path) -> torch.Tensor:
    return read_tensors(path)[0]["test"]


def train_student(key: str, one: Run, place: Place, deadline: float | None = None) -> Outcome:
    """Train one student on the kept teacher calls, keep its weights and test logits; returns its row and measures."""
    def in_time(*_) -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise OutOfTime

    in_time()
    dataset, test = _images(place, one.dataset)
    method, device = methods.get(one.method), torch.device(place.device)
    training, validation = data.split(len(dataset.train), one.n, one.seed)
    shown, held_out = (Views(dataset.train[part], dataset.transform, device) for part in (training, validation))
    answers, features, digest, reference = None, None, None, None
    if method.asks:
        digest = teacher.read_card(place.teacher_path(dataset.name, one.teacher))["weights_sha256"]
        ledger = place.ledger(dataset, digest, one.seed)
        answers = ledger.kept(training).to(device)
        features = ledger.kept_features(training, device) if method.white_box else None
        reference = _teacher_test_logits(place.teacher_logits(digest))
    net = teacher.new(one.student, len(dataset.classes), one.seed).to(device)
    result = train.fit(net, method, one.recipe, shown, answers, held_out, one.seed, after_round=in_time,
                       features=features)
    logits = train.predict(net, test)
    write_tensors(place.results / "students" / f"{key}.safetensors", net.state_dict())
    write_tensors(place.results / "logits" / f"{key}.safetensors", {"test": logits.half()})
    row = asdict(one) | {
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
    if result.status != "done":
        return row, None
    offset = None
    if answers is not None:
        target = losses.joint_target(shown.labels, answers, *train.TARGET_WEIGHTS)
        offset = losses.calibration_offset(train.predict(net, shown), target)
    return row, measure(key, logits, test.labels, reference, offset)


@cache
def code_version() -> str:
    """SHA-256 of the library's source, so that a row tells which code made it."""
    sources = sorted(Path(__file__).parent.rglob("*.py"))
    return sha256(*(path.read_bytes() for path in sources))[:12]
