"""Teachers: their weights, and the ledger of what they were asked."""

from .ledger import Ledger
from .pretraining import train_teacher
from .weights import (
    import_teacher,
    load_teacher,
    read_card,
    weights_path,
)

__all__ = [
    "Ledger",
    "import_teacher",
    "load_teacher",
    "read_card",
    "train_teacher",
    "weights_path",
]
