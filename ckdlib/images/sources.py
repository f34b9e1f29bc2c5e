"""Where images come from: scikit-learn's digits, class folders, torchvision's layouts.

Each source gives training images, test images and class names.
"""

import os
import pickle
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from ..errors import InputError
from ..progress import Report, say_once
from ..reproducibility import generator
from .cache import PARTS, Source, cached
from .listing import PassedOver, entries, listing
from .views import Images

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


def stanford_cars(folder: Path, cache: Path, report: Report = say_once) -> Source:
    """Stanford Cars at 64x64 from class folders or torchvision's layout, whichever is there.

    Raises
    ------
    InputError
        If neither is there and whole, or it has not CARS classes.
    """
    if (folder / "train").is_dir():
        files = _listed(folder, report)
    else:
        files = _torchvision_cars(folder)
    if len(files["train"]) != CARS:
        raise InputError(
            f"{folder} has {len(files['train'])} classes, but Stanford Cars has {CARS}; for other "
            "images give their folder with --dataset"
        )
    return cached(folder, files, cache, 64, report)


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


def class_folders(folder: Path, cache: Path, size: int | None, report: Report = say_once) -> Source:
    """The images of train/<class>/<image> and test/<class>/<image>.

    Parameters
    ----------
    folder, cache : Path
    size : int or None
        Pixels to resize to; None where all images are square and of one size.
    report : callable, optional
        Is given each line about what is passed over, duplicates, a long decode and the cache.

    Raises
    ------
    InputError
        If a folder is missing or empty, the classes of the two differ or are fewer than two, images
        lie deeper, or an image is broken or of another size.
    """
    return cached(folder, _listed(folder, report), cache, size, report)


def _listed(folder: Path, report: Report) -> dict[str, dict[str, list[Path]]]:
    """Part -> class name -> images; what is passed over is said in one line."""
    passed = PassedOver()
    files = {part: listing(folder / part, passed) for part in PARTS}
    for other in entries(folder):
        path = folder / other.name
        if other.name not in PARTS and any(os.path.isdir(path / name) for name in files["train"]):
            passed.add("folders beside train/ and test/", path)
    if passed:
        report(f"{folder}: passed over {passed.told(folder)}")
    return files
