"""Measures -> numbers: how flat the logits are (Figure 5), how near the teacher's class
correlations (Table 3).

A measured frame is a frame of `analysis` whose runs bring their measures as further columns
(`measured`).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import InputError
from ..metrics import effective_rank
from ..records import Measures
from .rows import CURVES
from .statistics import CELL, by_cell, interval

NOISE = 1e-6  # of the largest singular value: below it lies float32 rounding, not a value


def teacher_curves(table: pd.DataFrame, measures: Mapping[str, Measures]) -> dict[str, list[float]]:
    """The curves of the frame's one teacher, named as `spectra` names them.

    InputError if no student asked it, or if there are several.
    """
    digests = table.teacher_sha256.dropna().unique()
    if len(digests) != 1:
        raise InputError(
            f"{len(digests)} teachers were asked by these students; one is needed: "
            "choose one --pair, and a method that asks its teacher"
        )
    found: Mapping[str, Any] | None = measures.get(f"teacher {digests[0]}")
    if found is None:
        raise InputError(
            f"the measures of teacher {digests[0][:12]} are not in measures.jsonl; "
            "run the batch again"
        )
    kept = {}
    for curve, name in CURVES.items():
        if curve in found:
            kept[name] = found[curve][: above_noise(found[curve])]
    return kept


def sizes(table: pd.DataFrame, wanted: Sequence[int]) -> list[int]:
    """Those of the `wanted` n that were run, else the two smallest that were."""
    there = sorted(table.n.unique().tolist())
    return [n for n in wanted if n in there] or there[:2]


def scaled(values: ArrayLike) -> np.ndarray:
    """A curve divided by its largest value."""
    values = np.array(values, float)
    return values / values.max()


def above_noise(*curves: ArrayLike) -> int:
    """How many ranks of all these curves are above NOISE (a network of F features gives logits of
    rank F + 1 at most).
    """
    counts = [int((scaled(values) > NOISE).sum()) for values in curves]
    return min(counts, default=0)


def spectra(table: pd.DataFrame, divide: bool = False) -> dict[str, pd.DataFrame]:
    """For each kind of curve in CURVES that any run has: the mean over seeds of the singular values
    above NOISE, with sd and t interval, by pair, method, n and rank. divide: each curve by its
    largest value.
    """
    found: dict[str, pd.DataFrame] = {}
    for curve, name in CURVES.items():
        lines = []
        for cell, part in table.dropna(subset=curve).groupby(CELL):
            curves = np.array(list(map(scaled, part[curve]) if divide else part[curve]), float)
            for rank, values in enumerate(curves.T[: above_noise(*curves)], 1):
                place = dict(zip(CELL, cell, strict=True)) | {"rank": rank}
                lines.append(place | interval(values))
        if lines:
            found[name] = pd.DataFrame(lines)
    return found


def mean_log_spectrum(table: pd.DataFrame, curve: str = "raw", divide: bool = False) -> pd.Series:
    """How high each run's curve lies: the mean over ranks of log10 of its values.

    The difference of two is the mean log ratio of their curves. Only ranks at which every run of
    its pair is above NOISE are used; nan where there is no curve.
    """
    heights = pd.Series(np.nan, table.index)
    for _, curves in table.dropna(subset=curve).groupby("pair")[curve]:
        kept = above_noise(*curves)
        for row, values in curves.items():
            used = scaled(values) if divide else np.array(values)
            heights.at[row] = np.log10(used[:kept]).mean()
    return heights


def flatness(table: pd.DataFrame, method: str, rivals: Sequence[str]) -> pd.DataFrame:
    """For each kind of curve, as it is and divided by its largest value, n and rival:

    `mean_log_spectrum` of `method` minus the rival's, paired over seeds, with t interval. Of one
    pair.

    direction: 'lower' or 'higher' where the interval leaves out zero, else 'undecided'.
    """
    lines = []
    for curve, divide in product(CURVES, (False, True)):
        kind = CURVES[curve] + (" / largest" if divide else "")
        heights = table.assign(height=mean_log_spectrum(table, curve, divide))
        wide = heights.pivot(index="seed", columns=["n", "method"], values="height")
        for n, rival in product(wide.columns.levels[0], rivals):
            if {(n, method), (n, rival)} <= set(wide.columns):
                gap = interval((wide[n, method] - wide[n, rival]).dropna())
                place = {"curve": kind, "n": n, "rival": rival}
                lines.append(place | gap | {"direction": _direction(gap)})
    columns = ["curve", "n", "rival", "seeds", "mean", "sd", "low", "high", "direction"]
    return pd.DataFrame(lines, columns=columns).dropna(subset="mean", ignore_index=True)


def _direction(gap: Mapping[str, float]) -> str:
    if gap["high"] < 0:
        return "lower"
    return "higher" if gap["low"] > 0 else "undecided"


def flatness_table(flat: pd.DataFrame) -> pd.DataFrame:
    """`flatness` as text, mean [low, high]: a line for each kind of curve and n, a column for each
    rival.
    """
    texts = [f"{c.mean:+.2f} [{c.low:+.2f}, {c.high:+.2f}]" for c in flat.itertuples()]
    wide = flat.assign(cell=texts).set_index(["curve", "n", "rival"]).cell.unstack()
    if flat.empty:
        return wide
    order = dict.fromkeys(zip(flat.curve, flat.n, strict=True))
    return wide.reindex(index=list(order), columns=flat.rival.unique()).fillna("")


def count_directions(flat: pd.DataFrame) -> pd.DataFrame:
    """Of `flatness`, for each kind of curve: against how many rivals and n it is lower, undecided
    and higher.
    """
    counts = flat.groupby("curve", sort=False).direction.value_counts().unstack(fill_value=0)
    return counts.reindex(columns=["lower", "undecided", "higher"], fill_value=0)


def ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Effective rank of each pair's, method's and n's logits: mean and t interval over seeds."""
    return by_cell(table.assign(value=table.centred.map(effective_rank)))
