"""Methods that the study does not hold: called as their rows say, shown after the others."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import pandas as pd

from ..study.grid import PROFILES

LABELS: dict[str, str] = {}  # method of one's own -> what its rows call it
PAIRS: dict[str, tuple[str, str]] = {}  # 'teacher-student' -> its names, which may hold a '-'


def note(rows: Iterable[Mapping[str, Any]]) -> None:
    """Remember what rows call their methods and pairs."""
    for row in rows:
        PAIRS[f"{row['teacher']}-{row['student']}"] = row["teacher"], row["student"]
        if "label" in row:
            LABELS[row["method"]] = row["label"]


def titled(pair: str) -> str:
    """A pair as titles have it: teacher → student."""
    return " → ".join(PAIRS.get(pair) or pair.split("-"))


def outside(table: pd.DataFrame) -> list[str]:
    """The methods of a frame that no grid of the study holds, in the order of their names."""
    grids = chain.from_iterable(size.experiments.values() for size in PROFILES.values())
    return sorted(set(table.method).difference(*(grid.methods for grid in grids)))


def in_order(methods: Iterable[str], order: Sequence[str]) -> list[str]:
    """`methods`, those of `order` first, then the others by their names."""
    there = set(methods)
    return [one for one in order if one in there] + sorted(there.difference(order))


def standing_outside(table: pd.DataFrame) -> str:
    """Which methods of a frame stand outside the study's grid, with whose they are; '' for none."""
    said = []
    for name in outside(table):
        whose = table[table.method == name].get("source", pd.Series(dtype=object)).dropna()
        said.append(f"{name} ({whose.iloc[0]})" if len(whose) else name)
    return f"outside the study's grid: {', '.join(said)}" if said else ""
