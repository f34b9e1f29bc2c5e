"""Pictures as people have them: whatever they lie in, the same pixels, labels and classes."""

import time

import numpy as np
import pytest
import torch
from PIL import Image

from ckdlib.errors import InputError
from ckdlib.images.packed import read_packed, scale_of, write_packed
from ckdlib.images.pictures import Pictures, key_of, open_pictures
from ckdlib.images.views import Images, Transform

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(256, size=(6, 9, 12, 3), dtype=np.uint8)
LABELS = [0, 1, 2, 0, 1, 2]


class Listed:
    """As torchvision's data sets: labels and names of classes are known without opening."""

    targets, classes = LABELS, ["ant", "bee", "cat"]

    def __len__(self):
        return 6

    def __getitem__(self, i):
        return Image.fromarray(PIXELS[i]), "never looked at"


class Columns(list):
    """As Hugging Face's: a column by its name."""

    column_names = ["image", "label"]
    features = {"label": type("ClassLabel", (), {"names": ["ant", "bee", "cat"]})}

    def __getitem__(self, key):
        return LABELS if key == "label" else super().__getitem__(key)


def save(folder, name, pixels):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("given, classes", [
    ((PIXELS, LABELS), "012"),
    ((torch.tensor(PIXELS), torch.tensor(LABELS)[:, None]), "012"),
    ((list(PIXELS), LABELS), "012"),
    ((PIXELS, ["ant", "bee", "cat"] * 2), ["ant", "bee", "cat"]),
    (list(zip(PIXELS, LABELS)), "012"),
    ([(Image.fromarray(one), torch.tensor(label)) for one, label in zip(PIXELS, LABELS)], "012"),
    ([(torch.tensor(one).permute(2, 0, 1) / 255, label) for one, label in zip(PIXELS, LABELS)],
     "012"),
    ([{"img": one, "fine_label": label} for one, label in zip(PIXELS, LABELS)], "012"),
    (Listed(), ["ant", "bee", "cat"]),
    (Columns({"image": one, "label": 9} for one in PIXELS), ["ant", "bee", "cat"]),
])  # fmt: skip
def test_arrays_and_sequences_are_the_same_pictures(given, classes):
    found, test = open_pictures(given)
    assert test is None and found.labels.tolist() == LABELS
    assert found.classes == tuple(classes) and list(found.names) == list("012345")
    for i, one in enumerate(PIXELS):
        assert torch.equal(found.read(i), torch.tensor(one))


@pytest.mark.parametrize("given", [
    PIXELS, list(PIXELS), [{"image": one} for one in PIXELS], [Image.fromarray(p) for p in PIXELS],
])  # fmt: skip
def test_pictures_alone_have_no_labels(given):
    found, _ = open_pictures(given)
    assert found.labels is None and found.classes is None
    assert torch.equal(found.read(4), torch.tensor(PIXELS[4]))


def test_grey_is_three_equal_channels_and_paths_are_read(tmp_path):
    grey = PIXELS[..., 0]
    for given in (
        grey,
        list(grey),
        [save(tmp_path, f"{i}.png", one) for i, one in enumerate(grey)],
    ):
        read = open_pictures(given)[0].read(3)
        assert torch.equal(read, torch.tensor(grey[3])[..., None].expand(-1, -1, 3))
    assert open_pictures([tmp_path / "3.png"])[0].names == [str(tmp_path / "3.png")]


def test_folders(tmp_path):
    for i, one in enumerate(PIXELS):
        save(tmp_path, f"train/{'ab'[i % 2]}/{i}.png", one)
        save(tmp_path, f"flat/{i}.png", one)
    save(tmp_path, "test/b/x.png", PIXELS[0])
    save(tmp_path, "val/b/x.png", PIXELS[0])
    said = []
    learn, test = open_pictures(tmp_path, said.append)
    assert learn.names == ["a/0.png", "a/2.png", "a/4.png", "b/1.png", "b/3.png", "b/5.png"]
    assert learn.labels.tolist() == [0, 0, 0, 1, 1, 1] and learn.classes == ("a", "b")
    assert test.labels.tolist() == [1] and test.classes == ("a", "b")  # of train's classes
    assert torch.equal(learn.read(3), torch.tensor(PIXELS[1]))
    assert "2 folders beside train/ and test/" in said[0]
    flat, _ = open_pictures(str(tmp_path / "flat"))
    assert flat.labels is None and flat.names[2] == "2.png"
    save(tmp_path, "test/c/x.png", PIXELS[0])
    with pytest.raises(InputError, match="1 classes that the others do not have.*'c'"):
        open_pictures(tmp_path, said.append)


NAN = float("nan")


