"""Does a predicted interval hold what was really found, as often as it says? Tried on kept rows."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .learning_curve import PRIOR, Prediction, Prior, fit_curve

LEVELS = (0.5, 0.8, 0.95)
NEAR = 1.25  # a kept n within this factor stands for one that was not run
EXPONENTS = np.arange(10, 24) / 20  # that `fit_priors` tries
SCATTERS = np.array([*range(6, 16), 17, 19, 21, 24, 27, 30, 34]) / 1000
MOST_IMAGES, ROUNDED = 100_000, 1e-4  # of a row's accuracy, in per cent


class Case(NamedTuple):
    """Accuracies at about n/4, n/2 and n, and what was found at about 2n or 4n."""

    pair: str
    method: str
    n: int
    times: int  # 2 or 4
    target: int  # the n that was run for it
    seeds: int  # students at each n: 1, or all that have every n
    calls: tuple[int, ...]  # a student each
    accuracies: tuple[float, ...]
    images: int | None
    found: float  # mean over the seeds, per cent


def test_images(accuracies: Iterable[float]) -> int | None:
    """The fewest images that can give all these accuracies in per cent, rounded to 4 digits.

    Of some ten accuracies or more this is their number, of few it may be a part of it. None where
    none up to 100,000 can.
    """
    shares = np.unique(np.asarray(list(accuracies), float)) / 100
    counts = np.arange(1, MOST_IMAGES + 1)
    for share in shares:
        counts = counts[np.abs(counts * share - np.rint(counts * share)) < counts * ROUNDED / 100]
    return int(counts[0]) if len(counts) else None


def cases(table: pd.DataFrame) -> list[Case]:
    """Every forecast that kept rows can judge: of each seed, and of the mean over seeds.

    Where an n was not run, the nearest that was stands for it, if within a quarter (NEAR).

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`; diverged runs are left out.
    """
    done = table[table.status == "done"]
    images = test_images(done.test_accuracy)
    found = []
    for (pair, method), part in done.groupby(["pair", "method"]):
        wide = part.pivot(index="seed", columns="n", values="test_accuracy")
        for n, factor in product(wide.columns, (2, 4)):
            wanted = [n / 4, n / 2, n, factor * n]
            kept = [min(wide.columns, key=lambda m: abs(np.log(m / one))) for one in wanted]
            far = [one for one, m in zip(wanted, kept, strict=True) if not _near(m, one)]
            if far or len(set(kept)) < 4:
                continue
            curves = wide[kept].dropna()
            singles = [curves.loc[[seed]] for seed in curves.index]
            for students in [*singles, curves] if len(curves) > 1 else singles:
                base, target = students[kept[:3]], students[kept[3]]
                known = tuple(kept[:3]) * len(base), tuple(base.to_numpy().ravel().tolist())
                place = (pair, method, n, factor, kept[3], len(base))
                found.append(Case(*place, *known, images, float(target.mean())))
    return found


def _near(one: float, other: float) -> bool:
    return max(one / other, other / one) <= NEAR


# Forecasts: of a case and levels, a prediction each.

Forecast = Callable[[Case, Sequence[float]], list[Prediction]]


def curve(case: Case, levels: Sequence[float], prior: Prior = PRIOR) -> list[Prediction]:
    """`fit_curve`."""
    fitted = fit_curve(case.calls, case.accuracies, case.images, prior)
    return [fitted.predict(case.target, level, case.seeds) for level in levels]


def line(case: Case, levels: Sequence[float]) -> list[Prediction]:
    """The accuracy is a line in log n, with the t interval of least squares."""
    return _least_squares(case, np.array(case.accuracies), levels)


def power(case: Case, levels: Sequence[float]) -> list[Prediction]:
    """The logarithm of the error is one. No error at all counts as half an image's."""
    errors = np.maximum(100 - np.array(case.accuracies), 50 / (case.images or 10_000))
    predicted = _least_squares(case, np.log(errors), levels)
    return [Prediction(*(100 - np.exp([one.value, one.high, one.low]))) for one in predicted]


def last(case: Case, levels: Sequence[float]) -> list[Prediction]:
    """The accuracy at n stays, but for the scatter of the test images, twice."""
    value = float(np.mean(np.array(case.accuracies)[np.array(case.calls) == max(case.calls)]))
    sd = np.sqrt(2 * value * (100 - value) / (case.images or 10_000))
    halves = stats.norm.ppf((1 + np.array(levels)) / 2) * sd
    return [Prediction(value, value - half, value + half) for half in halves]


PLAIN: dict[str, Forecast] = {"line in log n": line, "power law": power, "the last stays": last}


def _least_squares(case: Case, values: np.ndarray, levels: Sequence[float]) -> list[Prediction]:
    x, count = np.log(case.calls), len(values)
    slope, level = np.polyfit(x, values, 1)
    residual = ((values - level - slope * x) ** 2).sum() / (count - 2)
    middle, away = level + slope * np.log(case.target), np.log(case.target) - x.mean()
    errors = 1 / case.seeds + 1 / count + away**2 / ((x - x.mean()) ** 2).sum()
    halves = stats.t.ppf((1 + np.array(levels)) / 2, count - 2) * np.sqrt(residual * errors)
    return [Prediction(middle, middle - half, middle + half) for half in halves]


# The prior.


def fit_priors(tried: Sequence[Case]) -> dict[str, Prior]:
    """The prior that makes the found accuracies most likely, of all cases but one method's.

    Exponent and scatter, by going through EXPONENTS and SCATTERS; the rest is PRIOR's.

    Returns
    -------
    dict
        Method -> the prior of all the others; '' -> the prior of all. Without cases of two methods
        it is empty.
    """
    methods = np.array([case.method for case in tried])
    if len(set(methods)) < 2:
        return {}
    found = np.arcsin(np.sqrt(np.array([case.found for case in tried]) / 100))
    grid = [PRIOR._replace(exponent=e, scatter=s) for e, s in product(EXPONENTS, SCATTERS)]
    likely = np.array([_log_densities(tried, found, prior) for prior in grid])
    sums = {name: likely[:, methods != name].sum(1) for name in ("", *dict.fromkeys(methods))}
    return {str(name): grid[int(each.argmax())] for name, each in sums.items()}


def _log_densities(tried: Sequence[Case], found: np.ndarray, prior: Prior) -> np.ndarray:
    told = []
    for case in tried:
        fitted = fit_curve(case.calls, case.accuracies, case.images, prior)
        told.append((*fitted.angle(case.target, case.seeds), fitted.df))
    middle, sd, df = np.array(told).T
    return stats.t.logpdf(found, df, middle, sd)


# Judgement.


def judged(tried: Sequence[Case], priors: dict[str, Prior] | None = None) -> pd.DataFrame:
    """Every case by every forecast.

    Parameters
    ----------
    tried : sequence of Case
    priors : dict, optional
        Method -> the prior that its cases are judged by (`fit_priors`); PRIOR without.

    Returns
    -------
    DataFrame
        A line a case, forecast and level: the case's fields, `forecast`, `level`, `value`, `low`,
        `high`, `found`.
    """
    lines = []
    for case in tried:
        prior = (priors or {}).get(case.method, PRIOR)
        told = {"curve": curve(case, LEVELS, prior)}
        told |= {name: forecast(case, LEVELS) for name, forecast in PLAIN.items()}
        for name, predictions in told.items():
            for level, prediction in zip(LEVELS, predictions, strict=True):
                lines.append([*case, name, level, *prediction])
    columns = [*Case._fields, "forecast", "level", *Prediction._fields]
    return pd.DataFrame(lines, columns=columns)


def coverage(lines: pd.DataFrame) -> pd.DataFrame:
    """How often the intervals of `judged` held what was found.

    Returns
    -------
    DataFrame
        By forecast, `times` and `of` (one seed, or the mean over seeds): `cases`; mean `error` and
        `rmse` in points, above 0 where too much was promised; per cent of the cases that were held
        at each level; the mean width of the 95 % interval in points, of its part within 0 to 100.
    """
    lines = lines.assign(
        error=lines.value - lines.found,
        square=(lines.value - lines.found) ** 2,
        held=100.0 * lines.found.between(lines.low, lines.high),
        width=lines.high.clip(upper=100) - lines.low.clip(lower=0),
        of=np.where(lines.seeds > 1, "mean", "seed"),
    )
    order = {name: place for place, name in enumerate(["curve", *PLAIN])}
    by = ["forecast", "times", "of"]
    ends = lines[lines.level == LEVELS[-1]].groupby(by)
    table = ends.agg(cases=("found", "size"), error=("error", "mean"), rmse=("square", "mean"))
    table["rmse"] = np.sqrt(table.rmse)
    for level in LEVELS:
        held = lines[lines.level == level].groupby(by).held.mean()
        table[f"{level:.0%}".replace("%", " %")] = held
    table["width"] = ends.width.mean()
    return table.sort_index(
        level="forecast", key=lambda names: names.map(order), sort_remaining=False
    )


def coverage_sentence(table: pd.DataFrame) -> str:
    """What a table of `coverage` says of the curve's 95 % intervals of one seed, in a line."""
    told = []
    for factor in (2, 4):
        if ("curve", factor, "seed") in table.index:
            found = table.loc[("curve", factor, "seed")]
            told.append(
                f"at {factor} times the calls {found['95 %']:.0f} % of {found.cases:.0f}, mean "
                f"width {found.width:.1f} points, mean error {round(found.error, 1) + 0:+.1f}"
            )
    if not told:
        return "no rows at n/4, n/2, n and 2n or 4n: nothing to judge"
    return f"95 % intervals that held what one seed found: {'; '.join(told)}"
