"""Numbers -> figures: one function a figure, one style, a colour and a marker of its own for each method.

Colours are of the colour-blind-safe palettes of Okabe and Ito and of Tol; every curve also differs by its marker, and
the methods that the paper does not have are dashed, so that figures can be read in black and white. White-box methods
share the colour of their family, pooled comparisons run from light to dark with their dimension.
"""
from math import log10
from pathlib import Path
from typing import Iterable, Mapping, NamedTuple, Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn
import torch
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    LogLocator,
    NullLocator,
    ScalarFormatter,
)
from torch import Tensor

from .errors import choose


class Look(NamedTuple):
    label: str
    colour: str
    marker: str
    line: str = "-"


METHODS = {
    "ce": Look("labels only (CE)", "#7f7f7f", "x", "--"),
    "kd": Look("KD", "#000000", "o"),
    "crd": Look("CRD", "#0072b2", "s"),
    "mixup": Look("Mixup", "#56b4e9", "^"),
    "rkd": Look("RKD", "#e69f00", "v"),
    "dist": Look("DIST", "#cc79a7", "D"),
    "ckd_pairs": Look("CKD (sampled pairs)", "#d55e00", "P"),
    "ckd": Look("CKD (all pairs)", "#d55e00", "*", "--"),
    "mse": Look("MSE control", "#009e73", "X", "--"),
    "ckd_calibrated": Look("CKD calibrated", "#882255", "p", "--"),
    "ce+ckd": Look("CE + CKD", "#117733", "h"),
    "ce+ckd+dist": Look("CE + CKD + DIST", "#7b3294", "d"),
} | {f"{family}{suffix}": Look(f"{name}{suffix.upper()}", colour, marker, line)
     for family, name, colour in (("fitnets", "FitNets", "#999933"), ("vid", "VID", "#332288"))
     for suffix, marker, line in (("", "o", ":"), ("+crd", "s", "-."), ("+ckd", "P", "-"))}
POOLED = LinearSegmentedColormap.from_list("pooled", ["#f5d690", "#3d2206"])  # of 1 to 100 dimensions
TEACHER = Look("teacher", "#bbbbbb", "", "-")
AXES = {"n": "n, teacher calls",
        "student_passes": "images through the student in training"}
INTERVALS = {"sd": "standard deviation", "t": "95 % t interval of the mean"}