@pytest.mark.parametrize("given, says", [
    ([], "no images; give a folder"),
    (PIXELS[:0], "no images; give a folder"),
    ((PIXELS[:0], []), "no images; give a folder"),
    ("nowhere", "no folder nowhere; give"),
    (None, "cannot be taken from NoneType; give"),
    (iter(PIXELS), "cannot be taken from"),
    ({"train": PIXELS}, "from dict of train by position; give one of its parts"),
    (PIXELS / 255, r"float64 \[6, 9, 12, 3\]; give uint8"),
    (PIXELS.transpose(0, 3, 1, 2), r"uint8 \[6, 3, 9, 12\]; give uint8"),
    ((PIXELS, LABELS[:5]), "6 images and 5 labels"),
    ((list(PIXELS), LABELS[:5]), "6 images and 5 labels"),
    ((PIXELS, [0.5] * 6), "labels of float64; give whole numbers"),
    ((PIXELS, [-1, 0, 1] * 2), "labels of -1 to 1 for 2 classes; give 0 to 1"),
    ((PIXELS, [3_000_000, 3_000_001] * 3), "3000000 to 3000001 of 6 images; number the classes"),
    ((PIXELS[:2], [[0], [1, 2]]), "labels of different lengths; give one for each image"),
    ((PIXELS, np.eye(6)), r"labels of shape \[6, 6\]"),
    ([{"picture": PIXELS[0], "label": 1}], "of picture, label holds no image or img"),
    ([{"image": PIXELS[0], "y": 1}], "of image, y holds no label or labels"),
])  # fmt: skip
def test_what_cannot_be_pictures_is_refused_in_a_line(given, says):
    with pytest.raises(InputError, match=says) as error:
        open_pictures(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("image, says", [
    (torch.full((3, 4, 4), 1.5), "not normalised"),
    (torch.full((3, 4, 4), NAN), "not normalised"),
    (np.zeros((0, 4, 3), np.uint8), r"uint8 \[0, 4, 3\]"),
    (np.zeros((4, 4, 2), np.uint8), r"uint8 \[4, 4, 2\]"),
    ({"bytes": b""}, "image 0 cannot be taken from dict"),
    (None, "image 0 cannot be taken from NoneType"),
])  # fmt: skip
def test_an_image_that_is_none_is_named(image, says):
    with pytest.raises(InputError, match=says):
        open_pictures([(image, 0)])[0].read(0)


def test_a_file_that_is_opened_only_now_may_be_broken(tmp_path):
    path = save(tmp_path, "a.png", PIXELS[0])
    path.write_bytes(path.read_bytes()[:150])
    with Image.open(path) as lazy, pytest.raises(InputError, match="image 0 cannot be read"):
        open_pictures([lazy])[0].read(0)


def test_looking_keeps_what_a_picture_is_and_its_size():
    read = {0: PIXELS[0], 1: PIXELS[0][:5], 2: PIXELS[0], 3: PIXELS[1][:1, :1]}
    pictures = Pictures(list("0123"), lambda i: torch.tensor(read[i]))
    seen = pictures.looked_at(torch.tensor([3, 1, 0, 2]), 8, print)
    assert seen.shapes.tolist() == [[1, 1], [5, 12], [9, 12], [9, 12]]
    assert len(set(seen.keys.tolist())) == 3 and seen.keys[2] == seen.keys[3] >= 0
    assert seen.pixels.shape == (4, 8, 8, 3) and torch.equal(seen.pixels[2], seen.pixels[3])
    assert (seen.pixels[0] == torch.tensor(PIXELS[1][0, 0])).all()


def test_a_picture_is_known_by_pixels_and_shape():
    one = torch.arange(24, dtype=torch.uint8).view(2, 4, 3)
    assert key_of(one) == key_of(one.clone()) != key_of(one.view(4, 2, 3))
    assert key_of(one) != key_of(one.flip(0)) and 0 <= key_of(one) < 2**63


class Cropped:
    """A data set that cuts each picture at random, as those for training do."""

    def __init__(self):
        self.random = np.random.default_rng(0)

    def __len__(self):
        return 6

    def __getitem__(self, i):
        start = self.random.integers(4)
        return PIXELS[i][start : start + 4], int(LABELS[i])


def test_pictures_that_change_each_time_are_refused():
    pictures, _ = open_pictures(Cropped())
    with pytest.raises(InputError, match=r"picture \d is another each time.* without random"):
        pictures.looked_at(torch.arange(6), 8, print)


def test_hidden_labels_are_none():
    for given in ((PIXELS, [-1] * 6), (list(PIXELS), [-1] * 6), [(one, -1) for one in PIXELS]):
        pictures, _ = open_pictures(given)
        assert len(pictures) == 6 and pictures.labels is None


def test_a_picture_that_is_broken_stops_the_looking():
    looked = []

    def read(i):
        looked.append(i)
        time.sleep(0.001)  # as a picture takes
        raise InputError(f"picture {i} is broken")

    with pytest.raises(InputError, match="picture 0 is broken"):
        Pictures([""] * 10_000, read).looked_at(torch.arange(10_000), 8, print)
    assert len(looked) < 10_000


def test_labels_are_told_by_names_of_classes():
    found = open_pictures((PIXELS, ["b", "c", "b", "c", "b", "c"]))[0]
    assert found.with_classes(("a", "c", "b")).labels.tolist() == [2, 1, 2, 1, 2, 1]
    with pytest.raises(InputError, match="1 classes that the others do not have.*'c'"):
        found.with_classes(("a", "b"))


def test_a_packed_data_set_comes_back(tmp_path):
    train = Images(torch.tensor(PIXELS[:, :8, :8]), torch.tensor(LABELS))
    test, cut = train[torch.tensor([1, 5])], Transform(8, 1, False, *scale_of(train.pixels))
    write_packed(tmp_path / "a.safetensors", "own", train, test, ("a", "b", "é"), cut)
    name, *parts, classes, back = read_packed(tmp_path / "a.safetensors")
    assert (name, classes, back) == ("own", ("a", "b", "é"), cut)
    for found, given in zip(parts, (train, test)):
        assert torch.equal(found.pixels, given.pixels) and torch.equal(found.labels, given.labels)


def test_the_scale_is_mean_and_deviation_of_each_channel():
    mean, std = scale_of(torch.tensor(PIXELS))
    for c in range(3):
        values = PIXELS[..., c].flatten() / 255
        assert mean[c] == pytest.approx(values.mean(), abs=1e-4)
        assert std[c] == pytest.approx(values.std(ddof=1), abs=1e-4)
    assert scale_of(torch.zeros(2, 4, 4, 3, dtype=torch.uint8))[1] == (0.001,) * 3
