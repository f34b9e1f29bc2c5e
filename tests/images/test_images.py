"""Images: views against a naive loop, nested splits, class folders good and bad."""

import hashlib
import pickle

import pytest
import torch
from PIL import Image

from ckdlib.errors import InputError
from ckdlib.images import Images, Transform, Views, decoding, load_dataset, pixels, sources, split
from ckdlib.reproducibility import generator


@pytest.fixture
def views():
    pixels = torch.randint(
        256, (6, 12, 12, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
    )
    return Views(
        Images(pixels, torch.arange(6)), Transform(8, 2, True, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    ), pixels


def naive(pixels, row, column, mirrored, crop=8, padding=2):
    padded = torch.zeros(pixels.shape[0] + 2 * padding, pixels.shape[1] + 2 * padding, 3)
    padded[padding:-padding, padding:-padding] = pixels
    out = torch.empty(3, crop, crop)
    for c in range(3):
        for i in range(crop):
            for j in range(crop):
                value = padded[row + i, column + (crop - 1 - j if mirrored else j), c]
                out[c, i, j] = (value / 255 - (0.4, 0.5, 0.6)[c]) / (0.2, 0.3, 0.4)[c]
    return out


def test_random_views_are_the_padded_crop_and_flip(views):
    made, pixels = views
    index = torch.tensor([3, 0, 3, 5])
    drawn = made.draw(4, torch.Generator().manual_seed(2))
    drawn[0, 2], drawn[1, 2] = 1, 0
    expected = torch.stack(
        [naive(pixels[i], *view) for i, view in zip(index.tolist(), drawn.tolist())]
    )
    torch.testing.assert_close(made.random(index, drawn), expected)


def test_every_image_of_a_batch_has_its_own_view_and_all_views_are_equally_likely(views):
    drawn = views[0].draw(16_200, torch.Generator().manual_seed(3))
    places = (drawn[:, 0] * 9 + drawn[:, 1]) * 2 + drawn[
        :, 2
    ]  # 12 + 2*2 - 8 + 1 = 9 places along each side
    counts = places.bincount(minlength=162).float()
    assert len(counts) == 162
    assert ((counts - 100).square() / 100).sum() < 230  # chi-squared of 161 degrees, p < 0.001


def test_the_plain_view_is_the_centre(views):
    made, pixels = views
    torch.testing.assert_close(made.plain(slice(0, 1))[0], naive(pixels[0], 4, 4, False))


def test_pixels_are_those_that_were_cut(views):
    made, shown = views
    back = pixels(made.plain(slice(0, 6)), Transform(8, 2, True, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)))
    assert back.dtype == torch.uint8 and torch.equal(back, shown[:, 2:10, 2:10])


def test_images_that_may_not_be_mirrored_are_not(views, digits):
    made = Views(digits.train, digits.transform)
    assert made.draw(1000, torch.Generator().manual_seed(0))[:, 2].sum() == 0


def test_digits(digits):
    assert (len(digits.train), len(digits.test), len(digits.classes)) == (1297, 500, 10)
    values = digits.train.pixels.float() / 255
    assert (
        abs(values.mean() - digits.transform.mean[0]) < 1e-3
        and abs(values.std() - digits.transform.std[0]) < 1e-3
    )


def test_splits_are_nested_and_disjoint():
    small, held = split(1000, 100, 7)
    large, held_large = split(1000, 400, 7)
    assert (len(small), len(held)) == (100, 25)
    assert set(small.tolist()) < set(large.tolist()) and set(held.tolist()) < set(
        held_large.tolist()
    )
    assert not set(large.tolist()) & set(held_large.tolist())
    assert small.tolist() != split(1000, 100, 8)[0].tolist()


@pytest.mark.parametrize("n", range(8, 30))
def test_n_is_what_the_teacher_is_shown_and_every_fifth_of_the_images_validates(n):
    order = torch.randperm(40, generator=generator(3, "subset")).tolist()
    shown, held = split(40, n, 3)
    assert (len(shown), len(held)) == (n, n // 4)
    assert [order.index(i) % 5 for i in held.tolist()] == [4] * len(held)
    assert sorted(shown.tolist() + held.tolist()) == sorted(order[: n + n // 4])


@pytest.mark.parametrize(
    "n, says",
    [
        (0, "n = 0 is too few teacher calls.*at least 8"),
        (7, "n = 7 is too few"),
        (-5, "n = -5 is too few"),
        (
            1001,
            "n = 1001 teacher calls and 250 further images for validation are more than the 1000",
        ),
    ],
)
def test_n_must_fit(n, says):
    with pytest.raises(InputError, match=says):
        split(1000, n, 0)


@pytest.mark.parametrize("total", range(10, 31))
def test_the_most_calls_are_said_and_are_possible(total):
    with pytest.raises(InputError) as refused:
        split(total, total, 0)
    most = int(str(refused.value).rpartition(" ")[2])
    assert len(split(total, most, 0)[0]) == most and most + 1 + (most + 1) // 4 > total


def test_a_folder_is_decoded_once(folder, tmp_path, monkeypatch):
    first = load_dataset(str(folder), tmp_path, tmp_path / "cache")
    assert first.classes == ("cat", "dog") and first.train.pixels.shape == (16, 12, 12, 3)
    monkeypatch.setattr(decoding, "decode", lambda *_: pytest.fail("decoded twice"))
    again = load_dataset(str(folder), tmp_path, tmp_path / "cache")
    assert again.digest == first.digest and torch.equal(again.train.pixels, first.train.pixels)


def test_a_changed_image_is_decoded_again(folder, tmp_path):
    first = load_dataset(str(folder), tmp_path, tmp_path / "cache")
    (folder / "train/cat/0.png").write_bytes((folder / "train/dog/0.png").read_bytes())
    assert load_dataset(str(folder), tmp_path, tmp_path / "cache").digest != first.digest


def test_a_folder_is_resized(folder, tmp_path):
    assert load_dataset(str(folder), tmp_path, tmp_path / "cache", size=8).train.pixels.shape == (
        16,
        8,
        8,
        3,
    )


def test_a_folder_may_be_called_like_a_known_dataset(folder, tmp_path):
    named = folder.rename(tmp_path / "digits")
    made = load_dataset(str(named), tmp_path, tmp_path / "cache", flip=False)
    assert (made.name, made.transform.crop, made.transform.padding, made.transform.flip) == (
        "digits",
        12,
        1,
        False,
    )
    assert load_dataset(str(named), tmp_path, tmp_path / "cache").transform.flip


def test_cifar100_from_class_folders(folder, tmp_path):
    (tmp_path / "cifar100").symlink_to(folder)
    made = load_dataset("cifar100", tmp_path, tmp_path / "cache")
    assert made.train.pixels.shape == (16, 32, 32, 3) and made.transform.padding == 4


def test_ten_classes_are_the_first_ones_of_all(tmp_path):
    for part, number, copy in [("train", i, j) for i in range(12) for j in (0, 1)] + [
        ("test", i, 0) for i in range(12)
    ]:
        place = tmp_path / "cifar100" / part / f"{number:02d}"
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number, copy, 0)).save(place / f"{copy}.png")
    every, ten = (
        load_dataset(name, tmp_path, tmp_path / "cache") for name in ("cifar100", "cifar100_ten")
    )
    assert len(every.classes) == 12 and ten.classes == every.classes[:10]
    assert ten.train.labels.tolist() == [one for one in range(10) for _ in range(2)]
    assert ten.test.pixels[:, 0, 0, 0].tolist() == list(range(10))
    assert ten.transform == every.transform and ten.digest != every.digest


def break_image(folder):
    path = folder / "train/dog/3.png"
    path.write_bytes(path.read_bytes()[:60])


def remove_class(folder):
    for path in (folder / "test/dog").iterdir():
        path.unlink()
    (folder / "test/dog").rmdir()


def one_class(folder):
    for part in ("train", "test"):
        (folder / part / "dog").rename(folder.parent / f"{part}-dog")


def empty_class(folder):
    (folder / "train/emu").mkdir()


def no_test(folder):
    (folder / "test").rename(folder / "tests")


def other_size(folder):

    Image.new("RGB", (9, 9)).save(folder / "train/dog/3.png")


@pytest.mark.parametrize(
    "spoil, says",
    [
        (break_image, "dog/3.png cannot be read"),
        (remove_class, "different classes: dog"),
        (one_class, "one class, 'cat'"),
        (empty_class, "emu holds no images"),
        (no_test, "no folder .*test"),
        (other_size, "dog/3.png is 9x9"),
    ],
)
def test_bad_folders_name_what_is_wrong(folder, tmp_path, spoil, says):
    spoil(folder)
    with pytest.raises(InputError, match=says) as error:
        load_dataset(str(folder), tmp_path, tmp_path / "cache")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "cache").glob("*"))


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        load_dataset(str(tmp_path / "nowhere" / "x"), tmp_path, tmp_path)
    (tmp_path / "bare/train").mkdir(parents=True)
    with pytest.raises(InputError, match="no class folders"):
        load_dataset(str(tmp_path / "bare"), tmp_path, tmp_path)
    with pytest.raises(InputError, match="unknown dataset 'digit': did you mean 'digits'"):
        load_dataset("digit", tmp_path, tmp_path)


