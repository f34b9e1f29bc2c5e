"""Pictures as people have them: class folders, a flat folder, arrays, sequences of (image, label).

Each is read when it is needed, at its own size: that is what the teacher is shown.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os.path import isdir
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ..reproducibility import sha256, tensor_bytes
from .decoding import decode, resized, shown
from .listing import PassedOver, entries, images_of, listing
from .progress import Report, progress, say_once

KINDS = (
    "give a folder, an array [N, H, W, 3] of uint8 (or (array, labels)), or a sequence of "
    "(image, label)"
)
IMAGE_KEYS = ("image", "img", "pixel_values")
LABEL_KEYS = ("label", "labels", "fine_label", "target")


@dataclass(frozen=True)
class Pictures:
    """Images at their own sizes.

    Parameters
    ----------
    names : sequence of str
        A file's path within its folder, else its position.
    read : callable
        Position -> the picture, uint8 [H, W, 3].
    labels : Tensor [N], optional
        int64, positions in `classes`.
    classes : tuple of str, optional
        None where nobody says.
    """

    names: Sequence[str]
    read: Callable[[int], Tensor]
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def with_classes(self, classes: tuple[str, ...]) -> "Pictures":
        """The same, its labels as positions in `classes`.

        Raises
        ------
        InputError
            If a class of these pictures is not among them.
        """
        if self.labels is None or self.classes == classes:
            return self
        own = self.classes or ()
        if strange := sorted(set(own) - set(classes)):
            raise InputError(
                f"pictures of {len(strange)} classes that the others do not have, for instance "
                f"{strange[0]!r}; give the same classes, of {', '.join(classes[:10])}"
            )
        place = torch.tensor([classes.index(name) for name in own])
        return replace(self, labels=place[self.labels], classes=classes)

    def looked_at(self, index: Tensor, size: int, report: Report) -> "Seen":
        """Open pictures, once.

        Parameters
        ----------
        index : Tensor [B]
        size : int
            Pixels of the side that a student gets.
        report : callable
            Is told how far it has come.
        """
        count = len(index)
        keys = torch.empty(count, dtype=torch.int64)
        shapes = torch.empty(count, 2, dtype=torch.int64)
        small = torch.empty(count, size, size, 3, dtype=torch.uint8)
        with ThreadPoolExecutor() as pool:
            found = pool.map(self.read, index.tolist())
            for place, picture in enumerate(progress(found, count, "reading pictures", report)):
                keys[place] = key_of(picture)
                shapes[place] = torch.tensor(picture.shape[:2])
                small[place] = resized(picture, size)
        return Seen(keys, shapes, small)


class Seen(NamedTuple):
    """What was found of pictures."""

    keys: Tensor  # [B] int64, see `key_of`
    shapes: Tensor  # [B, 2] height and width
    pixels: Tensor  # [B, size, size, 3] uint8


def key_of(picture: Tensor) -> int:
    """What a picture is known by: the first 63 bits of the SHA-256 of its shape and pixels."""
    return int(sha256(f"{list(picture.shape)}", tensor_bytes(picture))[:16], 16) >> 1


def open_pictures(images: Any, report: Report = say_once) -> tuple[Pictures, Pictures | None]:
    """Pictures to learn from, and those of a folder's test/ where there is one.

    Parameters
    ----------
    images : path, array, (array, labels), sequence or Pictures
        A folder holds `<class>/<image>`, or images alone, which then have no labels; or such
        folders `train` and `test`. An array is uint8, [N, H, W, 3] or grey [N, H, W]. A sequence
        gives (image, label), an image alone, or a mapping with 'image' and 'label' (Hugging Face);
        its images are PIL's, arrays [H, W, 3], tensors [3, H, W] (uint8, or 0 to 1) or paths.
    report : callable, optional
        Is told what is passed over.

    Raises
    ------
    InputError
        If there is none, or it cannot be told what they are.
    """
    if isinstance(images, Pictures):
        return _some(images), None
    if isinstance(images, str | Path):
        return _folder(Path(images).expanduser(), report)
    pair = isinstance(images, tuple) and len(images) == 2 and getattr(images[0], "ndim", 0) >= 3
    if pair or getattr(images, "ndim", 0) >= 3:
        return _some(_arrays(*(images if pair else (images, None)))), None
    if isinstance(images, Sequence) or (
        hasattr(images, "__len__") and hasattr(images, "__getitem__")
    ):
        if len(images) == 0:
            raise InputError(f"no images; {KINDS}")
        return _sequence(images), None
    raise InputError(f"images cannot be taken from {type(images).__name__}; {KINDS}")


def _some(pictures: Pictures) -> Pictures:
    if not len(pictures):
        raise InputError(f"no images; {KINDS}")
    return pictures


# Folders.


def _folder(folder: Path, report: Report) -> tuple[Pictures, Pictures | None]:
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; {KINDS}")
    passed = PassedOver()
    train, test = folder / "train", None
    learn = _files(train if train.is_dir() else folder, passed)
    if train.is_dir() and (folder / "test").is_dir():
        test = _files(folder / "test", passed)
        if learn.classes and test.classes:
            test = test.with_classes(learn.classes)
    if passed:
        report(f"{folder}: passed over {passed.told(folder)}")
    return learn, test


def _files(folder: Path, passed: PassedOver) -> Pictures:
    """`<class>/<image>`, or images alone."""
    if any(isdir(folder / entry.name) for entry in entries(folder)):
        found = listing(folder, passed)
        paths = [path for part in found.values() for path in part]
        counts = torch.tensor([len(part) for part in found.values()])
        labels = torch.repeat_interleave(torch.arange(len(found)), counts)
        classes = tuple(found)
    else:
        paths, labels, classes = images_of(folder, passed), None, None
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Pictures(names, lambda i: decode(paths[i], any_size=True).pixels, labels, classes)


# Arrays.


def _arrays(pixels: Any, labels: Any) -> Pictures:
    found = torch.as_tensor(np.asarray(pixels))
    if found.ndim == 3:
        found = found[..., None]
    if found.dtype != torch.uint8 or found.ndim != 4 or found.shape[3] not in (1, 3):
        raise InputError(
            f"an array of images of {str(found.dtype).removeprefix('torch.')} {list(found.shape)}; "
            "give uint8 (0 to 255), [N, H, W, 3] or grey [N, H, W]"
        )
    names = list(map(str, range(len(found))))
    numbers, classes = (None, None) if labels is None else _labels(labels, None)
    if numbers is not None and len(numbers) != len(found):
        raise InputError(f"{len(found)} images and {len(numbers)} labels; give one for each")
    return Pictures(names, lambda i: found[i].expand(-1, -1, 3).contiguous(), numbers, classes)


def _labels(labels: Any, classes: Sequence[str] | None) -> tuple[Tensor, tuple[str, ...]]:
    """Labels as positions in their classes: numbers as they are, names in their order."""
    found = np.asarray(labels)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise InputError(f"labels of shape {list(found.shape)}; give one for each image")
    if not np.issubdtype(found.dtype, np.integer):
        if np.issubdtype(found.dtype, np.number):
            raise InputError(f"labels of {found.dtype}; give whole numbers, or names of classes")
        words, place = np.unique(found.astype(str), return_inverse=True)
        return torch.from_numpy(place).long(), tuple(map(str, words))
    low, high = int(found.min()), int(found.max())
    count = len(classes) if classes else high + 1
    if low < 0 or high >= count:
        raise InputError(f"labels of {low} to {high} for {count} classes; give 0 to {count - 1}")
    names = tuple(map(str, classes or range(count)))
    return torch.from_numpy(found.astype(np.int64)), names


# Sequences.


def _sequence(images: Any) -> Pictures:
    first, names = images[0], list(map(str, range(len(images))))
    if isinstance(first, str | Path):
        names = list(map(str, images))
    if not (isinstance(first, Mapping) or _is_pair(first)):
        return Pictures(names, lambda i: _picture(images[i], names[i]))
    numbers, classes = _labels(_labels_of(images, first), _classes_of(images))
    return Pictures(names, lambda i: _picture(_parts(images[i])[0], names[i]), numbers, classes)


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) >= 2


def _parts(item: Any) -> tuple[Any, Any]:
    """Image and label of an element."""
    if not isinstance(item, Mapping):
        return item[0], item[1]
    image = next((item[key] for key in IMAGE_KEYS if key in item), None)
    label = next((item[key] for key in LABEL_KEYS if key in item), None)
    if image is None:
        raise InputError(
            f"an element of {', '.join(map(str, item))} holds no {' or '.join(IMAGE_KEYS)}; rename "
            "its image"
        )
    return image, label


def _labels_of(images: Any, first: Any) -> Any:
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


def _classes_of(images: Any) -> Sequence[str] | None:
    for key in LABEL_KEYS:
        feature = (getattr(images, "features", None) or {}).get(key)
        if feature is not None and hasattr(feature, "names"):
            return feature.names
    return getattr(images, "classes", None)


def _picture(image: Any, name: str) -> Tensor:
    """Any image as uint8 [H, W, 3]."""
    if isinstance(image, str | Path):
        return decode(Path(image).expanduser(), any_size=True).pixels
    if isinstance(image, Image.Image):
        return shown(image.copy(), Path(name)).pixels
    is_tensor = isinstance(image, Tensor)
    values = torch.as_tensor(np.asarray(image.cpu() if is_tensor else image))
    if is_tensor and values.ndim == 3 and values.shape[0] in (1, 3):
        values = values.permute(1, 2, 0)
    if values.ndim == 2:
        values = values[..., None]
    if is_tensor and values.is_floating_point() and 0 <= values.min() and values.max() <= 1:
        values = (values * 255).round().to(torch.uint8)
    if values.dtype != torch.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3):
        raise InputError(
            f"image {name} is {str(values.dtype).removeprefix('torch.')} {list(values.shape)}; "
            "give uint8 [H, W, 3], or a tensor [3, H, W] of 0 to 1 that is not normalised"
        )
    return values.expand(-1, -1, 3).contiguous()
