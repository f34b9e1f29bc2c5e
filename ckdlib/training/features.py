"""Kept feature maps of a teacher, gathered by image."""

from collections.abc import Sequence

import torch
from torch import Tensor

Shape = tuple[int, ...]


class Features:
    """Kept feature maps of N images:

    `features[index]` gathers float32 maps [*index.shape, C, H, W], one a level.

    On a CPU the maps stay in their files, of which only the gathered rows are read; elsewhere they
    move to the device.
    """

    def __init__(
        self,
        shards: Sequence[Sequence[Tensor]],
        shard: Tensor,
        row: Tensor,
        device: torch.device | str,
    ):
        self.shards, self.shard, self.row = shards, shard, row
        self.shapes: list[Shape] = [tuple(level.shape[1:]) for level in shards[0]]
        if torch.device(device).type != "cpu":
            everything = torch.arange(len(row))
            self.shards = [[level.to(device) for level in self._gather(everything)]]
            self.shard, self.row = torch.zeros_like(shard, device=device), everything.to(device)

    def __getitem__(self, index: Tensor) -> list[Tensor]:
        return [
            level.view(*index.shape, *level.shape[1:]).float()
            for level in self._gather(index.flatten())
        ]

    def _gather(self, index: Tensor) -> list[Tensor]:
        if len(self.shards) == 1:
            return [level[self.row[index]] for level in self.shards[0]]
        shard, row = self.shard[index], self.row[index]
        gathered = [torch.empty(len(index), *shape, dtype=torch.float16) for shape in self.shapes]
        for number in shard.unique().tolist():
            here = shard == number
            for out, level in zip(gathered, self.shards[number], strict=True):
                out[here] = level[row[here]]
        return gathered
