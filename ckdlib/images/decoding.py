"""From image files to pixels, as a viewer shows them on a white page."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..errors import InputError
from ..progress import Report, progress
from .formats import prepare, why_broken

SIDES = range(8, 65)  # pixels that the networks take
REMEDY = f"choose --image-size of {SIDES[0]} to {SIDES[-1]} (image_size)"
SAVE = "scale it, or save it with 8 bits"
BITS, PHOTOMETRIC, SAMPLES = 258, 262, 339  # tags of TIFF
FAINT = 16  # greys below, of 256, use a sixteenth of their range


class Decoded(NamedTuple):
    """An image as it is shown."""

    pixels: Tensor  # [H, W, 3] uint8
    faint: bool  # of 16 bits, and almost black all over


def check_size(size: int | None) -> None:
    """Raise InputError if images cannot be resized to `size` pixels; None is none."""
    if size is not None and size not in SIDES:
        raise InputError(
            f"image size {size}: the networks take images of {SIDES[0]} to {SIDES[-1]} pixels; "
            f"{REMEDY}"
        )


def decode_all(paths: Sequence[Path], size: int | None, what: str, report: Report) -> Tensor:
    """Decode image files.

    Parameters
    ----------
    paths : sequence of Path
    size : int or None
        Pixels to resize to; None where all are square and of one size.
    what : str
        Whose images they are, for messages.
    report : callable
        Is given each line: how far it has come, which images are dark all over.

    Returns
    -------
    Tensor [N, H, W, 3]
        uint8.

    Raises
    ------
    InputError
        Names an image that is broken, of another size, or of no clear black and white.
    """
    images, faint = torch.empty(0), list[Path]()
    pool = ThreadPoolExecutor()
    try:
        decoded = pool.map(lambda path: decode(path, size), paths)
        for i, image in enumerate(progress(decoded, len(paths), f"decoding {what}", report)):
            height, width, _ = image.pixels.shape
            if i == 0:
                images = torch.empty(len(paths), height, height, 3, dtype=torch.uint8)
            if image.pixels.shape != images.shape[1:]:
                raise InputError(
                    f"{paths[i]} is {width}x{height} pixels, but square images of one size are "
                    "needed; give a size with --image-size (image_size)"
                )
            images[i] = image.pixels
            if image.faint:
                faint.append(paths[i])
    finally:
        pool.shutdown(cancel_futures=True)
    if faint:
        report(
            f"{len(faint):,} of the 16-bit images of {what} use less than a sixteenth of their "
            f"range and are almost black, for instance {faint[0]}; scale them, if that is not meant"
        )
    return images


def decode(path: Path, size: int | None = None, any_size: bool = False) -> Decoded:
    """One image file, as a viewer shows it on a white page.

    It is turned by its EXIF orientation; transparency shows white; of several frames or pages the
    first counts. Greys of 16 bits keep their high byte, floats of 0 to 1 are multiplied by 255.

    Parameters
    ----------
    path : Path
    size : int, optional
        Pixels to resize to; without it, sides must be in SIDES.
    any_size : bool
        Whether sides may be any, without `size`.

    Raises
    ------
    InputError
        If it is broken, too large or too small, or it is not clear what is black and white in it.
    """
    prepare()
    try:
        with Image.open(path) as file:
            if not size and not any_size:
                _check_sides(path, *file.size)
            found = shown(file, path)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} {_too_large(error)}") from None
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error and more
        why = why_broken(path, error)
        raise InputError(
            f"{path} cannot be read as an image ({why}); remove or replace it"
        ) from None
    return found._replace(pixels=resized(found.pixels, size)) if size else found


def shown(image: Image.Image, name: Path) -> Decoded:
    """An open image as a viewer shows it (turned in place); `name` is for messages."""
    image.load()
    with suppress(Exception):  # EXIF that cannot be read turns nothing
        ImageOps.exif_transpose(image, in_place=True)
    grey, faint = _grey(name, image) if image.mode[0] in "IF" else (image, False)
    return Decoded(torch.from_numpy(np.array(_opaque(grey))), faint)


def resized(pixels: Tensor, size: int) -> Tensor:
    """A picture [H, W, 3] of uint8 as [size, size, 3]."""
    if pixels.shape[:2] == (size, size):
        return pixels
    image = Image.fromarray(pixels.numpy())
    return torch.from_numpy(np.array(image.resize((size, size), Image.Resampling.BILINEAR)))


def _check_sides(path: Path, width: int, height: int) -> None:
    if width not in SIDES or height not in SIDES:
        raise InputError(
            f"{path} is {width}x{height} pixels, but the networks take images of {SIDES[0]} to "
            f"{SIDES[-1]}; {REMEDY}"
        )


def _too_large(error: Exception) -> str:
    """What an image that is never decoded declares, of Pillow's message."""
    counts = [f"{int(count):,}" for count in re.findall(r"\d+", str(error))]
    if len(counts) < 2:
        return f"is too large ({error}); make it smaller or remove it"
    return (
        f"declares {counts[0]} pixels, more than the {counts[1]} that are decoded; make it smaller "
        "or remove it"
    )


def _opaque(image: Image.Image) -> Image.Image:
    """As RGB, on white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    key = image.info.get("transparency")
    if isinstance(key, tuple) and max(key) > 255:  # of 16-bit colours, which Pillow halves
        image.info["transparency"] = tuple(value >> 8 for value in key)
    page = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(page, image.convert("RGBA")).convert("RGB")


def _grey(path: Path, image: Image.Image) -> tuple[Image.Image, bool]:
    """A grey image of 16 bits or of floats with 8, by the range of its format; if it is faint."""
    values, tags = np.asarray(image), getattr(image, "tag_v2", {})
    grey, faint = _floats(path, values) if image.mode == "F" else _integers(path, values, tags)
    if tags.get(PHOTOMETRIC) == 0:  # white is 0, which Pillow leaves so for these
        grey, faint = 255 - grey, False
    made, key = Image.fromarray(grey), image.info.get("transparency")
    if isinstance(key, int):
        made.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return made, faint


def _floats(path: Path, values: np.ndarray) -> tuple[np.ndarray, bool]:
    low, high = values.min().item(), values.max().item()
    if not (low >= 0 and high <= 1):  # as NaN is not
        raise InputError(
            f"{path} holds floats of {low:g} to {high:g}, but 0 (black) to 1 (white) are expected; "
            f"{SAVE}"
        )
    return np.rint(values * 255).astype(np.uint8), False


def _integers(path: Path, values: np.ndarray, tags: Mapping) -> tuple[np.ndarray, bool]:
    bits = 12 if tags.get(BITS) in (12, (12,)) else 16
    low, high, white = values.min().item(), values.max().item(), 2**bits - 1
    signed = tags.get(BITS) in (16, (16,)) and tags.get(SAMPLES) in (2, (2,))
    if low < 0 or high > white or signed:
        raise InputError(
            f"{path} holds {'signed ' * signed}integers of {low} to {high}, but 0 (black) to "
            f"{white} (white) are expected; {SAVE}"
        )
    grey = values >> (bits - 8)
    if high and not grey.any():
        raise InputError(
            f"{path} holds greys of {low} to {high} in a format of 0 (black) to {white} (white), "
            f"so that all of it would be black; {SAVE}"
        )
    return grey.astype(np.uint8), 0 < grey.max().item() < FAINT