def test_cifar100_is_the_same_from_torchvision_and_from_class_folders(tmp_path, monkeypatch):
    """Order, and so subsets, digest and published teacher; torchvision's files, checked, of six
    training and three test images.
    """
    import numpy as np
    from torchvision.datasets import CIFAR100

    random, root = np.random.default_rng(0), tmp_path / "theirs"

    def write(name, content):
        (root / CIFAR100.base_folder).mkdir(parents=True, exist_ok=True)
        path = root / CIFAR100.base_folder / name
        path.write_bytes(pickle.dumps(content))
        return [name, hashlib.md5(path.read_bytes()).hexdigest()]

    classes = ["apple", "bear", "crab"]
    for part, each in (("train", 2), ("test", 1)):
        pixels = random.integers(256, size=(3 * each, 3, 32, 32), dtype=np.uint8)
        labels = [2, 0, 1] * each
        names = [f"{'zyxwvu'[i]}_s_{i:06d}.png" for i in range(3 * each)]
        listed = write(
            part, {"data": pixels.reshape(3 * each, -1), "fine_labels": labels, "filenames": names}
        )
        monkeypatch.setattr(CIFAR100, f"{part}_list", [listed])
        for image, label, name in zip(pixels, labels, names):
            path = tmp_path / "ours/cifar100" / part / classes[label] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(path)
    name, md5 = write("meta", {"fine_label_names": classes})
    monkeypatch.setattr(CIFAR100, "meta", {"filename": name, "key": "fine_label_names", "md5": md5})
    theirs, ours = (
        load_dataset("cifar100", tmp_path / source, tmp_path / "cache")
        for source in ("theirs", "ours")
    )
    assert theirs.train.labels.tolist() == [0, 0, 1, 1, 2, 2] and theirs.classes == tuple(classes)
    assert theirs.digest == ours.digest and torch.equal(theirs.train.pixels, ours.train.pixels)