def look(method: str) -> Look:
    """How a method is drawn, the same in every figure; `rkd_D` for any D. A new one is grey until METHODS has it."""
    if method in METHODS or not method.startswith("rkd_"):
        return METHODS.get(method, Look(method, "#444444", "8", ":"))
    dims = int(method.removeprefix("rkd_"))
    return Look(f"$\\mathrm{{RKD}}_{{{dims}}}$", to_hex(POOLED(log10(dims) / 2)), "<>hHd8"[dims % 6])


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods in the order in which every figure shows them; pooled comparisons after `rkd`, by dimension."""
    known = list(METHODS)

    def place(method: str) -> tuple[int, int]:
        if method not in METHODS and method.startswith("rkd_"):
            return known.index("rkd"), int(method.removeprefix("rkd_"))
        return known.index(method) if method in METHODS else len(known), 0
    return sorted(set(methods), key=place)


def style() -> None:
    """One style for every figure; called once by each notebook."""
    seaborn.set_theme("paper", "ticks", font_scale=1.1, rc={
        "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
        "figure.dpi": 110, "savefig.dpi": 160, "pdf.fonttype": 42, "legend.frameon": False})


def accuracy_curves(summary: pd.DataFrame, interval: str = "sd", dataset: str = "",
                    against: Sequence[str] = ("n",)) -> Figure:
    """Figures 2, 3 and 4: mean test accuracy over n, a column for each pair; error bars are named in the figure.

    summary: as `analysis.summary` gives it; interval: 'sd' (as in the paper) or 't'; against: a row for each of AXES.
    """
    choose("interval", interval, INTERVALS)
    pairs = summary.pair.unique()
    figure, grid = _grid(len(against), len(pairs), 0.4 + 3.8 * len(against), 1.8 + 4.4 * len(pairs))
    for panels, axis in zip(grid, against):
        for panel, pair in zip(panels, pairs):
            _curves(panel, summary[summary.pair == pair], axis, interval)
            panel.set(title=pair.replace("-", " → "), xlabel=AXES[axis])
        panels[0].set_ylabel("test accuracy (%)")
    grid[0][-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    fewest, most = int(summary.seeds.min()), int(summary.seeds.max())
    seeds = f"{most}" if fewest == most else f"{fewest} to {most}"
    title = f"{dataset}: mean and {INTERVALS[interval]} over {seeds} seeds"
    figure.suptitle(title.removeprefix(": "), fontsize="medium")
    return figure


def _curves(panel, cells: pd.DataFrame, axis: str, interval: str) -> None:
    shown = ordered(cells.method)
    for place, method in enumerate(shown):
        curve, how = cells[cells.method == method].sort_values("n"), look(method)
        half = curve["sd"] if interval == "sd" else curve["high"] - curve["mean"]
        apart = 1 + 0.006 * (place - (len(shown) - 1) / 2) * (axis == "n")  # so that no error bar covers another
        panel.errorbar(curve[axis] * apart, curve["mean"], half, color=how.colour, marker=how.marker,
                       linestyle=how.line, label=how.label, markersize=6, linewidth=1.3, elinewidth=0.8, capsize=2)
    panel.set_xscale("log")
    if axis == "n":
        ticks = sorted(cells.n.unique())
        panel.xaxis.set_major_locator(FixedLocator(ticks if len(ticks) < 8 else ticks[::3]))
        panel.xaxis.set_major_formatter(ScalarFormatter())
    else:
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.xaxis.set_minor_locator(NullLocator())


def differences(gaps: pd.DataFrame, baseline: str) -> Figure:
    """Paired differences to `baseline` in points of test accuracy (gaps: as `analysis.paired_differences` gives it)."""
    return dots(gaps, f"points of test accuracy above {look(baseline).label}", zero=True)


def dots(cells: pd.DataFrame, label: str, zero: bool = False) -> Figure:
    """A mean with its 95 % t interval for each method (a row), n (a shade and a marker) and pair (a panel).

    cells: columns pair, method, n, mean, low, high; label: what they are, with its unit; zero: draw a line there.
    """
    if cells.empty:
        figure, grid = _grid(1, 1, 0.6)
        grid[0][0].text(0, 0, "nothing to compare: rows of one method, or of no seed in common")
        grid[0][0].set_axis_off()
        return figure
    pairs, sizes = cells.pair.unique(), sorted(cells.n.unique())
    shown = ordered(cells.method)[::-1]
    figure, (panels,) = _grid(1, len(pairs), 1.4 + 0.3 * len(shown), 1.8 + 4.4 * len(pairs), sharey=True)
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(sizes)))
    for panel, pair in zip(panels, pairs):
        for place, (n, shade) in enumerate(zip(sizes, shades)):
            part = cells[(cells.pair == pair) & (cells.n == n)].set_index("method").reindex(shown)
            heights = np.arange(len(shown)) + 0.6 * (place / max(len(sizes) - 1, 1) - 0.5)
            panel.errorbar(part["mean"], heights, xerr=(part["high"] - part["mean"]), fmt="osD^vPX*p"[place % 9],
                           color=shade, label=f"n = {n}", markersize=4, capsize=2, linewidth=1)
        if zero:
            panel.axvline(0, color="black", linewidth=0.8)
        panel.set_yticks(range(len(shown)), [look(method).label for method in shown])
        panel.set(title=pair.replace("-", " → "), xlabel=label)
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def savings(cells: pd.DataFrame) -> Figure:
    """Per cent fewer calls than each rival (a row) of each method (a colour), the mean over targets (`savings.savings`);
    hollow: at least so many."""
    means = cells[cells.target.isna() & cells.fewer.notna()]
    rivals, pairs = ordered(means.rival)[::-1], means.pair.unique()
    figure, (panels,) = _grid(1, max(1, len(pairs)), 1.4 + 0.4 * len(rivals), 2.4 + 4.4 * max(1, len(pairs)), sharey=True)
    for panel, pair in zip(panels, pairs):
        for i, method in enumerate(shown := ordered(means.method)):
            part = means[(means.pair == pair) & (means.method == method)].set_index("rival").reindex(rivals)
            heights = np.arange(len(rivals)) + 0.3 * (i - (len(shown) - 1) / 2)
            colour = look(method).colour
            panel.hlines(heights, part.low, part.high, color=colour, linewidth=1)
            for filled in (False, True):
                mine = ((part.bound == "") == filled).to_numpy()
                panel.plot(part.fewer[mine], heights[mine], linestyle="", marker=look(method).marker, color=colour,
                           markerfacecolor=colour if filled else "white", label=look(method).label if filled else None)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_yticks(range(len(rivals)), [look(rival).label for rival in rivals])
        panel.set(title=pair.replace("-", " → "), xlabel="% fewer teacher calls than ... at equal accuracy (hollow: at least)")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def along(lines: pd.DataFrame) -> Figure:
    """Along a training: the offset's norm, the test accuracy, and what that would be with the offset added.

    lines: looks of `students.look`, with the method and seed of their runs; a colour a method, a line a run.
    """
    panels = {"offset": "norm of the offset (logits)", "test_accuracy": "test accuracy (%)",
              "calibrated_accuracy": "the same with the offset added (%)"}
    figure, (row,) = _grid(1, len(panels), 3.6, 13)
    row[2].sharey(row[1])
    for panel, (column, label) in zip(row, panels.items()):
        for method in ordered(lines.method):
            how = look(method)
            for i, (_, part) in enumerate(lines[lines.method == method].groupby("run", sort=False)):
                panel.plot(part.step, part[column], color=how.colour, linestyle=how.line, marker=how.marker, markersize=4,
                           markevery=0.1, linewidth=1, label=how.label if i == 0 else None)
        panel.set(xlabel="optimiser steps", ylabel=label)
    row[0].set_ylim(0, None)
    row[-1].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return figure


def spectra(kinds: Mapping[str, pd.DataFrame], teacher: Mapping[str, Sequence[float]],
            label: str = "singular value") -> Figure:
    """Figure 5: singular values by rank on a log axis, mean over seeds (shaded: standard deviation).

    kinds: what a row of panels shows -> curves as `representations.spectra` gives them, of one pair; a column for each n.
    teacher: the teacher's curve for each of them that has one, in grey.
    """
    first, *_, last = kinds
    sizes = sorted(kinds[first].n.unique())
    figure, grid = _grid(len(kinds), len(sizes), 0.4 + 2.9 * len(kinds), 2.2 + 3.6 * len(sizes), sharey="row")
    for panels, (kind, curves) in zip(grid, kinds.items()):
        for panel, n in zip(panels, sizes):
            if kind in teacher:
                panel.plot(range(1, len(teacher[kind]) + 1), teacher[kind], color=TEACHER.colour, linewidth=4,
                           label=TEACHER.label)
            for place, method in enumerate(ordered(curves.method)):
                curve, how = curves[(curves.method == method) & (curves.n == n)], look(method)
                panel.plot(curve["rank"], curve["mean"], color=how.colour, marker=how.marker, linestyle=how.line,
                           label=how.label, markersize=5, linewidth=1.2, markevery=(place, max(1, len(curve) // 8)))
                panel.fill_between(curve["rank"], (curve["mean"] - curve["sd"]).clip(lower=curve["mean"] / 10),
                                   curve["mean"] + curve["sd"], color=how.colour, alpha=0.12, linewidth=0)
            panel.set(title=f"n = {n}" if kind == first else "", yscale="log", xlabel="rank" if kind == last else "")
        panels[0].set_ylabel(f"{label}, {kind}")
    grid[0][-1].legend(loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


# Pictures of the tour and of the teacher's page.

def teacher_calls(images: Tensor, logits: Tensor, classes: Sequence[str]) -> Figure:
    """Images [K, 3, H, W] as the teacher saw them above its logits [K, C]."""
    figure, grid = _grid(2, len(images), height=4)
    for place, (image, row) in enumerate(zip(images, logits)):
        _show(grid[0][place], image)
        _bars(grid[1][place], row, classes)
    grid[1][0].set_ylabel("teacher's logit")
    return figure


def comparison(images: Tensor, logits: Tensor, classes: Sequence[str]) -> Figure:
    """Two images [2, 3, H, W], the teacher's logits [2, C] for each, and their difference."""
    figure, grid = _grid(1, 5, height=2.4)
    for place, name in enumerate("ij"):
        _show(grid[0][2 * place], images[place], f"image {name}")
        _bars(grid[0][2 * place + 1], logits[place], classes, f"$t_{name}$")
    _bars(grid[0][4], logits[0] - logits[1], classes, "$t_i - t_j$", "#d55e00")
    return figure


