"""Answers in files: by image, whole or in part, in any layout."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from ckdlib.errors import InputError
from ckdlib.teachers.answer_files import read_answers, same_ends

NAMES = ["cat/0.png", "cat/1.png", "dog/0.png"]
VALUES = np.array([[1.0, 2.5, -3.0], [0.0, 7.0, 1.0], [4.0, 2.0, 2.0]], np.float32)
SHARES = np.array([[0.7, 0.2, 0.1], [0.0, 0.9, 0.1], [0.25, 0.25, 0.5]])
CLASSES = ("cat", "dog", "é")
PICTURES = [*NAMES, "dog/1.png"]


def wide(path, values=VALUES, key="image"):
    table = pd.DataFrame(values, columns=list(CLASSES))
    table.insert(1, key, NAMES)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path)  # with a column of row numbers, as pandas does


def long(path, name="probability", values=SHARES, keep=lambda value: True):
    lines = [f"image,class,{name}"]
    for image, row in zip(NAMES, values):
        lines += [f"{image},{c},{v}" for c, v in zip(CLASSES, row) if keep(v)]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("name, write, kind, values", [
    ("a.csv", wide, None, VALUES),
    ("a.CSV", lambda path: wide(path, key="Filename"), None, VALUES),
    ("a.parquet", wide, None, VALUES),
    ("a.csv", lambda path: long(path, "logit", VALUES), "logits", VALUES),
    ("a.csv", long, "probabilities", SHARES),
    ("a.npz", lambda path: np.savez(path, images=NAMES, logits=VALUES, classes=CLASSES), "logits",
     VALUES),
    ("a.npz", lambda path: np.savez(path, names=NAMES, probs=SHARES, classes=CLASSES), None, None),
    ("a.npz", lambda path: np.savez(path, name=NAMES, prob=SHARES, classes=CLASSES),
     "probabilities", SHARES),
])  # fmt: skip
def test_whole_answers_are_read(tmp_path, name, write, kind, values):
    write(tmp_path / name)
    if values is None:
        with pytest.raises(InputError, match="holds names, probs, classes; a table has"):
            read_answers(tmp_path / name)
        return
    found = read_answers(tmp_path / name)
    assert found.names == NAMES and found.kind == kind and found.rule == ""
    assert sorted(found.classes) == sorted(CLASSES)
    order = [found.classes.index(c) for c in CLASSES]
    assert np.allclose(found.values[:, order], values, atol=1e-6)
    assert found.rows_of(PICTURES).tolist() == [0, 1, 2, -1]


def test_the_best_classes_are_made_whole(tmp_path):
    long(tmp_path / "a.csv", keep=lambda share: share > 0.15)
    np.savez(
        tmp_path / "a.npz", images=NAMES, classes=CLASSES,
        top_classes=[[0, 1], [1, -1], [2, 0]],
        log_probabilities=np.log([[0.7, 0.2], [0.9, 1.0], [0.5, 0.25]]),
    )  # fmt: skip
    wanted = torch.tensor([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.25, 0.25, 0.5]])
    for name in ("a.csv", "a.npz"):
        found = read_answers(tmp_path / name, CLASSES)
        assert found.kind == "probabilities" and "shared by the others" in found.rule
        assert found.classes == CLASSES and torch.allclose(found.values, wanted, atol=1e-6)
    unlisted = [("a.csv", ("cat", "dog")), ("a.csv", None)]
    with pytest.raises(InputError, match="speaks of class 'é', which is none of cat, dog"):
        read_answers(tmp_path / unlisted[0][0], unlisted[0][1])
    assert read_answers(tmp_path / "a.csv").classes == tuple(sorted(CLASSES))


@pytest.mark.parametrize("text, says", [
    ("", "cannot be read .* a table has a column 'image'"),
    ("image,cat,dog\n", "columns of answers|holds no answers"),
    ("cat,dog\n1,2\n", "has columns cat, dog; a table has"),
    ("image,cat\na,1\n", "has 1 columns of answers"),
    ("image,cat,dog\na,1,2\na,2,1\n", "holds 'a' twice"),
    ("image,cat,dog\na,1,2\nb,,1\n", "1 answers are not finite, for instance that about 'b'"),
    ("image,cat,dog\na,1,2\nb,x,1\n", "1 answers are not finite, for instance that about 'b'"),
    ("image,cat,dog\na,1,inf\n", "1 answers are not finite"),
    ("image,class,logit\na,cat,1\nb,dog,1\n", "given as logits of some of 2 classes"),
    ("image,class,prob\na,cat,.5\na,cat,.2\n", "holds a class of an image twice"),
    ("image,class,prob\na,cat,.5\nb,dog,high\n", "gives 'high' about 'b', which is no number"),
    ("image,class,prob\na,cat,1.5\nb,dog,1\n", "row 0 sum to 1.5"),
    ("image,class,prob\na,cat,.2\na,dog,.1\n", "row 0 sum to 0.3; give 1 in a row of all"),
])  # fmt: skip
def test_a_table_that_cannot_be_used_is_refused_in_a_line(tmp_path, text, says):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_answers(tmp_path / "a.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("held, says", [
    ({"images": NAMES}, "holds images; a table has"),
    ({"images": NAMES[:2], "logits": VALUES}, r"logits \[3, 3\] for 2 images"),
    ({"images": NAMES, "logits": VALUES[:, 0]}, r"logits \[3\] for 3 images"),
    ({"images": np.array(NAMES, object), "logits": VALUES}, "cannot be read"),
    ({"images": NAMES, "probs": SHARES[:, :1], "top_classes": [[0], [3], [1]], "classes": CLASSES},
     "top_classes must be"),
    ({"images": NAMES, "probability": SHARES[:, :1], "top_classes": [[0], [1], [1]]},
     "of numbers below that of 'classes'"),
    ({"images": "a", "logits": VALUES[:1]}, "cannot be read"),
    ({"images": [], "probability": SHARES[:0], "top_classes": np.zeros((0, 3), int),
      "classes": CLASSES}, "holds no answers"),
])  # fmt: skip
def test_an_npz_that_cannot_be_used_is_refused_in_a_line(tmp_path, held, says):
    if "probs" in held:
        held["probability"] = held.pop("probs")
    np.savez(tmp_path / "a.npz", **held)
    with pytest.raises(InputError, match=says) as error:
        read_answers(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:300])


def changed(path):
    content = bytearray(path.read_bytes())
    content[200:230] = bytes(30)
    path.write_bytes(content)


def an_array(path):
    with open(path, "wb") as file:
        np.save(file, VALUES)


@pytest.mark.parametrize("harm", [cut_short, changed, an_array, lambda path: path.write_bytes(b"")])
def test_a_damaged_npz_is_a_line(tmp_path, harm):
    np.savez(tmp_path / "a.npz", images=NAMES, logits=VALUES)
    harm(tmp_path / "a.npz")
    with pytest.raises(InputError, match="cannot be read") as error:
        read_answers(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_numbers_of_images_are_no_class(tmp_path):
    (tmp_path / "a.csv").write_text("index,image,cat,dog\n7,a,0.9,0.1\n8,b,0.2,0.8\n")
    found = read_answers(tmp_path / "a.csv")
    assert found.names == ["a", "b"] and found.classes == ("cat", "dog")


def test_a_probability_of_zero_may_have_a_logarithm(tmp_path):
    (tmp_path / "a.csv").write_text("image,cat,dog\na,-inf,0\nb,-0.693147,-0.693147\n")
    assert read_answers(tmp_path / "a.csv").values[0].tolist() == [-math.inf, 0]


def test_no_file_and_no_kind_of_file(tmp_path):
    with pytest.raises(InputError, match="no file .*a.npz of answers"):
        read_answers(tmp_path / "a.npz")
    with pytest.raises(InputError, match="MODULE:FUNCTION, FILE.py:FUNCTION, or answers in one of"):
        read_answers(tmp_path / "a.xlsx")


def test_an_npz_without_names_is_by_position(tmp_path):
    np.savez(tmp_path / "a.npz", logits=VALUES)
    assert read_answers(tmp_path / "a.npz").rows_of(["2", "0", "7"]).tolist() == [2, 0, -1]


SHARED = ["cat/0.png", "dog/0.png", "dog/1.png"]


@pytest.mark.parametrize("pictures, names, rows", [
    (SHARED, SHARED[::-1], [2, 1, 0]),
    (SHARED, ["/data/train/" + name for name in SHARED], [0, 1, 2]),
    (SHARED, ["C:\\data\\" + name.replace("/", "\\") for name in SHARED], [0, 1, 2]),
    (SHARED, [name.removesuffix(".png") for name in SHARED], [0, 1, 2]),
    (SHARED, ["./cat/0.png"], [0, -1, -1]),
    (SHARED, ["0.png", "1.png"], [-1, -1, 1]),  # two pictures could be 0.png
    (SHARED, ["0", "1"], [-1, -1, 1]),
    (SHARED, ["x/cat/0.png", "y/cat/0.png", "dog/1.png"], [-1, -1, 2]),  # two answers could be
    (SHARED, ["bird/1.png", "1.jpg", "og/1.png"], [-1, -1, -1]),
    (SHARED, ["bird/1.png", "x.png"], [-1, -1, -1]),
    (["/data/dog/1.png"], ["dog/1.png"], [0]),
    (["a.png", "a.jpg"], ["a", "a.png"], [1, -1]),
    (["img.0001.png"], ["img.0001"], [0]),
])  # fmt: skip
def test_an_answer_is_about_the_picture_whose_path_ends_so(pictures, names, rows):
    assert same_ends(pictures, names) == rows


def test_answers_about_other_pictures_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", images=NAMES, logits=VALUES)
    with pytest.raises(
        InputError, match="about 'cat/0.png' and others, and none of the 2 pictures"
    ):
        read_answers(tmp_path / "a.npz").rows_of(["x.png", "y.png"])
