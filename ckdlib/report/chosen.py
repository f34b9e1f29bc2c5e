"""Names of methods that ask about chosen images, such as 'dist@margin'."""

import pandas as pd


def selections(table: pd.DataFrame) -> list[str]:
    """The methods of a frame that do not leave it to chance which images they ask about."""
    return sorted({one for one in table.method if "@" in one})


def by_chance(method: str) -> str:
    """The same method that does: 'dist@margin:beta=2' -> 'dist:beta=2'."""
    before, colon, weights = method.partition(":")
    return before.partition("@")[0] + colon + weights
