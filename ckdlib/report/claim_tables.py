"""Verdicts -> tables: how many hold, which were judged, what has still to be run.

Tables are those of `verdicts` and `directions`.
"""

from collections.abc import Iterable, Mapping

import pandas as pd

from ..study.grid import PROFILES
from .claims import NO, NOT_RUN, OUTCOMES, OUTSIDE, UNDECIDED, YES, Evidence, directions
from .outside import titled
from .paper import PROFILE, Claim

LISTED = ["where", "pair", "claim", "paper", "ours", "seeds", "number", "direction", "why"]


def at_other_sizes(
    claims: Iterable[Claim], tables: Mapping[str, Evidence]
) -> dict[str, pd.DataFrame]:
    """The `directions` of every profile but the paper's that has rows, the largest study first.

    Parameters
    ----------
    claims : iterable of Claim
    tables : mapping
        Profile -> its `evidence`.

    Returns
    -------
    dict
        A title, which begins with the profile's name and ':', -> its table.
    """
    claims, found = list(claims), {}
    for name in reversed(PROFILES):
        if name != PROFILE and tables.get(name):
            first = next(iter(tables[name].values())).iloc[0]
            title = f"{name}: {titled(first.pair)} on {first.dataset}"
            found[title] = directions(claims, tables[name], name)
    return found


def counts(judged: pd.DataFrame) -> pd.DataFrame:
    """How many claims have which verdict, by where they stand in the paper, and in all.

    Returns
    -------
    DataFrame
        For numbers and for directions; `by chance`: how many would be refuted, about, were all of
        them true.
    """
    wheres, parts = dict.fromkeys(judged["where"]), {}
    for kind in _kinds(judged):
        outcomes = OUTCOMES if kind == "number" else OUTCOMES[:-1]
        mine = judged[judged[kind] != ""]
        found = pd.crosstab(mine["where"], mine[kind]).reindex(wheres, fill_value=0)
        found = found.reindex(columns=outcomes, fill_value=0)
        found = found.assign(**{"by chance": _chances(judged, kind)})
        found.loc["all"] = found.sum()
        parts[kind] = found.astype(dict.fromkeys(outcomes, int)).round(1)
    return pd.concat(parts, axis=1)


def _chances(judged: pd.DataFrame, kind: str) -> pd.Series:
    """How many of each section's true claims would be refuted: of a direction half of what its
    interval leaves out, at most."""
    decided = judged[kind].isin([YES, NO, UNDECIDED]) & (judged["seeds"] > 0)
    each = judged["chance"] if kind == "number" else (1 - OUTSIDE) / 2
    return (decided * each).groupby(judged["where"]).sum()


def listing(judged: pd.DataFrame) -> pd.DataFrame:
    """What has been judged, a short text a claim: two decimals, three of correlations."""
    there = judged[~_waiting(judged) | (judged["seeds"] > 0)]
    lines = []
    for line in there.to_dict("records"):
        places = 3 if line["quantity"] == "correlation" else 2
        ours = "{ours:z.{places}f} [{low:z.{places}f}, {high:z.{places}f}]"
        printed = line.get("paper")
        texts = {
            "ours": ours.format_map(line | {"places": places}) if line["seeds"] else "",
            "paper": "" if pd.isna(printed) else f"{printed:.{places}f}",
            "why": "; ".join(filter(None, (line["why"], line.get("note")))),
        }
        lines.append(line | texts)
    return pd.DataFrame(lines, columns=[name for name in LISTED if name in judged])


def notes(judged: pd.DataFrame) -> pd.DataFrame:
    """The claims that the paper's own numbers speak against."""
    mine = judged[judged["note"] != ""]
    return mine[["where", "pair", "claim", "note"]]


def missing(judged: pd.DataFrame, profile: str) -> str:
    """How many claims wait for runs of each experiment, and the command that makes them."""
    waiting = judged.loc[_waiting(judged), "experiment"].value_counts(sort=False)
    command = f"python -m ckdlib run --profile {profile} --experiment"
    lines = []
    for experiment, count in waiting.items():
        lines.append(f"{count} claims are not yet run: {command} {experiment}")
    return "\n".join(lines)


def _waiting(judged: pd.DataFrame) -> pd.Series:
    return (judged[_kinds(judged)] == NOT_RUN).any(axis=1)


def _kinds(judged: pd.DataFrame) -> list[str]:
    return [kind for kind in ("number", "direction") if kind in judged]
