"""How every figure looks: a method is drawn the same everywhere."""

from collections.abc import Iterable
from math import log10
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import seaborn
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure


class MethodStyle(NamedTuple):
    label: str
    colour: str
    marker: str
    line: str = "-"


METHODS = {
    "ce": MethodStyle("labels only (CE)", "#7f7f7f", "x", "--"),
    "kd": MethodStyle("KD", "#000000", "o"),
    "crd": MethodStyle("CRD", "#0072b2", "s"),
    "mixup": MethodStyle("Mixup", "#56b4e9", "^"),
    "rkd": MethodStyle("RKD", "#e69f00", "v"),
    "dist": MethodStyle("DIST", "#cc79a7", "D"),
    "ckd_pairs": MethodStyle("CKD (sampled pairs)", "#d55e00", "P"),
    "ckd": MethodStyle("CKD (all pairs)", "#d55e00", "*", "--"),
    "mse": MethodStyle("MSE control", "#009e73", "X", "--"),
    "ckd_calibrated": MethodStyle("CKD calibrated", "#882255", "p", "--"),
    "ce+ckd": MethodStyle("CE + CKD", "#117733", "h"),
    "ce+ckd+dist": MethodStyle("CE + CKD + DIST", "#7b3294", "d"),
    "fitnets": MethodStyle("FitNets", "#999933", "o", ":"),
    "fitnets+crd": MethodStyle("FitNets+CRD", "#999933", "s", "-."),
    "fitnets+ckd": MethodStyle("FitNets+CKD", "#999933", "P"),
    "vid": MethodStyle("VID", "#332288", "o", ":"),
    "vid+crd": MethodStyle("VID+CRD", "#332288", "s", "-."),
    "vid+ckd": MethodStyle("VID+CKD", "#332288", "P"),
}
# of 1 to 100 dimensions
POOLED = LinearSegmentedColormap.from_list("pooled", ["#f5d690", "#3d2206"])
TEACHER = MethodStyle("teacher", "#bbbbbb", "", "-")


def method_style(method: str) -> MethodStyle:
    """How a method is drawn, the same in every figure; `rkd_D` for any D.

    A new one is grey until METHODS has it.
    """
    if method in METHODS or not method.startswith("rkd_"):
        return METHODS.get(method, MethodStyle(method, "#444444", "8", ":"))
    dims = int(method.removeprefix("rkd_"))
    label, colour = f"$\\mathrm{{RKD}}_{{{dims}}}$", to_hex(POOLED(log10(dims) / 2))
    return MethodStyle(label, colour, "<>hHd8"[dims % 6])


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods in the order in which every figure shows them.

    Pooled comparisons come after `rkd`, by dimension.
    """
    known = list(METHODS)

    def place(method: str) -> tuple[int, int]:
        if method not in METHODS and method.startswith("rkd_"):
            return known.index("rkd"), int(method.removeprefix("rkd_"))
        return known.index(method) if method in METHODS else len(known), 0

    return sorted(set(methods), key=place)


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
