"""Teachers: trained here or imported, kept as float16 safetensors with a card.

A teacher is rounded to float16 before it is evaluated, hashed or asked, so that the kept file is
the one that answers.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from ..errors import InputError
from ..files import Damaged, write_json
from ..images import Dataset, Views
from ..models import digest, new
from ..models.network import Network
from ..reproducibility import device_name, sha256, versions
from ..tensors import read_metadata, read_tensors, write_tensors
from ..training.evaluate import validate
from .foreign import fill, read_checkpoint

# what every card says
CARD = {"model", "dataset", "dataset_sha256", "transform", "test_accuracy", "weights_sha256"}


def weights_path(folder: Path, dataset: str, model: str) -> Path:
    """Where a teacher's weights are kept; its card is beside them."""
    return folder / dataset / f"{model}.safetensors"


def import_teacher(
    dataset: Dataset,
    model: str,
    checkpoint: Path,
    folder: Path,
    device: torch.device,
    of_rows: str | None = None,
) -> dict[str, Any]:
    """Check, measure and keep a RepDistiller `.pth` (or a bare state dict); return its card.

    Parameters
    ----------
    of_rows : str, optional
        SHA-256 of the teacher that rows beside it are of.

    Raises
    ------
    InputError
        If the file is missing, truncated, a pickle with code in it, of another architecture or
        class count; or if rows are of other weights.
    """
    net = new(model, len(dataset.classes)).to(device)
    fill(net, model, read_checkpoint(checkpoint, net, model), checkpoint)
    if of_rows not in (None, weights_digest(_rounded(net), digest(model))):
        raise InputError(
            f"{folder.parent} holds rows of another teacher {model} (SHA-256 {of_rows}), which no "
            f"table mixes with {checkpoint}; choose another folder with --results"
        )
    return keep_teacher(
        weights_path(folder, dataset.name, model),
        net,
        dataset,
        device,
        model,
        source=f"imported from {checkpoint.name} (SHA-256 {sha256(checkpoint.read_bytes())})",
    )


def load_teacher(
    path: Path, dataset: Dataset, model: str, device: torch.device
) -> tuple[Network, dict[str, Any]]:
    """A kept teacher, in evaluation mode, and its card.

    Raises
    ------
    InputError
        If the file is missing or damaged, or is of other images than the dataset's.
    """
    card = read_card(path)
    state, _ = read_tensors(path, _remedy(path))
    if card["weights_sha256"] != weights_digest(state, card.get("model_sha256")):
        raise Damaged(path, "it holds other weights than its card says", _remedy(path))
    made, own = card["transform"], asdict(dataset.transform)
    for name in ("crop", "mean", "std"):
        if json.dumps(made[name]) != json.dumps(own[name]):
            raise InputError(
                f"{path} takes images of {name} {made[name]}, and those of {dataset.name} have "
                f"{own[name]}; make or import the teacher again"
            )
    if card["dataset_sha256"] != dataset.digest:
        raise InputError(
            f"{path} was trained on other images than those of {dataset.name}; its own are "
            f"{card['dataset_sha256']}, these {dataset.digest}"
        )
    net = new(model, len(dataset.classes)).to(device)
    fill(net, model, state, path)
    return net.eval(), card


def read_card(path: Path) -> dict[str, Any]:
    """The card of the weights at `path`: it is in their file, of older ones beside it.

    Raises
    ------
    InputError
        If there is none, if it is damaged, or of ckdlib 0.1.
    """
    beside = path.with_suffix(".json")
    if not path.exists():
        raise InputError(f"no teacher {path}; {_remedy(path)}")
    text = read_metadata(path, _remedy(path)).get("card")
    if text is None and not beside.exists():
        raise Damaged(path, "it has no card, neither inside nor beside it", _remedy(path))
    try:
        card = json.loads(beside.read_text() if text is None else text)
        missing = CARD - card.keys()
    except (ValueError, AttributeError):
        raise Damaged(path if text else beside, "no card can be read", _remedy(path)) from None
    if "transform" in missing:
        raise InputError(
            f"{beside} does not say how the teacher's images are cut (cards of ckdlib 0.1 do not); "
            f"bring its folder up to date with: python -m ckdlib migrate {_results(path)}"
        )
    if digest(path.stem) not in (None, card.get("model_sha256")):
        raise InputError(
            f"{path} was made by another definition of model {path.stem}; put that back, name the "
            f"model otherwise, or {_remedy(path)}"
        )
    if missing:
        raise Damaged(beside, f"it lacks {', '.join(sorted(missing))}", _remedy(path))
    return card


def _remedy(path: Path) -> str:
    """What makes a teacher again; its training goes on from a checkpoint, if there is one."""
    where = f"--profile PROFILE --results {_results(path)}"
    return f"remove {path} and make it again: python -m ckdlib teacher --model {path.stem} {where}"


def _results(path: Path) -> Path:
    """The folder that holds teachers/<images>/<model>.safetensors."""
    return path.parent.parent.parent


def weights_digest(state: Mapping[str, torch.Tensor], model_sha256: str | None = None) -> str:
    """SHA-256 of weights, as a safetensors file of them alone would have it, and of the code of a
    network that is not the library's.
    """
    return sha256(save(dict(state), {}), model_sha256 or "")


def keep_teacher(
    path: Path,
    net: nn.Module,
    dataset: Dataset,
    device: torch.device,
    model: str,
    **provenance: Any,
) -> dict[str, Any]:
    """Write a teacher, rounded to float16, with its card in the same file, and a copy of the card
    beside it for people.
    """
    state = _rounded(net)
    net.load_state_dict(state)
    test = Views(dataset.test, dataset.transform, device)
    own = digest(model)
    card = {
        "model": model,
        **({"model_sha256": own} if own else {}),
        "dataset": dataset.name,
        "dataset_sha256": dataset.digest,
        "transform": asdict(dataset.transform),
        "classes": len(dataset.classes),
        "test_accuracy": round(validate(net, test).item(), 3),
        "parameters": sum(p.numel() for p in net.parameters()),
        "precision": "float16 weights, float32 arithmetic",
        **provenance,
        "versions": versions(),
        "device": device_name(device),
        "weights_sha256": weights_digest(state, own),
    }
    write_tensors(path, state, card=json.dumps(card))
    write_json(path.with_suffix(".json"), card)
    return json.loads(json.dumps(card))


def _rounded(net: nn.Module) -> dict[str, torch.Tensor]:
    """Weights as they are kept: float16, on the CPU."""
    state = {name: value.cpu().contiguous() for name, value in net.state_dict().items()}
    return {
        name: value.half() if value.is_floating_point() else value for name, value in state.items()
    }
