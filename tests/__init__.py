"""Tests stand in folders as the library does."""

import json
from pathlib import Path

PROJECT = Path(__file__).parents[1]
GOLDEN = PROJECT / "tests" / "golden"


def a_row(**changes):
    """A committed row, with changes."""
    with open(PROJECT / "results/quick/rows.jsonl") as lines:
        return json.loads(next(lines)) | changes
