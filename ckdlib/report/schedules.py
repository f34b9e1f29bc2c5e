"""Rows of the same runs under two schedules -> which differences last, what the second brings."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from .accuracy import mean_differences
from .statistics import by_cell

RUN = ["pair", "method", "n", "seed"]


def schedule(recipe: Mapping[str, Any]) -> str:
    """How long a recipe trains, in words."""
    steps = recipe.get("steps")
    return f"{steps} steps of training" if steps else "the paper's schedule"


def under_both(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The runs that both frames have, done in both, with the `schedule` of each.

    Parameters
    ----------
    first, second : DataFrame
        Frames, see `rows.frame`, each of one recipe.
    """
    done = [table[table.status == "done"] for table in (first, second)]
    shared = done[0][RUN].merge(done[1][RUN])
    both = pd.concat([table.merge(shared) for table in done], ignore_index=True)
    return both.assign(schedule=both.recipe.map(schedule))


def lasting(both: pd.DataFrame, questions: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Differences between methods under each schedule, the means over n.

    Parameters
    ----------
    both : DataFrame
        As `under_both` gives it.
    questions : iterable of (method, rival)

    Returns
    -------
    DataFrame
        As `mean_differences` gives it, a line for each schedule, question and pair.
    """
    parts = [
        mean_differences(part, *question).assign(schedule=name)
        for name, part in both.groupby("schedule", sort=False)
        for question in questions
    ]
    return pd.concat([pd.DataFrame(), *parts], ignore_index=True)


def schedule_gains(both: pd.DataFrame) -> pd.DataFrame:
    """Points of test accuracy that the second schedule is above the first.

    Returns
    -------
    DataFrame
        A line for each pair, method and n, paired over seeds; low, high: t interval.
    """
    names = both.schedule.unique()
    if len(names) < 2:
        return pd.DataFrame()
    first, second = (both[both.schedule == name].set_index(RUN).test_accuracy for name in names)
    return by_cell((second - first).rename("value").reset_index())
