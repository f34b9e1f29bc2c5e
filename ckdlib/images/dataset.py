"""A dataset by name or folder."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError, choose
from ..progress import Report, say_once, silent
from ..reproducibility import generator, sha256, tensor_bytes
from .cache import Source
from .decoding import check_size
from .packed import read_packed, scale_of
from .sources import class_folders, digits, stanford_cars, torchvision_cifar100
from .subsets import development, first_classes
from .views import DEVELOPMENT, TEN_CLASSES, TRANSFORMS, Images, Transform, Views

PACKED = ".safetensors"


@dataclass(frozen=True)
class Dataset:
    """Training and test images, their classes, and how they become inputs."""

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    transform: Transform
    digest: str  # SHA-256 of pixels, labels and class names
    source: tuple  # the arguments of `load_dataset` that gave it

    def __reduce__(self) -> tuple:
        """Another process opens the images itself, once, instead of being sent them."""
        return _reopened, (self.source, self.digest)


@once
def _reopened(source: tuple, digest: str) -> "Dataset":
    name, root, cache, size, flip = source
    dataset = load_dataset(name, root, cache, size, flip, silent)
    if dataset.digest != digest:
        raise InputError(
            f"the images of {source[0]} have changed while a batch was running; run it again"
        )
    return dataset


def load_dataset(
    name: str,
    root: Path,
    cache: Path,
    size: int | None = None,
    flip: bool = True,
    report: Report = say_once,
) -> Dataset:
    """A dataset by name, by the path of its class folders or of its one file (`write_packed`).

    Parameters
    ----------
    name : str
    root : Path
        Where `cifar100/` lies or is downloaded to.
    cache : Path
        Where decoded tensors are kept.
    size : int, optional
        Pixels to resize a folder's images to (needed if they differ).
    flip : bool
        Whether a folder's training images may be mirrored.
    report : callable, optional
        Is given each line about files that are passed over, duplicates, a long decode and the
        cache; by default they are printed to stderr.

    Raises
    ------
    InputError
        If the dataset is unknown, its folder cannot be used, or the size is none that the networks
        take.
    """
    check_size(size)
    source = (name, root, cache, size, flip)
    if name in TRANSFORMS:
        return _dataset(name, *_known(name, root, cache, report), TRANSFORMS[name], source)
    folder = Path(os.path.expanduser(name))
    if len(folder.parts) == 1 and not folder.exists():
        choose("dataset", name, [*TRANSFORMS, "or the path of a folder with train/ and test/"])
    if folder.suffix == PACKED and folder.is_file():
        return _dataset(*read_packed(folder), source)
    train, test, classes = class_folders(folder, cache, size, report)
    side = train.pixels.shape[1]
    transform = Transform(side, side // 8, flip, *scale_of(train.pixels))
    return _dataset(folder.resolve().name, train, test, classes, transform, source)


def _known(name: str, root: Path, cache: Path, report: Report) -> Source:
    if name == "stanford_cars":
        return stanford_cars(root / name, cache, report)
    if name == DEVELOPMENT:
        train, _, classes = _known("cifar100", root, cache, report)
        return *development(train), classes
    if name == TEN_CLASSES:
        train, test, classes = _known("cifar100", root, cache, report)
        return first_classes(train, 10), first_classes(test, 10), classes[:10]
    if name != "cifar100":
        return digits(8 if name == "digits" else 9)
    if (root / name / "train").is_dir():
        return class_folders(root / name, cache, 32, report)
    return torchvision_cifar100(root)


def _dataset(
    name: str,
    train: Images,
    test: Images,
    classes: tuple[str, ...],
    transform: Transform,
    source: tuple,
) -> Dataset:
    tensors = (train.pixels, train.labels, test.pixels, test.labels)
    digest = sha256(*map(tensor_bytes, tensors), json.dumps(classes))
    return Dataset(name, classes, train, test, transform, digest, source)


def teacher_view(dataset: Dataset, seed: int, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The images as the teacher sees them: of each one random crop and flip per seed.

    Returns
    -------
    callable
        Index [B] -> inputs [B, 3, crop, crop] on `device`.
    """
    draws = Views(dataset.train[torch.arange(0)], dataset.transform).draw(
        len(dataset.train), generator(seed, "view")
    )

    def view(index: Tensor) -> Tensor:
        shown = Views(dataset.train[index], dataset.transform, device)
        return shown.random(torch.arange(len(index), device=device), draws[index].to(device))

    return view
