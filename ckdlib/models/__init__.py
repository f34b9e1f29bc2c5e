"""Networks for small images (8x8 to 64x64), by name, with the state-dict keys of RepDistiller.

Every one is a `Network`: logits [B, classes] when called, `forward_features` and `head`.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..errors import InputError, choose
from ..reproducibility import seeded
from .network import Network
from .resnet import ResNet
from .vgg import PLANS, VGG
from .wrn import WideResNet

RESNETS = ("resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110")
WIDE_RESNETS = ("wrn_16_1", "wrn_16_2", "wrn_40_1", "wrn_40_2")
VGGS = tuple(f"vgg{depth}" for depth in PLANS)
NAMES = RESNETS + WIDE_RESNETS + VGGS


def build(name: str, num_classes: int) -> Network:
    """The network of that name, freshly initialised from torch's global generator.

    Raises
    ------
    InputError
        If the name is unknown (it lists the names), or there are fewer than two classes.
    """
    choose("model", name, NAMES)
    if num_classes < 2:
        raise InputError(f"num_classes = {num_classes}: a classifier needs at least two classes")
    if name in WIDE_RESNETS:
        depth, width = map(int, name.split("_")[1:])
        return WideResNet(depth, width, num_classes)
    if name in VGGS:
        return VGG(int(name.removeprefix("vgg")), num_classes)
    return ResNet(int(name.removeprefix("resnet")), num_classes)


def new(name: str, num_classes: int, seed: int = 0) -> Network:
    """A freshly initialised network, channels last; the seed leaves torch's global state alone."""
    choose("model", name, NAMES)
    with seeded(seed, "weights"):
        return build(name, num_classes).to(memory_format=torch.channels_last)


@cache
def flops(name: str, num_classes: int, side: int) -> float:
    """Floating-point operations of one image's forward pass, two for each multiply-accumulate.

    Nothing is run.

    Parameters
    ----------
    name : str
    num_classes : int
    side : int
        Pixels of the square image.
    """
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build(name, num_classes).eval()(torch.empty(1, 3, side, side))
    return counter.get_total_flops()


@cache
def activations(name: str, num_classes: int, side: int) -> int:
    """Elements of all convolutions' outputs of one image; nothing is run.

    Parameters
    ----------
    name : str
    num_classes : int
    side : int
        Pixels of the square image.
    """
    counted = []

    def count(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        counted.append(output.numel())

    with torch.device("meta"):
        net = build(name, num_classes).eval()
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(count)
        net(torch.empty(1, 3, side, side))
    return sum(counted)


@cache
def feature_shapes(name: str, num_classes: int, side: int) -> list[tuple[int, ...]]:
    """Shapes of the features of one image; nothing is run.

    Parameters
    ----------
    name : str
    num_classes : int
    side : int
        Pixels of the square image.

    Returns
    -------
    list of tuple
        [C, H, W] a level, and last [C].
    """
    with torch.device("meta"):
        net = build(name, num_classes).eval()
        features, _ = net.forward_features(torch.empty(1, 3, side, side))
    return [tuple(level.shape[1:]) for level in features]
