"""Pictures as people have them: class folders, a flat folder, arrays, sequences of (image, label).

Each is read when it is needed, at its own size: that is what the teacher is shown.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os.path import isdir
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ..errors import InputError
from ..progress import Report, progress, say_once
from ..reproducibility import sha256, tensor_bytes
from .decoding import decode, resized
from .listing import PassedOver, entries, images_of, listing
from .sequences import arrays, labels_of, sequence

KINDS = (
    "give a folder, an array [N, H, W, 3] of uint8 (or (array, labels)), or a sequence of "
    "(image, label)"
)


READ_AGAIN = 8  # pictures, to see whether they are the same each time
PARTS = {"train", "test", "val", "valid", "validation"}  # as people divide their images


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
    within : str
        Folder of these names in the one that was given: 'train/', '' for the same.
    """

    names: Sequence[str]
    read: Callable[[int], Tensor]
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    within: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def places(self) -> list[str]:
        """Paths within the folder that was given."""
        return [self.within + name for name in self.names]

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

        def look(place: int) -> None:
            picture = self.read(int(index[place]))
            keys[place] = key_of(picture)
            shapes[place] = torch.tensor(picture.shape[:2])
            small[place] = resized(picture, size)

        pool = ThreadPoolExecutor()
        try:
            for _ in progress(pool.map(look, range(count)), count, "reading pictures", report):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
        for place, i in enumerate(index[:READ_AGAIN].tolist()):
            if key_of(self.read(i)) != keys[place]:
                raise InputError(
                    f"picture {self.names[i]} is another each time it is read, and would be paid "
                    "for each time; give the pictures without random transforms"
                )
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
    images : path, array, (array, labels), (list, labels), sequence or Pictures
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
    return _some(_held(images)), None


def _held(images: Any) -> Pictures:
    is_pair = isinstance(images, tuple) and len(images) == 2
    if is_pair and getattr(images[0], "ndim", 0) >= 3 and getattr(images[1], "ndim", 1) < 3:
        return Pictures(*arrays(*images))
    if is_pair and isinstance(images[0], list) and hasattr(images[1], "__len__"):
        return _with_labels(*images)
    if getattr(images, "ndim", 0) == 3 and images.shape[2] == 3:
        images = images[None]  # one picture [H, W, 3]
    if getattr(images, "ndim", 0) >= 3:
        return Pictures(*arrays(images))
    if isinstance(images, Image.Image):
        return Pictures(*sequence([images]))
    if not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
        raise InputError(f"images cannot be taken from {type(images).__name__}; {KINDS}")
    return Pictures(*sequence(images)) if len(images) else Pictures([], images.__getitem__)


def _with_labels(images: list, labels: Any) -> Pictures:
    found = Pictures(*sequence(images))
    numbers, classes = labels_of(labels, None, len(images))
    return replace(found, labels=numbers, classes=classes)


def _some(pictures: Pictures) -> Pictures:
    if not len(pictures):
        raise InputError(f"no images; {KINDS}")
    return pictures


# Folders.


def _folder(folder: Path, report: Report) -> tuple[Pictures, Pictures | None]:
    if folder.is_file():
        return Pictures([folder.name], lambda i: decode(folder, any_size=True).pixels), None
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; {KINDS}")
    passed = PassedOver()
    inner = _folders(folder)
    divided = "train" in inner and (inner <= PARTS or bool(_folders(folder / "train")))
    test = None
    learn = _files(folder, "train/" if divided else "", passed)
    if divided and "test" in inner:
        test = _files(folder, "test/", passed)
        if learn.classes and test.classes:
            test = test.with_classes(learn.classes)
    for name in sorted(inner - {"train", "test"}) if divided else ():
        passed.add("folders beside train/ and test/ (--validation takes one)", folder / name)
    if passed:
        report(f"{folder}: passed over {passed.told(folder)}")
    return learn, test


def _folders(folder: Path) -> set[str]:
    """Names of the folders within one."""
    return {entry.name for entry in entries(folder) if isdir(folder / entry.name)}


def _files(given: Path, within: str, passed: PassedOver) -> Pictures:
    """`<class>/<image>`, or images alone, in a folder within the one that was given."""
    folder = given / within
    if _folders(folder):
        found = listing(folder, passed)
        paths = [path for part in found.values() for path in part]
        counts = torch.tensor([len(part) for part in found.values()])
        labels = torch.repeat_interleave(torch.arange(len(found)), counts)
        classes = tuple(found)
    else:
        paths, labels, classes = images_of(folder, passed), None, None
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Pictures(
        names, lambda i: decode(paths[i], any_size=True).pixels, labels, classes, within
    )
