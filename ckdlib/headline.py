"""Rows -> the README's table, so that it can be made again and a test can tell whether it still holds."""
from typing import Sequence

from . import paper
from .analysis import baseline, frame, mean_differences, summary
from .study import profile


def headline(rows: Sequence[dict], experiment: str = "black_box") -> str:
    """Markdown: a line for each method of the experiment that has rows; the test accuracy in per cent, mean ± sd over seeds,
    at each n; and the method above KD (CKD, where no KD was run), the mean over n, paired, with its 95 % t interval."""
    table = frame(rows, experiment, report=lambda line: None)
    base = baseline(table, "kd", paper.CKD)
    cells = summary(table).set_index(["method", "n"])
    calls, methods = sorted(table.n.unique()), profile(table.profile.iloc[0]).experiments[experiment].methods
    lines = [["n =", *map(str, calls), f"above `{base}`"], ["---"] * (len(calls) + 2)]
    for method in (name for name in methods if name in set(table.method)):
        shown = [f"{cells['mean'][method, n]:.1f} ± {cells['sd'][method, n]:.1f}" if (method, n) in cells.index else ""
                 for n in calls]
        gap = mean_differences(table, method, base).iloc[0] if method != base else None
        lines.append([f"`{method}`", *shown, "" if gap is None else f"{gap['mean']:+.1f} [{gap.low:.1f}, {gap.high:.1f}]"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
