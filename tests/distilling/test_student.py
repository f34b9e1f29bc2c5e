"""A student as it is used: predictions, its folder in another process, programs of it."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from ckdlib import load_student, models
from ckdlib.distilling.student import Program
from ckdlib.errors import InputError
from ckdlib.images.decoding import resized
from tests import PROJECT
from tests.distilling import Counting, brief, some


class Small(nn.Module):
    """A network that the library does not know."""

    def __init__(self, classes):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(4, classes)

    def forward(self, images):
        return self.last(self.first(images).relu().mean((2, 3)))


class Doubtful(Small):
    """What it does depends on a value, which no program can hold."""

    def forward(self, images):
        return super().forward(images * 2 if images.sum().item() > 0 else images)


@pytest.fixture(scope="module")
def made(digits, tmp_path_factory):
    """Two students, of a network of the library and of one's own, and their folder."""
    folder = tmp_path_factory.mktemp("made")
    given = {"method": "kd", "steps": 8}
    own = brief(some(digits), Counting(digits), 32, folder / "own", student=Small, **given)
    return brief(some(digits), Counting(digits), 32, folder / "known", **given), own, folder


def test_predictions_are_those_of_the_best_class(made, digits, tmp_path):
    student, _, _ = made
    pixels = digits.test.pixels[:7]
    found = student.predict(pixels.numpy())
    shares = student.logits(pixels).double().softmax(1)
    assert list(found.columns) == ["image", "class", "probability"] and len(found) == 7
    for i, row in enumerate(shares):
        assert found["class"][i] == str(int(row.argmax())) and found["image"][i] == str(i)
        assert found["probability"][i] == pytest.approx(float(row.max()), abs=1e-5)
    large = pixels.repeat_interleave(3, 1).repeat_interleave(2, 2)
    small = torch.stack([resized(one, 8) for one in large])
    assert np.allclose(
        student.predict(large.numpy()).probability, student.predict(small).probability, atol=1e-6
    )


def test_a_program_scales_the_pixels_itself(made):
    student, _, _ = made
    images = torch.randint(256, (5, 8, 8, 3), dtype=torch.uint8)
    cut = student.card["transform"]
    inputs = torch.empty(5, 3, 8, 8)
    for c in range(3):
        inputs[:, c] = (images[..., c].float() / 255 - cut["mean"][c]) / cut["std"][c]
    with torch.no_grad():
        assert torch.allclose(student.logits(images), student.program.net(inputs), atol=1e-4)


def test_the_card_says_where_it_comes_from(made):
    student, own, folder = made
    card = json.loads((folder / "known/student/card.json").read_text())
    assert card == load_student(folder / "known").card == json.loads(json.dumps(student.card))
    assert card["calls"] == 32 and card["model"] == "resnet8" and card["method"] in ("kd", "ce")
    assert card["teacher"] == "nearest mean" and card["classes"] == list("0123456789")
    one = student.scores["test"]
    assert one["low"] <= one["value"] <= one["high"] and one["images"] == 20
    assert own.card["model"] == "Small"


@pytest.mark.parametrize("which", [0, 1])
def test_its_folder_is_enough_in_another_process(made, digits, tmp_path, which):
    student, folder = made[which], made[2] / ("known", "own")[which]
    for i in range(4):
        image = Image.fromarray(digits.test.pixels[i].numpy())
        image.resize((20, 20)).save(tmp_path / f"{i}.png")
    words = [sys.executable, "-m", "ckdlib"]
    done = subprocess.run(
        [*words, "predict", folder, tmp_path], cwd=PROJECT, capture_output=True, timeout=120
    )
    (tmp_path / "told.csv").write_bytes(done.stdout)
    told, wanted = (
        pd.read_csv(tmp_path / "told.csv", dtype={"class": str}),
        student.predict(tmp_path),
    )
    assert told["class"].tolist() == wanted["class"].tolist()
    assert told["image"].tolist() == ["0.png", "1.png", "2.png", "3.png"]
    assert np.allclose(told.probability, wanted.probability, atol=1e-4)


@pytest.mark.parametrize("which", [0, 1])
def test_a_program_of_any_number_of_images_gives_the_same(made, digits, tmp_path, which):
    student, folder = made[which], made[2] / ("known", "own")[which]
    for one in (student, load_student(folder)):
        path = one.export(tmp_path / "a.pt2")
        program = torch.export.load(path).module()
        for count in (1, 2, 9):
            images = digits.test.pixels[:count]
            assert torch.allclose(program(images), student.logits(images), atol=1e-4)


