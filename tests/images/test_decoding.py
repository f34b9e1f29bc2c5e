"""From image files to pixels: every format and mode, and what is refused with its reason."""

import struct
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image

from ckdlib.errors import InputError
from ckdlib.images.decoding import decode

ROWS, COLUMNS = np.mgrid[:12, :12]
COLOURS = np.stack([ROWS * 20, COLUMNS * 20, 240 - ROWS * 10 - COLUMNS * 9], -1).astype(np.uint8)
GREYS = (ROWS * 21 + COLUMNS).astype(np.uint8)
PICTURE = Image.fromarray(COLOURS)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def shown(path, size=None):
    return decode(path, size).pixels.numpy()


def in_grey(values):
    return np.repeat(values[..., None], 3, 2)


def png(rows, depth, colour, key=b"", side=(12, 12)):
    """A PNG of raw rows, as Pillow does not write them all."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *side, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows)))
    keyed = chunk(b"tRNS", key) if key else b""
    return b"\x89PNG\r\n\x1a\n" + head + keyed + data + chunk(b"IEND", b"")


def tiff(data, bits, white=1, kind=1):
    """A grey 12x12 TIFF of raw values; `white` 0 where 0 is white, `kind` 2 signed, 3 floats."""
    tags = [(256, 12), (257, 12), (258, bits), (259, 1), (262, white), (273, 8), (277, 1)]
    tags += [(278, 12), (279, len(data)), (339, kind)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(data))
        + data
        + struct.pack("<H", len(tags))
        + entries
        + b"\0\0\0\0"
    )


# One picture, many files.


@pytest.mark.parametrize(
    "suffix",
    [".png", ".tga", ".bmp", ".ppm", ".pnm", ".tif", ".gif", ".jp2", ".pcx", ".sgi", ".dds", ""],
)
def test_a_picture_is_the_same_in_every_lossless_format(tmp_path, suffix):
    kind = {"": "png"}.get(suffix)
    PICTURE.save(tmp_path / f"picture{suffix}", kind)
    assert np.array_equal(shown(tmp_path / f"picture{suffix}"), COLOURS)


@pytest.mark.parametrize("suffix", [".jpg", ".jfif", ".jpe", ".JPG", ".avif", ".webp"])
def test_a_picture_is_nearly_the_same_in_lossy_formats(tmp_path, suffix):
    if suffix == ".avif" and "AVIF" not in Image.registered_extensions().values():
        pytest.skip("a Pillow without AVIF")
    PICTURE.resize((48, 48)).save(tmp_path / f"picture{suffix}", quality=95)
    difference = shown(tmp_path / f"picture{suffix}").astype(int) - PICTURE.resize((48, 48))
    assert abs(difference).mean() < 4


@pytest.mark.parametrize(
    "mode, kinds",
    [
        ("1", "png tif bmp gif"),
        ("L", "png tif bmp pgm tga jp2 gif"),
        ("LA", "png tif tga"),
        ("P", "png tif bmp gif"),
        ("RGBA", "png tif tga webp jp2"),
        ("CMYK", "tif"),
        ("YCbCr", "tif"),
        ("I;16", "png tif jp2 pgm"),
    ],
)
def test_a_picture_is_the_same_in_every_mode(tmp_path, mode, kinds):
    if int(PIL.__version__.split(".")[0]) < {"I;16": 11, "YCbCr": 13}.get(mode, 0):
        pytest.skip("a Pillow that does not read or write this mode in all of these formats")
    if mode == "I;16":
        image, expected = Image.fromarray(GREYS.astype(np.uint16) * 257), in_grey(GREYS)
    else:
        image = PICTURE.convert(mode)
        expected = np.asarray(image.convert("RGB"))
    for kind in kinds.split():
        lossless = {"lossless": True} if kind == "webp" else {}
        image.save(tmp_path / f"picture.{kind}", **lossless)
        assert np.array_equal(shown(tmp_path / f"picture.{kind}"), expected), kind


def test_transparency_is_white(tmp_path):
    alpha = np.tile(np.linspace(0, 255, 12).astype(np.uint8), (12, 1))
    share = alpha[..., None] / 255
    for name, values in (("RGBA.png", COLOURS), ("RGBA.webp", COLOURS), ("LA.png", in_grey(GREYS))):
        image = Image.fromarray(values).convert(name.split(".")[0])
        image.putalpha(Image.fromarray(alpha))
        image.save(tmp_path / name, lossless=True)
        expected = np.rint(values * share + 255 * (1 - share))
        assert abs(shown(tmp_path / name) - expected).max() <= 1
    drawing = PICTURE.quantize(144)
    for name in ("palette.png", "palette.gif"):
        drawing.save(tmp_path / name, transparency=drawing.getpixel((3, 2)))
        expected = COLOURS.copy()
        expected[2, 3] = 255
        assert np.array_equal(shown(tmp_path / name), expected)


def test_a_colour_that_is_transparent_is_white(tmp_path):
    cleared, wide = COLOURS.copy(), COLOURS.astype(int) * 257
    cleared[0, 1] = 255
    rows, greys = wide.astype(">u2"), (GREYS.astype(int) * 257).astype(">u2")
    for depth, colour, raw, key, expected in (
        (8, 2, COLOURS, COLOURS[0, 1].astype(">u2"), cleared),
        (16, 2, rows, rows[0, 1], cleared),
        (16, 0, greys, greys[0, 1], in_grey(np.where(GREYS == 1, 255, GREYS))),
    ):
        content = png([row.tobytes() for row in raw], depth, colour, key.tobytes())
        (tmp_path / "keyed.png").write_bytes(content)
        assert np.array_equal(shown(tmp_path / "keyed.png"), expected)


BACK = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # EXIF orientation -> Pillow's transpose method


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_by_its_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = PICTURE.transpose(BACK[orientation]) if orientation > 1 else PICTURE
    for name in ("picture.png", "picture.tif", "picture.webp"):
        stored.save(tmp_path / name, exif=exif, lossless=True)
        assert np.array_equal(shown(tmp_path / name), COLOURS), name
    stored.save(tmp_path / "picture.jpg", exif=exif, quality=100, subsampling=0)
    assert abs(shown(tmp_path / "picture.jpg").astype(int) - COLOURS).max() < 20


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_turns_nothing(tmp_path):
    PICTURE.save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xffgarbage")
    PICTURE.save(tmp_path / "b.jpg")
    assert np.array_equal(shown(tmp_path / "a.jpg"), shown(tmp_path / "b.jpg"))


def test_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (12, 12), "green"), Image.new("RGB", (12, 12), "red")]
    for name in ("moving.gif", "pages.tif", "moving.png", "moving.webp"):
        PICTURE.save(tmp_path / name, save_all=True, append_images=frames, lossless=True)
        assert np.array_equal(shown(tmp_path / name), COLOURS), name


FLOATS = (GREYS / 255).astype("<f4")
SIXTEEN = GREYS.astype("<u2") * 257
TWELVE = GREYS.astype(int) * 16 + GREYS // 16


@pytest.mark.parametrize(
    "content",
    [
        tiff(SIXTEEN.tobytes(), 16),
        tiff((65535 - SIXTEEN).tobytes(), 16, white=0),
        tiff((255 - GREYS).tobytes(), 8, white=0),
        tiff(SIXTEEN.astype("<i4").tobytes(), 32, kind=2),
        tiff(FLOATS.tobytes(), 32, kind=3),
        tiff((1 - FLOATS).tobytes(), 32, white=0, kind=3),
        tiff(
            b"".join(
                bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in TWELVE.reshape(-1, 2)
            ),
            12,
        ),
    ],
    ids=["16", "16-white", "8-white", "32", "float", "float-white", "12"],
)
def test_greys_are_scaled_by_the_range_of_their_format(tmp_path, content):
    (tmp_path / "grey.tif").write_bytes(content)
    assert np.array_equal(shown(tmp_path / "grey.tif"), in_grey(GREYS))


@pytest.mark.parametrize(
    "content, says",
    [
        (
            tiff((FLOATS * 255).astype("<f4").tobytes(), 32, kind=3),
            "holds floats of 0 to 242, but 0 .black. to 1 .white. are expected; scale it",
        ),
        (tiff(np.full(144, np.nan, "<f4").tobytes(), 32, kind=3), "floats of nan to nan"),
        (tiff(FLOATS.astype("<f8").tobytes(), 64, kind=3), "opens no TIFF of its bits.*8 bits"),
        (tiff(GREYS.astype("<i2").tobytes(), 16, kind=2), "holds signed integers of 0 to 242"),
        (tiff(SIXTEEN.astype("<i4").tobytes()[::-1], 32, kind=2), "holds integers of -.*65535"),
        (tiff(GREYS.astype("<u2").tobytes(), 16), "greys of 0 to 242 in a.*all of it.*black"),
        (b"<html></html>", "grey.tif cannot be read as an image .not a TIFF file"),
        (b"", "the file is empty"),
        (HEIC, "it is HEIC, which needs pillow-heif"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS, which needs git lfs pull"),
        (png([b""], 8, 2, side=(20000, 9000)), "declares 180,000,000 pixels, more than the 178,9"),
    ],
)
def test_what_is_not_clear_is_refused_with_the_reason(tmp_path, content, says):
    (tmp_path / "grey.tif").write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        decode(tmp_path / "grey.tif", 12)
    assert "\n" not in str(error.value) and str(tmp_path / "grey.tif") in str(error.value)


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "tif", "bmp", "webp", "tga"])
def test_truncated_images_are_refused_by_name(tmp_path, kind):
    PICTURE.resize((60, 60)).save(tmp_path / f"cut.{kind}")
    content = (tmp_path / f"cut.{kind}").read_bytes()
    (tmp_path / f"cut.{kind}").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match=f"cut.{kind} cannot be read as an image .*; remove"):
        decode(tmp_path / f"cut.{kind}")
