"""The answers of the pages on equal tuning, and on whether what it finds lasts."""

from collections.abc import Mapping, Sequence

import pandas as pd

from ...study.grid import OURS
from .. import paper
from ..accuracy import at_common_n, mean_differences
from ..schedules import schedule_gains, under_both
from ..shown import Answer, made_of
from ..tuning import saved_alike, worth
from .parts import best_of_all, mean_savings, needs
from .sentences import Sentences, beside, by_pair, decided, opening

# with comparisons, and the same without any
COMPARING = (("ckd_calibrated", "mse"), ("ce+ckd", "ce+mse"), ("ce+ckd+dist", "ce+mse+dist"))


def equal_tuning(
    table: pd.DataFrame, best: Mapping[str, str], missing: Sequence[str] = ()
) -> Answer:
    """Does comparing help once all are tuned alike, which method is best, what is tuning worth?

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`, of methods with their authors' settings and their tuned ones.
    best : mapping
        Method -> its tuned setting.
    missing : sequence of str
    """

    def tell(part: pd.DataFrame) -> Sentences:
        there = set(part.method)
        pairs = [(best[one], best[other]) for one, other in COMPARING if {one, other} <= set(best)]
        asked = [pair for pair in pairs if set(pair) <= there]
        if not asked:
            return ["**Undecided: no rows of tuned methods with and without comparisons.**"]
        helps = decided([mean_differences(part, *pair) for pair in asked])
        told = "; ".join(beside(part, *pair) for pair in asked)
        return [
            f"**{helps}.** With and without comparisons, all tuned alike (mean over n): {told}.",
            best_of_all(at_common_n(part, list(best.values())), "Best of all that are tuned"),
            best_of_all(at_common_n(part, list(best)), "With their authors' settings"),
            _saves(part, best),
            _worth(part, best),
        ]

    return Answer(by_pair(table, tell), made_of(table, missing))


def long_schedule(
    fixed: pd.DataFrame,
    scheduled: pd.DataFrame,
    questions: Sequence[tuple[str, str]],
    missing: Sequence[str] = (),
) -> Answer:
    """Does a lead at a fixed number of steps last under the paper's schedule?

    Parameters
    ----------
    fixed, scheduled : DataFrame
        Frames, see `rows.frame`, of the same methods, each of one recipe.
    questions : sequence of (method, rival)
        The first is the page's.
    missing : sequence of str
    """

    def tell(part: pd.DataFrame) -> Sentences:
        asked = [pair for pair in questions if set(pair) <= set(part.method)]
        if not asked:
            return ["**Undecided: no rows of two methods under the paper's schedule.**"]
        first, *others = (beside(part, *pair) for pair in asked)
        return [
            f"**{decided([mean_differences(part, *asked[0])])}. Under the paper's schedule (mean "
            f"over n): {first}.**",
            f"{opening('; '.join(others))}." if others else "",
            best_of_all(part),
            _brings(schedule_gains(under_both(fixed, part))),
        ]

    return Answer(by_pair(scheduled, tell), made_of(scheduled, missing))


def _brings(gains: pd.DataFrame) -> str:
    """The least and the most that the schedule brings at each n, and of how many it is decided."""
    if gains.empty:
        return ""
    told = []
    for n, part in gains.groupby("n"):
        least, most = part["mean"].min(), part["mean"].max()
        known = ((part.low > 0) | (part.high < 0)).sum()
        told.append(
            f"{least:+z.1f} to {most:+z.1f} points at n = {n}, decided for {known} of {len(part)} "
            "methods"
        )
    return f"Beside a fixed number of steps it brings {'; '.join(told)}."


def _saves(part: pd.DataFrame, best: Mapping[str, str]) -> str:
    """How many fewer calls ours need than DIST, KD and CKD, all tuned."""
    lines = mean_savings(saved_alike(part, best)).set_index(["method", "rival"])
    told = filter(None, (needs(lines, one, ("dist", "kd", paper.CKD)) for one in OURS))
    return f"For equal accuracy, all tuned alike, {said}." if (said := "; ".join(told)) else ""


def _worth(part: pd.DataFrame, best: Mapping[str, str]) -> str:
    """How many methods tuning helps, and which most."""
    gaps = worth(part, best)
    if gaps.empty:
        return ""
    most = gaps.loc[gaps["mean"].idxmax()]
    return (
        f"Of {len(gaps)} methods whose tuned setting is not their authors', tuning helps "
        f"{(gaps.low > 0).sum()} and harms {(gaps.high < 0).sum()}, by their intervals; it is "
        f"worth most to one: {beside(part, most.method, most.above)}."
    )