def test_onnx_names_what_it_needs(made, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r'onnxscript is not installed.*"ckdlib\[export\]"'):
        made[0].export(tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_onnx_holds_the_program(made, tmp_path, capfd):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    held = onnx.load(made[0].export(tmp_path / "a.onnx"))
    assert [one.name for one in held.graph.input] == ["images"]
    assert [one.name for one in held.graph.output] == ["logits"]
    assert held.graph.input[0].type.tensor_type.shape.dim[0].dim_param  # any number
    assert "torch.onnx" not in capfd.readouterr().out


def test_a_network_that_cannot_be_a_program_is_refused_before_any_call(digits, tmp_path):
    teacher = Counting(digits)
    with pytest.raises(InputError, match="cannot be exported for any number of images"):
        brief(some(digits), teacher, 16, tmp_path, student=Doubtful)
    assert teacher.asked == 0


def test_a_network_of_ones_own_is_read_from_its_program(made, digits, tmp_path):
    models.OUTSIDE.pop("Small", None)
    models.add("Small", lambda classes: nn.Sequential(nn.Flatten(), nn.Linear(192, classes)))
    own = load_student(made[2] / "own")  # whatever bears its name by now
    images = digits.test.pixels[:3]
    assert torch.allclose(own.logits(images), made[1].logits(images), atol=1e-4)
    with pytest.raises(InputError, match="was opened as a program; copy its folder"):
        own.save(tmp_path)


def test_a_student_that_replaces_another_leaves_no_program_of_it(made, tmp_path):
    known, own, _ = made
    own.save(tmp_path)
    assert (tmp_path / "student.pt2").is_file()
    known.save(tmp_path)
    assert not (tmp_path / "student.pt2").exists()
    assert load_student(tmp_path).card["model"] == "resnet8"


def test_a_student_that_is_cut_off_while_it_is_saved_is_not_the_one_before(
    made, tmp_path, monkeypatch
):
    def cut_off(self, path):
        raise KeyboardInterrupt

    own = made[1]
    own.save(tmp_path)
    monkeypatch.setattr(type(own), "export", cut_off)
    with pytest.raises(KeyboardInterrupt):
        own.save(tmp_path)
    with pytest.raises(InputError, match="student.pt2 is damaged .it is not there"):
        load_student(tmp_path)


def test_hidden_labels_are_not_looked_at(made, digits):
    images = digits.test.pixels[:4]
    known = made[0]
    assert known.predict([(one.numpy(), -1) for one in images]).equals(known.predict(list(images)))


def test_what_is_no_student_is_a_line(made, tmp_path):
    known, own, _ = made
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="no student in .*name the folder of `ckd distill`"):
            load_student(folder)
    with pytest.raises(InputError, match="a program is a .pt2 .* or an .onnx"):
        known.export(tmp_path / "a.txt")
    own.save(tmp_path)
    (tmp_path / "student.pt2").write_bytes(b"PK")
    with pytest.raises(InputError, match="student.pt2 is damaged"):
        load_student(tmp_path)
    (tmp_path / "student.pt2").unlink()
    with pytest.raises(InputError, match="student.pt2 is damaged .it is not there"):
        load_student(tmp_path)
    weights = tmp_path / "student.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(InputError, match="is damaged"):
        load_student(tmp_path)
    assert isinstance(known.program, Program)


def test_the_page_of_unlabelled_pictures_tests_nothing(digits, tmp_path):
    names = [f"${i}_$" for i in range(10)]  # no formulas
    given = {"classes": names, "steps": 1}
    brief(some(digits)[0], Counting(digits), 32, tmp_path, **given)
    page = (tmp_path / "report.html").read_text()
    assert "validation %" in page and "test %" not in page and "$3_$" in page


def test_the_page_says_what_the_student_is(made):
    page = (made[2] / "known/report.html").read_text()
    one = made[0].scores["test"]
    assert f"resnet8: {one['value']:.1f} % [{one['low']:.1f}, {one['high']:.1f}]" in page
    assert page.count("<tr>") >= 4 and "on 20 test images" in page and "data:image/png" in page
    for line in made[0].card["told"]:
        assert line.split(";")[0].replace("&", "&amp;").replace("'", "&#x27;") in page
