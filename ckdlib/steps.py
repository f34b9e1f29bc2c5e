"""The optimiser steps of one training: the same work on the same memory every time, so that CUDA can record it."""
import os
import threading
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

import torch
from torch import Tensor, nn

from .images import Views
from .ledger import Features
from .methods import Batch, Method
from .schedules import Recipe

STREAMS = 32                             # that torch has on a device: more threads would share some
_RECORDING = threading.Lock()            # one graph is recorded at a time; others may run meanwhile
_OWN = threading.local()


class Replay:
    """`work(key)`, which must wait for nothing on the host and take and leave everything at fixed places.

    On CUDA the first call of a key is made as it is (a warm-up that counts), the second is recorded as a graph and it and
    all later ones replay that; what `work` returned when it was recorded is returned each time. Elsewhere, and where the
    environment says CKD_GRAPHS=0, it is called.
    """

    def __init__(self, work: Callable, device: torch.device, generator: torch.Generator | None = None):
        self.work, self.generator = work, generator
        self.records = device.type == "cuda" and os.environ.get("CKD_GRAPHS") != "0"
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
            finally:
                graph.capture_end()
        return graph, returned


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """On CUDA this thread's own stream, after what the caller's stream has to do and before what it will: trainings of
    several threads overlap, and graphs cannot be recorded in the default stream."""
    if device.type != "cuda":
        yield
        return
    if not hasattr(_OWN, "stream"):      # one a thread: torch has STREAMS and deals them out again and again
        _OWN.stream = torch.cuda.Stream(device)
    outer, own = torch.cuda.current_stream(device), _OWN.stream
    own.wait_stream(outer)
    try:
        with torch.cuda.stream(own):
            yield
    finally:
        outer.wait_stream(own)


class Round(NamedTuple):
    """What the steps of one round are made of, on the device; a step takes the next part of it."""
    shapes: list[tuple[int, int]]        # a step: [k, B]
    index: Tensor                        # positions in the training split, flat
    views: Tensor                        # [len(index), 3]
    mixing: Tensor                       # a step
    rates: Tensor                        # a step: the learning rate


class Steps:
    """Network, helpers and optimiser of one training, and the round that they are in.

    bfloat16: convolutions under autocast; weights, logits and losses stay float32.
    """

    def __init__(self, net: nn.Module, helpers: nn.ModuleDict, method: Method, recipe: Recipe, train: Views,
                 teacher: Tensor | None, features: Features | None, chance: torch.Generator, bfloat16: bool):
        self.net, self.helpers, self.method, self.train = net, helpers, method, train
        self.teacher, self.features, self.chance, self.bfloat16 = teacher, features, chance, bfloat16
        self.modules = nn.ModuleDict({"net": net, "helpers": helpers})
        device = self.device = train.labels.device
        self.rate = torch.tensor(recipe.learning_rate, device=device)
        self.optimiser = torch.optim.SGD(self.modules.parameters(), self.rate, recipe.momentum,
                                         weight_decay=recipe.weight_decay, fused=True)
        for parameter in self.modules.parameters():      # zeros, in the parameter's memory format, as `fused` needs
            self.optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        self.round: Round | None = None                  # the round's draws, copied to where graphs find them
        self.batch = recipe.batch
        self.at, self.step = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self.total = torch.zeros((), device=device)      # the sum of the losses of the round so far
        self._take = Replay(self._one, device, chance)

    def take(self, plan: Round) -> tuple[int, Tensor]:
        """Take the steps of a round; how many images went through the student, and the mean loss."""
        if self.round is None:           # room for the longest round: pairs, and the short batches that were joined
            most = 2 * (self.batch + 1) * len(plan.shapes)
            self.round = Round([], *(new.new_empty(most if len(new) > len(plan.shapes) else len(new), *new.shape[1:],
                                                   device=self.device) for new in plan[1:]))
        for mine, new in zip(self.round[1:], plan[1:]):
            mine[:len(new)].copy_(new)
        for counter in (self.at, self.step, self.total):
            counter.zero_()
        self.modules.train()
        images = sum(self._take(shape) for shape in plan.shapes)
        return images, self.total / len(plan.shapes)

    def _one(self, shape: tuple[int, int]) -> int:
        k, count = shape
        mine = self.at + torch.arange(k * count, device=self.device)
        index, views = self.round.index[mine], self.round.views[mine]
        mixing, rate = (values.index_select(0, self.step)[0] for values in (self.round.mixing, self.round.rates))
        inputs = self.train.random(index, views).split(count)
        index = index.view(k, count)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits, maps = self.method.forward(self.net, list(inputs), mixing)
        batch = Batch(index, self.train.labels[index], None if self.teacher is None else self.teacher[index], logits,
                      mixing, self.train.labels, self.helpers, self.chance, [level.to(logits.dtype) for level in maps],
                      self.features[index] if self.method.white_box else ())
        loss = sum(self.method.loss(batch).values())
        self.rate.copy_(rate)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.total += loss.detach()
        self.at += k * count
        self.step += 1
        return logits.shape[0] * logits.shape[1]
