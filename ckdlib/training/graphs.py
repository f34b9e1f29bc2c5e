"""CUDA graphs: work that is the same each time is recorded once and replayed."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch

GRAPHS = "CKD_GRAPHS"  # of the environment: "0" turns recording off
STREAMS = 32  # that torch has on a device: more threads would share some
_RECORDING = threading.Lock()  # one graph is recorded at a time; others may run meanwhile
_OWN = threading.local()


class GraphReplay:
    """`work(key)`, which must wait for nothing on the host and take and leave everything at fixed
    places.

    On CUDA the first call of a key is made as it is (a warm-up that counts), the second is recorded
    as a graph and it and all later ones replay that; what `work` returned when it was recorded is
    returned each time. Elsewhere, where the environment says CKD_GRAPHS=0, and for work that is not
    `fixed` (what users wrote may look at values, or change with time), it is called.
    """

    def __init__(
        self,
        work: Callable,
        device: torch.device,
        generator: torch.Generator | None = None,
        fixed: bool = True,
    ):
        self.work, self.generator = work, generator
        self.records = fixed and device.type == "cuda" and os.environ.get(GRAPHS) != "0"
        self.seen: set = set()
        self.graphs: dict = {}

    def __call__(self, key=None):
        if not self.records or key not in self.seen:
            self.seen.add(key)
            return self.work(key)
        if key not in self.graphs:
            self.graphs[key] = self._record(key)
        graph, returned = self.graphs[key]
        graph.replay()
        return returned

    def _record(self, key) -> tuple:
        graph = torch.cuda.CUDAGraph()
        if self.generator is not None:
            graph.register_generator_state(self.generator)
        with _RECORDING:
            torch.cuda.current_stream().synchronize()
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                returned = self.work(key)
            except BaseException:
                with suppress(RuntimeError):  # which only says that there was an error before
                    graph.capture_end()
                raise
            graph.capture_end()
        return graph, returned


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """On CUDA this thread's own stream, after what the caller's stream has to do and before what it
    will: trainings of several threads overlap, and graphs cannot be recorded in the default
    stream.
    """
    if device.type != "cuda":
        yield
        return
    if not hasattr(_OWN, "stream"):
        # one a thread: torch has STREAMS and deals them out again and again
        _OWN.stream = torch.cuda.Stream(device)
    outer, own = torch.cuda.current_stream(device), _OWN.stream
    own.wait_stream(outer)
    try:
        with torch.cuda.stream(own):
            yield
    finally:
        outer.wait_stream(own)
