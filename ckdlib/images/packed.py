"""A dataset as one file: images as students get them, with labels, classes and how they are cut."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from ..tensors import read_tensors, write_tensors
from .views import Images, Transform

Packed = tuple[str, Images, Images, tuple[str, ...], Transform]


def write_packed(
    path: Path, name: str, train: Images, test: Images, classes: tuple[str, ...], cut: Transform
) -> None:
    """Write a dataset.

    Parameters
    ----------
    path : Path
        Of a safetensors file.
    name : str
    train, test : Images
    classes : tuple of str
    cut : Transform
        How an image becomes an input.
    """
    tensors = {"train_pixels": train.pixels, "train_labels": train.labels}
    tensors |= {"test_pixels": test.pixels, "test_labels": test.labels}
    about = {"name": name, "classes": classes, "transform": asdict(cut)}
    write_tensors(path, tensors, dataset=json.dumps(about))


def read_packed(path: Path) -> Packed:
    """The name, training and test images, classes and transform of such a file."""
    tensors, metadata = read_tensors(path)
    about = json.loads(metadata["dataset"])
    train = Images(tensors["train_pixels"], tensors["train_labels"])
    test = Images(tensors["test_pixels"], tensors["test_labels"])
    return about["name"], train, test, tuple(about["classes"]), transform_of(about["transform"])


def transform_of(said: dict) -> Transform:
    """A transform as JSON has it."""
    return Transform(**{**said, "mean": tuple(said["mean"]), "std": tuple(said["std"])})


def scale_of(pixels: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel.

    Parameters
    ----------
    pixels : Tensor [N, H, W, 3]
        uint8.

    Returns
    -------
    tuple, tuple
        In 0 to 1, four digits; a deviation is at least 0.001.
    """
    values = pixels.reshape(-1, 3).float() / 255
    mean = tuple(round(v, 4) for v in values.mean(0).tolist())
    return mean, tuple(max(1e-3, round(v, 4)) for v in values.std(0).tolist())
