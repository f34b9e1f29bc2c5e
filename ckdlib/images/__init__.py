"""Images as tensors: where they come from, which of them a run uses, how they become inputs."""

from .dataset import Dataset, load_dataset, teacher_view
from .decoding import check_size
from .subsets import check_calls, split
from .views import TRANSFORMS, Images, Transform, Views, pixels

__all__ = [
    "TRANSFORMS",
    "Dataset",
    "Images",
    "Transform",
    "Views",
    "check_calls",
    "check_size",
    "load_dataset",
    "pixels",
    "split",
    "teacher_view",
]
