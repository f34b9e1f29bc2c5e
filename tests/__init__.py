"""Tests stand in folders as the library does."""

from pathlib import Path

PROJECT = Path(__file__).parents[1]
GOLDEN = PROJECT / "tests" / "golden"
