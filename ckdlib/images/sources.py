"""Where images come from: scikit-learn's digits, class folders, torchvision's layouts.

Each source gives training images, test images and class names. Files are decoded once into one
cached file.
"""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..errors import InputError
from ..files import read_tensors, write_tensors
from ..reproducibility import generator, sha256
from .views import Images

Source = tuple[Images, Images, tuple[str, ...]]  # to train on, to test on, class names
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff"}
CARS = 196  # classes of Stanford Cars


def digits(side: int) -> Source:
    """1,797 scanned digits: 1,297 to train on and 500 to test, by a fixed permutation.

    Their 0..16 are scaled to 0..240, and they are resized from 8 to `side` pixels.
    """
    from sklearn.datasets import load_digits

    scanned = load_digits()
    grey = interpolate(
        torch.tensor(scanned.images * 15, dtype=torch.float32)[:, None], side, mode="bilinear"
    )
    pixels = grey.round().to(torch.uint8).permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous()
    images = Images(pixels, torch.tensor(scanned.target, dtype=torch.int64))
    order = torch.randperm(len(images), generator=generator(0, "digits"))
    return images[order[500:]], images[order[:500]], tuple(map(str, scanned.target_names))


def torchvision_cifar100(root: Path) -> Source:
    """CIFAR-100 as torchvision downloads it, in the order of class folders: by class and file name.

    The same images, subsets and digest come from either source.

    Raises
    ------
    InputError
        If the download fails.
    """
    from torchvision.datasets import CIFAR100

    try:
        parts = [CIFAR100(root, train=train, download=True) for train in (True, False)]
    except (
        Exception
    ) as error:  # no network, a broken archive, a read-only folder: torchvision raises many kinds
        raise InputError(
            f"no images in {root / 'cifar100'} and torchvision's download failed "
            f"({str(error)[:80]}); put class folders at {root / 'cifar100'}/train and test, or "
            "name their parent with --data"
        ) from None
    made = []
    for part, ((file, _),) in zip(parts, (CIFAR100.train_list, CIFAR100.test_list), strict=True):
        names = pickle.loads((root / part.base_folder / file).read_bytes(), encoding="latin1")[
            "filenames"
        ]  # md5 is checked
        order = torch.tensor(sorted(range(len(names)), key=lambda i: (part.targets[i], names[i])))
        made.append(Images(torch.from_numpy(part.data), torch.tensor(part.targets))[order])
    train, test = made
    return train, test, tuple(parts[0].classes)


def stanford_cars(folder: Path, cache: Path) -> Source:
    """Stanford Cars at 64x64 from class folders or torchvision's layout, whichever is there.

    Raises
    ------
    InputError
        If neither is there and whole, or it has not CARS classes.
    """
    if (folder / "train").is_dir():
        files = {part: _listing(folder / part) for part in ("train", "test")}
    else:
        files = _torchvision_cars(folder)
    if len(files["train"]) != CARS:
        raise InputError(
            f"{folder} has {len(files['train'])} classes, but Stanford Cars has {CARS}; for other "
            "images give their folder with --dataset"
        )
    return _cached(folder, files, cache, 64)