def offset_blindness(student: Tensor, target: Tensor) -> Figure:
    """`ckd` and `mse` of logits [B, C] while one constant is added to a class of the student."""
    from .losses import ckd, mse
    figure, grid = _grid(1, 1, height=3, width=5)
    offsets = np.linspace(-3, 3, 61)
    direction = torch.eye(student.shape[1])[0]
    for method, loss in (("ckd", ckd), ("mse", mse)):
        how = look(method)
        grid[0][0].plot(offsets, [float(loss(student + float(o) * direction, target)) for o in offsets],
                        color=how.colour, linestyle=how.line, label=how.label)
    grid[0][0].set(xlabel="constant added to one class of every student logit vector", ylabel="loss")
    grid[0][0].legend()
    return figure


def class_accuracy(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> Figure:
    """Test accuracy of each class, ascending, from logits [N, C]; named where there are few classes."""
    right = (logits.argmax(1) == labels).float()
    shares = np.array([100 * float(right[labels == c].mean()) for c in range(len(classes))])
    order = shares.argsort(kind="stable")
    figure, grid = _grid(1, 1, height=3, width=7)
    grid[0][0].bar(range(len(classes)), shares[order], color="#0072b2")
    if len(classes) <= 30:
        grid[0][0].set_xticks(range(len(classes)), [classes[c] for c in order])
    grid[0][0].set(xlabel="class, ascending", ylabel="test accuracy (%)", ylim=(max(0, shares.min() - 10), 100))
    return figure


def _grid(rows: int, columns: int, height: float, width: float = 9, sharey: bool | str = False) -> tuple[Figure, Sequence]:
    from matplotlib.pyplot import subplots
    return subplots(rows, columns, figsize=(width, height), squeeze=False, sharey=sharey, layout="constrained")


def _show(panel, image: Tensor, title: str = "") -> None:
    span = image.max() - image.min()
    panel.imshow(((image - image.min()) / span.clamp(min=1e-6)).permute(1, 2, 0).numpy())
    panel.set(title=title)
    panel.set_axis_off()


def _bars(panel, values: Tensor, classes: Sequence[str], title: str = "", colour: str = "#0072b2") -> None:
    panel.bar(range(len(classes)), values.numpy(), color=colour)
    panel.axhline(0, color="black", linewidth=0.6)
    panel.set(title=title, xlabel="class")
    if len(classes) <= 10:
        panel.set_xticks(range(len(classes)), classes)


def save(figure: Figure, folder: Path, name: str) -> None:
    """`name`.png and `name`.pdf in `folder`, the same bytes for the same figure."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
