"""The answers of the pages that go beyond the paper."""

from collections.abc import Mapping, Sequence

import pandas as pd

from .. import paper
from ..backtest import coverage_sentence
from ..rows import about
from ..shown import Answer, made_of
from ..statistics import interval
from .parts import best_of_all
from .sentences import Sentences, beside, by_pair, decided, name, opening, share, spread


def fewer_calls(table: pd.DataFrame, saved: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """How many calls our methods save, and where the rest of CKD's accuracy comes from.

    Parameters
    ----------
    table : DataFrame
    saved : DataFrame
        As `savings` gives it.
    missing : sequence of str
    """
    means = saved[saved.target.isna()].set_index(["pair", "method", "rival"])
    means = means.sort_values("fewer", ascending=False)

    def tell(part: pd.DataFrame) -> Sentences:
        lines = means.loc[part.pair.iloc[0]]
        said = []
        for method in dict.fromkeys(lines.index.get_level_values("method")):
            rivals = [one for one in ("dist", paper.CKD) if (method, one) in lines.index]
            told = [f"{share(lines.loc[(method, one)])} than {name(one)}" for one in rivals]
            said.append(f"**{name(method)} needs {' and '.join(told)}** for equal accuracy.")
        questions = [("ckd", paper.CKD), ("ckd_calibrated", "ckd"), ("ckd_calibrated", "mse")]
        there = set(part.method)
        asked = [beside(part, *pair) for pair in questions if set(pair) <= there]
        return [*said, f"{opening('; '.join(asked))}."] if asked else said

    methods = (*saved.method.unique(), "dist", paper.CKD)
    return Answer(by_pair(table, tell), made_of(table, missing), methods)


def protocol(table: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """What is left of the offset at the end of the paper's schedule, and what it costs."""

    def tell(part: pd.DataFrame) -> Sentences:
        said: Sentences = []
        gains: list[pd.DataFrame] = []
        for method in (one for one in (paper.CKD, "ckd") if one in set(part.method)):
            mine = part[part.method == method].dropna(subset="calibrated_accuracy")
            won = (mine.calibrated_accuracy - mine.test_accuracy).groupby(mine.seed).mean()
            gain = pd.Series(interval(won))
            gains.append(gain.to_frame().T)
            said.append(
                f"the offset of {name(method)} has norm {mine.offset.mean():.1f}, and setting it "
                f"would win {spread(gain)} points"
            )
        if not said:
            return [best_of_all(part)]
        stays = {"Yes": "No", "No": "Yes"}.get(decided(gains), "Undecided")
        told = f"**{stays}. At the end of the schedule {'; '.join(said)}.**"
        return [told, best_of_all(part)]

    return Answer(by_pair(table, tell), made_of(table, missing))


def learning_curve(judged: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Answer:
    """Whether the 95 % intervals of forecasts hold what was found.

    Parameters
    ----------
    judged : mapping
        Title -> a frame, and what `coverage` says of it.
    """
    said, made = [], []
    for title, (table, covered) in judged.items():
        said.append(f"**{title}: {coverage_sentence(covered)}.**")
        made.append(f"*{title}: {about(table)}.*")
    return Answer("\n\n".join(said), "\n\n".join(made))
