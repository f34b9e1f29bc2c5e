"""How every figure looks: a method is drawn the same everywhere."""

import re
from collections.abc import Iterable, Iterator
from colorsys import hls_to_rgb
from hashlib import sha256
from itertools import cycle
from math import dist, log10
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import seaborn
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure

from ..outside import LABELS

Marker = str | tuple[int, int, int]  # or corners, kind, degrees


class MethodStyle(NamedTuple):
    label: str
    colour: str
    marker: Marker
    line: str = "-"


METHODS = {
    "ce": MethodStyle("labels only (CE)", "#7f7f7f", "x", "--"),
    "ce+mixup": MethodStyle("CE + Mixup", "#7f7f7f", "^", ":"),
    "ce+smoothing": MethodStyle("CE + smoothing", "#7f7f7f", "v", "-."),
    "kd": MethodStyle("KD", "#000000", "o"),
    "kl": MethodStyle("KL, no labels", "#000000", "s", ":"),
    "hard": MethodStyle("hard labels", "#bb5566", "o", ":"),
    "hard+kl": MethodStyle("hard labels + KL", "#bb5566", "s", "-."),
    "dkd": MethodStyle("DKD", "#ee3377", "v"),
    "lskd": MethodStyle("LSKD", "#4b61d1", "D"),
    "rld": MethodStyle("RLD", "#44aa99", "^"),
    "crd": MethodStyle("CRD", "#0072b2", "s"),
    "mixup": MethodStyle("Mixup", "#56b4e9", "^"),
    "rkd": MethodStyle("RKD", "#e69f00", "v"),
    "dist": MethodStyle("DIST", "#cc79a7", "D"),
    "ckd_pairs": MethodStyle("CKD (the paper's)", "#d55e00", "P"),
    "ckd": MethodStyle("CKD (all pairs)", "#d55e00", "*", "--"),
    "mse": MethodStyle("MSE control", "#009e73", "X", "--"),
    "logit_mse": MethodStyle("MSE, no labels", "#009e73", "X", ":"),
    "ckd_calibrated": MethodStyle("CKD calibrated", "#882255", "p", "--"),
    "ce+ckd": MethodStyle("CE + CKD", "#117733", "h"),
    "ce+ckd+dist": MethodStyle("CE + CKD + DIST", "#7b3294", "d"),
    "ce+mse": MethodStyle("CE + MSE", "#117733", "X", "--"),
    "ce+mse+dist": MethodStyle("CE + MSE + DIST", "#7b3294", "X", "--"),
    "fitnets": MethodStyle("FitNets", "#999933", "o", ":"),
    "fitnets+crd": MethodStyle("FitNets+CRD", "#999933", "s", "-."),
    "fitnets+ckd": MethodStyle("FitNets+CKD", "#999933", "P"),
    "vid": MethodStyle("VID", "#332288", "o", ":"),
    "vid+crd": MethodStyle("VID+CRD", "#332288", "s", "-."),
    "vid+ckd": MethodStyle("VID+CKD", "#332288", "P"),
}
# of 1 to 100 dimensions
POOLED = LinearSegmentedColormap.from_list("pooled", ["#f5d690", "#3d2206"])
BACK = "#b5b5b5"  # of curves that stand back
TEACHER = MethodStyle("teacher", "#e8cf7a", "", "-")


CHOSEN = {  # which images are asked about -> what figures call it
    "balanced": "balanced classes",
    "k_centre": "k-centre",
    "margin": "least margin",
    "entropy": "most entropy",
}
SPARE = "+spare"  # labels of all images

# of methods that the study does not hold
MARKERS: tuple[Marker, ...] = ("<", ">", "H", "8", (3, 1, 0), (4, 1, 0), (6, 1, 0), (8, 1, 0))
APART = 0.18  # of 1.7, black to white: how far their colours are from those that are taken


def method_style(method: str) -> MethodStyle:
    """How a method is drawn, the same in every figure; `rkd_D` for any D.

    One that the study does not hold has the label of its rows, and a colour and a marker that its
    name alone determines.
    """
    if method in METHODS:
        return METHODS[method]
    dims = _dims(method)
    if dims is None:
        return _own_style(method)
    label, colour = f"$\\mathrm{{RKD}}_{{{dims}}}$", to_hex(POOLED(log10(dims) / 2))
    return MethodStyle(label, colour, "<>hHd8"[dims % 6])


