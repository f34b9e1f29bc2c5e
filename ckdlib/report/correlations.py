"""Table 3: how near the student's class correlations are to its teacher's."""

import numpy as np
import pandas as pd

from ..errors import InputError
from .statistics import CELL, by_cell


def correlations(table: pd.DataFrame) -> pd.DataFrame:
    """Table 3: the correlation gap of each pair, method and n, the mean over seeds and draws.

    Parameters
    ----------
    table : DataFrame
        As `measured` gives it.

    Returns
    -------
    DataFrame
        With a t interval over seeds; `draws`: the sd over one student's draws, mean over seeds;
        `undefined`: draws in which a class had no variance, left out of the means.

    Raises
    ------
    InputError
        If no student of these rows asked a teacher.
    """
    table = table.dropna(subset="correlation_gaps")
    if table.empty:
        raise InputError(
            "no student of these rows asked a teacher, so there is none to correlate with"
        )
    gaps = np.array(table.correlation_gaps.tolist(), float)
    spread = table[CELL].assign(
        draws=np.nanstd(gaps, axis=1, ddof=1), undefined=np.isnan(gaps).sum(1)
    )
    cells = by_cell(table.assign(value=table.gap))
    return cells.merge(
        spread.groupby(CELL).agg({"draws": "mean", "undefined": "sum"}).reset_index()
    )
