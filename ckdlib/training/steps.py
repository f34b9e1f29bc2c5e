"""The optimiser steps of one training: the same work on the same memory, so that CUDA can record
it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..images import Views
from ..methods import Batch, Method
from ..recipes import Recipe
from .features import Features
from .graphs import GraphReplay


class Round(NamedTuple):
    """What the steps of one round are made of, on the device; a step takes the next part of it."""

    shapes: list[tuple[int, int]]  # a step: [k, B]
    index: Tensor  # positions in the training split, flat
    views: Tensor  # [len(index), 3]
    mixing: Tensor  # a step
    rates: Tensor  # a step: the learning rate


class Steps:
    """Network, helpers and optimiser of one training, and the round that they are in.

    bfloat16: convolutions under autocast; weights, logits and losses stay float32.
    """

    def __init__(
        self,
        net: nn.Module,
        helpers: nn.ModuleDict,
        method: Method,
        recipe: Recipe,
        train: Views,
        teacher: Tensor | None,
        features: Features | None,
        chance: torch.Generator,
        bfloat16: bool,
    ):
        self.net, self.helpers, self.method, self.train = net, helpers, method, train
        self.teacher, self.features, self.chance, self.bfloat16 = (
            teacher,
            features,
            chance,
            bfloat16,
        )
        self.modules = nn.ModuleDict({"net": net, "helpers": helpers})
        device = self.device = train.labels.device
        self.rate = torch.tensor(recipe.learning_rate, device=device)
        self.optimiser = torch.optim.SGD(
            self.modules.parameters(),
            self.rate,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        for (
            parameter
        ) in self.modules.parameters():  # zeros, in the parameter's memory format, as `fused` needs
            self.optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        self.round: Round | None = None  # the round's draws, copied to where graphs find them
        self.batch = recipe.batch
        self.at, self.step = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self.total = torch.zeros((), device=device)  # the sum of the losses of the round so far
        self._take = GraphReplay(self._one, device, chance)

    def take(self, plan: Round) -> tuple[int, Tensor]:
        """Take the steps of a round: images that went through the student, and the mean loss."""
        if (
            self.round is None
        ):  # room for the longest round: pairs, and the short batches that were joined
            most = 2 * (self.batch + 1) * len(plan.shapes)
            self.round = Round(
                [],
                *(
                    new.new_empty(
                        most if len(new) > len(plan.shapes) else len(new),
                        *new.shape[1:],
                        device=self.device,
                    )
                    for new in plan[1:]
                ),
            )
        for mine, new in zip(self.round[1:], plan[1:], strict=True):
            mine[: len(new)].copy_(new)
        for counter in (self.at, self.step, self.total):
            counter.zero_()
        self.modules.train()
        images = sum(self._take(shape) for shape in plan.shapes)
        return images, self.total / len(plan.shapes)

    def _one(self, shape: tuple[int, int]) -> int:
        k, count = shape
        mine = self.at + torch.arange(k * count, device=self.device)
        index, views = self.round.index[mine], self.round.views[mine]
        mixing, rate = (
            values.index_select(0, self.step)[0] for values in (self.round.mixing, self.round.rates)
        )
        inputs = self.train.random(index, views).split(count)
        index = index.view(k, count)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits, maps = self.method.forward(self.net, list(inputs), mixing)
        batch = Batch(
            index,
            self.train.labels[index],
            None if self.teacher is None else self.teacher[index],
            logits,
            mixing,
            self.train.labels,
            self.helpers,
            self.chance,
            [level.to(logits.dtype) for level in maps],
            self.features[index] if self.method.white_box else (),
        )
        loss = sum(self.method.loss(batch).values())
        self.rate.copy_(rate)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.total += loss.detach()
        self.at += k * count
        self.step += 1
        return logits.shape[0] * logits.shape[1]
