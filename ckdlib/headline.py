"""Rows -> the README's tables, so that they can be made again and a test can tell whether they still hold."""
from math import isnan
from typing import Iterable, Sequence

from . import paper
from .analysis import baseline, frame, mean_differences, summary
from .savings import fresh, savings
from .study import OURS, profile


def headline(rows: Sequence[dict], experiment: str = "black_box") -> str:
    """Markdown: a line for each method that has rows, those of the experiment's grid first; the test accuracy in per cent,
    mean ± sd over seeds, at each n; and the method above KD (CKD, where no KD was run), the mean over n, paired, with its 95 % t
    interval."""
    table = frame(rows, experiment, report=lambda line: None)
    base = baseline(table, "kd", paper.CKD)
    cells = summary(table).set_index(["method", "n"])
    calls, grid = sorted(table.n.unique()), profile(table.profile.iloc[0]).experiments[experiment]
    methods = sorted(table.method.unique(), key=lambda name: (*grid.methods, name).index(name))

    def cell(method: str, n: int) -> str:
        if (method, n) not in cells.index:
            return ""
        return _with(f"{cells['mean'][method, n]:.1f}", " ± {:.1f}", cells["sd"][method, n])

    def above(method: str) -> str:
        if method == base:
            return ""
        gap = mean_differences(table, method, base).iloc[0]
        return _with(f"{gap['mean']:+.1f}", " [{:.1f}, {:.1f}]", gap.low, gap.high)

    lines = [["n =", *map(str, calls), f"above `{base}`"], ["---"] * (len(calls) + 2)]
    lines += [[f"`{name}`", *(cell(name, n) for n in calls), above(name)] for name in methods]
    return _markdown(lines)


def saved(rows: Sequence[dict]) -> str:
    """Markdown: for each of our methods the per cent fewer calls than each other method of `fewer_calls` takes at equal accuracy,
    the mean over targets, with a 95 % interval over seeds (see `savings`), on the seeds of that experiment."""
    table = frame(rows, "fewer_calls", report=lambda line: None)
    grid = profile(table.profile.iloc[0]).experiments["fewer_calls"]
    found = savings(fresh(table, grid), OURS, [method for method in grid.methods if method not in OURS])
    means = {(line.method, line.rival): line for line in found[found.target.isna()].itertuples()}
    rivals = list(dict.fromkeys(rival for _, rival in means))
    lines = [["% fewer calls than", *(f"`{rival}`" for rival in rivals)], ["---"] * (len(rivals) + 1)]
    for method in dict.fromkeys(method for method, _ in means):
        lines.append([f"`{method}`", *(_share(means[method, rival]) if (method, rival) in means else "" for rival in rivals)])
    return _markdown(lines)


def _share(line) -> str:
    fewer, low, high = (round(value, 0) + 0 for value in (line.fewer, line.low, line.high))     # + 0: no -0
    return "" if isnan(fewer) else _with(f"{line.bound.replace('>=', '≥ ')}{fewer:.0f}", " [{:.0f}, {:.0f}]", low, high)


def _with(text: str, spread: str, *values: float) -> str:
    """The text and its spread, if that is known."""
    return text + ("" if any(map(isnan, values)) else spread.format(*values))


def _markdown(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
