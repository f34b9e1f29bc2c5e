"""Rows -> the tables of docs/results.md, made again whenever a test asks whether they hold."""

from collections.abc import Callable, Iterable, Sequence
from math import isnan

import pandas as pd

from ..records import Row
from ..study.grid import OURS, TUNED, profile
from . import paper
from .accuracy import baseline, mean_differences, summary
from .outside import in_order, outside, standing_outside
from .rows import frame
from .savings import fresh, savings
from .statistics import FEWEST_SEEDS
from .tuning import saved_alike


def headline(rows: Sequence[Row], experiment: str = "black_box") -> str:
    """The table of test accuracies in per cent, in Markdown, for each pair.

    Returns
    -------
    str
        A line for each method that has rows, those of the experiment's grid first: mean ± sd over
        seeds at each n (diverged runs are counted beside it); and the method above KD (CKD, where
        no KD was run), the mean over n, paired, with its 95 % t interval where there are three
        seeds or more.
    """
    table = frame(rows, experiment, report=lambda line: None)
    order = profile(table.profile.iloc[0]).experiments[experiment].methods
    told = _by_pair(table, lambda part: _accuracies(part, order))
    strangers = standing_outside(table)
    return f"{told}\n\n{strangers}" if strangers else told


def saved(rows: Sequence[Row], experiment: str = "fewer_calls") -> str:
    """The table of calls that our methods save at equal accuracy, in Markdown, for each pair.

    Returns
    -------
    str
        For each of our methods the per cent fewer calls than each other method of the experiment
        takes, the mean over targets, with a 95 % interval over seeds (see `savings`), on the seeds
        of that experiment; of `fair`, those that are tuned. Of a lower bound the interval is open
        above. Empty for an experiment that counts no savings.
    """
    if experiment not in ("fair", "fewer_calls"):
        return ""
    table = frame(rows, experiment, report=lambda line: None)
    if experiment == "fair":
        return _by_pair(table, lambda part: _savings(saved_alike(part, TUNED), ", all tuned"))
    grid = profile(table.profile.iloc[0]).experiments[experiment]
    table, own = fresh(table, grid), outside(table)
    rivals = [method for method in (*grid.methods, *own) if method not in OURS]
    return _by_pair(table, lambda part: _savings(savings(part, [*OURS, *own], rivals)))


def _by_pair(table: pd.DataFrame, tell: Callable[[pd.DataFrame], str]) -> str:
    parts = table.groupby("pair")
    texts = []
    for pair, part in parts:
        heading = f"`{pair}`\n\n" if len(parts) > 1 else ""
        texts.append(heading + tell(part))
    return "\n\n".join(texts)


def _accuracies(table: pd.DataFrame, order: Sequence[str]) -> str:
    base = baseline(table, "kd", paper.CKD)
    cells = summary(table).set_index(["method", "n"])
    calls = sorted(table.n.unique())
    methods = in_order(table.method, order)

    def cell(method: str, n: int) -> str:
        if (method, n) not in cells.index:
            return ""
        found = cells.loc[method, n]
        diverged = f"({found.diverged} diverged)" if found.diverged else ""
        return f"{_with(found['mean'], '{:.1f}', ' ± {:.1f}', found.sd)} {diverged}".strip()

    def above(method: str) -> str:
        if method == base or (gaps := mean_differences(table, method, base)).empty:
            return ""
        gap = gaps.iloc[0]
        if gap.seeds < FEWEST_SEEDS:
            return f"{gap['mean']:+.1f} ({_count(int(gap.seeds))})"
        return _with(gap["mean"], "{:+.1f}", " [{:.1f}, {:.1f}]", gap.low, gap.high)

    lines = [["n =", *map(str, calls), f"above `{base}`"], ["---"] * (len(calls) + 2)]
    for name in methods:
        lines.append([f"`{name}`", *(cell(name, n) for n in calls), above(name)])
    return markdown(lines)


def _count(seeds: int) -> str:
    return f"{seeds} seeds" if seeds > 1 else "one seed"


def _savings(found: pd.DataFrame, how: str = "") -> str:
    means = found[found.target.isna()]
    means = means.assign(share=list(map(_share, means.itertuples())))
    wide = means.pivot(index="rival", columns="method", values="share").fillna("")
    wide = wide.reindex(index=means.rival.unique(), columns=means.method.unique())
    methods = map("`{}`".format, wide.columns)
    lines = [[f"% fewer calls than{how}", *methods], ["---"] * (len(wide.columns) + 1)]
    for rival, *shares in wide.itertuples():
        lines.append([f"`{rival}`", *shares])
    return markdown(lines)


def _share(line) -> str:
    fewer, low, high = map(_whole, (line.fewer, line.low, line.high))
    if line.bound:
        return _with(fewer, "≥ {:.0f}", " [≥ {:.0f}]", low)
    return _with(fewer, "{:.0f}", " [{:.0f}, {:.0f}]", low, high)


def _whole(value: float) -> float:
    return round(value, 0) + 0  # + 0: no -0


def _with(value: float, shown: str, spread: str, *values: float) -> str:
    """The value and its spread, as far as they are known."""
    if isnan(value):
        return ""
    if any(map(isnan, values)):
        return shown.format(value)
    return shown.format(value) + spread.format(*values)


def markdown(lines: Iterable[Sequence[str]]) -> str:
    """Lines of cells as a table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
