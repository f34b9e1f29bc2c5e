"""What the paper prints, as data (Comparative Knowledge Distillation, WACV 2025). Dashes are None.

Pairs and methods bear this project's names; the paper's CKD draws pairs, so its numbers stand
under `ckd_pairs`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

DATASET, PROFILE = "cifar100", "paper"  # rows that may stand beside these numbers
BASELINES = ("kd", "rkd", "dist", "mixup", "crd")
CKD = "ckd_pairs"
WRN, RESNET, VGG = "wrn_40_2-wrn_16_2", "resnet110-resnet32", "vgg13-vgg8"

TABLE1_TARGETS = (55, 50, 45, 40, 35, 30)  # test accuracy in per cent
# thousands of teacher calls to reach each target
TABLE1: dict[str, dict[str, tuple[float | None, ...]]] = {
    WRN: {
        "kd": (None, 4.37, 3.45, 2.80, 2.29, 1.72),
        "rkd": (5.98, 4.63, 3.83, 3.13, 2.46, 2.02),
        "dist": (5.88, 4.59, 3.82, 2.69, 2.27, 1.97),
        "mixup": (5.90, 3.95, 3.03, 2.30, 1.71, None),
        "crd": (5.20, 3.96, 3.35, 2.56, 2.08, 1.65),
        CKD: (3.97, 3.11, 2.34, 1.84, None, None),
    },
    RESNET: {
        "kd": (None, 5.07, 3.89, 3.14, 2.50, 1.97),
        "rkd": (None, 5.00, 3.76, 3.34, 2.70, 2.19),
        "dist": (6.34, 5.13, 3.95, 3.16, 2.63, 2.19),
        "mixup": (None, 4.58, 3.33, 2.38, 1.87, None),
        "crd": (5.50, 3.97, 3.39, 2.76, 2.22, 1.85),
        CKD: (4.61, 3.40, 2.62, 2.18, 1.86, 1.66),
    },
    VGG: {
        "kd": (None, 5.44, 3.99, 3.10, 2.37, 1.69),
        "rkd": (None, 5.57, 4.32, 3.37, 2.59, 1.92),
        "dist": (None, 5.10, 3.97, 3.03, 2.29, 1.75),
        "mixup": (None, 5.86, 3.93, 2.91, 2.04, None),
        "crd": (None, 5.10, 3.90, 2.93, 2.20, 1.62),
        CKD: (5.92, 4.22, 3.08, 2.23, 1.69, None),
    },
}
TABLE1_DELTA = {  # per cent fewer calls than the next best method
    WRN: (23.66, 21.45, 22.97, 19.72, None, None),
    RESNET: (16.13, 14.46, 21.29, 8.40, 0.48, 10.63),
    VGG: (None, 17.11, 21.06, 23.45, 17.52, None),
}

TABLE2_CALLS = (3200, 2400, 1600)
TABLE2 = {  # test accuracy in per cent: mean, sd over seeds, of each n
    WRN: {
        "fitnets": ((39.44, 4.50), (30.90, 3.67), (24.08, 0.74)),
        "fitnets+crd": ((41.59, 1.18), (32.62, 2.55), (21.20, 1.59)),
        "fitnets+ckd": ((47.78, 0.96), (41.43, 2.29), (31.72, 2.46)),
        "vid": ((42.70, 0.97), (37.40, 1.33), (28.82, 1.34)),
        "vid+crd": ((45.29, 1.19), (36.28, 1.00), (26.53, 2.47)),
        "vid+ckd": ((47.23, 1.27), (41.52, 1.69), (32.99, 1.06)),
    },
    VGG: {
        "fitnets": ((39.27, 1.44), (33.98, 1.41), (27.12, 1.85)),
        "fitnets+crd": ((36.89, 0.83), (32.24, 1.12), (24.96, 1.72)),
        "fitnets+ckd": ((40.91, 0.97), (36.18, 0.91), (30.15, 1.53)),
        "vid": ((40.87, 1.09), (35.87, 1.02), (29.29, 1.28)),
        "vid+crd": ((39.88, 1.18), (34.74, 1.29), (28.23, 1.01)),
        "vid+ckd": ((41.19, 0.54), (36.97, 0.59), (29.73, 1.32)),
    },
}

TABLE3 = {  # mean |difference| of class correlations to the teacher's
    RESNET: {"mixup": 0.109, "dist": 0.103, "rkd": 0.102, "crd": 0.096, CKD: 0.081},
    VGG: {"mixup": 0.109, "dist": 0.097, "rkd": 0.099, "crd": 0.096, CKD: 0.089},
    WRN: {"mixup": 0.101, "dist": 0.102, "rkd": 0.098, "crd": 0.093, CKD: 0.083},
}

# Numbers of the running text: sections 5.1, 5.2 and 6.1. (Section 1 says "often 15 %, up to 23 %"
# of Table 1's deltas, whose mean is 17; a dash of Table 1 is no number. Neither is judged as one.)
REDUCTIONS = {  # per cent fewer calls, mean over what Table 1 prints
    WRN: {"rkd": 36.63, "crd": 25.9},
    VGG: {"rkd": 30.44, "crd": 21.34},
    RESNET: {"rkd": 30.56, "crd": 16.83},
}
GAPS = {  # points of accuracy that CKD is above each, mean over n
    WRN: {"dist": 7.26, "rkd": 8.46, "mixup": 4.68, "kd": 7.07, "crd": 5.03},
    VGG: {"dist": 4.18, "rkd": 5.88, "mixup": 4.44, "kd": 4.82, "crd": 3.64},
    RESNET: {"dist": 7.82, "rkd": 7.81, "mixup": 4.00, "kd": 7.27, "crd": 4.35},
}
CARS_GAPS = {VGG: 8.19, RESNET: 2.78, WRN: 8.63}  # the same on Stanford Cars, above CRD
WHITE_BOX_GAPS = {  # points that +ckd is above the loss alone and above +crd
    WRN: {"fitnets": (8.84, 8.50), "vid": (4.27, 4.55)},
    VGG: {"fitnets": (2.29, 4.38), "vid": (0.62, 1.68)},
}
FIGURE4_MEANS = {  # accuracy in per cent, mean over n
    VGG: {"rkd": 32.95, "rkd_10": 35.39, "rkd_50": 37.08, "rkd_100": 38.4},
    WRN: {"rkd": 33.19, "rkd_10": 34.96, "rkd_50": 37.73, "rkd_100": 39.82},
}


@dataclass(frozen=True)
class Claim:
    """One number or one statement of the paper.

    quantity:
        'calls': teacher calls to reach a target; with a rival: per cent fewer;
        'accuracy': per cent; with a rival: points above;
        'narrowing': points that the gap to the rival shrinks from the smallest n to the largest;
        'correlation': Table 3; with a rival: below;
        'height': log10 of singular values; with a rival: below.
    """

    where: str  # section, table or figure
    experiment: str
    quantity: str
    pair: str  # empty: the mean over all pairs
    method: str
    rival: str = ""  # 'baselines': the best of the five
    at: float | None = None  # n, or for `calls` the target; None: the mean over all
    value: float | None = None  # as printed (calls: thousands); None: a direction only
    sd: float | None = None  # of one seed, by the sds of Table 2
    every: bool = False  # said of every n, not of the mean over n
    comparable: bool = True  # False: our test images are others, so no number is judged
    note: str = ""  # what of the paper's own numbers speaks against it


def printed(pair: str, method: str, target: float) -> float | None:
    """Thousands of calls that Table 1 prints for a method (any baseline, for 'baselines'; then the
    fewest), None for a dash. KeyError for a pair, method or target that the table lacks."""
    place = TABLE1_TARGETS.index(target)
    names = BASELINES if method == "baselines" else (method,)
    prices = [TABLE1[pair][name][place] for name in names]
    return min(filter(None, prices), default=None)


def passed(pair: str, method: str, target: float) -> bool:
    """Is Table 1's dash one of a curve above the target at the smallest n already, not of one that
    never gets there? So it is where a higher target has a number."""
    higher = TABLE1_TARGETS[: TABLE1_TARGETS.index(target)]
    return not printed(pair, method, target) and any(printed(pair, method, t) for t in higher)


def _table1() -> Iterator[Claim]:
    for pair, methods in TABLE1.items():
        for method, prices in methods.items():
            for target, price in zip(TABLE1_TARGETS, prices, strict=True):
                if price:
                    yield Claim(
                        "Table 1", "black_box", "calls", pair, method, at=target, value=price
                    )
        for target, delta in zip(TABLE1_TARGETS, TABLE1_DELTA[pair], strict=True):
            if delta:
                sooner = [rival for rival in BASELINES if passed(pair, rival, target)]
                note = "no more than the table's rounding" if delta < 1 else ""
                if sooner:
                    note = f"by its dash {', '.join(sooner)} needs fewer calls"
                yield Claim(
                    "Table 1, Δ",
                    "black_box",
                    "calls",
                    pair,
                    CKD,
                    "baselines",
                    target,
                    delta,
                    note=note,
                )


def _section5() -> Iterator[Claim]:
    where, box = "section 5.1", "black_box"
    yield Claim("section 1, 15 to 23 %", box, "calls", "", CKD, "baselines")
    yield Claim(where, box, "calls", WRN, CKD, "rkd", 55, 33.64)
    for pair, rivals in REDUCTIONS.items():
        for rival, value in rivals.items():
            yield Claim(where, box, "calls", pair, CKD, rival, value=value)
    for pair, rivals in GAPS.items():
        for rival, value in rivals.items():
            yield Claim("section 5.1, Figure 2", box, "accuracy", pair, CKD, rival, value=value)
        for rival in rivals:
            sooner = [t for t in TABLE1_TARGETS if printed(pair, CKD, t) and passed(pair, rival, t)]
            note = f"by Table 1 {rival} is ahead where it is past {sooner[0]} %" if sooner else ""
            yield Claim(
                "section 5.1, at every n", box, "accuracy", pair, CKD, rival, every=True, note=note
            )
        for rival in rivals:
            if rival not in ("crd", "rkd"):  # crd above rkd is section 3.1's
                yield _above("section 5.1, CRD next best", pair, "crd", rival)
        for better in ("dist", "crd"):
            yield _above("section 3.1", pair, better, "rkd")
    for pair, value in CARS_GAPS.items():
        for rival in BASELINES:
            yield Claim(
                "section 5.1, Figure 3",
                "cars",
                "accuracy",
                pair,
                CKD,
                rival,
                value=value if rival == "crd" else None,
                comparable=False,
            )


def _above(where: str, pair: str, method: str, rival: str) -> Claim:
    """One baseline above another on the mean over n, and what section 5.1's gaps say against it."""
    points = GAPS[pair][rival] - GAPS[pair][method]
    note = f"by section 5.1's gaps {method} is {-points:.2f} below {rival}" if points <= 0 else ""
    return Claim(where, "black_box", "accuracy", pair, method, rival, note=note)