# Stanford Cars.


@pytest.fixture
def cars(tmp_path, monkeypatch):
    """A folder in torchvision's layout: three classes, two training and one test image each, of
    different sizes.
    """
    import numpy as np
    from scipy.io import savemat

    monkeypatch.setattr(sources, "CARS", 3)
    root = tmp_path / "stanford_cars"
    (root / "devkit").mkdir(parents=True)
    savemat(
        root / "devkit/cars_meta.mat",
        {"class_names": np.array(["Audi A", "BMW B", "Fiat C"], dtype=object)},
    )
    for part, each, annotations in (
        ("train", 2, "devkit/cars_train_annos.mat"),
        ("test", 1, "cars_test_annos_withlabels.mat"),
    ):
        (root / f"cars_{part}").mkdir()
        entries = []
        for i in range(3 * each):
            Image.new("RGB", (70 + i, 50), (40 * (i % 3), 9, 9)).save(
                root / f"cars_{part}/{i:05d}.jpg"
            )
            entries.append((f"{i:05d}.jpg", i % 3 + 1))
        savemat(
            root / annotations,
            {"annotations": np.array(entries, dtype=[("fname", object), ("class", object)])},
        )
    return root


def test_cars_in_torchvisions_layout(cars, tmp_path):
    from torchvision.datasets import StanfordCars

    made = load_dataset("stanford_cars", tmp_path, tmp_path / "cache")
    assert made.classes == ("Audi A", "BMW B", "Fiat C") and made.train.labels.tolist() == [
        0,
        0,
        1,
        1,
        2,
        2,
    ]
    assert made.train.pixels.shape == (6, 64, 64, 3) and (
        made.train.pixels[:, 9, 9, 0] // 39
    ).tolist() == [0, 0, 1, 1, 2, 2]
    theirs = StanfordCars(tmp_path, "test")
    assert sorted(
        label for _, label in theirs
    ) == made.test.labels.tolist() and theirs.classes == list(made.classes)