def _dims(method: str) -> int | None:
    """Of pooled comparisons; None of other methods, one's own of such a name among them."""
    found = re.fullmatch(r"rkd_([1-9]\d*)", method)
    return int(found[1]) if found and method not in LABELS else None


def _own_style(method: str) -> MethodStyle:
    number = int(sha256(method.encode()).hexdigest(), 16)
    return MethodStyle(
        _composed(method), _free_colour(method), MARKERS[number % len(MARKERS)], "-."
    )


def _parts(method: str) -> tuple[str, bool, str, str]:
    """Of a name: its base, whether labels of all images are learnt, the images, the weights."""
    name, _, weights = method.partition(":")
    spared, _, select = name.partition("@")
    base = spared.removesuffix(SPARE)
    return base, spared != base, select, weights


def _composed(method: str) -> str:
    """The label of a name by its parts: base, labels, images, weights."""
    base, spared, select, weights = _parts(method)
    if method in LABELS:
        label = LABELS[method].replace("$", r"\$")  # no formula
    else:
        label = method_style(base).label if base != method else base
        label += ", all labels" if spared else ""
    label += f", {CHOSEN.get(select, select)}" if select else ""
    return label + (f" ({weights.replace('=', ' ').replace(',', ', ')})" if weights else "")


def _free_colour(method: str) -> str:
    """A colour of a name's own, away from those that are taken."""
    taken = [to_rgb(one.colour) for one in (*METHODS.values(), TEACHER)]
    taken += [POOLED(share)[:3] for share in (0, 0.25, 0.5, 0.75, 1)]
    away = [(min(dist(colour, other) for other in taken), colour) for colour in _colours(method)]
    return to_hex(next((colour for gap, colour in away if gap >= APART), max(away)[1]))


def _colours(method: str) -> Iterator[tuple[float, float, float]]:
    for turn in range(32):
        hue, light, vivid, *_ = sha256(f"{method}/{turn}".encode()).digest()
        yield hls_to_rgb(hue / 256, 0.3 + 0.3 * light / 256, 0.6 + 0.4 * vivid / 256)


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods in the order in which every figure shows them.

    Pooled comparisons come after `rkd`, by dimension; a method with other weights, images or labels
    after the same without; what the study does not hold last, by name.
    """
    known = list(METHODS)

    def place(method: str) -> tuple[int, int, str]:
        base = _parts(method)[0]
        dims = _dims(base) or 0
        among = "rkd" if dims else base
        return known.index(among) if among in METHODS else len(known), dims, method

    return sorted(set(methods), key=place)


def pooled(methods: Iterable[str]) -> list[str]:
    """Those that pool comparisons, by dimension."""
    return [method for method in ordered(methods) if _dims(method)]


def sizes_style(sizes: Iterable[int]) -> dict[int, tuple[str, str]]:
    """A shade and a marker for each n, dark to light."""
    there = sorted(set(sizes))
    shades = colormaps["viridis"](np.linspace(0, 0.85, len(there)))
    looks = zip(map(to_hex, shades), cycle("osD^vPX*p"), strict=False)
    return dict(zip(there, looks, strict=False))


def style() -> None:
    """One style for every figure; called once by each notebook."""
    seaborn.set_theme(
        "paper",
        "ticks",
        font_scale=1.1,
        rc={
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "pdf.fonttype": 42,
            "legend.frameon": False,
        },
    )


def grid_of_panels(
    rows: int, columns: int, height: float, width: float = 9, sharey: bool | Literal["row"] = False
) -> tuple[Figure, np.ndarray]:
    """A figure and its panels [rows, columns]; height and width in inches."""
    from matplotlib.pyplot import subplots

    return subplots(
        rows, columns, figsize=(width, height), squeeze=False, sharey=sharey, layout="constrained"
    )


def save(figure: Figure, folder: Path, name: str) -> None:
    """`name`.png and `name`.pdf in `folder`, the same bytes for the same figure."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
