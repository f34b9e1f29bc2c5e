"""What no implementation of a step goes below: arithmetic and memory traffic of the device."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from .. import models
from .plain import BATCH, CLASSES

REPEATS = 10  # of which the fastest counts
COPIED = 2**28  # bytes
ACCESSES = 14  # of an element of a convolution's output in one step, see `floor`


class Case(NamedTuple):
    teacher: str
    student: str
    method: str
    device: str
    precision: str
    steps: int  # timed in one turn


def floor(case: Case, flops: float, bandwidth: float) -> float:
    """Seconds that a step of one student cannot go below if it has the whole device, by arithmetic
    and by traffic.

    Arithmetic: three forward passes at `flops` a second. Traffic, on CUDA (on a CPU the caches hold
    much of it): of each convolution's output 14 accesses at `bandwidth` bytes a second: five
    forward (written, read for the statistics, read and written by normalisation with ReLU, read by
    the next layer) and nine backward (a gradient written; it and the output read twice by
    normalisation, which writes one; that read twice and the layer's input once).
    """
    arithmetic = 3 * BATCH * models.flops(case.student, CLASSES, 32) / flops
    if case.device == "cpu":
        return arithmetic
    width = 2 if case.precision == "bfloat16" else 4
    elements = BATCH * models.activations(case.student, CLASSES, 32)
    return max(arithmetic, ACCESSES * width * elements / bandwidth)


def arithmetic_rate(device: str, precision: str = "float32") -> float:
    """FLOP/s of a matrix product on the whole device, the best of some."""
    side = 2048 if device == "cpu" else 8192
    a = torch.randn(side, side, device=device, dtype=getattr(torch, precision))
    return 2 * side**3 / _best(lambda: (a @ a)[0, 0].item())


def copy_rate(device: str) -> float:
    """Bytes read and written a second by a copy, the best of some."""
    a = torch.zeros(COPIED, dtype=torch.uint8, device=device)
    b = torch.zeros_like(a)
    return 2 * COPIED / _best(lambda: (b.copy_(a), b[0].item()))


def _best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
