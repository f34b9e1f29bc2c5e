"""The curve of few points: against a loop, against simulated curves of known truth, refusals."""

from math import asin, exp, nan, pi, sin, sqrt

import numpy as np
import pytest
from scipy import stats

from ckdlib.errors import InputError
from ckdlib.report import PRIOR, fit_curve

CALLS = (100, 200, 400)


def angle(accuracy):
    return asin(sqrt(accuracy / 100))


def loop(calls, accuracies, images, n, prior=PRIOR):
    """The line through (x, angle) by covariances in full: predicted angle and its sd."""
    sizes = sorted(set(calls))
    points = []
    for size in sizes:
        at = [i for i, one in enumerate(calls) if one == size]
        own = [angle(accuracies[i]) for i in at]
        points.append((-((size / sizes[-1]) ** -prior.exponent), own, [images[i] for i in at]))
    expected = [[prior.scatter**2 + 1 / (4 * m) for m in tested] for _, _, tested in points]
    unit = sum(map(sum, expected)) / len(calls)
    relative = [sum(each) / len(each) / unit for each in expected]
    noise = np.diag(
        [
            r * (prior.share + (1 - prior.share) / len(own))
            for r, (_, own, _) in zip(relative, points)
        ]
    )
    design = np.array([[1, x] for x, _, _ in points])
    means = np.array([sum(own) / len(own) for _, own, _ in points])
    precision = np.linalg.inv(noise)
    covariance = np.linalg.inv(design.T @ precision @ design)
    beta = covariance @ design.T @ precision @ means
    misfit = means - design @ beta
    squares = misfit @ precision @ misfit
    for r, mean, (_, own, _) in zip(relative, means, points):
        squares += sum((one - mean) ** 2 for one in own) / r / (1 - prior.share)
    df = prior.df + len(calls) - 2
    variance = (prior.df * unit + squares) / df
    row = np.array([1, -((n / sizes[-1]) ** -prior.exponent)])
    ratio, step = max(n / sizes[-1], 1), 1e-5
    rises = [(1 - ratio**-g) / g for g in (prior.exponent - step, prior.exponent + step)]
    bend = prior.bend * beta[1] * prior.exponent * (rises[1] - rises[0]) / (2 * step)
    return row @ beta, sqrt(variance * (row @ covariance @ row + 1) + bend**2), df


@pytest.mark.parametrize(
    "calls, accuracies, images",
    [
        (CALLS, (50, 61, 66), (10_000,) * 3),
        ((100, 400), (50, 66), (300, 300)),
        ((400, 100, 100, 200, 400), (81, 50, 52, 70, 79), (500,) * 5),
        (CALLS, (70, 62, 55), (200, 300, 4000)),
    ],
)
@pytest.mark.parametrize("n", [50, 300, 400, 800, 3200])
def test_against_a_loop(calls, accuracies, images, n):
    middle, sd, df = loop(calls, accuracies, images, n)
    curve = fit_curve(calls, accuracies, images)
    assert curve.df == df and curve.angle(n) == pytest.approx((middle, sd), rel=1e-6)
    half = stats.t.ppf(0.9, df) * sd
    expected = [
        100 * sin(min(max(a, 0), pi / 2)) ** 2 for a in (middle, middle - half, middle + half)
    ]
    assert curve.predict(n, 0.8) == pytest.approx(expected, rel=1e-6)


def test_two_points_are_met_and_the_rise_goes_on():
    """By hand: exponent 1, angles 0.4 and 0.6 at 100 and 200, so 0.7 at 400 and 0.8 at last."""
    prior = PRIOR._replace(exponent=1.0)
    curve = fit_curve((100, 200), [100 * sin(a) ** 2 for a in (0.4, 0.6)], prior=prior)
    for n, there in ((100, 0.4), (200, 0.6), (400, 0.7), (1e12, 0.8)):
        assert curve.predict(n).value == pytest.approx(100 * sin(there) ** 2)
    gain = curve.gain(200, 400)
    ahead = curve.predict(400)
    assert gain == pytest.approx([one - 100 * sin(0.6) ** 2 for one in ahead])
    assert curve.gain(100, 400) == pytest.approx([one - 100 * sin(0.4) ** 2 for one in ahead])


def test_the_interval_widens_with_the_distance_and_narrows_with_seeds_and_images():
    def width(curve, n, **more):
        predicted = curve.predict(n, **more)
        return predicted.high - predicted.low

    curve = fit_curve(CALLS, (50, 61, 66), 300)
    widths = [width(curve, n) for n in (400, 800, 1600, 3200, 6400)]
    assert widths == sorted(widths) and widths[3] > 1.1 * widths[1]
    assert width(curve, 800, level=0.5) < width(curve, 800, level=0.8) < widths[1]
    assert width(curve, 800, seeds=3) < widths[1]
    assert width(fit_curve(CALLS, (50, 61, 66), 3000), 800) < widths[1]
    assert width(fit_curve(CALLS * 2, (50, 61, 66) * 2, 300), 800) < widths[1]


def test_the_prior_keeps_three_points_on_a_line_from_being_certain():
    prior = PRIOR._replace(bend=0.0)
    places = [-((n / 400) ** -prior.exponent) for n in CALLS]
    on_a_line = [100 * sin(0.9 + 0.1 * x) ** 2 for x in places]
    curve = fit_curve(CALLS, on_a_line, prior=prior)
    unit = prior.scatter**2 + 1 / 40_000
    assert curve.variance == pytest.approx(prior.df * unit / (prior.df + 1))


def simulated(truth, rng, images, scatter, n, seeds=1):
    """An accuracy measured on so many images, of a student that scatters about the truth."""
    angles = np.arcsin(np.sqrt(truth(n))) + rng.normal(0, scatter, seeds)
    return 100 * rng.binomial(images, np.sin(np.clip(angles, 0, pi / 2)) ** 2) / images


