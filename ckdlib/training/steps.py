"""The optimiser steps of one training.

A step does the same work on the same memory every time, so that CUDA can record it.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..images import Views
from ..methods import Batch, Method
from ..models.network import Network
from ..recipes import Recipe
from .features import Features
from .graphs import GraphReplay

Shape = tuple[int, int]  # of a batch: [k, B]


class Round(NamedTuple):
    """What the steps of one round are made of; a step takes the next part of it."""

    shapes: Sequence[Shape]  # a step
    positions: Tensor  # [images] in the training split, those of all steps one after another
    views: Tensor  # [images, 3]
    lam: Tensor  # [steps]
    rates: Tensor  # [steps] learning rates


class Room(NamedTuple):
    """Where a round's draws are copied to: fixed places on the device, which graphs find again."""

    positions: Tensor
    views: Tensor
    lam: Tensor
    rates: Tensor

    @classmethod
    def like(cls, draws: Round, batch: int, device: torch.device) -> "Room":
        """Room for the longest round.

        Pairs take two images, and short batches that were joined one more than a batch has; a
        sampler of one's own may take any number.
        """
        steps = len(draws.shapes)
        images = max(2 * (batch + 1) * steps, len(draws.positions))
        return cls(
            draws.positions.new_empty(images, device=device),
            draws.views.new_empty(images, 3, device=device),
            draws.lam.new_empty(steps, device=device),
            draws.rates.new_empty(steps, device=device),
        )

    def hold(self, draws: Round) -> None:
        """Copy a round's draws here."""
        images = len(draws.positions)
        self.positions[:images].copy_(draws.positions)
        self.views[:images].copy_(draws.views)
        self.lam.copy_(draws.lam)
        self.rates.copy_(draws.rates)


class Steps:
    """Network, helpers and optimiser of one training, and the round that they are in.

    Parameters
    ----------
    net, helpers : nn.Module
        What is trained.
    method : Method
    recipe : Recipe
    train_views : Views
        Of the training images.
    teacher_logits : Tensor [N, C] or None
        Kept answers about them.
    features : Features or None
        Kept feature maps of them, for white-box methods.
    helper_rng : torch.Generator
        On the device, for what a term draws.
    bfloat16 : bool
        Convolutions under autocast; weights, logits and losses stay float32.
    """

    def __init__(
        self,
        net: Network,
        helpers: nn.ModuleDict,
        method: Method,
        recipe: Recipe,
        train_views: Views,
        teacher_logits: Tensor | None,
        features: Features | None,
        helper_rng: torch.Generator,
        bfloat16: bool,
    ):
        self.net = net
        self.helpers = helpers
        self.method = method
        self.train_views = train_views
        self.teacher_logits = teacher_logits
        self.features = features
        self.helper_rng = helper_rng
        self.bfloat16 = bfloat16
        self.batch = recipe.batch
        self.modules = nn.ModuleDict({"net": net, "helpers": helpers})
        self.device = train_views.labels.device
        self.rate = torch.tensor(recipe.learning_rate, device=self.device)
        self.optimiser = self._optimiser(recipe)
        self.room: Room | None = None
        self.at = torch.zeros(1, dtype=torch.long, device=self.device)  # images of the round so far
        self.step = torch.zeros(1, dtype=torch.long, device=self.device)
        self.total = torch.zeros((), device=self.device)  # losses of the round so far, summed
        self._take = GraphReplay(
            self._one, self.device, helper_rng, fixed=net.fixed and not method.origin
        )

    def _optimiser(self, recipe: Recipe) -> torch.optim.SGD:
        optimiser = torch.optim.SGD(
            self.modules.parameters(),
            self.rate,
            recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        # momentum from the start, in each parameter's memory format, as `fused` needs
        for parameter in self.modules.parameters():
            optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimiser

    @property
    def moments(self) -> list[Tensor]:
        """The momentum of each parameter."""
        return [state["momentum_buffer"] for state in self.optimiser.state.values()]

    def take(
        self, draws: Round, first: int = 0, after_step: Callable[[int], None] | None = None
    ) -> tuple[int, Tensor]:
        """Take the steps of a round.

        Parameters
        ----------
        draws : Round
        first : int
            Steps of it that were taken before; `total` holds their losses.
        after_step : callable, optional
            Told after each step how many of the round were taken.

        Returns
        -------
        int
            Images that went through the student.
        Tensor, 0-d
            The mean loss.
        """
        if self.room is None or len(self.room.positions) < len(draws.positions):
            self.room = Room.like(draws, self.batch, self.device)
        self.room.hold(draws)
        images = sum(k * count for k, count in draws.shapes[:first])
        self.at.fill_(images)
        self.step.fill_(first)
        if not first:
            self.total.zero_()
        self.modules.train()
        for taken, shape in enumerate(draws.shapes[first:], first + 1):
            images += self._take(shape)
            if after_step:
                after_step(taken)
        return images, self.total / len(draws.shapes)

    def _one(self, shape: Shape) -> int:
        """One step; how many images went through the student."""
        batch = self._batch(shape)
        loss = reduce(add, self.method.loss(batch).values())
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.total += loss.detach()
        k, count = shape
        self.at += k * count
        self.step += 1
        passes, images = batch.student_logits.shape[:2]
        return passes * images

    def _batch(self, shape: Shape) -> Batch:
        """The next part of the round, with what the student makes of it."""
        assert self.room is not None
        k, count = shape
        mine = self.at + torch.arange(k * count, device=self.device)
        positions, views = self.room.positions[mine], self.room.views[mine]
        lam = self.room.lam.index_select(0, self.step)[0]
        self.rate.copy_(self.room.rates.index_select(0, self.step)[0])
        inputs = list(self.train_views.random(positions, views).split(count))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits, maps = self.method.forward(self.net, inputs, lam)
        index = positions.view(k, count)
        labels = self.train_views.labels
        return Batch(
            index=index,
            labels=labels[index],
            teacher_logits=None if self.teacher_logits is None else self.teacher_logits[index],
            student_logits=logits,
            lam=lam,
            all_labels=labels,
            helpers=self.helpers,
            helper_rng=self.helper_rng,
            student_maps=[level.to(logits.dtype) for level in maps],
            teacher_maps=self.features[index] if self.features is not None else (),
        )
