"""What the paper prints, as data (Comparative Knowledge Distillation, WACV 2025). Dashes are None.

Pairs and methods bear this project's names; the paper's CKD draws pairs, so its numbers stand under `ckd_pairs`.
"""
from dataclasses import dataclass

DATASET, PROFILE = "cifar100", "paper"   # rows that may stand beside these numbers
BASELINES = ("kd", "rkd", "dist", "mixup", "crd")
CKD, SEEDS = "ckd_pairs", 5              # of every mean it prints
WRN, RESNET, VGG = "wrn_40_2-wrn_16_2", "resnet110-resnet32", "vgg13-vgg8"

TABLE1_TARGETS = (55, 50, 45, 40, 35, 30)                # test accuracy in per cent
TABLE1 = {                               # thousands of teacher calls to reach each target
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
TABLE1_DELTA = {                         # per cent fewer calls than the next best method
    WRN: (23.66, 21.45, 22.97, 19.72, None, None),
    RESNET: (16.13, 14.46, 21.29, 8.40, 0.48, 10.63),
    VGG: (None, 17.11, 21.06, 23.45, 17.52, None),
}

TABLE2_CALLS = (3200, 2400, 1600)
TABLE2 = {                               # test accuracy in per cent: mean and sd over five seeds for each n
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

TABLE3 = {                               # mean absolute difference of class correlations, student against teacher
    RESNET: {"mixup": 0.109, "dist": 0.103, "rkd": 0.102, "crd": 0.096, CKD: 0.081},
    VGG: {"mixup": 0.109, "dist": 0.097, "rkd": 0.099, "crd": 0.096, CKD: 0.089},
    WRN: {"mixup": 0.101, "dist": 0.102, "rkd": 0.098, "crd": 0.093, CKD: 0.083},
}

# Numbers of the running text: section 5.1, 5.2 and 6.1. (Section 1 says "often 15 %, up to 23 %" of Table 1's deltas,
# whose mean is 17; a dash of Table 1 is no number. Neither is judged as one.)
REDUCTIONS = {                           # per cent fewer calls of CKD, mean over the targets of Table 1
    WRN: {"rkd": 36.63, "crd": 25.9}, VGG: {"rkd": 30.44, "crd": 21.34}, RESNET: {"rkd": 30.56, "crd": 16.83}}
GAPS = {                                 # points of accuracy that CKD is above each, mean over n
    WRN: {"dist": 7.26, "rkd": 8.46, "mixup": 4.68, "kd": 7.07, "crd": 5.03},
    VGG: {"dist": 4.18, "rkd": 5.88, "mixup": 4.44, "kd": 4.82, "crd": 3.64},
    RESNET: {"dist": 7.82, "rkd": 7.81, "mixup": 4.00, "kd": 7.27, "crd": 4.35}}
CARS_GAPS = {VGG: 8.19, RESNET: 2.78, WRN: 8.63}         # the same on Stanford Cars, above CRD
WHITE_BOX_GAPS = {                       # points that adding CKD is above the loss alone and above adding CRD
    WRN: {"fitnets": (8.84, 8.50), "vid": (4.27, 4.55)}, VGG: {"fitnets": (2.29, 4.38), "vid": (0.62, 1.68)}}
FIGURE4_MEANS = {                        # accuracy in per cent, mean over n
    VGG: {"rkd": 32.95, "rkd_10": 35.39, "rkd_50": 37.08, "rkd_100": 38.4},
    WRN: {"rkd": 33.19, "rkd_10": 34.96, "rkd_50": 37.73, "rkd_100": 39.82}}


@dataclass(frozen=True)
class Claim:
    """One number or one statement of the paper.

    quantity: 'calls' (thousands to reach a target; with a rival: per cent fewer), 'accuracy' (per cent; with a rival:
    points above), 'narrowing' (points that the gap to the rival shrinks from the smallest n to the largest),
    'correlation' (Table 3; with a rival: below) or 'height' (log10 of singular values; with a rival: below).
    """
    where: str                           # section, table or figure
    experiment: str
    quantity: str
    pair: str                            # empty: the mean over all pairs
    method: str
    rival: str = ""                      # 'baselines': the best of the five
    at: float | None = None              # n, or for `calls` the target; None: the mean over all
    value: float | None = None           # as printed; None: only the direction is claimed


def _claims():
    for pair, methods in TABLE1.items():
        for method, prices in methods.items():
            yield from (Claim("Table 1", "black_box", "calls", pair, method, at=target, value=price)
                        for target, price in zip(TABLE1_TARGETS, prices) if price)
        yield from (Claim("Table 1, Δ", "black_box", "calls", pair, CKD, "baselines", target, delta)
                    for target, delta in zip(TABLE1_TARGETS, TABLE1_DELTA[pair]) if delta)
    yield Claim("section 1, often 15 %, up to 23 %", "black_box", "calls", "", CKD, "baselines")
    yield Claim("section 5.1", "black_box", "calls", WRN, CKD, "rkd", 55, 33.64)
    for pair, rivals in REDUCTIONS.items():
        yield from (Claim("section 5.1", "black_box", "calls", pair, CKD, rival, value=value)
                    for rival, value in rivals.items())
    for pair, rivals in GAPS.items():
        yield from (Claim("section 5.1, Figure 2", "black_box", "accuracy", pair, CKD, rival, value=value)
                    for rival, value in rivals.items())
        yield from (Claim("section 3.1", "black_box", "accuracy", pair, better, "rkd") for better in ("dist", "crd"))
        yield from (Claim("Appendix B", "large_n", quantity, pair, CKD, "baselines")
                    for quantity in ("accuracy", "narrowing"))
    for pair, value in CARS_GAPS.items():
        yield from (Claim("section 5.1, Figure 3", "cars", "accuracy", pair, CKD, rival,
                          value=value if rival == "crd" else None) for rival in BASELINES)
    for pair, methods in TABLE2.items():
        for method, cells in methods.items():
            yield from (Claim("Table 2", "white_box", "accuracy", pair, method, at=n, value=mean)
                        for n, (mean, _) in zip(TABLE2_CALLS, cells))
        for base, values in WHITE_BOX_GAPS[pair].items():
            yield from (Claim("section 5.2", "white_box", "accuracy", pair, f"{base}+ckd", rival, value=value)
                        for rival, value in zip((base, f"{base}+crd"), values))
    for pair, means in FIGURE4_MEANS.items():
        yield from (Claim("section 6.1, Figure 4", "dimensionality", "accuracy", pair, method, value=value)
                    for method, value in means.items())
        ladder = [*means, CKD]
        yield from (Claim("section 6.1, Figure 4", "dimensionality", "accuracy", pair, more, fewer)
                    for fewer, more in zip(ladder, ladder[1:]))
    yield from (Claim("section 6.2, Figure 5", "black_box", "height", WRN, CKD, rival) for rival in BASELINES)
    for pair, gaps in TABLE3.items():
        yield from (Claim("Table 3", "black_box", "correlation", pair, method, value=value)
                    for method, value in gaps.items())
        yield from (Claim("section 6.2, Table 3", "black_box", "correlation", pair, CKD, rival)
                    for rival in gaps if rival != CKD)
        yield Claim("section 6.2, Table 3", "black_box", "correlation", pair, "crd", "rkd")


CLAIMS: tuple[Claim, ...] = tuple(_claims())
