"""Tests stand in folders as the library does."""

import json
from pathlib import Path

import torch
from PIL import Image

PROJECT = Path(__file__).parents[1]
GOLDEN = PROJECT / "tests" / "golden"


def a_row(**changes):
    """A committed row, with changes; without the line's checksum."""
    with open(PROJECT / "results/quick/rows.jsonl") as lines:
        row = json.loads(next(lines))
    del row["check"]
    return row | changes


def pictures(folder, count=8):
    """train/ and test/ of two classes, `count` images each of 12x12 random pixels; the folder."""
    random = torch.Generator().manual_seed(0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = torch.randint(256, (12, 12, 3), generator=random, dtype=torch.uint8)
                Image.fromarray(pixels.numpy()).save(folder / part / name / f"{i}.png")
    return folder
