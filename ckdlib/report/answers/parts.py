"""Sentences that several answers share, each of a frame of one pair."""

from collections.abc import Iterable

import pandas as pd

from .. import paper
from ..accuracy import at_common_n, baseline, mean_accuracies, mean_differences
from ..advice import rivals_of_best
from .sentences import beside, decided, listed, name, share


def lead(part: pd.DataFrame) -> str:
    """The paper's CKD beside the best of its baselines."""
    method, rival = baseline(part, paper.CKD, "ckd"), best_baseline(part)
    if method not in (paper.CKD, "ckd") or rival is None:
        return "No rows of the paper's CKD and of a method of the paper's beside it."
    leads = decided([mean_differences(part, method, rival)])
    best = f"{leads}. Beside {name(rival)}, the best of the paper's other methods (mean over n)"
    return f"{best}: {beside(part, method, rival)}."


def best_baseline(part: pd.DataFrame) -> str | None:
    """The best of the paper's baselines on the mean over the n that all have; None where there is
    none.
    """
    means = mean_accuracies(at_common_n(part, paper.BASELINES), paper.BASELINES)
    return None if means.empty else means.sort_values("mean").method.iloc[-1]


def best_of_all(part: pd.DataFrame, of_what: str = "Best of all") -> str:
    """The best method at each n, with its accuracy."""
    lines = rivals_of_best(part)
    told = []
    for method, mine in lines.groupby("best", sort=False):
        levels = ", ".join(f"{accuracy:.1f}" for accuracy in mine.accuracy)
        told.append(f"{name(method)} at n = {listed(mine.n)} ({levels} %)")
    return f"{of_what}: {'; '.join(told)}."


def mean_savings(saved: pd.DataFrame) -> pd.DataFrame:
    """The lines of `savings` for the mean over targets that are known."""
    return saved[saved.target.isna() & saved.fewer.notna()]


def needs(lines: pd.DataFrame, method: str, rivals: Iterable[str]) -> str:
    """How many fewer calls a method needs than those of `rivals` that are there; '' of none.

    Parameters
    ----------
    lines : DataFrame
        Of `mean_savings`, by method and rival.
    """
    known = [one for one in rivals if (method, one) in lines.index]
    told = [f"{share(lines.loc[(method, one)])} than {name(one)}" for one in known]
    if not told:
        return ""
    *first, last = told
    return f"{name(method)} needs {', '.join(first)}{' and ' * bool(first)}{last}"


def speaks_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The paper's CKD, labels alone, and the best method at each n of each pair."""
    best: dict[str, None] = {}
    for _, part in table[table.status == "done"].groupby("pair"):
        best |= dict.fromkeys(rivals_of_best(part).best)
    return (paper.CKD, "ce", *best)