def _torchvision_cars(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Part -> class name -> images, from the annotations that torchvision.datasets.StanfordCars
    reads.
    """
    from scipy.io import loadmat

    wanted = (
        "devkit/cars_meta.mat",
        "devkit/cars_train_annos.mat",
        "cars_train",
        "cars_test",
        "cars_test_annos_withlabels.mat",
    )
    if absent := [name for name in wanted if not (folder / name).exists()]:
        there = (
            ", ".join(sorted(path.name for path in folder.iterdir()))
            if folder.is_dir()
            else "nothing"
        )
        raise InputError(
            "Stanford Cars cannot be downloaded any more (torchvision's address is dead): put "
            f"class folders at {folder}/train/<class>/<image> and test/<class>/<image>, or the "
            f"original archives' contents: of {', '.join(wanted)} there is no {', '.join(absent)} "
            f"(found: {there})"
        )

    def table(name: str, key: str) -> np.ndarray:
        try:
            return np.atleast_1d(loadmat(folder / name, squeeze_me=True)[key])
        except Exception as error:  # scipy raises many kinds on a broken file
            raise InputError(
                f"{folder / name} cannot be read ({str(error)[:80]}); unpack the archive again"
            ) from None

    names = [str(name) for name in table(wanted[0], "class_names")]
    files: dict[str, dict[str, list[Path]]] = {}
    for part, annotations in (("train", wanted[1]), ("test", wanted[4])):
        files[part] = {name: [] for name in names}
        for entry in table(annotations, "annotations"):
            files[part][names[int(entry["class"]) - 1]].append(
                folder / f"cars_{part}" / str(entry["fname"])
            )
        if bare := [name for name, paths in files[part].items() if not paths]:
            raise InputError(
                f"{annotations} names no image of {len(bare)} classes, for instance {bare[0]!r}; "
                "unpack the archive again"
            )
        if lost := [path for paths in files[part].values() for path in paths if not path.exists()]:
            raise InputError(
                f"{len(lost)} images named in {annotations} are not there, for instance "
                f"{lost[0]}; unpack the archive again"
            )
    return files


def class_folders(folder: Path, cache: Path, size: int | None) -> Source:
    """The images of train/<class>/<image> and test/<class>/<image>.

    Parameters
    ----------
    folder, cache : Path
    size : int or None
        Pixels to resize to; None where all images are square and of one size.

    Raises
    ------
    InputError
        If a folder is missing or empty, the classes of the two differ or are fewer than two, or an
        image is broken or of another size.
    """
    return _cached(
        folder, {part: _listing(folder / part) for part in ("train", "test")}, cache, size
    )


def _cached(
    folder: Path, files: dict[str, dict[str, list[Path]]], cache: Path, size: int | None
) -> Source:
    """Listed images through the cache: the listing (names, sizes, times) decides whether it is
    still good.
    """
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
    every = [path for part in files.values() for paths in part.values() for path in paths]
    stamps = [
        (str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in every
    ]
    kept = cache / f"{folder.resolve().name}-{sha256(json.dumps([stamps, size]))[:16]}.safetensors"
    if not kept.exists():
        tensors = {}
        for part, by_class in files.items():
            paths = [path for name in classes for path in by_class[name]]
            tensors[f"{part}_pixels"] = _decode(paths, size)
            tensors[f"{part}_labels"] = torch.repeat_interleave(
                torch.arange(len(classes)), torch.tensor([len(by_class[name]) for name in classes])
            )
        if tensors["train_pixels"].shape[1:] != tensors["test_pixels"].shape[1:]:
            raise InputError(
                f"train/ and test/ of {folder} differ in image size; give one with --image-size "
                "(image_size)"
            )
        write_tensors(kept, tensors)
    tensors, _ = read_tensors(kept)
    train, test = (
        Images(tensors[f"{part}_pixels"], tensors[f"{part}_labels"]) for part in ("train", "test")
    )
    return train, test, classes


def _listing(folder: Path) -> dict[str, list[Path]]:
    """Class name -> its images, both sorted.

    InputError if the folder is missing or a class is empty.
    """
    if not folder.is_dir():
        raise InputError(
            f"no folder {folder}; images are expected as train/<class>/<image> and "
            "test/<class>/<image>"
        )
    listing = {
        entry.name: sorted(path for path in entry.iterdir() if path.suffix.lower() in SUFFIXES)
        for entry in sorted(folder.iterdir())
        if entry.is_dir() and not entry.name.startswith(".")
    }
    if not listing:
        raise InputError(
            f"{folder} holds no class folders; images are expected as {folder}/<class>/<image>"
        )
    for name, paths in listing.items():
        if not paths:
            raise InputError(f"{folder / name} holds no images; remove the class or fill it")
    return listing


def _decode(paths: list[Path], size: int | None) -> Tensor:
    """[N, H, W, 3] uint8 of image files. InputError names a broken file, or one of another size."""
    from PIL import Image

    def decode(path: Path) -> Tensor:
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except Exception:  # PIL raises OSError, SyntaxError, struct.error and more on broken files
            raise InputError(f"{path} cannot be read as an image; remove or replace it") from None
        if size:
            image = (
                image
                if image.size == (size, size)
                else image.resize((size, size), Image.Resampling.BILINEAR)
            )
        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(
            image.height, image.width, 3
        )

    with ThreadPoolExecutor() as pool:
        images = list(pool.map(decode, paths))
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape or image.shape[0] != image.shape[1]:
            raise InputError(
                f"{path} is {image.shape[1]}x{image.shape[0]} pixels, but square images of one "
                "size are needed; give a size with --image-size (image_size)"
            )
    return torch.stack(images)
