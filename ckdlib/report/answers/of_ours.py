"""The answers of the pages that go beyond the paper."""

from collections.abc import Mapping, Sequence

import pandas as pd

from .. import paper
from ..accuracy import offset_gains
from ..backtest import coverage_sentence
from ..rows import about
from ..shown import Answer, made_of
from .parts import best_of_all, mean_savings, needs
from .sentences import Sentences, beside, by_pair, decided, name, opening, spread


def fewer_calls(table: pd.DataFrame, saved: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """How many calls our methods save, and where the rest of CKD's accuracy comes from.

    Parameters
    ----------
    table : DataFrame
    saved : DataFrame
        As `savings` gives it.
    missing : sequence of str
    """
    means = mean_savings(saved).sort_values("fewer", ascending=False)

    def tell(part: pd.DataFrame) -> Sentences:
        lines = means[means.pair == part.pair.iloc[0]].set_index(["method", "rival"])
        said = []
        for method in dict.fromkeys(lines.index.get_level_values("method")):
            if told := needs(lines, method, ("dist", paper.CKD)):
                said.append(f"**{told}** for equal accuracy.")
        said = said or ["**Undecided: no rows that tell what our methods save.**"]
        questions = [("ckd", paper.CKD), ("ckd_calibrated", "ckd"), ("ckd_calibrated", "mse")]
        there = set(part.method)
        asked = [beside(part, *pair) for pair in questions if set(pair) <= there]
        return [*said, f"{opening('; '.join(asked))}."] if asked else said

    methods = (*saved.method.unique(), "dist", paper.CKD)
    return Answer(by_pair(table, tell), made_of(table, missing), methods)


def protocol(table: pd.DataFrame, missing: Sequence[str] = ()) -> Answer:
    """What is left of the offset at the end of the paper's schedule, and what it costs."""

    def tell(part: pd.DataFrame) -> Sentences:
        gains = offset_gains(part[part.method.isin((paper.CKD, "ckd"))])
        if gains.empty:
            return [best_of_all(part)]
        norms = part.groupby("method").offset.mean()
        said = [
            f"the offset of {name(gain.method)} has norm {norms[gain.method]:.1f}, and setting it "
            f"would win {spread(gain)} points"
            for _, gain in gains.sort_values("method", key=lambda one: one != paper.CKD).iterrows()
        ]
        stays = {"Yes": "No", "No": "Yes"}.get(decided([gains]), "Undecided")
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
