"""Images as tensors, decoded once into one cached file, and which of them a run of n teacher calls uses.

`load` knows `digits` (scikit-learn's, 8x8; `digits_cropped` enlarges and crops them as Cars are), `cifar100` (class
folders, or torchvision's checked download), `stanford_cars` (class folders, or torchvision's layout) and any folder of
images laid out as train/<class>/<image> and test/<class>/<image>.
"""
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .errors import InputError, choose
from .files import generator, read_tensors, sha256, tensor_bytes, write_tensors
from .views import TRANSFORMS, Images, Transform

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".tif", ".tiff"}
CARS = 196                               # classes of Stanford Cars
FEWEST_CALLS = 8                         # two images to validate on


@dataclass(frozen=True)
class Dataset:
    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images
    transform: Transform
    digest: str                          # SHA-256 of pixels, labels and class names


def split(total: int, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Training and validation indices of the run with n teacher calls: both nested in n, the same for every method.

    [n] images that the teacher may be shown, and [n // 4] further ones for validation that it never is: the first n + n // 4
    of one permutation of all `total` images per seed, of which every fifth is for validation. InputError if n does not fit.
    """
    check_calls(n)
    used, most = n + n // 4, total - (total + 1) // 5
    if n > most:
        raise InputError(f"n = {n} teacher calls and {n // 4} further images for validation are more than the {total} "
                         f"training images; choose n of at most {most}")
    chosen = torch.randperm(total, generator=generator(seed, "subset"))[:used]
    validation = torch.arange(used) % 5 == 4
    return chosen[~validation], chosen[validation]


def check_calls(n: int) -> None:
    if n < FEWEST_CALLS:
        raise InputError(f"n = {n} is too few teacher calls: validation has a quarter as many images; choose n of at least "
                         f"{FEWEST_CALLS}")


def load(name: str, root: Path, cache: Path, size: int | None = None, flip: bool = True) -> Dataset:
    """A dataset by name or by the path of its class folders.

    root: where `cifar100/` lies or is downloaded to; cache: where decoded tensors are kept; size: pixels to resize a
    folder's images to (needed if they differ); flip: whether a folder's training images may be mirrored.
    InputError if the dataset is unknown or its folder cannot be used.
    """
    if name in TRANSFORMS:
        if name == "cifar100":
            there = (root / name / "train").is_dir()
            parts = _folder(root / name, cache, 32) if there else _torchvision_cifar100(root)
        else:
            parts = _cars(root / name, cache) if name == "stanford_cars" else _digits(8 if name == "digits" else 9)
        return _dataset(name, *parts, TRANSFORMS[name])
    folder = Path(name)
    if len(folder.parts) == 1 and not folder.exists():
        choose("dataset", name, [*TRANSFORMS, "or the path of a folder with train/ and test/"])
    train, test, classes = _folder(folder, cache, size)
    side, values = train.pixels.shape[1], train.pixels.view(-1, 3).float() / 255
    mean, std = (tuple(round(v, 4) for v in statistic.tolist()) for statistic in (values.mean(0), values.std(0)))
    transform = Transform(side, side // 8, flip, mean, tuple(max(s, 1e-3) for s in std))
    return _dataset(folder.resolve().name, train, test, classes, transform)


def _dataset(name: str, train: Images, test: Images, classes: tuple[str, ...], transform: Transform) -> Dataset:
    tensors = (train.pixels, train.labels, test.pixels, test.labels)
    digest = sha256(*map(tensor_bytes, tensors), json.dumps(classes))
    return Dataset(name, classes, train, test, transform, digest)


def _digits(side: int) -> tuple[Images, Images, tuple[str, ...]]:
    """1,797 scanned digits, 0..16 scaled to 0..240, resized from 8 to `side` pixels; 1,297 to train on and 500 to
    test, by a fixed permutation."""
    from sklearn.datasets import load_digits
    digits = load_digits()
    grey = interpolate(torch.tensor(digits.images * 15, dtype=torch.float32)[:, None], side, mode="bilinear")
    pixels = grey.round().to(torch.uint8).permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous()
    images = Images(pixels, torch.tensor(digits.target, dtype=torch.int64))
    order = torch.randperm(len(images), generator=generator(0, "digits"))
    return images[order[500:]], images[order[:500]], tuple(map(str, digits.target_names))


def _torchvision_cifar100(root: Path) -> tuple[Images, Images, tuple[str, ...]]:
    """In the order of class folders, by class and file name: the same images, subsets and digest from either source."""
    from torchvision.datasets import CIFAR100
    try:
        parts = [CIFAR100(root, train=train, download=True) for train in (True, False)]
    except Exception as error:  # no network, a broken archive, a read-only folder: torchvision raises many kinds
        raise InputError(f"no images in {root / 'cifar100'} and torchvision's download failed ({str(error)[:80]}); "
                         f"put class folders at {root / 'cifar100'}/train and test, or name their parent with --data"
                         ) from None
    made = []
    for part, ((file, _),) in zip(parts, (CIFAR100.train_list, CIFAR100.test_list)):
        names = pickle.loads((root / part.base_folder / file).read_bytes(), encoding="latin1")["filenames"]  # md5 is checked
        order = torch.tensor(sorted(range(len(names)), key=lambda i: (part.targets[i], names[i])))
        made.append(Images(torch.from_numpy(part.data), torch.tensor(part.targets))[order])
    return *made, tuple(parts[0].classes)


def _cars(folder: Path, cache: Path) -> tuple[Images, Images, tuple[str, ...]]:
    """Stanford Cars at 64x64 from class folders or from torchvision's layout, whichever is there."""
    if (folder / "train").is_dir():
        files = {part: _listing(folder / part) for part in ("train", "test")}
    else:
        files = _torchvision_cars(folder)
    if len(files["train"]) != CARS:
        raise InputError(f"{folder} has {len(files['train'])} classes, but Stanford Cars has {CARS}; for other images "
                         f"give their folder with --dataset")
    return _cached(folder, files, cache, 64)


def _torchvision_cars(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Part -> class name -> images, from the annotations that torchvision.datasets.StanfordCars reads."""
    from scipy.io import loadmat
    wanted = ("devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_train", "cars_test",
              "cars_test_annos_withlabels.mat")
    if absent := [name for name in wanted if not (folder / name).exists()]:
        there = ", ".join(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else "nothing"
        raise InputError(
            f"Stanford Cars cannot be downloaded any more (torchvision's address is dead): put class folders at "
            f"{folder}/train/<class>/<image> and test/<class>/<image>, or the original archives' contents: of "
            f"{', '.join(wanted)} there is no {', '.join(absent)} (found: {there})")
    def table(name: str, key: str) -> np.ndarray:
        try:
            return np.atleast_1d(loadmat(folder / name, squeeze_me=True)[key])
        except Exception as error:  # scipy raises many kinds on a broken file
            raise InputError(f"{folder / name} cannot be read ({str(error)[:80]}); unpack the archive again") from None

    names = [str(name) for name in table(wanted[0], "class_names")]
    files = {}
    for part, annotations in (("train", wanted[1]), ("test", wanted[4])):
        files[part] = {name: [] for name in names}
        for entry in table(annotations, "annotations"):
            files[part][names[int(entry["class"]) - 1]].append(folder / f"cars_{part}" / str(entry["fname"]))
        if bare := [name for name, paths in files[part].items() if not paths]:
            raise InputError(f"{annotations} names no image of {len(bare)} classes, for instance {bare[0]!r}; unpack the "
                             f"archive again")
        if lost := [path for paths in files[part].values() for path in paths if not path.exists()]:
            raise InputError(f"{len(lost)} images named in {annotations} are not there, for instance {lost[0]}; unpack "
                             f"the archive again")
    return files


def _folder(folder: Path, cache: Path, size: int | None) -> tuple[Images, Images, tuple[str, ...]]:
    return _cached(folder, {part: _listing(folder / part) for part in ("train", "test")}, cache, size)


def _cached(folder: Path, files: dict[str, dict[str, list[Path]]], cache: Path,
            size: int | None) -> tuple[Images, Images, tuple[str, ...]]:
    """Listed images through the cache: the listing (names, sizes, times) decides whether it is still good."""
    classes = tuple(files["train"])
    if set(classes) != set(files["test"]):
        differing = sorted(set(classes) ^ set(files["test"]))
        raise InputError(f"train/ and test/ of {folder} hold different classes: {', '.join(differing[:5])}")
    if len(classes) < 2:
        raise InputError(f"{folder}/train has one class, {classes[0]!r}; a classifier needs at least two")
    every = [path for part in files.values() for paths in part.values() for path in paths]
    stamps = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in every]
    kept = cache / f"{folder.resolve().name}-{sha256(json.dumps([stamps, size]))[:16]}.safetensors"
    if not kept.exists():
        tensors = {}
        for part, by_class in files.items():
            paths = [path for name in classes for path in by_class[name]]
            tensors[f"{part}_pixels"] = _decode(paths, size)
            tensors[f"{part}_labels"] = torch.repeat_interleave(
                torch.arange(len(classes)), torch.tensor([len(by_class[name]) for name in classes]))
        if tensors["train_pixels"].shape[1:] != tensors["test_pixels"].shape[1:]:
            raise InputError(f"train/ and test/ of {folder} differ in image size; give one with --image-size (image_size)")
        write_tensors(kept, tensors)
    tensors, _ = read_tensors(kept)
    train, test = (Images(tensors[f"{part}_pixels"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    return train, test, classes


def _listing(folder: Path) -> dict[str, list[Path]]:
    """Class name -> its images, both sorted. InputError if the folder is missing or a class is empty."""
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; images are expected as train/<class>/<image> and test/<class>/<image>")
    listing = {entry.name: sorted(path for path in entry.iterdir() if path.suffix.lower() in SUFFIXES)
               for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")}
    if not listing:
        raise InputError(f"{folder} holds no class folders; images are expected as {folder}/<class>/<image>")
    for name, paths in listing.items():
        if not paths:
            raise InputError(f"{folder / name} holds no images; remove the class or fill it")
    return listing


def _decode(paths: list[Path], size: int | None) -> Tensor:
    """[N, H, W, 3] uint8 of image files. InputError names a broken file, or one of another size."""
    from PIL import Image

    def decode(path: Path) -> Tensor:
        try:
            with Image.open(path) as image:
                image = image.convert("RGB")
        except Exception:  # PIL raises OSError, SyntaxError, struct.error and more on broken files
            raise InputError(f"{path} cannot be read as an image; remove or replace it") from None
        if size:
            image = image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BILINEAR)
        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3)

    with ThreadPoolExecutor() as pool:
        images = list(pool.map(decode, paths))
    for path, image in zip(paths, images):
        if image.shape != images[0].shape or image.shape[0] != image.shape[1]:
            raise InputError(f"{path} is {image.shape[1]}x{image.shape[0]} pixels, but square images of one size are "
                             f"needed; give a size with --image-size (image_size)")
    return torch.stack(images)
