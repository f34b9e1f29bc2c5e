"""Accuracy against teacher calls: a curve through a few n, and what more calls would buy.

With p the accuracy as a share, the angle arcsin sqrt(p) is fitted as level - slope n^-exponent: a
power law with a free end. The exponent is fixed, from kept curves, so that the fit is a line in
n^-exponent, in closed form, and two n are enough. On the angle, m test images scatter by 1 / (4 m)
at any accuracy (Anscombe 1948, https://doi.org/10.1093/biomet/35.3-4.246).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log, pi, sin, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import InputError
from .statistics import CONFIDENCE

IMAGES = 10_000  # test images where their number is not given: those of the curves behind PRIOR


class Prior(NamedTuple):
    """What kept curves tell about a new one."""

    exponent: float
    bend: float  # sd of the exponent beyond the most calls that were seen
    scatter: float  # sd of one student's angle about its curve, beside that of the test images
    share: float  # of that variance, what more seeds at the same n do not average away
    df: float  # degrees of freedom that the scatter counts for


# exponent and scatter: `backtest.fit_priors` of the curves of results/pilot (fewer_calls), page 14.
# The others were set: the likelihood is largest at a share of 0.5 there; a df of 4 lets curves of
# twice the scatter (digits) have their way; a bend of 0.3 hardly widens the intervals at twice the
# calls, and keeps those at 8 times from being too narrow.
PRIOR = Prior(exponent=0.8, bend=0.3, scatter=0.012, share=0.5, df=4)


class Prediction(NamedTuple):
    """In per cent, or points of it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A fitted learning curve (`fit_curve`).

    Its intervals are of one new student, its test images and its scatter among them (or of the mean
    of several, `seeds`). They widen with the distance: by the slope's error, and by the exponent's.
    """

    most: int  # the most calls that were seen
    level: float  # angle at `centre`
    slope: float
    centre: float  # of n^-exponent
    level_variance: float  # of the level's estimate, in units of `variance`
    slope_variance: float
    variance: float  # of one student's angle
    df: float
    prior: Prior

    def predict(self, n: float, level: float = CONFIDENCE, seeds: int = 1) -> Prediction:
        """The test accuracy at n calls.

        Parameters
        ----------
        n : float
            Teacher calls, more or fewer than were seen.
        level : float
            Of the interval.
        seeds : int
            Students whose mean is predicted.

        Returns
        -------
        Prediction
            Accuracy, low and high in per cent.

        Raises
        ------
        InputError
            Of an n below 1, a level outside 0 to 1, fewer seeds than 1.
        """
        middle, sd = self.angle(n, seeds)
        half = self._quantile(level) * sd
        low, value, high = map(_per_cent, (middle - half, middle, middle + half))
        return Prediction(value, low, high)

    def gain(
        self, n_from: float, n_to: float, level: float = CONFIDENCE, seeds: int = 1
    ) -> Prediction:
        """How far a new student of n_to calls is above the curve at n_from.

        Parameters and errors as of `predict`; also where n_to is no more than n_from.

        Returns
        -------
        Prediction
            Points, low and high.
        """
        start = self.predict(n_from).value
        if not n_to > n_from:
            raise InputError(f"{n_to} calls are no more than {n_from}; give more calls")
        return Prediction(*(end - start for end in self.predict(n_to, level, seeds)))

    def sentence(self, n: float, price: float | None = None) -> str:
        """What n calls would buy, above those that were seen.

        'twice the calls: +3.1 points [1.2, 4.9], 400 more calls, 0.80 in your money'

        Parameters
        ----------
        n : float
        price : float, optional
            Of a call.

        Raises
        ------
        InputError
            As of `gain`, and of a price that is negative or no number.
        """
        more, gained = n - self.most, spread(self.gain(self.most, n)).replace(" [", " points [")
        money = "" if price is None else f", {cost(more, price)} in your money"
        return f"{times(n / self.most)} the calls: {gained}, {more:.0f} more calls{money}"

    def angle(self, n: float, seeds: int = 1) -> tuple[float, float]:
        """The predicted angle in radians and its standard deviation."""
        if not 1 <= n < inf:
            raise InputError(f"{n} calls: give at least 1")
        if not seeds >= 1:
            raise InputError(f"{seeds} seeds: give at least 1")
        away = _place(n, self.most, self.prior.exponent) - self.centre
        scatter = self.prior.share + (1 - self.prior.share) / seeds
        errors = self.level_variance + self.slope_variance * away**2 + scatter
        bend = self.prior.bend * self.slope * self._bent(n)
        return self.level + self.slope * away, sqrt(self.variance * errors + bend**2)

    def _bent(self, n: float) -> float:
        """How the rise beyond the most calls changes with the exponent g, its beginning held.

        Of (1 - r^-g) / g, which begins as log r, times g: r calls for one that was seen.
        """
        ratio, g = max(n / self.most, 1), self.prior.exponent
        left = ratio**-g
        return left * log(ratio) - (1 - left) / g

    def _quantile(self, level: float) -> float:
        if not 0 < level < 1:
            raise InputError(f"an interval of level {level}; give one between 0 and 1, as 0.95")
        return float(stats.t.ppf((1 + level) / 2, self.df))


def fit_curve(
    calls: Sequence[float],
    accuracies: Sequence[float],
    images: int | Sequence[int] | None = None,
    prior: Prior = PRIOR,
) -> Curve:
    """The curve through accuracies at two n or more, for instance n/4, n/2 and n.

    Weighted least squares of the angles' means at each n. The variance is moderated as in Smyth
    2004 (https://doi.org/10.2202/1544-6115.1027): (prior.df times its prior + the residuals' sum of
    squares) / (prior.df + N - 2), of N accuracies. A curve may fall. Of one that does not flatten
    as kept ones do (1 - 3 n^-0.4, or speeding up at the last n) too little is promised.

    Parameters
    ----------
    calls : sequence of float
        Teacher calls; an n more than once where it has several seeds.
    accuracies : sequence of float
        In per cent, one for each of `calls`.
    images : int or sequence of int, optional
        Test images that they were measured on. Without, IMAGES: of a smaller test set the intervals
        are too narrow then.
    prior : Prior

    Returns
    -------
    Curve

    Raises
    ------
    InputError
        Of fewer than two different n, lengths that differ, calls or images below 1, accuracies
        outside 0 to 100 or that are no numbers.
    """
    n, share, tested = _checked(calls, accuracies, images)
    angles = np.arcsin(np.sqrt(share))
    expected = prior.scatter**2 + 1 / (4 * tested)
    unit = expected.mean()
    sizes, at = np.unique(n, return_inverse=True)
    students = np.bincount(at)
    means = np.bincount(at, angles) / students
    relative = np.bincount(at, expected) / students / unit
    weights = 1 / (relative * (prior.share + (1 - prior.share) / students))
    places = _place(sizes, sizes[-1], prior.exponent)
    centre, level = weights @ places / weights.sum(), weights @ means / weights.sum()
    away = places - centre
    slope_variance = 1 / (weights @ away**2)
    slope = slope_variance * (weights @ (away * means))
    within = ((angles - means[at]) ** 2 / relative[at]).sum() / (1 - prior.share)
    squares = within + weights @ (means - level - slope * away) ** 2
    df = prior.df + len(angles) - 2
    return Curve(
        most=int(sizes[-1]),
        level=float(level),
        slope=float(slope),
        centre=float(centre),
        level_variance=float(1 / weights.sum()),
        slope_variance=float(slope_variance),
        variance=float((prior.df * unit + squares) / df),
        df=df,
        prior=prior,
    )


def _checked(
    calls: ArrayLike, accuracies: ArrayLike, images: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls, accuracies as shares, and test images, one each."""
    n, found = np.asarray(calls, float), np.asarray(accuracies, float)
    tested = np.asarray(IMAGES if images is None else images, float)
    if n.ndim != 1 or n.shape != found.shape or tested.shape not in ((), n.shape):
        raise InputError(
            f"{n.size} numbers of calls, {found.size} accuracies, {tested.size} numbers of images; "
            "give one accuracy for each number of calls (and one number of images, or one each)"
        )
    for what, values, low, high, right in (
        ("calls", n, 1, inf, "at least 1"),
        ("accuracy", found, 0, 100, "per cent, 0 to 100"),
        ("test images", tested, 1, inf, "at least 1"),
    ):
        wrong = values[~((values >= low) & (values <= high) & np.isfinite(values))]
        if wrong.size:
            raise InputError(f"{what} {wrong[0]:g}: give {right}")
    if len(np.unique(n)) < 2:
        told = f"at one n ({n[0]:g})" if n.size else "at no n"
        raise InputError(
            f"accuracies {told} make no curve; give two or more, as a quarter and half"
        )
    return n, found / 100, np.broadcast_to(tested, n.shape)


def _place(n, most, exponent: float):
    """Where n stands on the line: -1 at the most calls that were seen, 0 at endlessly many."""
    return -((n / most) ** -exponent)


def _per_cent(angle: float) -> float:
    return 100 * sin(min(max(angle, 0), pi / 2)) ** 2


# Words.


def times(factor: float) -> str:
    """'twice', '4 times'."""
    return "twice" if factor == 2 else f"{factor:.3g} times"


def spread(points: Prediction) -> str:
    """'+3.1 [1.2, 4.9]'."""
    value, low, high = (round(number, 1) + 0 for number in points)  # + 0: no -0
    return f"{value:+.1f} [{low:.1f}, {high:.1f}]"


def cost(calls: float, price: float) -> str:
    """'0.80', of so many calls."""
    if not 0 <= price < inf:
        raise InputError(f"price {price} of a call: give a number of at least 0")
    return f"{calls * price:.2f}"
