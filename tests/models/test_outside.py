"""Networks of one's own: any module that gives logits, and what it cannot be used for."""

import pytest
import torch
from torch import nn

import ckdlib
from ckdlib import methods, models
from ckdlib.errors import InputError
from ckdlib.images import Views
from ckdlib.recipes import Recipe
from ckdlib.study.runs import parse_pair
from ckdlib.training import fit, predict

BRIEF = Recipe(schedule="one_cycle", steps=4, checks=2, batch=16)


class Tiny(nn.Module):
    """Its classifier is not the last linear layer that it has; its parts are named as the wrapper
    names its own.
    """

    def __init__(self, classes, side=2):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(side)
        )
        self.out = nn.Linear(8 * side**2, classes)
        self.auxiliary = nn.Linear(8 * side**2, classes)

    def forward(self, x):
        pooled = self.net(x).flatten(1)
        return self.out(pooled) + 0 * self.auxiliary(pooled).detach()


def headless(classes):
    return nn.Sequential(nn.Conv2d(3, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def at_32(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes))


class WithMaps(Tiny):
    def forward_features(self, x):
        maps = [x, self.net[0](x), self.net[:3](x), self.net(x).flatten(1)]
        return maps, self.out(maps[-1])


@pytest.fixture
def views(digits):
    return Views(digits.train[torch.arange(48)], digits.transform)


def logits():
    return 3 * torch.randn(48, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [
    "kd", "crd", "mixup", "rkd", "dist", "ckd_pairs", "ce", "ckd", "mse", "ckd_calibrated",
    "ce+ckd", "rkd_5",
])  # fmt: skip
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_method_that_sees_logits_trains_it(name, precision, views):
    models.add("tiny", Tiny)
    net = models.new("tiny", 10)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    method, answers = methods.get(name), logits()
    known = answers if method.needs_teacher else None
    result = fit(net, method, BRIEF, views, known, views, precision=precision)
    assert result.status == "done"
    assert predict(net, views, bfloat16=precision == "bfloat16").dtype == torch.float32
    changed = {key for key, value in net.state_dict().items() if not value.equal(before[key])}
    assert {"net.0.weight", "out.weight"} <= changed
    if name == "ckd_calibrated":
        from ckdlib import losses

        target = losses.joint_target(views.labels, answers, 1.0, 1.0)
        offset = losses.calibration_offset(predict(net, views), target)
        assert offset.abs().max() < (1e-4 if precision == "float32" else 0.1)


def test_its_state_has_its_own_keys():
    models.add("tiny", Tiny)
    net, own = models.new("tiny", 10), Tiny(10)
    assert list(net.state_dict()) == list(own.state_dict())
    own.load_state_dict(net.state_dict())
    both = nn.ModuleDict({"net": net, "helpers": nn.ModuleDict()})
    other = nn.ModuleDict({"net": models.new("tiny", 10, 1), "helpers": nn.ModuleDict()})
    assert list(both.state_dict())[0] == "net.net.0.weight"
    other.load_state_dict(both.state_dict())
    image = torch.rand(2, 3, 8, 8)
    assert torch.equal(other["net"].eval()(image), net.eval()(image))
    assert torch.equal(own.eval()(image), net(image))
    with pytest.raises(RuntimeError, match="out.bias"):
        net.load_state_dict({k: v for k, v in own.state_dict().items() if k != "out.bias"})


def test_the_classifier_is_found_by_trying():
    models.add("tiny", Tiny)
    net = models.new("tiny", 10)
    assert net.head is net.net.out and net.classes == 10 and net.training
    models.add("headless", headless)
    net = models.new("headless", 10)
    with pytest.raises(InputError, match="headless has no linear layer whose bias adds to the log"):
        net.head  # noqa: B018
    models.check("headless", 10, 8)
    with pytest.raises(InputError, match="calibrated methods cannot train it; end it in nn.Linear"):
        models.check("headless", 10, 8, calibrated=True)


def test_a_seed_gives_the_same_weights_and_leaves_torchs_own_state():
    models.add("tiny", Tiny)
    state = torch.get_rng_state()
    one, two, other = (models.new("tiny", 10, seed).state_dict() for seed in (1, 1, 2))
    models.flops("tiny", 10, 8)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(one[key].equal(two[key]) for key in one)
    assert not one["out.weight"].equal(other["out.weight"])


def test_its_costs_are_told_and_follow_its_definition():
    models.add("tiny", Tiny)
    convolution, linear = 8 * 27 * 64, 32 * 10
    assert models.flops("tiny", 10, 8) == 2 * (convolution + 2 * linear)
    assert models.activations("tiny", 10, 8) == 8 * 64
    models.add("tiny", lambda classes: Tiny(classes, side=1))  # as a cell that was changed
    assert models.flops("tiny", 10, 8) == 2 * (convolution + 2 * 8 * 10)


def test_inner_maps_are_its_own_or_refused(views):
    models.add("tiny", Tiny)
    models.add("maps", WithMaps)
    with pytest.raises(
        InputError, match="tiny has no forward_features.x. that gives .maps, logits"
    ):
        models.feature_shapes("tiny", 10, 8)
    assert models.feature_shapes("maps", 10, 8)[methods.INNER] == [(8, 8, 8), (8, 8, 8)]


def test_a_network_of_the_librarys_kind_is_taken_as_it_is():
    models.add("mine", lambda classes: models.build("resnet8", classes))
    assert type(models.new("mine", 10)).__name__ == "ResNet"
    assert models.digest("mine") and models.digest("resnet8") is None
    assert not models.new("mine", 10).fixed and models.new("resnet8", 10).fixed


@pytest.mark.parametrize("name, factory, says", [
    ("resnet8", Tiny, "there is a model 'resnet8' already, of ckdlib"),
    ("a/b", Tiny, "a model cannot be named 'a/b'"), ("-a", Tiny, "cannot be named"),
    ("", Tiny, "cannot be named"), ("a b", Tiny, "cannot be named"),
    ("tiny", 3, "3 is no factory"),
])  # fmt: skip
def test_what_cannot_be_added(name, factory, says):
    with pytest.raises(InputError, match=says):
        models.add(name, factory)
    assert not models.OUTSIDE


@pytest.mark.parametrize("factory, says", [
    (lambda classes: 1 / 0, "cannot be made for 10 classes: .*test_outside.py, line .*ZeroDiv"),
    (lambda classes: "net", "its factory gives str, where an nn.Module is needed"),
    (lambda classes: Tiny(7), r"gives \[2, 7\] for 2 images, not logits \[2, 10\]"),
    (lambda classes: nn.Identity(), r"gives \[2, 3, 32, 32\] for 2 images"),
    (lambda classes: nn.Linear(5, 5), "cannot take images of 32x32 pixels: .*nor any others of 8"),
])  # fmt: skip
def test_what_gives_no_logits_is_refused_when_it_is_made(factory, says):
    models.add("odd", factory)
    with pytest.raises(InputError, match="model odd.*" + says) as refused:
        models.check("odd", 10, 8)
    assert "\n" not in str(refused.value)


def test_a_network_of_one_size_may_be_as_large_as_distill_takes():
    models.add(
        "at_96", lambda classes: nn.Sequential(nn.Flatten(), nn.Linear(3 * 96 * 96, classes))
    )
    models.check("at_96", 10, 96)


def test_images_of_another_size_are_refused():
    models.add("at_32", at_32)
    models.check("at_32", 10, 32)
    with pytest.raises(InputError, match="at_32 cannot take images of 8x8 pixels: RuntimeError"):
        models.check("at_32", 10, 8)


def test_a_name_is_another_files_or_ones_own(tmp_path):
    models.add("tiny", Tiny)
    (tmp_path / "other.py").write_text(
        "import ckdlib\n\n@ckdlib.model('tiny')\ndef tiny(classes):\n    return None\n"
    )
    with pytest.raises(InputError, match="other.py, line 3: there is a model 'tiny' already, of "):
        ckdlib.load_plugins(tmp_path / "other.py")


@pytest.mark.parametrize("text, pair", [
    ("my-teacher-my-student", ("my-teacher", "my-student")),
    ("resnet14-my-student", ("resnet14", "my-student")),
    ("my-teacher-resnet8", ("my-teacher", "resnet8")),
    ("wrn_40_2-wrn_16_2", ("wrn_40_2", "wrn_16_2")),
])  # fmt: skip
def test_names_with_a_dash_stand_in_pairs(text, pair):
    models.add("my-teacher", Tiny)
    models.add("my-student", Tiny)
    assert parse_pair(text) == pair


@pytest.mark.parametrize("text, says", [
    ("a-b-c", "'a-b-c' may be a and b-c or a-b and c; give one of these models another name"),
    ("a-b-d", "unknown model 'b-d'"), ("a", "'a' is not a pair"), ("x-y", "unknown model 'x'"),
])  # fmt: skip
def test_pairs_that_are_none_or_two(text, says):
    for name in ("a", "b-c", "a-b", "c"):
        models.add(name, Tiny)
    with pytest.raises(InputError, match=says):
        parse_pair(text)
