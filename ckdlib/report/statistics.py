"""Means with t intervals over seeds, and resamples of the seeds."""

from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95
ENDS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
RESAMPLES = 4000  # of the seeds, where there are too many to go through every resample
CELL = ["pair", "method", "n"]
SPREAD = ["seeds", "mean", "sd", "low", "high"]  # of `interval`
FEWEST_SEEDS = 3  # fewer decide nothing


def interval(values: ArrayLike) -> dict[str, float]:
    """Seeds, mean, sd and the two ends of the t interval; nan where there are too few values."""
    values = np.asarray(values, float)
    count = len(values)
    mean = values.mean() if count else np.nan
    sd = values.std(ddof=1) if count > 1 else np.nan
    half = np.nan
    if count > 1:
        half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * sd / np.sqrt(count)
    return {"seeds": count, "mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def resamples(seeds: int) -> np.ndarray:
    """Indices of seeds drawn with replacement.

    Returns
    -------
    array [R, seeds]
        All resamples up to five seeds, else RESAMPLES random ones.
    """
    if seeds <= 5:
        return np.array(list(product(range(seeds), repeat=seeds)))
    return np.random.default_rng(0).integers(seeds, size=(RESAMPLES, seeds))


def by_cell(table: pd.DataFrame) -> pd.DataFrame:
    """The `interval` of the column `value` for each pair, method and n."""
    lines = []
    for cell, part in table.groupby(CELL):
        lines.append(dict(zip(CELL, cell, strict=True)) | interval(part.value))
    return pd.DataFrame(lines)