TRUTHS = {
    "its own form": lambda n: sin(1.2 - 8 * n**-0.8) ** 2,
    "power law to 70 %": lambda n: 0.7 - 4 * n**-0.5,
    "near 100 %": lambda n: 1 - 30 / n,
    "flat": lambda n: 0.55,
}
SPEEDING = {  # curves that do not flatten in the angle while they are seen
    "power law": lambda n: 1 - 3 * n**-0.4,
    "exponential": lambda n: 0.9 - 0.7 * exp(-n / 300),
}


def tried(truth, images, seeds, draws=300):
    """[draws, 2]: at twice and 4 times the calls, points above what came, and was it held."""
    rng, errors, held = np.random.default_rng(0), [], []
    for _ in range(draws):
        found = []
        for n in CALLS:
            found.extend(simulated(truth, rng, images, PRIOR.scatter, n, seeds))
        curve = fit_curve(np.repeat(CALLS, seeds), found, images)
        for n in (800, 1600):
            (came,) = simulated(truth, rng, images, PRIOR.scatter, n)
            value, low, high = curve.predict(n)
            errors.append(value - came)
            held.append(low <= came <= high)
    return np.reshape(errors, (draws, 2)), np.reshape(held, (draws, 2))


@pytest.mark.parametrize("name", TRUTHS)
@pytest.mark.parametrize("images", [200, 1000])
@pytest.mark.parametrize("seeds", [1, 2])
def test_simulated_curves_that_flatten_are_held(name, images, seeds):
    _, held = tried(TRUTHS[name], images, seeds)
    assert (held.mean(0) >= (0.94 if name == "its own form" else 0.88)).all()


@pytest.mark.parametrize("name", SPEEDING)
def test_of_curves_that_do_not_flatten_too_little_is_promised(name):
    """The limit of a fixed exponent: said in `fit_curve`'s docstring."""
    errors, held = tried(SPEEDING[name], 1000, 1)
    assert (errors.mean(0) < -2).all() and held.mean(0)[1] < 0.7


@pytest.mark.parametrize(
    "accuracies", [(50, 50, 50), (0, 0, 0), (100, 100, 100), (0, 50, 100), (90, 70, 60)]
)
def test_degenerate_curves_have_an_interval(accuracies):
    curve = fit_curve(CALLS, accuracies, 300)
    for n in (1, 100, 800, 10**6):
        value, low, high = curve.predict(n)
        assert 0 <= low <= value <= high <= 100
        assert n == 1 or high - low > 0.05
    rise = curve.gain(400, 800).value
    if len(set(accuracies)) == 1:
        assert rise == pytest.approx(0, abs=1e-9)
    elif accuracies[0] > accuracies[2]:
        assert rise < 0


@pytest.mark.parametrize(
    "calls, accuracies, images, says",
    [
        ((400,), (50,), None, "accuracies at one n (400) make no curve; give two or more"),
        ((400, 400), (50, 52), None, "accuracies at one n (400) make no curve"),
        ((), (), None, "accuracies at no n make no curve"),
        ((100, 200), (50, nan), None, "accuracy nan: give per cent, 0 to 100"),
        ((100, 200), (50, 101), None, "accuracy 101: give per cent, 0 to 100"),
        ((100, 200), (-1, 50), None, "accuracy -1: give per cent"),
        ((0, 200), (40, 50), None, "calls 0: give at least 1"),
        ((100, float("inf")), (40, 50), None, "calls inf: give at least 1"),
        ((100, 200), (40, 50), 0, "test images 0: give at least 1"),
        ((100, 200), (40, 50), (100, nan), "test images nan: give at least 1"),
        ((100, 200), (40,), None, "2 numbers of calls, 1 accuracies"),
        ((100, 200), (40, 50), (1, 2, 3), "2 accuracies, 3 numbers of images"),
    ],
)
def test_refusals(calls, accuracies, images, says):
    with pytest.raises(InputError) as refused:
        fit_curve(calls, accuracies, images)
    assert says in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "asked, says",
    [
        (lambda c: c.predict(0), "0 calls: give at least 1"),
        (lambda c: c.predict(nan), "nan calls: give at least 1"),
        (lambda c: c.predict(800, level=95), "an interval of level 95; give one between 0 and 1"),
        (lambda c: c.predict(800, seeds=0), "0 seeds: give at least 1"),
        (lambda c: c.gain(400, 400), "400 calls are no more than 400; give more calls"),
        (lambda c: c.sentence(800, price=-1), "price -1 of a call: give a number of at least 0"),
        (lambda c: c.sentence(800, price=nan), "price nan of a call"),
        (lambda c: c.sentence(300), "300 calls are no more than 400"),
    ],
)
def test_what_a_curve_refuses(asked, says):
    with pytest.raises(InputError) as refused:
        asked(fit_curve(CALLS, (50, 61, 66)))
    assert says in str(refused.value)


def test_sentences():
    curve = fit_curve(CALLS, (50, 61, 66))
    value, low, high = (round(one, 1) for one in curve.gain(400, 800))
    gained = f"{value:+.1f} points [{low:.1f}, {high:.1f}]"
    assert curve.sentence(800) == f"twice the calls: {gained}, 400 more calls"
    assert curve.sentence(800, 0.002).endswith("], 400 more calls, 0.80 in your money")
    assert curve.sentence(1600).startswith("4 times the calls: +")
    assert curve.sentence(600).startswith("1.5 times the calls: +")
    assert (
        fit_curve(CALLS, (50, 50, 50)).sentence(800).startswith("twice the calls: +0.0 points [-")
    )
