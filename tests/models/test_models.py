"""The networks against golden numbers of the published code: keys, counts, shapes and outputs."""

import json
from math import sqrt

import numpy as np
import pytest
import torch
from torch import nn

from ckdlib import models
from tests import GOLDEN

FACTS = json.loads((GOLDEN / "models.json").read_text())
OUTPUTS = dict(np.load(GOLDEN / "models.npz"))
NETS = sorted(FACTS["models"])
SIZES = {32: 100, 56: 196}  # image side -> classes


def fill(net: nn.Module, scheme: str, gain: float) -> None:
    """Weights by formula, so that no weights need to be stored (see the golden numbers'
    description).
    """
    state = net.state_dict()
    for k, name in enumerate(sorted(state)):
        value = state[name]
        if not value.is_floating_point():
            continue
        m = torch.arange(value.numel(), dtype=torch.int64)
        if scheme == "sine":
            f = torch.sin(0.37 * m.double() + k)
        else:
            u = (20011 * (m**2 % 65521) + 331 * m + 977 * k) % 65521
            f = sqrt(3) * (2 * (u.double() + 0.5) / 65521 - 1)
        f = f.view(value.shape)
        if name.endswith("running_var"):
            f = 1 + 0.1 * f.abs()
        elif value.ndim == 1:
            f = 1 + 0.05 * f if name.endswith("weight") else 0.05 * f
        else:
            f = 0.05 * f if scheme == "sine" else gain * sqrt(2 / value[0].numel()) * f
        value.copy_(f)


def sine_image(batch: int, side: int) -> torch.Tensor:
    return torch.sin(0.01 * torch.arange(batch * 3 * side * side, dtype=torch.float64)).view(
        batch, 3, side, side
    )


@pytest.mark.parametrize("name", NETS)
def test_keys_and_counts(name):
    facts = FACTS["models"][name]
    net = models.build(name, 100)
    assert [[key, list(value.shape)] for key, value in net.state_dict().items()] == facts["state"]
    for classes in (100, 196):
        counted = sum(p.numel() for p in models.build(name, classes).parameters())
        assert counted == facts["parameters"][f"{classes}_classes"]


@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("name", NETS)
def test_multiply_accumulates(name, side):
    total = 0

    def count(module, inputs, output):
        nonlocal total
        weights = module.weight[0].numel() if isinstance(module, nn.Conv2d) else module.in_features
        total += output[0].numel() * weights

    net = models.build(name, SIZES[side]).eval()
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.register_forward_hook(count)
    net(torch.zeros(1, 3, side, side))
    assert total == FACTS["models"][name]["macs"][f"{side}x{side}_{SIZES[side]}_classes"]


@pytest.mark.parametrize("scheme", ["sine", "mix"])
@pytest.mark.parametrize("side", SIZES)
@pytest.mark.parametrize("name", NETS)
def test_golden_outputs(name, side, scheme):
    net = models.build(name, SIZES[side]).double().eval()
    fill(net, scheme, FACTS["mix_gain"][name])
    with torch.no_grad():
        features, logits = net.forward_features(sine_image(2, side))
        assert torch.equal(logits, net(sine_image(2, side)))
    assert [list(feature.shape) for feature in features] == FACTS["models"][name]["features"][
        f"{side}x{side}"
    ]
    flat = [feature.flatten() for feature in features]
    ours = {
        "logits": logits,
        "feature_mean": torch.stack([f.mean() for f in flat]),
        "feature_std": torch.stack([f.std(correction=0) for f in flat]),
        "feature_probe": torch.stack(
            [(f * torch.cos(0.11 * torch.arange(len(f), dtype=f.dtype))).sum() for f in flat]
        ),
    }
    for what, value in ours.items():
        golden = OUTPUTS[f"{name}__{side}__{scheme}__{what}"]
        assert np.abs(value.numpy() - golden).max() <= 1e-10 * np.abs(golden).max(), what


@pytest.mark.parametrize("side", [8, 32, 64])
@pytest.mark.parametrize("name", models.NAMES)
def test_every_model_learns_at_every_size(name, side):
    net = models.build(name, 7).to(memory_format=torch.channels_last)
    logits = net(torch.randn(2, 3, side, side).contiguous(memory_format=torch.channels_last))
    logits.square().sum().backward()
    assert logits.shape == (2, 7)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    assert net.head is [m for m in net.modules() if isinstance(m, nn.Linear)][-1]


@pytest.mark.parametrize("name", ["resnet8", "wrn_16_2", "vgg8"])
def test_memory_format_changes_nothing(name):
    net, x = models.build(name, 10).double().eval(), sine_image(2, 32)
    plain = net(x)
    swapped = net.to(memory_format=torch.channels_last)(
        x.contiguous(memory_format=torch.channels_last)
    )
    torch.testing.assert_close(plain, swapped, rtol=0, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("name", ["resnet8", "resnet20", "wrn_16_1", "wrn_16_2", "vgg8", "vgg13"])
def test_networks_are_scripted(name, tmp_path):
    net = models.build(name, 10).eval()
    torch.jit.script(net).save(tmp_path / "net.pt")
    scripted = torch.jit.load(tmp_path / "net.pt")
    assert scripted.state_dict().keys() == net.state_dict().keys()
    for side in (8, 64):
        images = torch.randn(2, 3, side, side)
        assert torch.equal(scripted(images), net(images))
    features, logits = torch.jit.script(net).forward_features(images)
    assert torch.equal(logits, net(images)) and len(features) == len(
        net.forward_features(images)[0]
    )


def test_bad_names_and_classes():
    with pytest.raises(ValueError, match="unknown model 'resnet33'.*did you mean 'resnet32'"):
        models.build("resnet33", 10)
    with pytest.raises(ValueError, match="num_classes = 1"):
        models.build("resnet8", 1)


@pytest.mark.parametrize("side, classes", [(32, 100), (56, 196)])
@pytest.mark.parametrize("name", ["resnet20", "wrn_40_2", "vgg13"])
def test_flops_and_shapes_are_told_without_running(name, side, classes):
    assert (
        models.flops(name, classes, side)
        == 2 * FACTS["models"][name]["macs"][f"{side}x{side}_{classes}_classes"]
    )
    features, _ = models.build(name, classes).eval().forward_features(torch.zeros(1, 3, side, side))
    assert models.feature_shapes(name, classes, side) == [
        tuple(feature.shape[1:]) for feature in features
    ]
