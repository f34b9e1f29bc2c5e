"""Files: everything is written beside its place and renamed into it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; on success it is renamed to `path`, on failure it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=1) + "\n")


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> None:
    """Tensors, of any device, as a safetensors file with its metadata."""
    with replacing(path) as beside:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
            beside,
            metadata,
        )


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors of a safetensors file (memory-mapped) and its metadata.

    Raises
    ------
    InputError
        If it is truncated or foreign.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except SafetensorError as error:
        raise InputError(
            f"{path} is not a complete safetensors file ({error}); remove it or make it again"
        ) from None


def writable_folder(path: Path) -> Path:
    """The folder, made if need be.

    Raises
    ------
    InputError
        If nothing can be written there.
    """
    probe = path / f".probe.{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write to {path} ({error.strerror}); choose another folder with --results"
        ) from None
    return path
