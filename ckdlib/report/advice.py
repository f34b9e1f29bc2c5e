"""Kept rows -> what more teacher calls would buy, and which method is best at each n."""

from collections.abc import Sequence

import pandas as pd
from scipy import stats

from ..errors import InputError, choose
from ..records import Row
from .backtest import test_images
from .estimates import cell_errors
from .learning_curve import Curve, cost, fit_curve, spread, times
from .readme import markdown
from .rows import frame
from .statistics import ENDS, FEWEST_SEEDS

FACTORS = (2, 4)  # times the calls
NOTE = "points above the curve at n, with 95 % intervals of one new student"
BACK = 4  # the curve is fitted to the n from a fourth of the largest on


def advise(
    rows: Sequence[Row],
    experiment: str | None = None,
    method: str | None = None,
    price: float | None = None,
    folder: str = "FOLDER",
) -> str:
    """What more calls would buy, in Markdown.

    Parameters
    ----------
    rows : sequence of Row
    experiment : str, optional
        That whose rows are of the most different n without.
    method : str, optional
        All without.
    price : float, optional
        Of a call, in the user's money.
    folder : str
        Where the rows are from, for the message when there are none.

    Returns
    -------
    str
        For each pair: each method's accuracy at its largest n, and how far above the fitted curve
        there 2 and 4 times the calls would lie, with 95 % intervals of one new student; and for
        each n the best method, and those that are not significantly below it (`rivals_of_best`).

    Raises
    ------
    InputError
        Without rows, of an experiment or method that has none, of methods of one n alone, of a
        price that is negative or no number.
    """
    if not rows:
        command = f"python -m ckdlib run --results {folder}"
        raise InputError(f"no rows in {folder}; make some with: {command}")
    name = experiment or _widest(rows)
    choose("experiment of these rows", name, dict.fromkeys(row["experiment"] for row in rows))
    table = frame(rows, name, report=lambda line: None)
    done = table[table.status == "done"]
    if done.empty:
        raise InputError(f"every run of {name!r} diverged; train with --learning-rates 0.01")
    if method:
        choose("method of these rows", method, done.method.unique())
    same = [row for row in rows if row["dataset_sha256"] == table.dataset_sha256.iloc[0]]
    images = test_images(row["test_accuracy"] for row in same)
    parts = [f"{name}, {table.dataset.iloc[0]}; {NOTE}"]
    for pair, part in done.groupby("pair"):
        curves = more_calls(part[part.method == method] if method else part, images)
        parts += [f"`{pair}`", _gains(part, curves, price), _best(rivals_of_best(part))]
    return "\n\n".join(parts)


def _widest(rows: Sequence[Row]) -> str:
    """The experiment of the most n; of the most rows, where several are."""
    runs = pd.DataFrame(rows, columns=["experiment", "n", "seed"])
    sizes = runs.groupby("experiment", sort=False).n.agg(["nunique", "size"])
    return str(max(sizes.index, key=lambda name: tuple(sizes.loc[name])))


def more_calls(table: pd.DataFrame, images: int | None = None) -> dict[str, Curve | None]:
    """The curve of each method of one pair; None of a method that asks no teacher.

    Parameters
    ----------
    table : DataFrame
        Done rows of a frame, see `rows.frame`.
    images : int, optional
        Test images, as of `fit_curve`.

    Raises
    ------
    InputError
        If every method has rows of one n alone; a single one that has is left out.
    """
    found: dict[str, Curve | None] = {}
    short: dict[str, int] = {}
    for method, part in table.groupby("method", sort=False):
        sizes = sorted(part.n.unique())
        chosen = part[part.n.isin(recent(sizes))]
        if not part.teacher_calls.any():
            found[method] = None
        elif len(sizes) > 1:
            found[method] = fit_curve(chosen.n, chosen.test_accuracy, images)
        else:
            short[method] = sizes[0]
    if not found and short:
        method, n = next(iter(short.items()))
        raise InputError(
            f"rows of {method!r} at one n ({n}) make no curve; train it at another, as --n {n // 2}"
        )
    return found


def recent(sizes: Sequence[int]) -> Sequence[int]:
    """Of ascending n, those that a curve is fitted to: from a fourth of the largest on, or two."""
    found = [n for n in sizes if n >= sizes[-1] / BACK]
    return found if len(found) > 1 else sizes[-2:]


def rivals_of_best(table: pd.DataFrame) -> pd.DataFrame:
    """The best method of one pair at each n, on the mean over seeds, and who may be as good.

    Returns
    -------
    DataFrame
        A line an n: `best`, its `accuracy` in per cent, `seeds` that it has; `level`, the methods
        whose paired difference to it is not below 0 by its 95 % t interval (the scatter of all n
        together, see `estimates.cell_errors`); `untold`, those of too few seeds to say. The best of
        many is best by luck in part, which these intervals do not know.
    """
    wide = table.pivot(index="seed", columns=["method", "n"], values="test_accuracy")
    means = wide.mean().unstack("method")
    lines = []
    for n, accuracies in means.iterrows():
        best = accuracies.idxmax()
        level: list[str] = []
        untold: list[str] = []
        for other in accuracies.dropna().sort_values(ascending=False).index.drop(best):
            below = _below(wide[other] - wide[best], n)
            (untold if below is None else level if not below else []).append(other)
        lines.append([n, best, accuracies[best], wide[best, n].count(), level, untold])
    return pd.DataFrame(lines, columns=["n", "best", "accuracy", "seeds", "level", "untold"])


def _below(gaps: pd.DataFrame, n: int) -> bool | None:
    """Is a difference [seeds, n] at n significantly below 0? None of fewer than FEWEST_SEEDS.

    The seeds are those that have this n, the other n those that all of these have.
    """
    known = gaps[gaps[n].notna()].dropna(axis=1)
    if len(known) < FEWEST_SEEDS:
        return None
    error, df = cell_errors(known.to_numpy())
    return bool(known[n].mean() + stats.t.ppf(ENDS[1], df) * error < 0)


# Words.


def _gains(table: pd.DataFrame, curves: dict[str, Curve | None], price: float | None) -> str:
    money = "" if price is None else ", for how much of your money"
    heads = [f"{times(factor)} the calls: points{money}" for factor in FACTORS]
    lines = [["method", "n", "accuracy (%)", "curve (%)", *heads], ["---"] * (4 + len(heads))]
    for method, curve in curves.items():
        n = table[table.method == method].n.max()
        there = table[(table.method == method) & (table.n == n)].test_accuracy.mean()
        line = [f"`{method}`", f"{n}", f"{there:.1f}"]
        if curve is None:
            lines.append([*line, "asks no teacher", *[""] * len(heads)])
            continue
        line.append(f"{curve.predict(n).value:.1f}")
        for factor in FACTORS:
            told = spread(curve.gain(n, factor * n))
            line.append(told if price is None else f"{told} for {cost((factor - 1) * n, price)}")
        lines.append(line)
    return markdown(lines)


def _best(lines: pd.DataFrame) -> str:
    told = [["n", "best", "accuracy (%)", "not significantly below"], ["---"] * 4]
    for line in lines.itertuples():
        others = [f"`{name}`" for name in line.level]
        if line.untold:
            names = ", ".join(f"`{name}`" for name in line.untold)
            others.append(f"(too few seeds to say: {names})")
        told.append([f"{line.n}", f"`{line.best}`", f"{line.accuracy:.1f}", ", ".join(others)])
    return markdown(told)
