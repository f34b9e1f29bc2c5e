"""Networks for small images (8 to 224 pixels), by name, with the state-dict keys of RepDistiller.

Every one is a `Network`: logits [B, classes] when called, `forward_features` and `head`. One's own
are added by `model` or `add`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..errors import InputError, choose
from ..origins import place
from ..reproducibility import seeded
from .network import Network
from .outside import Definition, Factory, define
from .resnet import ResNet
from .vgg import PLANS, VGG
from .wrn import WideResNet

RESNETS = ("resnet8", "resnet14", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110")
WIDE_RESNETS = ("wrn_16_1", "wrn_16_2", "wrn_40_1", "wrn_40_2")
VGGS = tuple(f"vgg{depth}" for depth in PLANS)
NAMES = RESNETS + WIDE_RESNETS + VGGS
OUTSIDE: dict[str, Definition] = {}  # one's own, by name

Maker = Callable[[int], Network]  # of the number of classes


def names() -> list[str]:
    """Every name that `build` takes."""
    return [*NAMES, *OUTSIDE]


def add(name: str, factory: Factory) -> None:
    """Add a network of one's own.

    Parameters
    ----------
    name : str
    factory : callable
        Number of classes -> nn.Module that gives logits [B, classes] for images [B, 3, H, W].

    Raises
    ------
    InputError
        If the name is taken, by this library or by another file (the same file, or another cell of
        the same notebook, replaces its own), or cannot be one.
    """
    definition = define(name, factory)
    taken = OUTSIDE.get(name)
    if name in NAMES or (taken and taken.origin != definition.origin):
        whose = taken.origin if taken else "ckdlib"
        raise InputError(f"there is a model {name!r} already, of {whose}; choose another name")
    OUTSIDE[name] = definition
    for known in (flops, activations, feature_shapes, check):
        known.cache_clear()


def model(name: str) -> Callable[[Factory], Factory]:
    """Decorator of a factory, or of a class that is made of the number of classes: see `add`."""

    def added(factory: Factory) -> Factory:
        add(name, factory)
        return factory

    return added


def maker(name: str) -> Maker:
    """What makes networks of that name, wherever it is carried.

    Raises
    ------
    InputError
        If the name is unknown (it lists the names).
    """
    choose("model", name, names())
    return OUTSIDE[name] if name in OUTSIDE else partial(_built, name)


def digest(name: str) -> str | None:
    """SHA-256 of a definition of one's own; None of this library's."""
    return OUTSIDE[name].digest if name in OUTSIDE else None


def build(name: str, num_classes: int) -> Network:
    """The network of that name, freshly initialised from torch's global generator.

    Raises
    ------
    InputError
        If the name is unknown (it lists the names), or there are fewer than two classes.
    """
    make = maker(name)
    if num_classes < 2:
        raise InputError(f"num_classes = {num_classes}: a classifier needs at least two classes")
    return make(num_classes)


def _built(name: str, num_classes: int) -> Network:
    if name in WIDE_RESNETS:
        depth, width = map(int, name.split("_")[1:])
        return WideResNet(depth, width, num_classes)
    if name in VGGS:
        return VGG(int(name.removeprefix("vgg")), num_classes)
    return ResNet(int(name.removeprefix("resnet")), num_classes)


def new(model: str | Maker, num_classes: int, seed: int = 0) -> Network:
    """A freshly initialised network, by its name or what makes it, channels last; the seed leaves
    torch's global state alone.
    """
    make = maker(model) if isinstance(model, str) else model
    with seeded(seed, "weights"):
        return make(num_classes).to(memory_format=torch.channels_last)


@contextmanager
def _example(name: str, num_classes: int, side: int) -> Iterator[tuple[Network, Tensor]]:
    """A network in evaluation mode and an image for it; of this library's ones, nothing is run."""
    with torch.device("cpu" if name in OUTSIDE else "meta"), torch.no_grad():
        with seeded(0, "weights"):
            net = build(name, num_classes).eval()
        yield net, torch.zeros(1, 3, side, side)


@cache
def check(name: str, num_classes: int, side: int, calibrated: bool = False) -> None:
    """Refuse a network that cannot take such images, or cannot be calibrated.

    Parameters
    ----------
    name : str
    num_classes : int
    side : int
        Pixels of the square image.
    calibrated : bool
        Must it have a classifier whose bias adds to the logits?

    Raises
    ------
    InputError
    """
    if name in OUTSIDE:
        with _example(name, num_classes, side) as (net, image):
            try:
                net(image)
            except Exception as error:
                why = f"cannot take images of {side}x{side} pixels: {place(error)}"
                raise InputError(f"model {name} {why}") from None
            if calibrated:
                assert net.head is not None


@cache
def flops(name: str, num_classes: int, side: int) -> float:
    """Floating-point operations of one image's forward pass, two for each multiply-accumulate.

    Nothing is run (one's own is, once).

    Parameters
    ----------
    name : str
    num_classes : int
    side : int
        Pixels of the square image.
    """
    counter = FlopCounterMode(display=False)
    with _example(name, num_classes, side) as (net, image), counter:
        net(image)
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

    with _example(name, num_classes, side) as (net, image):
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(count)
        net(image)
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
    with _example(name, num_classes, side) as (net, image):
        features, _ = net.forward_features(image)
    return [tuple(level.shape[1:]) for level in features]
