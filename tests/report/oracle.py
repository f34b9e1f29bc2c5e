"""A perfect replication: rows and measures made from the paper's printed numbers plus noise.

Curves meet everything that is printed of a pair at once, and are as smooth as that allows. What is
not printed is chosen here and says so: Figure 5's heights, the cars' accuracies, the gaps of
Appendix B, and the noise of correlations and heights (as the pilot's measures show it).
"""

from dataclasses import asdict

import numpy as np
from scipy.optimize import minimize

from ckdlib import study
from ckdlib.report import paper
from ckdlib.report.paper import BASELINES, CKD, RESNET, VGG, WRN
from ckdlib.training import Recipe

GRIDS = study.profile(paper.PROFILE).experiments
CALLS = np.array(GRIDS["black_box"].calls)
METHODS = (*BASELINES, CKD)
SHARES = {"seed": 0.1, "method": 0.1, "own": 0.8}  # of the variance; so in the pilot, about
RANKS = 10  # singular values of each student
CORRELATION_SD, HEIGHT_SD = 0.004, 0.02  # of one student, beside an accuracy's sd of 1
HEIGHTS = {CKD: 1.4, "mixup": 1.7, "rkd": 2.0, "crd": 2.0, "kd": 2.0, "dist": 2.2}
CARS_RIVALS = {"crd": 30.0, "dist": 29.0, "kd": 28.5, "mixup": 28.0, "rkd": 27.0}
LARGE_GAPS = (4.0, 2.8, 1.8, 0.2)  # of CKD above CRD, at each n of Appendix B
LARGE_RIVALS = {"crd": 0.0, "dist": -1.0, "kd": -1.5, "mixup": -2.0, "rkd": -2.5}


def price_weights(calls: float) -> np.ndarray:
    """[N] weights on the grid whose sum over a curve is its value at `calls`, interpolated."""
    right = int(np.searchsorted(CALLS, calls))
    weights = np.zeros(len(CALLS))
    share = (calls - CALLS[right - 1]) / (CALLS[right] - CALLS[right - 1])
    weights[right - 1], weights[right] = 1 - share, share
    return weights


def curves(pair: str) -> dict[str, np.ndarray]:
    """method -> [N] accuracies in per cent that give the pair's Table 1, section 5.1 and Figure 4.

    Second differences are the smallest that allows; every curve rises by at least 0.3 a step; a
    dash lies half a point beyond its target."""
    equal, at_least = [], []  # lines of weights [M N] and what they give

    def weights(**parts: np.ndarray) -> np.ndarray:
        return np.concatenate([parts.get(name, np.zeros(len(CALLS))) for name in METHODS])

    mean, unit = np.full(len(CALLS), 1 / len(CALLS)), np.eye(len(CALLS))
    for method, prices in paper.TABLE1[pair].items():
        for target, price in zip(paper.TABLE1_TARGETS, prices, strict=True):
            if price:
                equal.append((weights(**{method: price_weights(1000 * price)}), target))
            elif paper.passed(pair, method, target):
                at_least.append((weights(**{method: unit[0]}), target + 0.5))
            else:
                at_least.append((weights(**{method: -unit[-1]}), 0.5 - target))
        at_least += [(weights(**{method: step}), 0.3) for step in np.diff(unit, axis=0)]
    for rival, gap in paper.GAPS[pair].items():
        equal.append((weights(**{CKD: mean, rival: -mean}), gap))
    if pair in paper.FIGURE4_MEANS:
        few = np.isin(CALLS, GRIDS["dimensionality"].calls)
        equal.append((weights(rkd=few / few.sum()), paper.FIGURE4_MEANS[pair]["rkd"]))
    return dict(zip(METHODS, _smoothest(equal, at_least).reshape(len(METHODS), -1), strict=True))


def _smoothest(equal: list, at_least: list) -> np.ndarray:
    second = np.kron(np.eye(len(METHODS)), np.diff(np.eye(len(CALLS)), 2, axis=0))
    matrix = second.T @ second
    constraints = []
    for kind, lines in (("eq", equal), ("ineq", at_least)):
        left, right = (np.array(part) for part in zip(*lines, strict=True))
        constraints.append(
            {"type": kind, "fun": lambda x, a=left, b=right: a @ x - b, "jac": lambda x, a=left: a}
        )
    start = np.tile(20 + 15 * np.log2(CALLS / CALLS[0]), len(METHODS))
    found = minimize(
        lambda x: x @ matrix @ x / 2,
        start,
        jac=lambda x: matrix @ x,
        method="SLSQP",
        constraints=constraints,
        options={"maxiter": 500, "ftol": 1e-9},
    )
    assert found.success, found.message
    return found.x


