"""Tensors in files: safetensors, each with a checksum that is compared when it is read."""

import json
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .files import Damaged, replacing

UNREADABLE = (SafetensorError, UnicodeDecodeError, OverflowError)
REMEDY = "remove it or make it again"


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], **metadata: str) -> None:
    """Tensors, of any device, as a safetensors file with its metadata."""
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    content = save(held, metadata)
    content = save(held, metadata | {"crc32": _checksum(BytesIO(content))})
    with replacing(path) as beside:
        beside.write_bytes(content)


def read_tensors(
    path: Path, remedy: str = REMEDY
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors of a safetensors file (memory-mapped) and its metadata.

    Parameters
    ----------
    path : Path
    remedy : str
        What is right where it is damaged, for the message.

    Raises
    ------
    Damaged
        If it is truncated or foreign, or its checksum is another.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            metadata = dict(file.metadata() or {})
        check = metadata.pop("crc32", None)
        if check is not None:
            with open(path, "rb") as file:
                if check != _checksum(file):
                    raise Damaged(path, "its checksum is another", remedy)
    except UNREADABLE as error:
        raise Damaged(path, f"no complete safetensors file: {error}", remedy) from None
    return tensors, metadata


def read_metadata(path: Path, remedy: str = REMEDY) -> dict[str, str]:
    """The metadata of a safetensors file; Damaged if it has no readable header."""
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except UNREADABLE as error:
        why = f"no complete safetensors file: {error}"
        raise Damaged(path, why, remedy) from None


def _checksum(file: BinaryIO) -> str:
    """Of a safetensors file: its header without the checksum, and its data.

    It is read in pieces, so that large files that are mapped do not fill the memory.
    """
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    header.get("__metadata__", {}).pop("crc32", None)
    crc = zlib.crc32(json.dumps(header, sort_keys=True).encode())
    while piece := file.read(2**20):
        crc = zlib.crc32(piece, crc)
    return f"{crc:08x}"
