"""The curves that the paper prints, and how far ours are above them."""

import numpy as np
import pandas as pd

from . import paper
from .accuracy import summary
from .statistics import CELL

WITH_VALIDATION = 1.25  # images that are drawn, for each that the teacher is asked about
# what the paper's n counts -> that of one call
READINGS = {"calls alone": 1.0, "validation images too": WITH_VALIDATION}
EXPERIMENT = "black_box"  # whose curves it prints
COLUMNS = ["pair", "method", "n", "ours", "at", "printed", "above"]


def printed_points() -> pd.DataFrame:
    """The points of the paper's curves that its Table 1 prints: pair, method, n, mean accuracy."""
    lines = []
    for pair, methods in paper.TABLE1.items():
        for method, prices in methods.items():
            for target, price in zip(paper.TABLE1_TARGETS, prices, strict=True):
                if price is not None:
                    lines.append([pair, method, 1000 * price, float(target)])
    return pd.DataFrame(lines, columns=["pair", "method", "n", "mean"])


def above_printed(table: pd.DataFrame, factor: float = 1.0) -> pd.DataFrame:
    """How far our mean accuracies are above the paper's curves, in points.

    The paper's curve is a line between the points that its Table 1 prints, and not known outside.

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    factor : float
        The paper's n of as many calls as our n = 1: `WITH_VALIDATION`, were it to count the
        validation images too.

    Returns
    -------
    DataFrame
        A line for each pair, method and n that the curve holds: `ours`; `at`, the paper's n;
        `printed`; `above`.
    """
    curves = printed_points().sort_values("n").groupby(["pair", "method"])
    lines = []
    for cell in summary(table).itertuples():
        if (cell.pair, cell.method) in curves.groups:
            curve, at = curves.get_group((cell.pair, cell.method)), factor * cell.n
            printed = np.interp(at, curve.n, curve["mean"], left=np.nan, right=np.nan)
            lines.append(
                [cell.pair, cell.method, cell.n, cell.mean, at, printed, cell.mean - printed]
            )
    return pd.DataFrame(lines, columns=COLUMNS).dropna(subset="printed").reset_index(drop=True)


def readings(table: pd.DataFrame) -> pd.DataFrame:
    """The readings of the paper's n: how far ours are above its curves, the mean over those of our
    n that the curve holds in every reading.

    Returns
    -------
    DataFrame
        A line for each pair and method, a column for each of `READINGS`; nan without such an n.
    """
    read = {
        name: above_printed(table, factor).set_index(CELL).above
        for name, factor in READINGS.items()
    }
    wide = pd.DataFrame(read)
    known = wide.where(wide.notna().all(axis=1))
    return known.groupby(["pair", "method"])[list(READINGS)].mean()
