"""Teachers of one's own: functions, modules, names of them."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ckdlib.errors import InputError
from ckdlib.teachers import weights_path
from ckdlib.teachers.callables import IMAGENET, KeptTeacher, load_object, own_teacher
from ckdlib.teachers.weights import load_teacher

IMAGES = torch.randint(256, (3, 8, 8, 3), dtype=torch.uint8)


class Kept(nn.Module):
    """Gives back what it is shown."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, inputs):
        assert not self.training
        return inputs * self.weight


def test_a_function_is_shown_the_images_and_is_known_by_its_name():
    own = own_teacher(lambda images: images)
    assert own.ask(IMAGES) is IMAGES and own.about == "uint8 images"
    assert "lambda" in own.name and __name__ in own.name
    assert own_teacher(own.ask, "version 3").name == "version 3"
    answer = type("Output", (), {"logits": IMAGES})
    assert own_teacher(lambda images: answer).ask(IMAGES) is IMAGES


def scaled(mean, std):
    values = IMAGES.permute(0, 3, 1, 2).float() / 255
    return (values - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def test_a_module_is_shown_network_inputs():
    wanted = scaled(*IMAGENET)
    own = own_teacher(Kept())
    assert torch.allclose(own.ask(IMAGES), wanted, atol=1e-6) and "ImageNet" in own.about
    asked = own_teacher(lambda inputs: inputs, takes="inputs")
    assert torch.allclose(asked.ask(IMAGES), wanted, atol=1e-6)
    prepared = own_teacher(Kept(), preprocess=lambda images: images / 51)
    assert torch.allclose(prepared.ask(IMAGES), IMAGES.permute(0, 3, 1, 2) / 51, atol=1e-6)


def test_a_module_of_timm_is_shown_what_its_configuration_says():
    net = Kept()
    config = {"mean": (0.1, 0.2, 0.3), "std": (0.5, 0.5, 0.5), "input_size": (3, 8, 8)}
    net.pretrained_cfg = config | {"crop_pct": 1.0}
    own = own_teacher(net)
    assert torch.allclose(own.ask(IMAGES), scaled((0.1, 0.2, 0.3), (0.5,) * 3), atol=1e-5)
    net.pretrained_cfg = config | {"input_size": (3, 12, 10)}
    assert own_teacher(net).ask(IMAGES).shape == (3, 3, 12, 10)


def test_of_a_wide_picture_timm_cuts_the_middle():
    net = Kept()
    net.pretrained_cfg = {"mean": (0,), "std": (1,), "input_size": (3, 24, 24), "crop_pct": 0.75}
    wide = torch.zeros(1, 32, 96, 3, dtype=torch.uint8)
    wide[:, :, 32:64] = 255  # of which 24 of 32 columns are left
    assert (own_teacher(net).ask(wide) == 1).all()
    net.pretrained_cfg["crop_mode"] = "squash"
    assert 0 < own_teacher(net).ask(wide).mean() < 1


def test_a_module_is_known_by_its_weights_and_its_preparation():
    one, other = Kept(), Kept()
    name = own_teacher(one).name
    assert name == own_teacher(other).name
    other.weight.data += 1
    assert name != own_teacher(other).name
    ways = [nn.ReLU(), nn.GELU(), lambda x: x / 255, None]
    assert len({own_teacher(one, preprocess=way).about for way in ways}) == 4
    about = own_teacher(one, preprocess=ways[2]).about
    assert " at 0x" not in about  # the same in the next process


def test_a_teacher_of_this_library_is_asked_from_its_file(teachers, digits, monkeypatch):
    path = weights_path(teachers, "digits", "resnet14")
    net, _ = load_teacher(path, digits, "resnet14", torch.device("cpu"))
    asked, images = KeptTeacher(path), digits.test.pixels[:20]
    cut = digits.transform
    inputs = images.permute(0, 3, 1, 2).float() / 255
    inputs = (inputs - torch.tensor(cut.mean).view(3, 1, 1)) / torch.tensor(cut.std).view(3, 1, 1)
    assert torch.allclose(asked(images), net(inputs), atol=1e-4)
    plain = images[:, :1, :1].expand(-1, 8, 8, -1)
    larger = images[:, :1, :1].expand(-1, 20, 11, -1)
    assert torch.allclose(asked(larger), asked(plain), atol=1e-4)
    with pytest.raises(InputError, match="no file .*nowhere.safetensors of a teacher"):
        KeptTeacher(path.with_name("nowhere.safetensors"))
    monkeypatch.chdir(path.parent)
    assert torch.equal(KeptTeacher(Path(path.name))(images), asked(images))


def test_objects_are_loaded_by_name(tmp_path, monkeypatch):
    (tmp_path / "mine_of_test.py").write_text(
        "def teach(x):\n    return x + 1\n\nteach.name = 'A'\n"
    )
    assert load_object(f"{tmp_path}/mine_of_test.py:teach")(1) == 2
    (tmp_path / "beside_of_test.py").write_text("from mine_of_test import teach")
    assert load_object(f"{tmp_path}/beside_of_test.py:teach")(1) == 2  # imports what is beside it
    monkeypatch.chdir(tmp_path)
    assert load_object("mine_of_test:teach").name == "A"
    (tmp_path / "broken_of_test.py").write_text("raise OSError('no\\nkey')")
    for text, says in (
        ("nowhere.py:teach", "no file nowhere.py"),
        ("no.such_module:teach", "no.such_module cannot be imported"),
        ("broken_of_test.py:teach", r"cannot be imported \(OSError: no\)"),
        ("mine_of_test:other", "mine_of_test has no 'other'"),
        (":teach", "write MODULE:FUNCTION"),
    ):
        with pytest.raises(InputError, match=says):
            load_object(text)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(InputError, match="a teacher cannot be int"):
        own_teacher(5)
