"""Numbers -> words, for answers: differences with their intervals, methods, pairs.

A difference whose 95 % interval holds zero is told as undecided.
"""

from collections.abc import Callable, Iterable
from math import isnan

import pandas as pd

from .. import paper
from ..accuracy import mean_differences
from ..outside import titled
from ..statistics import FEWEST_SEEDS

Sentences = list[str]


def by_pair(table: pd.DataFrame, tell: Callable[[pd.DataFrame], Sentences]) -> str:
    """A paragraph a pair, headed by it where there are several; diverged runs are left out."""
    parts = list(table.groupby("pair", sort=False))
    texts = []
    for pair, part in parts:
        head = f"{titled(pair)}: " if len(parts) > 1 else ""
        done = part[part.status == "done"]
        told = ["**Undecided: every run diverged.**"] if done.empty else tell(done)
        texts.append(head + " ".join(filter(None, told)))
    return once("\n\n".join(texts))


def once(text: str) -> str:
    """The same with the paper's CKD named in code the first time only."""
    before, there, after = text.partition(name(paper.CKD))
    return before + there + after.replace(name(paper.CKD), "the paper's CKD")


def name(method: str) -> str:
    """A method as pages call it; of the paper's CKD it says so."""
    return f"the paper's CKD (`{method}`)" if method == paper.CKD else f"`{method}`"


def opening(text: str) -> str:
    """With a capital, unless it begins with a name in code."""
    return text[:1].upper() + text[1:]


def listed(values: Iterable[float]) -> str:
    """Numbers, as short as they are."""
    return ", ".join(f"{value:g}" for value in values)


def spread(gap: pd.Series, shown: str = "{:+z.1f}") -> str:
    """A mean and its interval, where there is one."""
    mean, *ends = (shown.format(gap[end]) for end in ("mean", "low", "high"))
    return mean if isnan(gap["low"]) else f"{mean} [{', '.join(ends)}]"


def beside(
    table: pd.DataFrame,
    method: str,
    rival: str,
    sides: tuple[str, str] = ("points {} below", "points {} above"),
    shown: str = "{:.1f}",
    column: str = "test_accuracy",
) -> str:
    """How far a method is from a rival, the mean over n of one pair, paired over seeds.

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    method, rival : str
    sides : pair of str
        What is said of a difference below zero and above, with a place for its interval.
    shown : str
        The format of a number.
    column : str
        Of what.
    """
    gaps = mean_differences(table, method, rival, column)
    if gaps.empty or isnan(gaps["mean"].iloc[0]):
        return f"{name(method)} and {name(rival)} have no seed in common"
    gap = gaps.iloc[0]
    mean, low, high = gap["mean"], gap.low, gap.high
    if low <= 0 <= high:
        signed = shown.replace(":", ":+z")
        return f"{name(method)} and {name(rival)} cannot be told apart ({spread(gap, signed)})"
    ends = sorted((abs(low), abs(high)))
    told = "(one seed)" if isnan(low) else f"[{', '.join(map(shown.format, ends))}]"
    side = sides[int(mean > 0)].format(told)
    return f"{name(method)} is {shown.format(abs(mean))} {side} {name(rival)}"


def decided(gaps: Iterable[pd.DataFrame]) -> str:
    """Yes, no or undecided: are differences above zero, by their intervals?"""
    told = [gap for gap in gaps if len(gap)]
    if not told:
        return "Undecided"
    found = pd.concat(told)
    if found.low.isna().any() or found.seeds.min() < FEWEST_SEEDS:
        return "Undecided"
    if (found.low > 0).all():
        return "Yes"
    return "No" if (found.high < 0).any() and not (found.low > 0).any() else "Undecided"


def share(line: pd.Series) -> str:
    """What is saved, a line of `savings` that is known; a bound says so."""
    if line.bound:
        return f"at least {line.fewer:.0f} % fewer calls"
    if isnan(line.low):
        why = "one seed" if line.seeds == 1 else "interval unknown"
        return f"{line.fewer:.0f} % fewer calls ({why})"
    undecided = " (undecided)" if line.low <= 0 <= line.high else ""
    return f"{line.fewer:.0f} % [{line.low:.0f}, {line.high:.0f}] fewer calls{undecided}"
