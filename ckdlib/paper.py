"""What the paper prints, as data (Comparative Knowledge Distillation, WACV 2025). Dashes are None.

Pairs and methods bear this project's names; the paper's CKD draws pairs, so its numbers stand under `ckd_pairs`.
"""
DATASET, PROFILE = "cifar100", "paper"   # rows that may stand beside these numbers
BASELINES = ("kd", "rkd", "dist", "mixup", "crd")
CKD = "ckd_pairs"

TABLE1_TARGETS = (55, 50, 45, 40, 35, 30)                # test accuracy in per cent
TABLE1 = {                               # thousands of teacher calls to reach each target
    "wrn_40_2-wrn_16_2": {
        "kd": (None, 4.37, 3.45, 2.80, 2.29, 1.72),
        "rkd": (5.98, 4.63, 3.83, 3.13, 2.46, 2.02),
        "dist": (5.88, 4.59, 3.82, 2.69, 2.27, 1.97),
        "mixup": (5.90, 3.95, 3.03, 2.30, 1.71, None),
        "crd": (5.20, 3.96, 3.35, 2.56, 2.08, 1.65),
        "ckd_pairs": (3.97, 3.11, 2.34, 1.84, None, None),
    },
    "resnet110-resnet32": {
        "kd": (None, 5.07, 3.89, 3.14, 2.50, 1.97),
        "rkd": (None, 5.00, 3.76, 3.34, 2.70, 2.19),
        "dist": (6.34, 5.13, 3.95, 3.16, 2.63, 2.19),
        "mixup": (None, 4.58, 3.33, 2.38, 1.87, None),
        "crd": (5.50, 3.97, 3.39, 2.76, 2.22, 1.85),
        "ckd_pairs": (4.61, 3.40, 2.62, 2.18, 1.86, 1.66),
    },
    "vgg13-vgg8": {
        "kd": (None, 5.44, 3.99, 3.10, 2.37, 1.69),
        "rkd": (None, 5.57, 4.32, 3.37, 2.59, 1.92),
        "dist": (None, 5.10, 3.97, 3.03, 2.29, 1.75),
        "mixup": (None, 5.86, 3.93, 2.91, 2.04, None),
        "crd": (None, 5.10, 3.90, 2.93, 2.20, 1.62),
        "ckd_pairs": (5.92, 4.22, 3.08, 2.23, 1.69, None),
    },
}
TABLE1_DELTA = {                         # per cent fewer calls than the next best method
    "wrn_40_2-wrn_16_2": (23.66, 21.45, 22.97, 19.72, None, None),
    "resnet110-resnet32": (16.13, 14.46, 21.29, 8.40, 0.48, 10.63),
    "vgg13-vgg8": (None, 17.11, 21.06, 23.45, 17.52, None),
}
