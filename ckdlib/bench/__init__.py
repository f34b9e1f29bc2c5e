"""`python -m ckdlib bench`: seconds a step and students an hour, beside a straightforward
implementation and the floor.

Both are kept waiting in processes of their own and run in turns on the same made-up images; a ratio
is taken within one turn, so that what else the machine does hits both.
"""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import product
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from .. import methods, models
from ..images import TRANSFORMS, Views
from ..recipes import Recipe
from ..reproducibility import choose_device
from ..study.executors import default_jobs
from ..study.grid import CONTROLS, Pair, profile
from ..study.plan import EPOCHS
from ..training.loop import Progress, fit
from .floor import Case, arithmetic_rate, copy_rate, floor
from .plain import BATCH, CLASSES, Plain, made_up

METHODS = ("kd", "rkd", "crd", "ckd")
LIKE = {
    "crd": "crd",
    "rkd": "rkd",
    "ckd": "ckd",
    "ckd_pairs": "ckd",
    "mse": "ckd",
    "ckd_calibrated": "ckd",
}  # else kd
HEADINGS = (
    f"{'pair':<22}{'method':<8}{'plain s/step':>13}{'ours s/step':>13}{'floor s/step':>13}"
    f"{'students/h':>12}{'memory MiB':>12}{'ratio':>7}  (turns)"
)


# Two kinds of process that take `steps` steps whenever they are told to.


def run_plain(case: Case, connection: Connection) -> None:
    taken = Plain(case.student, case.method, case.device).steps()
    while connection.recv():
        started = time.perf_counter()
        for _ in range(case.steps):
            next(taken)
        connection.send((time.perf_counter() - started, memory(case.device)))


