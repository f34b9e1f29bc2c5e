"""Images as tensors: where they come from, which of them a run uses, how they become inputs."""

from .dataset import Dataset, load_dataset, teacher_view
from .decoding import check_size
from .selection import BY_STUDENT, RANDOM, SELECTIONS, margin, ranking
from .subsets import check_calls, others, pool, split
from .views import TRANSFORMS, Images, Transform, Views, pixels

__all__ = [
    "BY_STUDENT",
    "RANDOM",
    "SELECTIONS",
    "TRANSFORMS",
    "Dataset",
    "Images",
    "Transform",
    "Views",
    "check_calls",
    "check_size",
    "load_dataset",
    "margin",
    "others",
    "pixels",
    "pool",
    "ranking",
    "split",
    "teacher_view",
]
