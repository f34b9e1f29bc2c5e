"""Teachers: trained here or imported, kept as float16 safetensors with a card.

A teacher is rounded to float16 before it is evaluated, hashed or asked, so that the kept file is
the one that answers.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from .. import methods
from ..errors import InputError, OutOfTime
from ..files import read_tensors, write_json, write_tensors
from ..images import Dataset, Views
from ..models import new
from ..models.network import Network
from ..recipes import Recipe
from ..reproducibility import device_name, sha256, versions
from ..training.evaluate import validate
from ..training.loop import Progress, Saved, fit
from .foreign import fill, read_checkpoint


def weights_path(folder: Path, dataset: str, model: str) -> Path:
    """Where a teacher's weights are kept; its card is beside them."""
    return folder / dataset / f"{model}.safetensors"


def train_teacher(
    dataset: Dataset,
    model: str,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    seed: int = 0,
    deadline: float | None = None,
    report=print,
    precision: str = "float32",
) -> dict:
    """Train `model` on the whole training set and write weights and card under `folder`.

    A killed training goes on from its last checkpoint, one at most every 20 s.

    Parameters
    ----------
    deadline : float, optional
        `time.monotonic()` after which it stops with OutOfTime, its checkpoint written.
    report : callable
        Called with one line every few seconds.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    InputError
        If the training diverged.
    """
    path = weights_path(folder, dataset.name, model)
    checkpoint = path.with_suffix(".checkpoint")
    origin = json.dumps(
        [dataset.digest, asdict(dataset.transform), model, asdict(recipe), seed, precision]
    )
    net = new(model, len(dataset.classes), seed).to(device)
    views = Views(dataset.train, dataset.transform, device)
    resume, before = None, 0.0
    if checkpoint.exists():
        tensors, metadata = read_tensors(checkpoint)
        if metadata["origin"] == origin:
            resume, before = Saved(int(metadata["rounds"]), tensors), float(metadata["seconds"])
            report(f"teacher {model}: goes on after {resume.rounds} rounds")
    started = last_report = last_write = time.monotonic()

    def after_round(progress: Progress) -> None:
        nonlocal last_report, last_write
        now = time.monotonic()
        if now - last_report > 5:
            report(f"teacher {model}: {progress.rounds} rounds, {now - started:.0f} s")
            last_report = now
        late = deadline is not None and now > deadline
        if late or now - last_write > 20:
            write_tensors(
                checkpoint,
                progress.save().tensors,
                origin=origin,
                rounds=str(progress.rounds),
                seconds=str(before + now - started),
            )
            last_write = now
        if late:
            raise OutOfTime(
                f"teacher {model}: stopped after {progress.rounds} rounds; the same command goes on"
            )

    result = fit(
        net,
        methods.get("ce"),
        recipe,
        views,
        seed=seed,
        after_round=after_round,
        resume=resume,
        precision=precision,
    )
    if result.status != "done":
        raise InputError(
            f"the training of teacher {model} diverged; lower its learning rate "
            f"({recipe.learning_rate}) or choose another recipe"
        )
    card = _write(
        path,
        net,
        dataset,
        device,
        model,
        source="trained here",
        recipe=asdict(recipe),
        seed=seed,
        training_precision=precision,
        training_seconds=round(before + time.monotonic() - started, 1),
        steps=result.steps,
    )
    checkpoint.unlink(missing_ok=True)
    report(
        f"teacher {model}: {card['test_accuracy']:.2f} % on the {dataset.name} test set, "
        f"{path.relative_to(folder.parent)}"
    )
    return card


def import_teacher(
    dataset: Dataset, model: str, checkpoint: Path, folder: Path, device: torch.device
) -> dict:
    """Check, measure and keep a RepDistiller `.pth` (or a bare state dict); return its card.

    Raises
    ------
    InputError
        If the file is missing, truncated, a pickle with code in it, of another architecture or
        class count.
    """
    net = new(model, len(dataset.classes)).to(device)
    fill(net, model, read_checkpoint(checkpoint, net, model), checkpoint)
    return _write(
        weights_path(folder, dataset.name, model),
        net,
        dataset,
        device,
        model,
        source=f"imported from {checkpoint.name} (SHA-256 {sha256(checkpoint.read_bytes())})",
    )


def load_teacher(
    path: Path, dataset: Dataset, model: str, device: torch.device
) -> tuple[Network, dict]:
    """A kept teacher, in evaluation mode, and its card.

    Raises
    ------
    InputError
        If file and card or dataset do not agree, or either is missing.
    """
    card = read_card(path)
    if card["weights_sha256"] != sha256(path.read_bytes()):
        raise InputError(
            f"{path} is not the file its card describes; make or import the teacher again"
        )
    made, own = (
        json.dumps([how[name] for name in ("crop", "mean", "std")])
        for how in (card["transform"], asdict(dataset.transform))
    )
    if made != own:
        raise InputError(
            f"{path} takes images of another crop, mean and std, {made}, than those of "
            f"{dataset.name}, {own}; make or import the teacher again"
        )
    if card["dataset_sha256"] != dataset.digest:
        raise InputError(
            f"{path} was trained on other images than those of {dataset.name}; its own are "
            f"{card['dataset_sha256'][:12]}, these {dataset.digest[:12]}"
        )
    net = new(model, len(dataset.classes)).to(device)
    fill(net, model, read_tensors(path)[0], path)
    net.eval().requires_grad_(False)
    return net, card


def read_card(path: Path) -> dict:
    """The card beside the weights at `path`.

    Raises
    ------
    InputError
        If either is missing, or the card is of ckdlib 0.1.
    """
    card = path.with_suffix(".json")
    if not path.exists() or not card.exists():
        raise InputError(
            f"no teacher {path} with its card; make it with: python -m ckdlib teacher --model "
            f"{path.stem}"
        )
    content = json.loads(card.read_text())
    if "transform" not in content:
        raise InputError(
            f"{card} does not say how the teacher's images are cut (cards of ckdlib 0.1 do not); "
            f"bring its folder up to date with: python -m ckdlib migrate {path.parents[2]}"
        )
    return content


def _write(
    path: Path, net: nn.Module, dataset: Dataset, device: torch.device, model: str, **provenance
) -> dict:
    rounded = {
        name: value.half() if value.is_floating_point() else value
        for name, value in net.state_dict().items()
    }
    net.load_state_dict(
        {
            name: value.float() if value.is_floating_point() else value
            for name, value in rounded.items()
        }
    )
    test = Views(dataset.test, dataset.transform, device)
    card = {
        "model": model,
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
    }
    write_tensors(path, rounded)
    write_json(path.with_suffix(".json"), card | {"weights_sha256": sha256(path.read_bytes())})
    return read_card(path)
