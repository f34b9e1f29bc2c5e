"""`python -m ckdlib bench`: seconds a step and students an hour, beside a straightforward
implementation and the floor.

Both are kept waiting in processes of their own and run in turns on the same made-up images; a ratio
is taken within one turn, so that what else the machine does hits both.
"""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median

import torch

from .. import methods, models
from ..images import TRANSFORMS, Views
from ..recipes import Recipe
from ..reproducibility import choose_device
from ..study.executors import default_jobs
from ..study.grid import CONTROLS, profile
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
    started = None

    def tell() -> None:
        nonlocal started
        if started is not None:
            connection.send((time.perf_counter() - started, memory(case.device)))
        connection.recv()
        started = time.perf_counter()

    turn = threading.Barrier(students, tell)

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


def memory(device: str) -> float:
    """MiB at most so far, of the device or of this process (without its loader workers)."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024  # rusage would begin with the parent's


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
    if not pairs:
        pilot, paper = (profile(name).experiments["black_box"].pairs for name in ("pilot", "paper"))
        pairs = [pilot[0], *(paper if device != "cpu" else paper[:1])]
    rates = arithmetic_rate(device, precision), copy_rate(device)
    report(
        f"{device}, {torch.get_num_threads()} threads, torch {torch.__version__}: "
        f"{rates[0] / 1e9:,.0f} GFLOP/s in a {precision} matrix product, {rates[1] / 1e9:,.0f} "
        f"GB/s in a copy; steps of {BATCH} images, medians of {turns} turns"
    )
    report(
        f"{'pair':<22}{'method':<8}{'plain s/step':>13}{'ours s/step':>13}"
        f"{'floor s/step':>13}{'students/h':>12}{'memory MiB':>12}{'ratio':>7}  (turns)"
    )
    lines = []
    for source, student in pairs:
        for method in names:
            case = Case(
                source, student, method, device, precision, steps or (4 if device == "cpu" else 40)
            )
            lines.append(line := compare(case, turns, jobs or default_jobs(device), rates))
            report(
                f"{source + '-' + student:<22}{method:<8}{line['plain_seconds_per_step']:>13.4f}"
                f"{line['seconds_per_step']:>13.4f}{line['floor_seconds_per_step']:>13.4f}"
                f"{line['students_per_hour']:>12.1f}{line['peak_memory_mb']:>12.0f}"
                f"{line['ratio']:>7.2f}  ({min(line['ratios']):.2f} to {max(line['ratios']):.2f})"
            )
    if hours := table_hours(lines):
        report(hours)
    return lines


def compare(case: Case, turns: int, jobs: int, rates: tuple[float, float]) -> dict:
    """Seconds a step of one student here (`jobs` at once, each with its share of the device) and of
    the plain one alone.

    ratio: students an hour here over students an hour there, the median over turns of ratios taken
    within a turn. peak_memory_mb: of one student's process on a CPU, of all students together on
    CUDA.
    """
    context = multiprocessing.get_context("spawn")

    def start(target: Callable[..., None], *more: int) -> tuple[Connection, BaseProcess]:
        here, there = context.Pipe()
        process = context.Process(
            target=target, args=(case, there, *more)
        )  # not a daemon: it has loader workers
        process.start()
        return here, process

    def turn(connections: Sequence[Connection]) -> tuple[float, float]:
        for connection in connections:
            connection.send(True)
        taken = [connection.recv() for connection in connections]
        return max(seconds for seconds, _ in taken) / case.steps, max(used for _, used in taken)

    processes, students = (jobs, 1) if case.device == "cpu" else (1, jobs)
    threads = max(1, default_jobs() // jobs)
    plain, *ours = [start(run_plain)] + [
        start(run_ours, turns + 1, threads, students) for _ in range(processes)
    ]
    try:
        measured = [
            (turn([plain[0]]), turn([connection for connection, _ in ours]))
            for _ in range(turns + 1)
        ][1:]
    finally:
        for connection, process in (plain, *ours):
            try:
                connection.send(False)
            except OSError:  # it has ended already
                pass
            process.join(20)
            process.kill()
    ratios = [jobs * theirs / mine for (theirs, _), (mine, _) in measured]
    seconds, steps = median(mine for _, (mine, _) in measured), student_steps(case)
    return case._asdict() | {
        "seconds_per_step": seconds,
        "plain_seconds_per_step": median(theirs for (theirs, _), _ in measured),
        "floor_seconds_per_step": floor(case, *rates),
        "students_at_once": jobs,
        "students_per_hour": jobs * 3600 / (seconds * steps),
        "steps_per_student": steps,
        "peak_memory_mb": measured[-1][1][1],
        "plain_peak_memory_mb": measured[-1][0][1],
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
    rates = {
        (line["teacher"], line["student"], line["method"]): line["seconds_per_step"]
        / line["students_at_once"]
        for line in lines
    }
    if any((*pair, method) not in rates for pair in grid.pairs for method in METHODS):
        return ""
    steps = EPOCHS * len(grid.seeds) * sum(methods.steps_per_epoch(n, BATCH) for n in grid.calls)
    hours = {
        method: sum(
            rates[*pair, LIKE.get(method, "kd")] * (1 + (method == "ckd_pairs"))
            for pair in grid.pairs
        )
        * steps
        / 3600
        for method in grid.methods
    }
    each = len(grid.pairs) * len(grid.calls) * len(grid.seeds)
    own = [method for method in grid.methods if method not in (*CONTROLS, "ce")]
    return (
        f"Table 1 at these rates, {EPOCHS} epochs a student: {each * len(own):,} students of the "
        f"paper's methods in {sum(hours[method] for method in own):.1f} hours, all "
        f"{each * len(hours):,} in {sum(hours.values()):.1f}"
    )
