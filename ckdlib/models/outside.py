"""Networks of one's own: any module that gives logits becomes a `Network`, under a name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..origins import caller, digest, place
from .network import Network

Factory = Callable[[int], nn.Module]
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)
SIDES = range(8, 225)  # pixels that images may have


@dataclass(frozen=True)
class Definition:
    """A network of one's own: called with the number of classes it gives a new one."""

    name: str
    factory: Factory
    origin: str  # the file, or module, of the factory

    @property
    def digest(self) -> str:
        """SHA-256 of the factory's code, as it is now."""
        return digest(self.factory)

    def __call__(self, num_classes: int) -> Network:
        try:
            with torch.device("cpu"):
                net = self.factory(num_classes)
        except Exception as error:
            raise InputError(
                f"model {self.name} cannot be made for {num_classes} classes: {place(error)}"
            ) from error
        if not isinstance(net, nn.Module):
            raise InputError(
                f"model {self.name}: its factory gives {type(net).__name__}, where an nn.Module is "
                "needed"
            )
        made = net if isinstance(net, Network) else Outside(net, self.name, num_classes)
        made.fixed = False
        return made


def define(name: str, factory: Factory) -> Definition:
    """A name and its factory, checked.

    Raises
    ------
    InputError
        For a name that cannot be one of a file, or a factory that cannot be called.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InputError(
            f"a model cannot be named {name!r}; choose letters, digits, '_', '.', '+' and '-'"
        )
    if not callable(factory):
        raise InputError(
            f"model {name}: {factory!r} is no factory; give a function or class that takes the "
            "number of classes"
        )
    definition = Definition(name, factory, caller())
    assert definition.digest  # so that its source is known, whatever becomes of the file
    return definition


class Outside(Network):
    """A module that gives logits, with what trainings ask of a network.

    Its state has the module's own keys. Logits are float32 under autocast too.

    Parameters
    ----------
    net : nn.Module
        Images [B, 3, H, W] -> logits [B, classes].
    name : str
        For messages.
    classes : int

    Raises
    ------
    InputError
        If it gives no such logits at any size of images in SIDES.
    """

    def __init__(self, net: nn.Module, name: str, classes: int):
        super().__init__()
        self.net, self.name, self._classes = net, name, classes
        self.register_state_dict_post_hook(_own_keys)
        self.register_load_state_dict_pre_hook(_inner_keys)
        training = net.training
        net.eval()
        self._head = _head_of(net, classes, *_tried(net, name, classes))
        net.train(training)

    @property
    def head(self) -> nn.Linear:
        """The linear layer whose bias adds to the logits; InputError if there is none."""
        if self._head is None:
            raise InputError(
                f"model {self.name} has no linear layer whose bias adds to the logits, so that "
                f"calibrated methods cannot train it; end it in nn.Linear(..., {self._classes})"
            )
        return self.net.get_submodule(self._head)  # type: ignore[return-value]

    @property
    def classes(self) -> int:
        return self._classes

    def forward(self, x: Tensor) -> Tensor:
        logits = self.net(x)
        if not isinstance(logits, Tensor):
            raise InputError(f"model {self.name} gives {type(logits).__name__}, not logits")
        return _full(logits)

    def forward_features(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """The module's own, where it has one that gives (maps, logits); InputError where not."""
        features = getattr(self.net, "forward_features", None)
        match features(x) if callable(features) else None:
            case ([*maps], Tensor() as logits) if all(isinstance(one, Tensor) for one in maps):
                return maps, _full(logits)
        raise InputError(
            f"model {self.name} has no forward_features(x) that gives (maps, logits), which "
            "white-box methods and selections by a student (@margin) need; choose a method that "
            "sees logits alone"
        )


def _full(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def _own_keys(net: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """The names that the module itself gives its weights, in a state that was taken."""
    start = f"{prefix}net."
    for key in [key for key in state if key.startswith(start)]:
        state[prefix + key.removeprefix(start)] = state.pop(key)


def _inner_keys(net: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """The other way, in a state that is to be loaded."""
    for key in [key for key in state if key.startswith(prefix)]:
        state[f"{prefix}net.{key.removeprefix(prefix)}"] = state.pop(key)


@torch.no_grad()
def _tried(net: nn.Module, name: str, classes: int) -> tuple[Tensor, Tensor]:
    """Two images of the first size that the module takes, and its logits."""
    fault = ""
    for side in (32, 224, *SIDES):
        images = torch.sin(torch.arange(2 * 3 * side * side, dtype=torch.float32))
        images = images.view(2, 3, side, side)
        try:
            logits = net(images)
        except Exception as error:
            fault = fault or f"cannot take images of {side}x{side} pixels: {place(error)}"
            continue
        if isinstance(logits, Tensor) and logits.shape == (2, classes):
            return images, logits
        given = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"model {name} gives {given} for 2 images, not logits [2, {classes}]")
    raise InputError(f"model {name} {fault}, nor any others of {SIDES[0]} to {SIDES[-1]}")


@torch.no_grad()
def _head_of(net: nn.Module, classes: int, images: Tensor, logits: Tensor) -> str | None:
    """The last linear layer whose bias adds to the logits as it is."""
    shift = torch.linspace(1, 2, classes)
    for name, layer in reversed(list(net.named_modules())):
        if isinstance(layer, nn.Linear) and layer.bias is not None and len(layer.bias) == classes:
            kept = layer.bias.clone()
            layer.bias.add_(shift)
            moved = net(images) - logits
            layer.bias.copy_(kept)
            if torch.allclose(moved, shift.expand_as(moved), atol=1e-4):
                return name
    return None
