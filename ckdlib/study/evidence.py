"""Which methods the study would try first, as data: by classes and labels, and on what that rests.

`ckdlib.distill` tries them where nobody names a method, and says why; what a budget buys
(`report.budget`) names them; the README's first lines are held to them by a test.
"""

from dataclasses import dataclass
from math import inf

from .trials import TUNED


@dataclass(frozen=True)
class Advice:
    """Methods to try, for some kind of images."""

    methods: tuple[str, ...]  # the first decides a tie
    most_classes: float
    labels: bool | None  # do the images have any? None: whether or not
    found: str
    limits: str
    spare: bool = False  # do many further images have labels, that the teacher is not asked about?

    def __str__(self) -> str:
        return f"{', '.join(self.methods)}: {self.found} ({self.limits})"


# the first that fits
ADVICE = (
    Advice(
        ("kd+spare",),
        most_classes=20,
        labels=True,
        found="of further labels nothing was tried with few classes; KD is level with the best "
        "without",
        limits="ten classes of CIFAR-100, n = 1280, and digits, a short training",
        spare=True,
    ),
    Advice(
        ("dist+spare", "kd+spare"),
        most_classes=inf,
        labels=True,
        found="beside labels of all images 5,120 answers gain 4.0 points [2.9, 5.1]; of 1,280 "
        "nothing was found",
        limits="CIFAR-100, one small pair, 12,000 steps",
        spare=True,
    ),
    Advice(
        ("kd", "ckd_calibrated"),
        most_classes=20,
        labels=None,
        found="level with the best with ten classes, calibrated CKD 2.6 points [0.1, 5.0] above "
        "DIST",
        limits="ten classes of CIFAR-100, n = 1280, and digits, a short training",
    ),
    Advice(
        (TUNED["ce+ckd+dist"], "dist", TUNED["kd"]),
        most_classes=inf,
        labels=True,
        found="of 20 methods tuned alike the first needs 14 % [10, 16] fewer calls than DIST, "
        "25 % [17, 30] fewer than KD",
        limits="CIFAR-100, one small pair, n = 320 to 5120, a short training",
    ),
    Advice(
        ("dist:labels=0", "ce+ckd+dist", "kd"),
        most_classes=inf,
        labels=False,
        found="DIST without labels is level with DIST that has them (+0.4 points [-0.6, 1.4])",
        limits="CIFAR-100, one small pair, n = 320 to 5120, a short training",
    ),
)

CLASSES = {
    "digits": 10,
    "digits_cropped": 10,
    "cifar100": 100,
    "cifar100_ten": 10,
    "stanford_cars": 196,
}


def advised(classes: int, labels: bool, spare: bool = False) -> Advice:
    """What to try for so many classes, with labels or without, of further images or not."""
    return next(
        one
        for one in ADVICE
        if one.spare == spare
        and classes <= one.most_classes
        and (one.labels is None or one.labels == labels)
    )
