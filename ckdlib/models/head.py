"""The classifier at the end of every network."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class Head(nn.Linear):
    """Pooled vectors [B, channels] -> logits [B, classes].

    In the weights' own precision under autocast too: offsets and comparisons are small differences
    of logits. (Scripted, in that of autocast: its context cannot be scripted here.)
    """

    def forward(self, pooled: Tensor) -> Tensor:
        if torch.jit.is_scripting() or pooled.dtype == self.weight.dtype:
            return linear(pooled, self.weight, self.bias)
        with torch.autocast(pooled.device.type, enabled=False):
            return linear(pooled.to(self.weight.dtype), self.weight, self.bias)