def test_cars_are_cropped_to_56(cars, tmp_path):
    made = load_dataset("stanford_cars", tmp_path, tmp_path / "cache")
    views = Views(made.train, made.transform)
    assert made.transform.flip and (made.transform.mean[0], made.transform.std[0]) == (0.485, 0.229)
    assert (
        views.plain(slice(0, 2)).shape == (2, 3, 56, 56)
        and views.span == 9
        and (made.transform.padding, views.centre) == (0, 4)
    )


def test_cars_as_class_folders(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "CARS", 2)
    (tmp_path / "stanford_cars").symlink_to(folder)
    assert load_dataset("stanford_cars", tmp_path, tmp_path / "cache").train.pixels.shape == (
        16,
        64,
        64,
        3,
    )


def test_cars_that_are_not_there_or_laid_out_wrong(cars, folder, tmp_path):
    with pytest.raises(InputError, match=r"cannot be downloaded.*found: nothing") as error:
        load_dataset("stanford_cars", tmp_path / "elsewhere", tmp_path / "cache")
    assert "train/<class>/<image>" in str(error.value) and "\n" not in str(error.value)
    (cars / "cars_train/00003.jpg").unlink()
    with pytest.raises(
        InputError,
        match="1 images named in devkit/cars_train_annos.mat are not there.*00003.jpg",
    ):
        load_dataset("stanford_cars", tmp_path, tmp_path / "cache")
    (cars / "devkit/cars_train_annos.mat").write_bytes(b"MATLAB 5.0 and no more")
    with pytest.raises(InputError, match="cars_train_annos.mat cannot be read"):
        load_dataset("stanford_cars", tmp_path, tmp_path / "cache")
    (cars / "devkit/cars_train_annos.mat").unlink()
    with pytest.raises(
        InputError,
        match="there is no devkit/cars_train_annos.mat .found: cars_test, cars_test_annos",
    ):
        load_dataset("stanford_cars", tmp_path, tmp_path / "cache")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/stanford_cars").symlink_to(folder)
    with pytest.raises(InputError, match="has 2 classes, but Stanford Cars has 3"):
        load_dataset("stanford_cars", tmp_path / "other", tmp_path / "cache")


def test_the_digits_that_stand_in_for_cars(digits):
    enlarged = load_dataset("digits_cropped", None, None)
    assert enlarged.train.pixels.shape == (1297, 9, 9, 3) and torch.equal(
        enlarged.train.labels, digits.train.labels
    )
    assert (
        Views(enlarged.train, enlarged.transform).plain(slice(0, 1)).shape == (1, 3, 8, 8)
        and enlarged.digest != digits.digest
    )
