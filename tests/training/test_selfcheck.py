"""What makes training fast is trusted only where it gives what plain steps give."""

import os
from itertools import count

import pytest
import torch

from ckdlib.training import graphs, selfcheck


@pytest.fixture
def as_cuda(monkeypatch):
    """The CPU, taken for a CUDA device whose recorded steps are `replayed`."""
    real = graphs.GraphReplay.__call__
    told = []

    def install(replayed):
        def call(self, key=None):
            if os.environ.get(graphs.GRAPHS) == "0":
                return real(self, key)
            return replayed(lambda: real(self, key))

        monkeypatch.setattr(graphs.GraphReplay, "__call__", call)
        plain = selfcheck._trained
        monkeypatch.setattr(selfcheck, "_trained", lambda _, *how, **kw: plain("cpu", *how, **kw))
        return selfcheck.check_device("cuda", "bfloat16", told.append), told

    monkeypatch.delenv(graphs.GRAPHS, raising=False)
    yield install
    os.environ.pop(graphs.GRAPHS, None)


def test_what_agrees_is_used(as_cuda):
    assert as_cuda(lambda step: step()) == ("bfloat16", [])
    assert graphs.GRAPHS not in os.environ


def test_recorded_steps_that_differ_by_the_order_of_sums_are_used(as_cuda, monkeypatch):
    """On a GPU no two trainings are equal bit for bit, recorded or not."""
    plain, noise = selfcheck._trained, count(1)

    def trained(*how, graphs):
        return plain(*how, graphs=graphs) * (1 + 1e-6 * next(noise) * graphs)

    monkeypatch.setattr(selfcheck, "_trained", trained)
    assert as_cuda(lambda step: step()) == ("bfloat16", [])


def test_recorded_steps_that_are_others_are_turned_off(as_cuda):
    """As of a graph that replays each step twice."""

    def twice(step):
        step()
        return step()

    precision, told = as_cuda(twice)
    assert precision == "bfloat16" and os.environ[graphs.GRAPHS] == "0"
    (line,) = told
    assert "recorded steps are turned off on cuda: " in line


def test_recording_that_raises_is_turned_off(as_cuda):
    def raising(step):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    _, (line,) = as_cuda(raising)
    assert line.endswith(
        "RuntimeError: CUDA error: operation not permitted when stream is capturing"
    )


def test_bfloat16_that_is_far_off_is_turned_off(as_cuda, monkeypatch):
    monkeypatch.setattr(selfcheck, "CLOSE", {"float32": 1e-3, "bfloat16": 1e-9})
    precision, (line,) = as_cuda(lambda step: step())
    assert precision == "float32" and "bfloat16 is turned off on cuda: after 6 steps" in line


def test_a_cpu_needs_no_check():
    assert selfcheck.check_device("cpu", "bfloat16", pytest.fail) == "bfloat16"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_this_device_can_be_trusted():
    told = []
    assert selfcheck.check_device("cuda", "bfloat16", told.append) == "bfloat16" and not told