def truth() -> dict[str, dict[tuple[str, str], np.ndarray]]:
    """experiment -> (pair, method) -> accuracy in per cent at each n of its grid."""
    box = {(pair, method): curve for pair in paper.TABLE1 for method, curve in curves(pair).items()}
    few = np.array(GRIDS["dimensionality"].calls)
    pooled, hints, cars, large = {}, {}, {}, {}
    for pair, means in paper.FIGURE4_MEANS.items():
        shape = box[pair, "rkd"][np.isin(CALLS, few)]
        for method, value in means.items():
            if method != "rkd":  # its rows are black_box's
                pooled[pair, method] = shape - shape.mean() + value
        pooled[pair, "ckd"] = box[pair, CKD][np.isin(CALLS, few)]
    for pair, methods in paper.TABLE2.items():
        for method, cells in methods.items():
            hints[pair, method] = np.array([mean for mean, _ in cells[::-1]])
    for pair, gap in paper.CARS_GAPS.items():
        for method, level in (CARS_RIVALS | {CKD: CARS_RIVALS["crd"] + gap}).items():
            cars[pair, method] = level + np.array([-3.0, -1.0, 1.0, 3.0])
    for pair in (WRN, VGG, RESNET):
        base = np.array([60.0, 62.0, 64.0, 66.0])
        large[pair, CKD] = base + LARGE_GAPS
        large |= {(pair, rival): base + below for rival, below in LARGE_RIVALS.items()}
    return {
        "black_box": box,
        "dimensionality": pooled,
        "white_box": hints,
        "cars": cars,
        "large_n": large,
    }


def replication(
    generator: np.random.Generator, true: dict, seeds: int = 5, sd: float = 1.0
) -> tuple[list[dict], dict[str, dict]]:
    """Rows and measures as a batch of profile `paper` would leave them.

    sd: of an accuracy, in points; Table 2's is the printed one times `sd`. Of its variance SHARES
    say how much a seed's runs have in common, all of them and those of one method."""
    rows, measures = [], {}
    for experiment, methods in true.items():
        common = {pair: generator.normal(size=seeds) for pair, _ in methods}
        for (pair, method), curve in methods.items():
            own = generator.normal(size=seeds)
            for n, accuracy in zip(GRIDS[experiment].calls, curve, strict=True):
                noise = np.sqrt(SHARES["seed"]) * common[pair] + np.sqrt(SHARES["method"]) * own
                noise += np.sqrt(SHARES["own"]) * generator.normal(size=seeds)
                spread = sd * (table2_sd(pair, method, n) if experiment == "white_box" else 1)
                for seed, value in enumerate(accuracy + spread * noise, 1):
                    rows.append(row(experiment, pair, method, n, seed, value))
                    run = rows[-1]["run"]
                    measures[run] = {"run": run} | measure(generator, pair, method, sd)
    return rows, measures


def table2_sd(pair: str, method: str, n: int) -> float:
    return paper.TABLE2[pair][method][paper.TABLE2_CALLS.index(n)][1]


def row(experiment: str, pair: str, method: str, n: int, seed: int, accuracy: float) -> dict:
    teacher, student = pair.split("-")
    recipe = asdict(Recipe())
    dataset = GRIDS[experiment].dataset or paper.DATASET
    return {
        "run": f"{dataset} {pair} {method} {n} {seed}",
        "profile": paper.PROFILE,
        "experiment": experiment,
        "dataset": dataset,
        "dataset_sha256": dataset,
        "teacher": teacher,
        "student": student,
        "teacher_sha256": f"{teacher} {dataset}",
        "method": method,
        "n": n,
        "seed": seed,
        "recipe": recipe,
        "learning_rate": recipe["learning_rate"],
        "precision": "float32",
        "status": "done",
        "teacher_calls": n,
        "student_passes": 1,
        "seconds": 1.0,
        "val_accuracy": accuracy,
        "test_accuracy": accuracy,
    }


def measure(generator: np.random.Generator, pair: str, method: str, sd: float) -> dict:
    """Singular values of one height, and the mean correlation gap that Table 3 prints."""
    height = HEIGHTS.get(method, 2.0) + sd * HEIGHT_SD * generator.normal()
    gap = paper.TABLE3[pair].get(method, 0.1) + sd * CORRELATION_SD * generator.normal()
    shape = np.linspace(0.5, -0.5, RANKS)
    return {"raw": (10 ** (height + shape)).tolist(), "correlation_gaps": [gap]}
