"""Methods: how a student learns. A method is one entry of the registry, its loss and its test; one
of the user's own is added by `method` or `add`.
"""

from .outside import add, method, try_out
from .registry import METHODS, OUTSIDE, Method, canonical, get
from .sampling import (
    class_batches,
    epoch_batches,
    mixing_shares,
    pair_batches,
    steps_per_epoch,
)
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
    "OUTSIDE",
    "Batch",
    "Method",
    "Problem",
    "Term",
    "add",
    "canonical",
    "class_batches",
    "epoch_batches",
    "forward_each",
    "forward_features",
    "forward_mixed",
    "get",
    "method",
    "mixing_shares",
    "pair_batches",
    "steps_per_epoch",
    "try_out",
]
