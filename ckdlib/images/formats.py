"""Which files are images: whatever the installed Pillow opens, told by content."""

import warnings
from functools import cache as once
from importlib import import_module
from pathlib import Path

from PIL import EpsImagePlugin, Image

# modules that teach Pillow a format, where they are installed, and what makes them
PLUGINS = {"pillow_heif": "register_heif_opener", "pillow_jxl": None}
# formats that Pillow has a name for, though it cannot always decode them: told by content
STUBS = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF"}
DOUBTFUL = STUBS | {"EPS"}
HEIC = (b"hei", b"hev", b"mif1", b"msf1")  # how its brands begin
NO_IMAGE = "no images"
PIXELS = "Pillow opens no TIFF of its bits and kind of number; save it with 8 bits"


@once
def prepare() -> None:
    """Let Pillow load all of its formats, and those of installed plugins."""
    Image.init()
    for name, register in PLUGINS.items():
        try:
            plugin = import_module(name)
            if register:
                getattr(plugin, register)()
        except Exception:  # absent, or made for another Pillow
            continue


@once
def suffixes() -> frozenset[str]:
    """Suffixes of formats that the installed Pillow decodes: such a file claims to be an image."""
    prepare()
    return frozenset(
        suffix
        for suffix, name in Image.registered_extensions().items()
        if _has(name) and name not in DOUBTFUL
    )


def _has(name: str) -> bool:
    """Does Pillow open a format? AVIF is known where it is not built in, but not saved then."""
    return name in Image.OPEN and (name != "AVIF" or name in Image.SAVE)


def why_unopened(path: Path) -> str | None:
    """Why Pillow does not open a file, told by its content.

    Parameters
    ----------
    path : Path
        Of a regular file.

    Returns
    -------
    str or None
        A plural ('no images', 'HEIC, which needs pillow-heif'); None where Pillow opens it.
    """
    prepare()
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            if image.format == "EPS" and not EpsImagePlugin.has_ghostscript():
                return "EPS, which needs Ghostscript"
            if image.format in STUBS and not _loads(image):
                return f"{image.format}, which this Pillow does not decode"
    except Image.DecompressionBombError:  # an image, refused when it is decoded
        return None
    except Exception:  # Pillow raises many kinds on files of no or broken format
        return lacking(path) or NO_IMAGE
    return None


def lacking(path: Path) -> str | None:
    """What is needed to open a file, if it is of a format that Pillow can be taught."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError as error:
        return f"not readable ({error.strerror})"
    if head.startswith(b"version https://git-lfs"):
        return "left to Git LFS, which needs git lfs pull"
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL, which needs pillow-jxl-plugin"
    if head[4:8] != b"ftyp":
        return None
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, min(len(head), head[3]), 4))}
    if brands & {b"avif", b"avis"}:
        return None if _has("AVIF") else "AVIF, which needs Pillow 11.3 or newer"
    if any(brand.startswith(HEIC) for brand in brands) and not _has("HEIF"):
        return "HEIC, which needs pillow-heif"
    return None


def _loads(image: Image.Image) -> bool:
    try:
        image.load()
    except Exception:  # OSError, and what handlers raise
        return False
    return True


def why_broken(path: Path, error: Exception) -> str:
    """Why an image could not be read, in a few words of Pillow's on one line."""
    if isinstance(error, Image.UnidentifiedImageError):
        needs = lacking(path)
        return f"it is {needs}" if needs else _why_unidentified(path)
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:100]


def _why_unidentified(path: Path) -> str:
    """What the format of the file's suffix finds wrong."""
    if not path.stat().st_size:
        return "the file is empty"
    kind = Image.registered_extensions().get(path.suffix.lower(), "")
    if kind in Image.OPEN:
        try:
            with open(path, "rb") as file:
                Image.OPEN[kind][0](file, str(path))
        except Exception as error:  # as that format raises
            words = " ".join(str(error).split())[:100]
            return PIXELS if words == "unknown pixel mode" else words
    return "it is of no format that Pillow opens"
