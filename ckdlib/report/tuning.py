"""Rows of trials -> the setting of each method that tuning finds, and what it is worth."""

from collections.abc import Mapping

import pandas as pd

from ..study.grid import OURS
from .accuracy import accuracies, mean_differences
from .savings import savings

FINALISTS = 3  # settings of each method that are tried again
COLUMNS = ["method", "setting", "first", "seeds", "accuracy", "rank"]


def method_of(setting: str) -> str:
    """The method whose setting it is: 'kd:kl=4' -> 'kd'."""
    return setting.partition(":")[0]


def trials(table: pd.DataFrame) -> pd.DataFrame:
    """Every setting that was tried, a line each, the best of each method first.

    More seeds rank before fewer, then the mean over them: settings that were tried again were the
    best before. A diverged setting counts as an accuracy of zero.

    Parameters
    ----------
    table : DataFrame
        A frame of one pair, see `rows.frame`.

    Returns
    -------
    DataFrame
        method, setting; `first`: test accuracy (%) with the first seed, `seeds`, `accuracy`: the
        mean over them; `rank` within the method, 1 the best.
    """
    scored = table.assign(score=table.test_accuracy.where(table.status == "done", 0.0))
    runs = scored.sort_values("seed").groupby("method", sort=False).score
    found = runs.agg(first="first", seeds="size", accuracy="mean").reset_index(names="setting")
    found.insert(0, "method", found.setting.map(method_of))
    best = found.sort_values(["seeds", "accuracy"], ascending=False, kind="stable")
    best["rank"] = best.groupby("method").cumcount() + 1
    return best.sort_values(["method", "rank"], ignore_index=True)[COLUMNS]


def finalists(tried: pd.DataFrame) -> list[str]:
    """The settings to try again: the three best of each method with the first seed."""
    best = tried.sort_values("first", ascending=False, kind="stable")
    return best.groupby("method").head(FINALISTS).sort_index().setting.tolist()


def tuned(tried: pd.DataFrame) -> pd.DataFrame:
    """What tuning finds, a line a method, the best first.

    Returns
    -------
    DataFrame
        method; `setting`, its best, with `seeds` and `accuracy` of them; `authors`: accuracy of the
        authors' setting (nan where it was not tried), `won`: points above that with the first seed,
        of which part is the luck of the best of so many; `tried`: settings.
    """
    lines = []
    for method, part in tried.groupby("method", sort=False):
        best = part.iloc[0]
        own = part[part.setting == method]["first"]
        authors = own.iloc[0] if len(own) else float("nan")
        won = best["first"] - authors
        lines.append([method, best.setting, best.seeds, best.accuracy, authors, won, len(part)])
    columns = ["method", "setting", "seeds", "accuracy", "authors", "won", "tried"]
    found = pd.DataFrame(lines, columns=columns)
    return found.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)


def side_by_side(cells: pd.DataFrame, best: Mapping[str, str]) -> pd.DataFrame:
    """Test accuracies (%) with the authors' settings and with what tuning finds, mean ± sd.

    Parameters
    ----------
    cells : DataFrame
        As `accuracy.summary` gives it.
    best : mapping
        Method -> its tuned setting.

    Returns
    -------
    DataFrame
        A line for each pair and method, in the order of `best`; a column for each n of both.
    """
    authors = accuracies(cells[cells.method.isin(best)], list(best))
    known = cells[cells.method.isin(best.values())]
    alike = accuracies(known, list(best.values()))
    names = {setting: method for method, setting in best.items()}
    alike = alike.rename(index=names, level="method")
    beside = pd.concat({"authors' setting": authors, "tuned": alike}, axis=1)
    return beside.reindex(list(best), level="method").fillna("")


def worth(table: pd.DataFrame, best: Mapping[str, str]) -> pd.DataFrame:
    """What tuning is worth on images and seeds that had no part in it.

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    best : mapping
        Method -> its tuned setting; those that are their authors' are left out.

    Returns
    -------
    DataFrame
        As `mean_differences` gives it, a line for each pair and method that has both.
    """
    gaps = [mean_differences(table, best[one], one) for one in best if best[one] != one]
    return pd.concat([pd.DataFrame(), *gaps], ignore_index=True)


def saved_alike(table: pd.DataFrame, best: Mapping[str, str]) -> pd.DataFrame:
    """How many fewer calls our methods need where all are tuned alike.

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    best : mapping
        Method -> its tuned setting.

    Returns
    -------
    DataFrame
        As `savings` gives it, of our methods beside the others, under their own names.
    """
    names = {setting: method for method, setting in best.items()}
    alike = table[table.method.isin(names)].replace({"method": names})
    return savings(alike, OURS, [one for one in best if one not in OURS])
