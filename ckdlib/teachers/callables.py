"""Teachers of one's own: a function, a torch module."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from ..errors import InputError
from ..models import new
from ..reproducibility import sha256, tensor_bytes
from ..tensors import read_tensors
from .weights import read_card

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
TAKES = ("images", "inputs")  # what a function is shown: uint8 images or network inputs


@dataclass(frozen=True)
class OwnTeacher:
    """Somebody who answers about pictures."""

    name: str  # changes when the teacher does: kept answers are its own
    ask: Callable[[Tensor], Any]  # uint8 [B, H, W, 3] -> scores [B, C]
    about: str  # what it is shown, in words


def own_teacher(
    teacher: Any,
    name: str | None = None,
    preprocess: Callable[[Tensor], Tensor] | None = None,
    takes: str = "images",
    device: torch.device | str = "cpu",
) -> OwnTeacher:
    """Whatever answers, as one thing.

    Parameters
    ----------
    teacher : callable or nn.Module
        A function of images gives scores [B, C] (or an object with `logits`). A module is put into
        evaluation mode and shown network inputs: as `preprocess` makes them, else as timm's
        configuration of it says, else as for ImageNet, at their own size but for torchvision's.
    name : str, optional
        By default that of the function, or a digest of the module's weights.
    preprocess : callable, optional
        uint8 [B, 3, H, W] -> inputs, for instance `weights.transforms()` of torchvision.
    takes : {'images', 'inputs'}
        Whether a function is shown uint8 [B, H, W, 3] or network inputs [B, 3, H, W].
    device : torch.device or str
        Of a module.

    Raises
    ------
    InputError
        If it is none.
    """
    if not callable(teacher):
        raise InputError(
            f"a teacher cannot be {type(teacher).__name__}; give a function, a torch module or a "
            "file of answers"
        )
    is_module = isinstance(teacher, nn.Module)
    if not is_module and takes == "images" and preprocess is None:
        own = name or _called(teacher)
        return OwnTeacher(own, lambda images: _scores(teacher(images)), "uint8 images")
    if preprocess is None:
        prepare, about = _own_inputs(teacher)
    else:
        told = repr(preprocess)
        prepare, about = preprocess, f"of {_called(preprocess) if ' at 0x' in told else told}"
    if is_module:
        teacher.eval().to(device)

    @torch.inference_mode()
    def ask(images: Tensor) -> Any:
        return _scores(teacher(prepare(images.permute(0, 3, 1, 2)).to(device)))

    return OwnTeacher(name or _digest(teacher), ask, f"network inputs {about}")


def _called(function: Any) -> str:
    """The name of a function, by which its answers are kept."""
    if isinstance(name := getattr(function, "name", None), str):
        return name
    place = getattr(function, "__module__", "")
    return f"{place}.{getattr(function, '__qualname__', type(function).__qualname__)}".strip(".")


def _digest(teacher: Any) -> str:
    if not isinstance(teacher, nn.Module):
        return _called(teacher)
    state = teacher.state_dict()
    parts = (tensor_bytes(value.detach().cpu()) for value in state.values())
    return f"{type(teacher).__name__} {sha256(*state, *parts)}"


def _scores(answer: Any) -> Any:
    """Of objects as transformers gives them, the logits."""
    return getattr(answer, "logits", answer)


def _own_inputs(teacher: Any) -> tuple[Callable[[Tensor], Tensor], str]:
    """How a network's inputs are made of uint8 [B, 3, H, W], and in words."""
    timm = getattr(teacher, "pretrained_cfg", None) or getattr(teacher, "default_cfg", None)
    (mean, std), sizes = IMAGENET, list[nn.Module]()
    if timm and "mean" in timm:
        side, mean, std = list(timm["input_size"][-2:]), timm["mean"], timm["std"]
        whole = [int(length / (timm.get("crop_pct") or 0.875)) for length in side]
        shorter = side[0] == side[1] and timm.get("crop_mode") != "squash"
        how = v2.InterpolationMode(timm.get("interpolation") or "bicubic")
        sizes = [v2.Resize(whole[0] if shorter else whole, how, antialias=True)]
        sizes.append(v2.CenterCrop(side))
        about = f"of {side[0]}x{side[1]} pixels, as timm's configuration says"
    elif type(teacher).__module__.startswith("torchvision.models"):
        sizes = [v2.Resize(256, antialias=True), v2.CenterCrop(224)]
        about = "of 224x224 pixels, as torchvision's for ImageNet (give preprocess for others)"
    else:
        about = "at their own size, scaled as for ImageNet (give preprocess for others)"
    scaled = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(mean), list(std))]
    return v2.Compose([*sizes, *scaled]), about


class KeptTeacher:
    """A teacher of this library, of the file that it is kept in: uint8 images -> logits.

    Pictures are resized to those that it was trained on, and scaled as its card says.
    """

    def __init__(self, path: Path):
        if not path.is_file():
            raise InputError(f"no file {path} of a teacher")
        card, (tensors, _) = read_card(path), read_tensors(path)
        self.name = f"{card['model']} {card['weights_sha256']}"
        self.side = [card["transform"]["crop"]] * 2
        scaled = [v2.ToDtype(torch.float32, scale=True)]
        cut = card["transform"]
        self.prepare = v2.Compose([*scaled, v2.Normalize(list(cut["mean"]), list(cut["std"]))])
        self.net = new(card["model"], card["classes"])
        self.net.load_state_dict(tensors)
        self.net.eval()

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        shown = images.permute(0, 3, 1, 2)
        if list(shown.shape[2:]) != self.side:
            shown = v2.functional.resize(shown, self.side, antialias=True)
        return self.net(self.prepare(shown))


def load_object(text: str) -> Any:
    """'module:name' or 'file.py:name' -> that object.

    Raises
    ------
    InputError
        If there is no such module or name, or importing it raises.
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise InputError(f"teacher {text!r}; write MODULE:FUNCTION, FILE.py:FUNCTION or a file")
    try:
        module = _file_module(Path(place)) if place.endswith(".py") else _named_module(place)
    except InputError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{place} cannot be imported ({why})") from None
    if not hasattr(module, name):
        raise InputError(f"{place} has no {name!r}")
    return getattr(module, name)


def _named_module(name: str) -> ModuleType:
    sys.path.insert(0, "")
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove("")


def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.absolute().parent))  # what it imports may stand beside it
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.absolute().parent))
    return module
