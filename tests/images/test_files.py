"""Folders as people have them: what is passed over is counted, what is refused is named."""

import os
import socket

import numpy as np
import pytest
import torch
from PIL import Image

from ckdlib import progress
from ckdlib.errors import InputError
from ckdlib.images import cache as cache_room
from ckdlib.images import check_size, decoding, formats, load_dataset
from ckdlib.study import open_workspace

ROWS, COLUMNS = np.mgrid[:12, :12]
GREYS = (ROWS * 21 + COLUMNS).astype(np.uint8)
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def opened(folder, tmp_path, **arguments):
    """The dataset, and the lines that were said."""
    lines = []
    made = load_dataset(str(folder), tmp_path, tmp_path / "cache", report=lines.append, **arguments)
    assert not any("\n" in line for line in lines)
    return made, lines


def refused(folder, tmp_path, **arguments):
    with pytest.raises(InputError) as error:
        load_dataset(str(folder), tmp_path, tmp_path / "cache", report=pytest.fail, **arguments)
    assert "\n" not in str(error.value) and not list((tmp_path / "cache").glob("*"))
    return str(error.value)


def test_all_that_pillow_opens_is_used(folder, tmp_path):
    for i, suffix in enumerate((".tga", ".jp2", ".pgm", ".TIF", ".jfif", ".jpe", ".dat", "")):
        kind = {".dat": "bmp", "": "png"}.get(suffix)
        Image.fromarray(GREYS // (i + 1)).save(folder / "train/cat" / f"more{suffix}", kind)
    made, lines = opened(folder, tmp_path)
    assert len(made.train) == 24 and not lines


def test_what_is_passed_over_is_counted_and_named(folder, tmp_path, capfd):
    cat = folder / "train/cat"
    (cat / "notes.txt").write_text("P1 of many")
    (folder / "test/dog/labels.csv").write_text("a,b")
    (cat / "IMG_1.heic").write_bytes(HEIC)
    (cat / "IMG_2.HEIC").write_bytes(HEIC)
    (cat / "scan.pdf").write_bytes(b"%PDF-1.4")
    (cat / "array.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    (cat / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (cat / "self.png").symlink_to("self.png")
    (folder / "train/self").symlink_to("self")
    os.mkfifo(cat / "pipe.png")
    (cat / "null").symlink_to("/dev/null")
    (cat / "up").symlink_to("..")
    (folder / "train/loose.png").write_bytes((cat / "0.png").read_bytes())
    (folder / "val/dog").mkdir(parents=True)
    made, lines = opened(folder, tmp_path)
    assert len(made.train) == len(made.test) == 16
    assert lines == [
        f"{folder}: passed over 1 outside class folders, for instance train/loose.png; "
        "2 links in a circle, for instance train/self; "
        "2 HEIC, which needs pillow-heif, for instance train/cat/IMG_1.heic; "
        "1 HDF5, which this Pillow does not decode, for instance train/cat/array.h5; "
        "1 links to nothing, for instance train/cat/gone.png; "
        "3 no images, for instance train/cat/notes.txt; "
        "2 FIFOs, sockets or devices, for instance train/cat/null; "
        "1 folders without images, for instance train/cat/up; "
        "1 folders beside train/ and test/, for instance val"
    ]
    for _ in range(2):
        load_dataset(str(folder), tmp_path, tmp_path / "cache")
    captured = capfd.readouterr()
    assert captured.err == lines[0] + "\n" and not captured.out


def test_a_socket_is_not_opened(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder / "train/cat")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        assert "1 FIFOs, sockets or devices" in opened(folder, tmp_path)[1][0]


def test_what_systems_leave_is_passed_over_in_silence(folder, tmp_path):
    for place in (folder, folder / "train", folder / "test/dog"):
        for name in ("__MACOSX", "@eaDir", "lost+found", ".ipynb_checkpoints", "$RECYCLE.BIN"):
            (place / name).mkdir()
            Image.fromarray(GREYS).save(place / name / "x.png")
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._x.png", ".hidden.png"):
            (place / name).write_bytes(b"\0\5\x16\7")
    made, lines = opened(folder, tmp_path)
    assert (made.classes, len(made.train), len(made.test), lines) == (("cat", "dog"), 16, 16, [])


def test_linked_images_and_classes_are_used(folder, tmp_path):
    (folder / "train/cat").rename(tmp_path / "elsewhere")
    (folder / "train/cat").symlink_to(tmp_path / "elsewhere")
    (folder / "train/dog/linked.png").symlink_to(tmp_path / "elsewhere/0.png")
    made, lines = opened(folder, tmp_path)
    assert len(made.train) == 17 and len(lines) == 1
    assert lines[0].startswith("2 of the 17 training images are copies of one of another class")


def deeper(folder):
    (folder / "train/cat/kittens/young").mkdir(parents=True)
    (folder / "train/cat/0.png").rename(folder / "train/cat/kittens/0.png")
    (folder / "train/cat/1.png").rename(folder / "train/cat/kittens/young/1.png")


def one_folder_more(folder):
    (folder / "train").rename(folder / "images")
    (folder / "train").mkdir()
    (folder / "images").rename(folder / "train/images")


def no_class_folders(folder):
    for path in list((folder / "train").glob("*/*")):
        path.rename(folder / f"train/{path.parent.name}{path.name}")
    for name in ("cat", "dog"):
        (folder / "train" / name).rmdir()


def only_heic(folder):
    for path in list((folder / "test/cat").iterdir()):
        path.with_suffix(".heic").write_bytes(HEIC)
        path.unlink()


def only_dangling(folder):
    for path in list((folder / "test/cat").iterdir()):
        path.unlink()
        path.symlink_to("annex/objects")


def no_folder(folder):
    (folder / "test").rename(folder / "elsewhere")
    (folder / "test").symlink_to("test")


def broken(folder):
    (folder / "test/dog/3.jp2").write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n")


@pytest.mark.parametrize(
    "spoil, says",
    [
        (deeper, "{f}/train/cat holds 2 images in folders within it, for instance kittens/0.png; "),
        (one_folder_more, "train/images holds 16 images in folders within it, for instance cat/0."),
        (no_class_folders, "no class folders (16 outside class folders, for instance cat0.png);"),
        (only_heic, "cat holds no images (8 HEIC, which needs pillow-heif, for instance 0.heic);"),
        (only_dangling, "cat holds no images (8 links to nothing, for instance 0.png);"),
        (no_folder, "no folder {f}/test; images are expected as train/<class>/<image>"),
        (broken, "{f}/test/dog/3.jp2 cannot be read as an image ("),
    ],
)
def test_layouts_that_cannot_be_used_are_refused_by_name(folder, tmp_path, spoil, says):
    spoil(folder)
    assert says.format(f=folder) in refused(folder, tmp_path)


# Sizes.


@pytest.mark.parametrize("size", [-1, 0, 4, 7, 65, 224, 4000, True, "32"])
def test_sizes_that_the_networks_do_not_take_are_refused(folder, tmp_path, size):
    says = f"image size {size}: the networks take images of 8 to 64 pixels; choose --image-size of"
    assert refused(folder, tmp_path, size=size).startswith(says)
    with pytest.raises(InputError, match="choose --image-size of 8 to 64"):
        open_workspace(tmp_path / "results", image_size=size)
    assert not (tmp_path / "results").exists()


def test_sizes_that_the_networks_take():
    for size in (None, 8, 64):
        check_size(size)


@pytest.mark.parametrize("side", [4, 65, 224])
def test_images_that_the_networks_do_not_take_are_refused_or_resized(folder, tmp_path, side):
    for path in folder.rglob("*.png"):
        Image.open(path).resize((side, side)).save(path)
    says = f"is {side}x{side} pixels, but the networks take images of 8 to 64; choose --image-size"
    assert says in refused(folder, tmp_path)
    assert opened(folder, tmp_path, size=32)[0].train.pixels.shape == (16, 32, 32, 3)


# What is said when images are decoded.


def test_images_of_both_parts_and_of_two_classes_are_said(folder, tmp_path):
    for source, copy in (("train/cat/3", "test/cat/a"), ("train/cat/5", "test/dog/b")):
        Image.open(folder / f"{source}.png").save(folder / f"{copy}.tif")
    Image.open(folder / "train/cat/1.png").save(folder / "train/dog/c.bmp")
    expected = [
        f"2 of the 18 test images are training images, too, for instance {folder}/test/cat/a.tif "
        f"is {folder}/train/cat/3.png: test accuracies that count them are too high",
        "2 of the 17 training images are copies of one of another class, for instance "
        f"{folder}/train/cat/1.png and {folder}/train/dog/c.bmp: at most one of their labels is "
        "right",
    ]
    assert opened(folder, tmp_path)[1] == expected
    assert opened(folder, tmp_path)[1] == []


def test_images_that_are_almost_black_are_said(folder, tmp_path):
    for i in range(3):
        dark = (GREYS.astype(np.uint16) + i) * 16
        Image.fromarray(dark).save(folder / f"train/dog/dark{i}.png")
    (line,) = opened(folder, tmp_path)[1]
    assert line.startswith("3 of the 16-bit images of") and "dark0.png" in line


def test_a_long_decode_tells_how_far_it_is(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "EVERY", 0)
    assert f"decoding {folder}/train: 7 of 16" in opened(folder, tmp_path)[1]


# The cache.


@pytest.mark.parametrize("spoil", [b"", b"abc", None, -5])
def test_a_damaged_cache_is_said_and_made_again(folder, tmp_path, spoil):
    first, _ = opened(folder, tmp_path)
    (kept,) = (tmp_path / "cache").glob("*")
    content = bytearray(kept.read_bytes())
    if isinstance(spoil, int):
        content[spoil] ^= 1
    kept.write_bytes(content[:-9] if spoil is None else content if spoil == -5 else spoil)
    again, lines = opened(folder, tmp_path)
    assert again.digest == first.digest and len(lines) == 1
    assert lines[0].startswith(str(kept)) and lines[0].endswith("the images are decoded again")
    assert opened(folder, tmp_path)[1] == []


def test_images_that_were_decoded_otherwise_are_decoded_again(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_room, "DECODING", "1")
    opened(folder, tmp_path)
    monkeypatch.undo()
    assert "is of another version; the images are decoded again" in opened(folder, tmp_path)[1][0]
    assert opened(folder, tmp_path)[1] == []


def test_a_cache_that_cannot_be_written_is_elsewhere(folder, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    made, lines = opened(folder, tmp_path)
    assert lines == [
        f"{tmp_path}/cache cannot be written (File exists); decoded images are kept in "
        f"{tmp_path}/own/ckdlib"
    ]
    monkeypatch.setattr(decoding, "decode", lambda *_: pytest.fail("decoded twice"))
    again, lines = opened(folder, tmp_path)
    assert again.digest == made.digest and not lines


def test_images_are_used_where_no_cache_can_be_written(folder, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setattr(cache_room, "_places", lambda cache: [cache])
    made, (line,) = opened(folder, tmp_path)
    assert len(made.train) == 16 and line.endswith("not kept, and decoded again each time")


@pytest.mark.parametrize("kind", [OSError, InputError])
def test_a_disk_that_is_full_is_said(folder, tmp_path, monkeypatch, kind):
    def full(*_, **__):
        raise kind("no space is left")

    monkeypatch.setattr(cache_room, "write_tensors", full)
    made, (line,) = opened(folder, tmp_path)
    assert line.startswith(f"decoded images are not kept in {tmp_path}/cache/animals-")
    assert line.endswith(": no space is left") and len(made.test) == 16


# Formats that a Pillow lacks.


def test_avif_that_this_pillow_lacks_is_passed_over(folder, tmp_path, monkeypatch):
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    formats.suffixes.cache_clear()
    (folder / "train/cat/a.avif").write_bytes(HEIC.replace(b"heic", b"avif"))
    made, (line,) = opened(folder, tmp_path)
    formats.suffixes.cache_clear()
    assert "1 AVIF, which needs Pillow 11.3 or newer, for instance train/cat/a.avif" in line
    assert torch.equal(made.train.labels.bincount(), torch.tensor([8, 8]))
