"""Listed images through the cache: decoded once, into one file."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..files import Damaged
from ..progress import Report
from ..reproducibility import sha256
from ..tensors import read_tensors, write_tensors
from .decoding import decode_all
from .duplicates import duplicates
from .views import Images

Source = tuple[Images, Images, tuple[str, ...]]  # to train on, to test on, class names
Listed = Mapping[str, Mapping[str, list[Path]]]  # part -> class name -> its images
PARTS = ("train", "test")
DECODING = "2"  # raised where files are decoded to other pixels: kept ones are made again


def cached(folder: Path, files: Listed, cache: Path, size: int | None, report: Report) -> Source:
    """Listed images, decoded if the cache lacks them.

    The listing (names, sizes, times) decides whether what is kept is still good.

    Parameters
    ----------
    folder : Path
        Where the listed files lie.
    files : mapping
    cache : Path
        Where decoded images are kept; elsewhere if it cannot be written.
    size : int or None
        Pixels to resize to.
    report : callable
        Is given each line.

    Raises
    ------
    InputError
        If the classes of the two parts differ or are fewer than two, or an image cannot be used.
    """
    classes = _classes(folder, files)
    name = f"{folder.resolve().name}-{_key(folder, files, size)}.safetensors"
    tensors = _kept([place / name for place in _places(cache)], report)
    if tensors is None:
        place = _writable(cache, report)
        tensors = _decoded(folder, files, classes, size, report)
        tensors = _written(place and place / name, tensors, report)
    train, test = (Images(tensors[f"{part}_pixels"], tensors[f"{part}_labels"]) for part in PARTS)
    return train, test, classes


def _classes(folder: Path, files: Listed) -> tuple[str, ...]:
    classes = tuple(files["train"])
    if set(classes) != set(files["test"]):
        differing = sorted(set(classes) ^ set(files["test"]))
        raise InputError(
            f"train/ and test/ of {folder} hold different classes: {', '.join(differing[:5])}"
        )
    if len(classes) < 2:
        raise InputError(
            f"{folder}/train has one class, {classes[0]!r}; a classifier needs at least two"
        )
    return classes


def _key(folder: Path, files: Listed, size: int | None) -> str:
    stamps = []
    for by_class in files.values():
        for path in (path for paths in by_class.values() for path in paths):
            found = path.stat()
            stamps.append((str(path.relative_to(folder)), found.st_size, found.st_mtime_ns))
    return sha256(json.dumps([stamps, size]))[:16]


def _places(cache: Path) -> list[Path]:
    """Where decoded images may be kept, best first."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    user = os.getuid() if hasattr(os, "getuid") else "user"
    others = [Path(home, "ckdlib"), Path(tempfile.gettempdir(), f"ckdlib-{user}")]
    return [cache, *(place for place in others if place.is_absolute() and _is_own(place))]


def _is_own(place: Path) -> bool:
    """Was a folder made by this user, if it is there? Others may write to a temporary folder."""
    try:
        return not hasattr(os, "getuid") or place.lstat().st_uid == os.getuid()
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _kept(paths: list[Path], report: Report) -> dict[str, Tensor] | None:
    """The tensors of the first file that is whole, None if there is none."""
    lines = []
    for path in paths:
        if not os.path.isfile(path):
            continue
        try:
            tensors, metadata = read_tensors(path)
        except Damaged as error:
            lines.append(f"{path} is damaged ({error.why}); the images are decoded again")
        except OSError as error:
            lines.append(f"{path} cannot be read ({error}); the images are decoded again")
        else:
            if metadata.get("decoding") == DECODING:
                return tensors
            lines.append(f"{path} is of another version; the images are decoded again")
    for line in lines:
        report(line)
    return None


def _writable(cache: Path, report: Report) -> Path | None:
    """The first place that can be written; None if there is none."""
    why = ""
    for place in _places(cache):
        try:
            place.mkdir(mode=0o777 if place == cache else 0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()
        except OSError as error:
            why = why or f"{cache} cannot be written ({error.strerror})"
            continue
        if why:
            report(f"{why}; decoded images are kept in {place}")
        return place
    report(f"{why}; decoded images are not kept, and decoded again each time")
    return None


def _decoded(
    folder: Path, files: Listed, classes: tuple[str, ...], size: int | None, report: Report
) -> dict[str, Tensor]:
    """Pixels and labels of both parts; duplicates are said."""
    parts: dict[str, Images] = {}
    paths: dict[str, list[Path]] = {}
    for part in PARTS:
        counts = torch.tensor([len(files[part][name]) for name in classes])
        paths[part] = [path for name in classes for path in files[part][name]]
        pixels = decode_all(paths[part], size, f"{folder / part}", report)
        labels = torch.repeat_interleave(torch.arange(len(classes)), counts)
        parts[part] = Images(pixels, labels)
    train, test = (parts[part] for part in PARTS)
    if train.pixels.shape[1:] != test.pixels.shape[1:]:
        raise InputError(
            f"train/ and test/ of {folder} differ in image size; give one with --image-size "
            "(image_size)"
        )
    for line in duplicates(train, test, paths["train"], paths["test"]):
        report(line)
    return {
        "train_pixels": train.pixels,
        "train_labels": train.labels,
        "test_pixels": test.pixels,
        "test_labels": test.labels,
    }


def _written(path: Path | None, tensors: dict[str, Tensor], report: Report) -> dict[str, Tensor]:
    """The tensors as the file that they are written to (memory-mapped), or as they are."""
    if path is None:
        return tensors
    try:
        write_tensors(path, tensors, decoding=DECODING)
        return read_tensors(path)[0]
    except (OSError, InputError) as error:
        report(f"decoded images are not kept in {path}: {error}")
        return tensors
