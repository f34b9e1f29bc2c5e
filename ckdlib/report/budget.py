"""So many teacher calls at such a price -> what they buy, from kept rows and learning curves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import NamedTuple

import pandas as pd

from ..errors import InputError
from ..records import Row
from ..study.evidence import CLASSES, Advice, advised
from .advice import recent, rivals_of_best
from .backtest import test_images
from .learning_curve import Curve, Prediction, cost, fit_curve, spread
from .readme import markdown
from .rows import frame

LABELS = "ce"  # learns from labels alone
EXPERIMENTS = ("fewer_calls", "black_box", "large_n")  # of one training
TRIED = 4  # times the calls up to which kept rows have judged such curves (page 14)
BACK = 2  # as many times fewer calls than rows have: curves carried back so far hold, a test says

SLIGHT = 0.001  # points


class Bought(NamedTuple):
    """What a method makes of some calls; accuracies in per cent, of one new student."""

    method: str
    kept: tuple[int, ...]  # every n that it has rows of
    fitted: tuple[int, ...]  # those that the curve is fitted to
    curve: Curve
    expected: Prediction
    next_call: float  # points that one call more adds
    twice: Prediction  # points that twice the calls add


@dataclass(frozen=True)
class Budget:
    """What a number of calls buys (`budget`).

    Attributes
    ----------
    calls : int
    price : float or None
    near : int
        The kept n nearest to the calls, whose rows say which method is best.
    best : Bought
    level, untold : tuple of str
        Methods that may be as good there, and those of too few common seeds to say
        (`rivals_of_best`).
    has_labels : bool
    alone : Bought or None
        Labels alone, on the same images; None without labels, or without rows near so few calls.
    advice : Advice or None
        What the study would try first for such images; None of images that are not its own.
    """

    calls: int
    price: float | None
    near: int
    best: Bought
    level: tuple[str, ...]
    untold: tuple[str, ...]
    has_labels: bool
    alone: Bought | None
    advice: Advice | None

    @property
    def sentences(self) -> list[str]:
        """All that in words."""
        return list(_sentences(self))


def budget_table(rows: Sequence[Row]) -> pd.DataFrame:
    """The done rows of the short training, of every method that sees logits alone.

    Raises
    ------
    InputError
        As of `frame`, and of rows of several pairs or of runs that all diverged.
    """
    there = {row["experiment"] for row in rows}
    names = [name for name in EXPERIMENTS if name in there]
    table = frame(rows, *(names or EXPERIMENTS), report=lambda line: None)
    if table.pair.nunique() > 1:
        pairs = ", ".join(table.pair.unique())
        raise InputError(f"rows of several pairs ({pairs}): give those of one")
    done = table[table.status == "done"]
    if done.empty:
        raise InputError("every run diverged; train with --learning-rates 0.01")
    return done


def budget(
    table: pd.DataFrame, calls: float, price: float | None = None, has_labels: bool = True
) -> Budget:
    """What so many teacher calls buy.

    The best method is that of the nearest kept n (on a log axis). Its curve is fitted to its kept
    n up to the first that is at least twice the calls, from a fourth of that on. Beyond the rows it
    is carried on with its interval, and back to half of the fewest calls; the sentences say so.

    Parameters
    ----------
    table : DataFrame
        As of `budget_table`.
    calls : float
        At least 1.
    price : float, optional
        Of a call, in the user's money.
    has_labels : bool
        Are the images labelled? Without, nothing learns from labels alone.

    Raises
    ------
    InputError
        Of calls below 1 or below half of the fewest that rows have, of a price that is negative or
        no number, of methods of one n alone.
    """
    if not 1 <= calls < inf:
        raise InputError(f"{calls} calls: give at least 1")
    calls = round(calls)
    if price is not None:
        cost(calls, price)
    methods = table.groupby("method")
    asked = methods.teacher_calls.transform("max") > 0
    curved = table[(methods.n.transform("nunique") > 1) & (asked | has_labels)]
    if curved.empty:
        raise InputError("rows of every method at one n alone make no curve; train them at another")
    lines = rivals_of_best(curved)
    line = min(lines.itertuples(), key=lambda one: abs(log(one.n / calls)))
    images, classes = test_images(table.test_accuracy), CLASSES.get(table.dataset.iloc[0])
    best = _bought(curved, line.best, calls, images)
    if not best:
        fewest = curved.n.min()
        raise InputError(
            f"{calls} calls: no row has fewer than {fewest}, and of fewer than half of these "
            f"nothing is known; give at least {-(-fewest // BACK)}"
        )
    return Budget(
        calls=calls,
        price=price,
        near=int(line.n),
        best=best,
        level=tuple(line.level),
        untold=tuple(line.untold),
        has_labels=has_labels,
        alone=_bought(curved, LABELS, calls, images),
        advice=advised(classes, has_labels) if classes else None,
    )


def budgets(table: pd.DataFrame) -> str:
    """The answer of the rows at each kept n, in Markdown.

    Returns
    -------
    str
        A line an n: the best method; its mean over seeds; what a new student of it reaches, by the
        curve, with its 95 % interval; who may be as good; labels alone; what twice the calls add. A
        `*` marks what lies beyond the method's rows.
    """
    heads = ["n", "best", "mean (%)", "a new student", "not significantly below", "labels alone"]
    lines = [[*heads, "twice the calls: points"], ["---"] * 7]
    for n in sorted(table.n.unique()):
        found = budget(table, n)
        best, alone = found.best, found.alone
        level = [f"`{one}`" for one in found.level]
        if found.untold:
            names = ", ".join(map("`{}`".format, found.untold))
            level.append(f"(too few seeds in common: {names})")
        own = table[(table.method == best.method) & (table.n == n)]
        lines.append(
            [
                f"{n}",
                f"`{best.method}`",
                f"{own.test_accuracy.mean():.1f}",
                _level(best),
                ", ".join(level) or "none",
                _level(alone) + _beyond(alone, n) if alone else "",
                spread(best.twice) + _beyond(best, 2 * n),
            ]
        )
    return markdown(lines)


def _bought(table: pd.DataFrame, method: str, calls: int, images: int | None) -> Bought | None:
    """None where the method has no rows near so few calls."""
    own = table[table.method == method]
    kept = sorted(map(int, own.n.unique()))
    if not kept or calls < kept[0] / BACK:
        return None
    last = next((n for n in kept[1:] if n >= 2 * calls), kept[-1])
    fitted = recent([n for n in kept if n <= last])
    part = own[own.n.isin(fitted)]
    curve = fit_curve(part.n, part.test_accuracy, images)
    expected = curve.predict(calls)
    return Bought(
        method=method,
        kept=tuple(kept),
        fitted=tuple(fitted),
        curve=curve,
        expected=expected,
        next_call=curve.predict(calls + 1).value - expected.value,
        twice=curve.gain(calls, 2 * calls),
    )


# Words.


def _sentences(found: Budget) -> Iterator[str]:
    best = found.best
    money = "" if found.price is None else f" cost {cost(found.calls, found.price)}"
    yield (
        f"{found.calls:,} calls{money}; {best.method} is best in rows of n = {found.near:,}: a new "
        f"student is expected to reach {_level(best)}"
    )
    yield _others(found)
    if found.advice:
        yield f"the study would try {found.advice}"
    yield _labels(found)
    yield _next(found)
    more = f", {found.calls:,} more calls{_money(found, found.calls)}"
    yield f"twice the calls: {spread(best.twice).replace(' [', ' points [')}{more}"
    if warning := _carried(found):
        yield warning


def _others(found: Budget) -> str:
    told = "not significantly below it: " + (", ".join(found.level) or "none")
    names = ", ".join(found.untold)
    return f"{told}; too few seeds in common to say: {names}" if names else told


def _labels(found: Budget) -> str:
    if not found.has_labels:
        return (
            "without labels the teacher's best class stands in for them; every student of these "
            "rows had labels too, so that none says what that costs"
        )
    if not found.alone:
        return f"labels alone ({LABELS}): no rows near so few calls"
    outside = (
        "" if _inside(found.alone, found.calls) else f", beyond its rows ({_span(found.alone)})"
    )
    return f"labels alone ({LABELS}), on the same images: {_level(found.alone)}{outside}"


def _next(found: Budget) -> str:
    gained = found.best.next_call
    if gained <= 0:
        return "the next call buys nothing: the curve does not rise there"
    if gained < SLIGHT:
        return f"the next call buys less than {SLIGHT:g} points"
    needed = 1 / gained
    return (
        f"the next call buys {gained:.2g} points: at that rate a point takes {needed:,.0f} calls"
        f"{_money(found, needed)}"
    )


def _carried(found: Budget) -> str:
    """Where the budget, or twice of it, lies beyond all rows of the best method."""
    best, calls = found.best, found.calls
    fewest, most = best.kept[0], best.kept[-1]
    if calls < fewest:
        return (
            f"no row of {best.method} has so few calls ({_span(best)}): the curve is carried back"
        )
    if 2 * calls <= most:
        return ""
    what = "so many calls" if calls > most else "twice the calls"
    untried = (
        "" if calls <= TRIED * most else f", further than such curves were tried ({TRIED} times)"
    )
    return f"no row of {best.method} has {what} ({_span(best)}): the curve is carried on{untried}"


def _money(found: Budget, calls: float) -> str:
    return "" if found.price is None else f", {cost(calls, found.price)} in your money"


def _level(one: Bought) -> str:
    return "{:.1f} % [{:.1f}, {:.1f}]".format(*one.expected)


def _inside(one: Bought, calls: int) -> bool:
    return one.kept[0] <= calls <= one.kept[-1]


def _beyond(one: Bought, calls: int) -> str:
    return "" if _inside(one, calls) else " *"


def _span(one: Bought) -> str:
    return f"n = {one.kept[0]:,} to {one.kept[-1]:,}"
