"""Methods: how a student learns. A method is one entry of the registry, its loss and its test."""

from .registry import METHODS, Method, get
from .sampling import class_batches, epoch_batches, pair_batches, steps_per_epoch
from .terms import (
    INNER,
    Batch,
    Problem,
    Term,
    forward_each,
    forward_features,
    forward_mixed,
)

__all__ = [
    "INNER",
    "METHODS",
    "Batch",
    "Method",
    "Problem",
    "Term",
    "class_batches",
    "epoch_batches",
    "forward_each",
    "forward_features",
    "forward_mixed",
    "get",
    "pair_batches",
    "steps_per_epoch",
]