def run_ours(case: Case, connection: Connection, turns: int, threads: int, students: int) -> None:
    """`students` in threads of this process, in step from turn to turn."""
    torch.set_num_threads(threads)
    choose_device(case.device)
    images, answers = made_up()
    recipe = Recipe(schedule="one_cycle", steps=case.steps * turns, checks=turns)
    turn = threading.Barrier(students, _between_turns(case, connection))

    def wait(progress: Progress) -> None:
        turn.wait()

    def one(seed: int) -> None:
        try:
            net = models.new(case.student, CLASSES, seed).to(case.device)
            views = Views(images, TRANSFORMS["cifar100"], case.device)
            turn.wait()
            fit(
                net,
                methods.get(case.method),
                recipe,
                views,
                answers.to(case.device),
                seed=seed,
                after_round=wait,
                precision=case.precision,
            )
        except Exception:
            turn.abort()  # none waits for it
            connection.close()  # nor does the parent
            raise

    workers = [threading.Thread(target=one, args=(seed,), daemon=True) for seed in range(students)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _between_turns(case: Case, connection: Connection) -> Callable[[], None]:
    """What tells how the last turn went, if there was one, and waits to be told to go on."""
    started: float | None = None

    def tell() -> None:
        nonlocal started
        if started is not None:
            connection.send((time.perf_counter() - started, memory(case.device)))
        connection.recv()
        started = time.perf_counter()

    return tell


def memory(device: str) -> float:
    """MiB at most so far, of the device or of this process (without its loader workers)."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    # rusage would begin with the parent's
    _, peak = Path("/proc/self/status").read_text().split("VmHWM:")
    return int(peak.split()[0]) / 1024


# The comparison.


def bench(
    pairs: Sequence[tuple[str, str]] = (),
    names: Sequence[str] = METHODS,
    device: str = "cpu",
    precision: str = "float32",
    turns: int = 5,
    steps: int | None = None,
    jobs: int | None = None,
    report=print,
) -> list[dict]:
    """A line for each pair and method; see `compare`. report: called with each line as text.

    pairs: none for those of `pilot` and `paper` on CUDA, on a CPU for the first of each.
    """
    rates = arithmetic_rate(device, precision), copy_rate(device)
    report(
        f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}: "
        f"{rates[0] / 1e9:,.0f} GFLOP/s in a {precision} matrix product, "
        f"{rates[1] / 1e9:,.0f} GB/s in a copy; "
        f"steps of {BATCH} images, medians of {turns} turns"
    )
    report(HEADINGS)
    steps = steps or (4 if device == "cpu" else 40)
    jobs = jobs or default_jobs(device)
    lines = []
    for (source, student), method in product(pairs or _default_pairs(device), names):
        case = Case(source, student, method, device, precision, steps)
        lines.append(compare(case, turns, jobs, rates))
        report(_in_words(lines[-1]))
    if hours := table_hours(lines):
        report(hours)
    return lines


def _default_pairs(device: str) -> list[Pair]:
    pilot = profile("pilot").experiments["black_box"].pairs
    paper = profile("paper").experiments["black_box"].pairs
    return [pilot[0], *(paper[:1] if device == "cpu" else paper)]


def _in_words(line: dict) -> str:
    """A line of `compare` under HEADINGS."""
    pair, ratios = f"{line['teacher']}-{line['student']}", line["ratios"]
    return (
        f"{pair:<22}{line['method']:<8}{line['plain_seconds_per_step']:>13.4f}"
        f"{line['seconds_per_step']:>13.4f}{line['floor_seconds_per_step']:>13.4f}"
        f"{line['students_per_hour']:>12.1f}{line['peak_memory_mb']:>12.0f}"
        f"{line['ratio']:>7.2f}  ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def compare(case: Case, turns: int, jobs: int, rates: tuple[float, float]) -> dict:
    """Seconds a step of one student here (`jobs` at once, each with its share of the device) and of
    the plain one alone.

    ratio: students an hour here over students an hour there, the median over turns of ratios taken
    within a turn. peak_memory_mb: of one student's process on a CPU, of all students together on
    CUDA.
    """
    processes, students = (jobs, 1) if case.device == "cpu" else (1, jobs)
    threads = max(1, default_jobs() // jobs)
    plain = _start(run_plain, case)
    ours = [_start(run_ours, case, turns + 1, threads, students) for _ in range(processes)]
    theirs, mine = [], []
    try:
        for _ in range(turns + 1):
            theirs.append(_turn([plain], case.steps))
            mine.append(_turn(ours, case.steps))
    finally:
        for worker in (plain, *ours):
            _end(worker)
    return case._asdict() | _measured(case, jobs, rates, theirs[1:], mine[1:])


class _Worker(NamedTuple):
    connection: Connection
    process: BaseProcess


class _Turn(NamedTuple):
    seconds: float  # a step, of the slowest worker
    memory: float  # MiB, of the worker that used most


def _start(target: Callable[..., None], case: Case, *more: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    # not a daemon: it has loader workers
    process = context.Process(target=target, args=(case, there, *more))
    process.start()
    return _Worker(here, process)


def _turn(workers: Sequence[_Worker], steps: int) -> _Turn:
    """One turn of all these workers at once."""
    for worker in workers:
        worker.connection.send(True)
    taken = [worker.connection.recv() for worker in workers]
    seconds, used = zip(*taken, strict=True)
    return _Turn(max(seconds) / steps, max(used))


def _end(worker: _Worker) -> None:
    with suppress(OSError):  # it may have ended already
        worker.connection.send(False)
    worker.process.join(20)
    worker.process.kill()


def _measured(
    case: Case,
    jobs: int,
    rates: tuple[float, float],
    theirs: Sequence[_Turn],
    mine: Sequence[_Turn],
) -> dict:
    """What the turns of the plain implementation and of this one say."""
    plain, _ = zip(*theirs, strict=True)
    ours, _ = zip(*mine, strict=True)
    ratios = [jobs * there / here for there, here in zip(plain, ours, strict=True)]
    seconds, steps = median(ours), student_steps(case)
    return {
        "seconds_per_step": seconds,
        "plain_seconds_per_step": median(plain),
        "floor_seconds_per_step": floor(case, *rates),
        "students_at_once": jobs,
        "students_per_hour": jobs * 3600 / (seconds * steps),
        "steps_per_student": steps,
        "peak_memory_mb": mine[-1].memory,
        "plain_peak_memory_mb": theirs[-1].memory,
        "ratio": median(ratios),
        "ratios": ratios,
    }


def student_steps(case: Case) -> int:
    """Of a student of `pilot`; of any other pair those of EPOCHS epochs at n = 2560."""
    pilot = profile("pilot")
    if (case.teacher, case.student) in pilot.experiments["black_box"].pairs:
        return pilot.recipe.steps
    return EPOCHS * methods.steps_per_epoch(2560, BATCH)


def table_hours(lines: Sequence[dict]) -> str:
    """What Table 1 would take at the rates of `lines`, EPOCHS epochs a student; '' if they hold not
    all it needs.

    Methods that were not timed count as kd or ckd, `ckd_pairs` as twice ckd.
    """
    grid = profile("paper").experiments["black_box"]
    rates = {}
    for line in lines:
        timed = line["teacher"], line["student"], line["method"]
        rates[timed] = line["seconds_per_step"] / line["students_at_once"]
    if any((*pair, method) not in rates for pair, method in product(grid.pairs, METHODS)):
        return ""
    steps = EPOCHS * len(grid.seeds) * sum(methods.steps_per_epoch(n, BATCH) for n in grid.calls)
    hours = {}
    for method in grid.methods:
        like, times = LIKE.get(method, "kd"), 1 + (method == "ckd_pairs")
        a_step = sum(rates[*pair, like] * times for pair in grid.pairs)
        hours[method] = a_step * steps / 3600
    own = [hours[method] for method in grid.methods if method not in (*CONTROLS, "ce")]
    each = len(grid.pairs) * len(grid.calls) * len(grid.seeds)
    return (
        f"Table 1 at these rates, {EPOCHS} epochs a student: "
        f"{each * len(own):,} students of the paper's methods in {sum(own):.1f} hours, "
        f"all {each * len(hours):,} in {sum(hours.values()):.1f}"
    )
