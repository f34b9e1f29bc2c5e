"""Arrays and sequences of images, with or without labels, as anybody has them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from .decoding import decode, shown

IMAGE_KEYS = ("image", "img", "pixel_values")
MOST_GUESSED = 1000  # classes that are more than the images, where nobody names any
LABEL_KEYS = ("label", "labels", "fine_label", "target")


class Held(NamedTuple):
    """What is known of some pictures: see `pictures.Pictures`."""

    names: list[str]
    read: Callable[[int], Tensor]
    labels: Tensor | None
    classes: tuple[str, ...] | None


# Arrays.


def arrays(pixels: Any, labels: Any = None) -> Held:
    """Images in one array: uint8 [N, H, W, 3], or grey [N, H, W] or [N, H, W, 1]."""
    found = _tensor(pixels, "an array of images")
    if found.ndim == 3:
        found = found[..., None]
    if found.dtype != torch.uint8 or found.ndim != 4 or found.shape[3] not in (1, 3):
        raise InputError(
            f"an array of images of {str(found.dtype).removeprefix('torch.')} {list(found.shape)}; "
            "give uint8 (0 to 255), [N, H, W, 3] or grey [N, H, W]"
        )
    names = list(map(str, range(len(found))))
    numbers, classes = (None, None) if labels is None else labels_of(labels, None, len(found))
    return Held(names, lambda i: found[i].expand(-1, -1, 3).contiguous(), numbers, classes)


def _tensor(values: Any, what: str) -> Tensor:
    try:
        return torch.as_tensor(values.cpu() if isinstance(values, Tensor) else np.asarray(values))
    except (TypeError, ValueError):
        raise InputError(
            f"{what} cannot be taken from {type(values).__name__}; give an array of uint8"
        ) from None


def labels_of(
    labels: Any, classes: Sequence[str] | None, images: int
) -> tuple[Tensor | None, tuple[str, ...] | None]:
    """Labels as positions in their classes: numbers as they are, names in their order; None where
    all are -1, as of data sets that hide them.
    """
    try:
        found = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    except ValueError:
        raise InputError("labels of different lengths; give one for each image") from None
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise InputError(f"labels of shape {list(found.shape)}; give one for each image")
    if len(found) != images:
        raise InputError(f"{images} images and {len(found)} labels; give one for each")
    if not images:
        return torch.empty(0, dtype=torch.int64), tuple(map(str, classes or ()))
    if not np.issubdtype(found.dtype, np.integer):
        if np.issubdtype(found.dtype, np.number):
            raise InputError(f"labels of {found.dtype}; give whole numbers, or names of classes")
        words, place = np.unique(found.astype(str), return_inverse=True)
        return torch.from_numpy(place).long(), tuple(map(str, words))
    low, high = int(found.min()), int(found.max())
    if low == high == -1:
        return None, tuple(map(str, classes)) if classes else None
    if not classes and high >= max(images, MOST_GUESSED):
        raise InputError(
            f"labels of {low} to {high} of {images} images; number the classes from 0, or give "
            "their names"
        )
    count = len(classes) if classes else high + 1
    if low < 0 or high >= count:
        raise InputError(f"labels of {low} to {high} for {count} classes; give 0 to {count - 1}")
    names = tuple(map(str, classes or range(count)))
    return torch.from_numpy(found.astype(np.int64)), names


# Sequences.


def sequence(images: Any) -> Held:
    """A sequence of (image, label), of images alone, or of mappings as Hugging Face's."""
    first, names = _first(images), list(map(str, range(len(images))))
    is_mapping, is_pair = isinstance(first, Mapping), _is_pair(first)
    path = _image_of(first) if is_mapping or is_pair else first
    if isinstance(path, str | Path):
        names = [str(_image_of(images[i])) for i in range(len(images))]

    def read(i: int) -> Tensor:
        return picture(_image_of(images[i]), names[i])

    if not is_pair and not (is_mapping and set(first) - set(IMAGE_KEYS)):
        return Held(names, read, None, None)
    return Held(names, read, *labels_of(_labels(images, first), _classes(images), len(images)))


def _first(images: Any) -> Any:
    try:
        return images[0]
    except (KeyError, TypeError, IndexError):
        keys = f" of {', '.join(map(str, list(images)[:4]))}" if isinstance(images, Mapping) else ""
        raise InputError(
            f"images cannot be taken from {type(images).__name__}{keys} by position; give one of "
            "its parts, or a list of (image, label)"
        ) from None


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) >= 2


def _image_of(item: Any) -> Any:
    """The image of an element."""
    if not isinstance(item, Mapping):
        return item[0] if _is_pair(item) else item
    for key in IMAGE_KEYS:
        if key in item:
            return item[key]
    raise InputError(
        f"an element of {', '.join(map(str, item))} holds no {' or '.join(IMAGE_KEYS)}; rename its "
        "image"
    )


def _labels(images: Any, first: Any) -> Any:
    """All labels, without opening the images where that can be."""
    if isinstance(first, Mapping):
        key = next((key for key in LABEL_KEYS if key in first), None)
        if key is None:
            raise InputError(
                f"an element of {', '.join(map(str, first))} holds no {' or '.join(LABEL_KEYS)}; "
                "rename its label, or give the images alone"
            )
        return images[key] if hasattr(images, "column_names") else [one[key] for one in images]
    targets = getattr(images, "targets", None)
    if targets is not None and len(targets) == len(images):
        return targets
    return [images[i][1] for i in range(len(images))]


def _classes(images: Any) -> Sequence[str] | None:
    for key in LABEL_KEYS:
        feature = (getattr(images, "features", None) or {}).get(key)
        if feature is not None and hasattr(feature, "names"):
            return feature.names
    return getattr(images, "classes", None)


def picture(image: Any, name: str) -> Tensor:
    """Any image as uint8 [H, W, 3].

    Raises
    ------
    InputError
        If it is none, or cannot be read.
    """
    if isinstance(image, str | Path):
        return decode(Path(image).expanduser(), any_size=True).pixels
    if isinstance(image, Image.Image):
        return _shown(image, name)
    values = _tensor(image, f"image {name}")
    is_tensor = isinstance(image, Tensor)
    if is_tensor and values.ndim == 3 and values.shape[0] in (1, 3):
        values = values.permute(1, 2, 0)
    if values.ndim == 2:
        values = values[..., None]
    is_share = is_tensor and values.is_floating_point() and values.numel() > 0
    if is_share and 0 <= values.min() and values.max() <= 1:
        values = (values * 255).round().to(torch.uint8)
    strange = values.dtype != torch.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3)
    if strange or not values.numel():
        raise InputError(
            f"image {name} is {str(values.dtype).removeprefix('torch.')} {list(values.shape)}; "
            "give uint8 [H, W, 3], or a tensor [3, H, W] of 0 to 1 that is not normalised"
        )
    return values.expand(-1, -1, 3).contiguous()


def _shown(image: Image.Image, name: str) -> Tensor:
    try:
        return shown(image.copy(), Path(name)).pixels
    except InputError:
        raise
    except Exception as error:  # of a file that is read only now
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"image {name} cannot be read ({why}); leave it out") from None
