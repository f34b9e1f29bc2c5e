"""Names of methods that ask about chosen images, such as 'dist@margin'."""

import pandas as pd

from .savings import COLUMNS, savings


def selections(table: pd.DataFrame) -> list[str]:
    """The methods of a frame that do not leave it to chance which images they ask about."""
    return sorted({one for one in table.method if "@" in one})


def saved_by_choice(table: pd.DataFrame) -> pd.DataFrame:
    """What choosing images saves: `savings` of each selection beside its own method by chance."""
    parts = [savings(table, [one], [by_chance(one)]) for one in selections(table)]
    known = [part for part in parts if len(part)]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=COLUMNS)


def by_chance(method: str) -> str:
    """The same method that does: 'dist@margin:beta=2' -> 'dist:beta=2'."""
    before, colon, weights = method.partition(":")
    return before.partition("@")[0] + colon + weights
