"""Rows -> frames: which belong to an experiment, which are missing, which may stand in one table.

A frame is a table of one experiment's rows, a line a run (`frame`).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import pandas as pd

from ..errors import InputError, difference
from ..records import Measures, Row
from ..study.grid import Experiment, Pair, profile
from . import paper
from .statistics import CELL

Axes = tuple[set[Pair], set[str], set[int]]  # of a grid: pairs, methods, n
CURVES = {
    "raw": "raw",
    "centred": "column means removed",
    "calibrated": "calibrated",
    "by_class": "of one class",
}
NUMBERS = ("correlation_gaps", "offset", "calibrated_accuracy")
STUDY = ["profile", "dataset_sha256", "transform", "precision", "hyperparameters"]


def rows_of_experiment(rows: Sequence[Row], experiment: str) -> list[Row]:
    """The rows made for an experiment, and those of others that fall into its grid.

    Others are taken where they are of the same images and recipe, and of a pair, a method and an n
    that the experiment's grid or its own rows hold.
    """
    cells: dict[str, Axes] = {}
    found = []
    for row in rows:
        if row["experiment"] == experiment:
            found.append(row)
        elif _shared(row, experiment):
            name = row["profile"]
            if name not in cells:
                own = [r for r in rows if r["experiment"] == experiment]
                cells[name] = _held(profile(name).experiments[experiment], own)
            pairs, methods, calls = cells[name]
            pair, method, n = _cell(row)
            if pair in pairs and method in methods and n in calls:
                found.append(row)
    return found


def _shared(row: Row, experiment: str) -> bool:
    """May a row of another experiment serve this one: same images, same recipe?"""
    grids = profile(row["profile"]).experiments
    mine, other = grids.get(experiment), grids.get(row["experiment"])
    if mine is None or other is None:
        return False
    return (mine.dataset, mine.recipe) == (other.dataset, other.recipe)


def _held(grid: Experiment, own: Sequence[Row]) -> Axes:
    """The pairs, methods and n of a grid and of the rows that were made for it."""
    pairs, methods, calls = set(grid.pairs), set(grid.methods), set(grid.calls)
    for row in own:
        pair, method, n = _cell(row)
        pairs.add(pair)
        methods.add(method)
        calls.add(n)
    return pairs, methods, calls


def _cell(row: Row) -> tuple[Pair, str, int]:
    return (row["teacher"], row["student"]), row["method"], row["n"]


def missing_runs(rows: Sequence[Row], experiment: str) -> list[str]:
    """Which runs of the grid are not among `rows` (of one profile), and the command for them.

    Returns
    -------
    list of str
        A line for each pair and method that lacks any; empty where none is missing.
    """
    name = rows[0]["profile"]
    grid = profile(name).experiments[experiment]
    there = {(*_cell(row), row["seed"]) for row in rows}
    lines, count = [], 0
    for pair, method in product(grid.pairs, grid.methods):
        by_seeds: dict[str, list[int]] = defaultdict(list)
        for n in grid.calls:
            seeds = [str(seed) for seed in grid.seeds if (pair, method, n, seed) not in there]
            if seeds:
                by_seeds[" ".join(seeds)].append(n)
                count += len(seeds)
        gaps = [
            f"n = {' '.join(map(str, calls))}, seeds {seeds}" for seeds, calls in by_seeds.items()
        ]
        if gaps:
            lines.append(f"  {'-'.join(pair)} {method}: {'; '.join(gaps)}")
    if not lines:
        return []
    total = len(grid.pairs) * len(grid.methods) * len(grid.calls) * len(grid.seeds)
    command = f"python -m ckdlib run --profile {name} --experiment {experiment}"
    return [
        f"{count} of the {total} runs of {experiment} are missing:",
        *lines,
        f"make them with: {command}",
    ]


def frame(
    rows: Sequence[Row], *experiments: str, report: Callable[[str], None] = print
) -> pd.DataFrame:
    """The rows of experiments as one table, each cell at its best learning rate.

    Of each pair, method and n, the rate is the one that is best on validation, of the rates with
    the most seeds that did not diverge there.

    Parameters
    ----------
    rows : sequence of Row
    experiments : str
    report : callable
        Told, a line at a time, which runs of the profile's grids have no row, with the command that
        makes them.

    Returns
    -------
    DataFrame
        A line a run.

    Raises
    ------
    InputError
        If no experiment has any row, or if the rows mix profiles, images, teachers, recipes or
        precisions.
    """
    parts = {
        experiment: found
        for experiment in experiments
        if (found := rows_of_experiment(rows, experiment))
    }
    lines = [
        f"no rows of experiment {name!r}; make them with: python -m ckdlib run --experiment {name} "
        "(and the --profile and --results of this folder)"
        for name in experiments
        if name not in parts
    ]
    if not parts:
        raise InputError("; ".join(lines))
    table = pd.DataFrame(
        list({row["run"]: row for part in parts.values() for row in part}.values())
    )
    table["pair"] = table.teacher + "-" + table.student
    table["hyperparameters"] = [
        {k: v for k, v in recipe.items() if k != "learning_rate"} for recipe in table.recipe
    ]
    for column in STUDY:
        _only_one(table, column, "these rows")
    for pair, part in table.groupby("pair"):
        _only_one(part.dropna(subset="teacher_sha256"), "teacher_sha256", f"the rows of {pair}")
    for method, part in table.groupby("method"):
        _only_one(part, "definition", f"the rows of {method}")
    for line in lines + [
        line for experiment, part in parts.items() for line in missing_runs(part, experiment)
    ]:
        report(line)
    done = table.assign(**table[["seed", "val_accuracy"]].where(table.status == "done"))
    score = done.groupby([*CELL, "learning_rate"]).agg(
        seeds=("seed", "nunique"), score=("val_accuracy", "mean")
    )
    best = (
        score.sort_values(["seeds", "score"])
        .reset_index()
        .groupby(CELL)
        .tail(1)[[*CELL, "learning_rate"]]
    )
    chosen = table.merge(best).drop_duplicates([*CELL, "seed"], keep="last")
    return chosen.sort_values([*CELL, "seed"], ignore_index=True)


def _only_one(table: pd.DataFrame, column: str, whose: str) -> None:
    values = table[column].tolist() if column in table else []
    if odd := [value for value in values if value != values[0]]:
        raise InputError(
            f"{whose} differ in {column} ({difference(values[0], odd[0])}); give each its own "
            "--results folder"
        )


def comparable(table: pd.DataFrame) -> bool:
    """May these rows stand beside the paper's numbers? Only of its images and protocol."""
    return set(zip(table.profile, table.dataset, strict=True)) == {(paper.PROFILE, paper.DATASET)}


def measured(table: pd.DataFrame, measures: Mapping[str, Measures]) -> pd.DataFrame:
    """The done rows of a frame with their measures as further columns.

    Raises
    ------
    InputError
        If a run has none; it names one and says how many.
    """
    done = table[table.status == "done"]
    if lost := [run for run in done.run if run not in measures]:
        raise InputError(
            f"{len(lost)} runs have no measures, for instance {lost[0]}; remove their lines from "
            "rows.jsonl and train them again"
        )
    return with_measures(done, measures)


def with_measures(table: pd.DataFrame, measures: Mapping[str, Measures]) -> pd.DataFrame:
    """A frame with measures as further columns, nan (or None) where a run has none."""
    lines = [measures[run] for run in table.run if run in measures]
    columns = ["run", *CURVES, *NUMBERS]
    return table.merge(pd.DataFrame(lines, columns=columns), on="run", how="left")


def about(table: pd.DataFrame) -> str:
    """What a frame is made of, in a line."""
    first = table.iloc[0]
    diverged = (table.status == "diverged").sum()
    return (
        f"{len(table)} runs on {first.dataset}, profile {first.profile}, {table.seed.nunique()} "
        f"seeds, {diverged} diverged"
    )
