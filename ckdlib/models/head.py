"""The classifier at the end of every network."""

import torch
from torch import Tensor, nn


class Head(nn.Linear):
    """Pooled vectors [B, channels] -> logits [B, classes].

    In the weights' own precision under autocast too: offsets and comparisons are small differences
    of logits.
    """

    def forward(self, pooled: Tensor) -> Tensor:
        if pooled.dtype == self.weight.dtype:
            return super().forward(pooled)
        with torch.autocast(pooled.device.type, enabled=False):
            return super().forward(pooled.to(self.weight.dtype))
