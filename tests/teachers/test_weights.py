"""Teachers: training that resumes, checkpoints that are imported or refused, cards that are
checked.
"""

import os
import time
from dataclasses import replace

import pytest
import torch

from ckdlib import models
from ckdlib.errors import InputError, OutOfTime
from ckdlib.images import Views
from ckdlib.measures import accuracy
from ckdlib.teachers import import_teacher, load_teacher, train_teacher, weights_path
from ckdlib.tensors import read_tensors
from ckdlib.training import predict
from tests.conftest import BRIEF

CPU = torch.device("cpu")


def quiet(line):
    pass


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "resnet8.pth"
    torch.save({"model": models.build("resnet8", 10).state_dict(), "epoch": 240}, path)
    return path


def test_a_checkpoint_is_imported_and_measured(digits, checkpoint, tmp_path):
    card = import_teacher(digits, "resnet8", checkpoint, tmp_path, CPU)
    net, read = load_teacher(tmp_path / "digits/resnet8.safetensors", digits, "resnet8", CPU)
    assert read == card and 0 <= card["test_accuracy"] <= 100 and "resnet8.pth" in card["source"]
    original = torch.load(checkpoint)["model"]
    for name, value in net.state_dict().items():
        assert torch.equal(
            value, original[name].half().float() if value.is_floating_point() else original[name]
        )


class Code:
    def __reduce__(self):
        return os.system, ("true",)


def spoil(kind, path):
    state = models.build("resnet8", 10).state_dict()
    if kind == "architecture":
        torch.save({"model": models.build("resnet14", 10).state_dict()}, path)
    elif kind == "width":
        torch.save({"model": models.build("wrn_16_1", 10).state_dict()}, path)
    elif kind == "classes":
        torch.save({"model": models.build("resnet8", 100).state_dict()}, path)
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "code":
        torch.save({"model": state, "extra": Code()}, path)
    elif kind == "text":
        path.write_text("no checkpoint")
    elif kind == "list":
        torch.save([1, 2], path)
    elif kind == "missing":
        path.unlink()


@pytest.mark.parametrize(
    "kind, says",
    [
        ("architecture", "is not a resnet8"),
        ("width", "is not a resnet8"),
        ("classes", "knows 100 classes, but the dataset has 10"),
        ("truncated", "cannot be read"),
        ("code", "code"),
        ("text", "resnet8.pth"),
        ("list", "no state dict"),
        ("missing", "resnet8.pth"),
    ],
)
def test_bad_checkpoints_are_refused_in_one_line(digits, checkpoint, tmp_path, kind, says):
    spoil(kind, checkpoint)
    with pytest.raises(InputError, match=says) as error:
        import_teacher(digits, "resnet8", checkpoint, tmp_path / "out", CPU)
    assert "\n" not in str(error.value) and "resnet8.pth" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_stopped_training_goes_on_to_the_same_teacher(digits, tmp_path):
    recipe = replace(BRIEF, steps=12, checks=6)
    whole = train_teacher(digits, "resnet8", recipe, tmp_path / "a", CPU, report=quiet)
    with pytest.raises(OutOfTime):
        train_teacher(
            digits, "resnet8", recipe, tmp_path / "b", CPU, deadline=time.monotonic(), report=quiet
        )
    assert not (tmp_path / "b/digits/resnet8.safetensors").exists()
    lines = []
    resumed = train_teacher(digits, "resnet8", recipe, tmp_path / "b", CPU, report=lines.append)
    assert (
        resumed["weights_sha256"] == whole["weights_sha256"]
        and "goes on after step 1 of 12" in lines[0]
    )
    assert not list((tmp_path / "b").rglob("*.checkpoint"))


def test_a_training_stopped_after_its_last_round_is_done(digits, tmp_path):
    """Nothing is left to train then, and what the checkpoint holds is the teacher."""
    recipe, stops = replace(BRIEF, steps=6, checks=3), 0  # two steps a round
    whole = train_teacher(digits, "resnet8", recipe, tmp_path / "a", CPU, report=quiet)
    while True:
        try:
            resumed = train_teacher(
                digits, "resnet8", recipe, tmp_path / "b", CPU, deadline=0, report=quiet
            )
            break
        except OutOfTime:
            stops += 1
    assert stops == 6 and resumed["weights_sha256"] == whole["weights_sha256"]


def test_a_teacher_is_kept_as_it_answers(digits, teachers):
    path = teachers / "digits/resnet14.safetensors"
    tensors, _ = read_tensors(path)
    assert all(
        value.dtype == torch.float16 for value in tensors.values() if value.is_floating_point()
    )
    net, card = load_teacher(path, digits, "resnet14", CPU)
    test = Views(digits.test, digits.transform)
    assert card["test_accuracy"] == pytest.approx(
        accuracy(predict(net, test), test.labels).item(), abs=1e-3
    )


def test_a_changed_file_is_noticed(digits, teachers, tmp_path):
    for name in ("resnet14.safetensors", "resnet14.json"):
        (tmp_path / name).write_bytes((teachers / "digits" / name).read_bytes())
    path = tmp_path / "resnet14.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="its checksum is another.; remove .* and make it"):
        load_teacher(path, digits, "resnet14", CPU)


def test_a_teacher_of_images_scaled_otherwise_is_refused(digits, teachers):
    path = weights_path(teachers, "digits", "resnet14")
    other = replace(digits, transform=replace(digits.transform, std=(0.5,) * 3))
    with pytest.raises(InputError, match="images of std"):
        load_teacher(path, other, "resnet14", CPU)
    mirrored = replace(
        digits, transform=replace(digits.transform, flip=True, padding=2)
    )  # how it was trained is its own affair
    assert load_teacher(path, mirrored, "resnet14", CPU)[1]["transform"]["flip"] is False
