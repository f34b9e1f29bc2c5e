"""The same tuning for all: nine settings of every method, tried on images that no other run uses.

Each is tried once (seed 11), the three best of each method once more (seed 12), and of these the
one with the best mean of both is the method's: twelve trials a method, whatever it is.

Axes are the weight of what the teacher says (or of the labels, where it says nothing) and a second
number of the method's: a temperature, the shape of the mixture, another weight. None is the
method's own value, so that its authors' setting is among the nine.
"""

from itertools import product

Axis = tuple[float | None, ...]

CLOSE: Axis = (None, 5, 20)  # of a squared error, which is a mean over classes
SOFT: Axis = (2, None, 8)  # temperatures around 4
PULL: Axis = (0, None, 5)  # of the labels' term beside it

AXES: dict[str, dict[str, Axis]] = {
    # no teacher
    "ce": {"labels": (0.1, 0.2, 0.3, 0.5, None, 2, 3, 5, 10)},
    "ce+mixup": {"labels": (0.3, None, 3), "alpha": (0.2, 0.5, None)},
    "ce+smoothing": {"labels": (0.3, None, 3), "smoothing": (0.05, None, 0.2)},
    # the paper's
    "kd": {"kl": (None, 4, 16), "temperature": SOFT},
    "crd": {"kl": (None, 4, 16), "crd": (0.2, None, 3.2)},
    "mixup": {"teacher": (None, 4, 16), "alpha": (0.2, 0.5, None)},
    "rkd": {"kl": (None, 4, 16), "rkd": (0.2, None, 5)},
    "dist": {"kl": (0, None, 4), "dist": (None, 5, 12)},
    "ckd_pairs": {"labels": PULL, "teacher": CLOSE},
    # controls and ours
    "kl": {"kl": (None, 4, 16), "temperature": SOFT},
    "mse": {"labels": PULL, "teacher": CLOSE},
    "ckd": {"labels": PULL, "teacher": CLOSE},
    "ckd_calibrated": {"labels": PULL, "teacher": CLOSE},
    "ce+ckd": {"labels": (0.3, None, 3), "teacher": (2, None, 12)},
    "ce+ckd+dist": {"teacher": (2, None, 12), "dist": (0.7, None, 5)},
    "ce+mse": {"labels": (0.3, None, 3), "teacher": (2, None, 12)},
    "ce+mse+dist": {"teacher": (2, None, 12), "dist": (0.7, None, 5)},
    # later
    "dkd": {"beta": (2, None, 18), "temperature": SOFT},
    "lskd": {"lskd": (3, None, 27), "temperature": (1, None, 4)},
    "rld": {"beta": (2, None, 24), "temperature": SOFT},
}


def settings(method: str) -> list[str]:
    """A method's nine settings, as names of methods."""
    axes = AXES[method]
    names = []
    for values in product(*axes.values()):
        words = [f"{word}={value:g}" for word, value in zip(axes, values, strict=True)
                 if value is not None]  # fmt: skip
        names.append(f"{method}:{','.join(words)}" if words else method)
    return names


TRIALS = tuple(name for method in AXES for name in settings(method))

# What was found, method -> setting (`report.tuned` of results/tuning).
TUNED = {
    "ce": "ce",
    "ce+mixup": "ce+mixup:labels=3",
    "ce+smoothing": "ce+smoothing",
    "kd": "kd:kl=16,temperature=8",
    "crd": "crd:kl=4,crd=3.2",
    "mixup": "mixup:teacher=16,alpha=0.5",
    "rkd": "rkd:kl=4",
    "dist": "dist",
    "ckd_pairs": "ckd_pairs:labels=5,teacher=5",
    "kl": "kl:kl=16,temperature=8",
    "mse": "mse:teacher=5",
    "ckd": "ckd:labels=0,teacher=20",
    "ckd_calibrated": "ckd_calibrated:labels=5,teacher=5",
    "ce+ckd": "ce+ckd:labels=3",
    "ce+ckd+dist": "ce+ckd+dist:teacher=2",
    "ce+mse": "ce+mse:teacher=2",
    "ce+mse+dist": "ce+mse+dist:teacher=2,dist=5",
    "dkd": "dkd:temperature=8",
    "lskd": "lskd:lskd=27",
    "rld": "rld:temperature=8",
}