def _table2() -> Iterator[Claim]:
    for pair, methods in TABLE2.items():
        for method, cells in methods.items():
            for n, (mean, sd) in zip(TABLE2_CALLS, cells, strict=True):
                yield Claim(
                    "Table 2", "white_box", "accuracy", pair, method, at=n, value=mean, sd=sd
                )
        for base, values in WHITE_BOX_GAPS[pair].items():
            for rival, value in zip((base, f"{base}+crd"), values, strict=True):
                sds = [sd for name in (f"{base}+ckd", rival) for _, sd in methods[name]]
                sd = sum(sd**2 for sd in sds) ** 0.5 / len(TABLE2_CALLS)
                yield Claim(
                    "section 5.2",
                    "white_box",
                    "accuracy",
                    pair,
                    f"{base}+ckd",
                    rival,
                    value=value,
                    sd=sd,
                )


def _section6() -> Iterator[Claim]:
    for pair, means in FIGURE4_MEANS.items():
        where = "section 6.1, Figure 4"
        for method, value in means.items():
            yield Claim(where, "dimensionality", "accuracy", pair, method, value=value)
        ladder = [*means, CKD]
        for fewer, more in [*pairwise(ladder), (ladder[-2], "ckd")]:
            yield Claim(where, "dimensionality", "accuracy", pair, more, fewer)
    for rival in BASELINES:
        yield Claim("section 6.2, Figure 5", "black_box", "height", WRN, CKD, rival)
    for pair, gaps in TABLE3.items():
        for method, value in gaps.items():
            yield Claim("Table 3", "black_box", "correlation", pair, method, value=value)
        where = "section 6.2, Table 3"
        for rival in gaps:
            if rival != CKD:
                yield Claim(where, "black_box", "correlation", pair, CKD, rival)
        yield Claim(where, "black_box", "correlation", pair, "crd", "rkd")


def _appendix() -> Iterator[Claim]:
    for pair in (WRN, VGG, RESNET):
        for quantity in ("accuracy", "narrowing"):
            yield Claim("Appendix B", "large_n", quantity, pair, CKD, "baselines")


CLAIMS: tuple[Claim, ...] = (*_table1(), *_section5(), *_table2(), *_section6(), *_appendix())
