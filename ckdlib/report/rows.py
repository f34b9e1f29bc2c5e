"""Rows -> frames: which belong to an experiment, which are missing, which may stand in one table.

A frame is a table of one experiment's rows, a line a run (`frame`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    own = [row for row in rows if row["experiment"] == experiment]
    cells: dict[str, Axes] = {}
    found = []
    for row in rows:
        if row["experiment"] == experiment:
            found.append(row)
        elif _shared(row, experiment):
            name = row["profile"]
            if name not in cells:
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
        gaps = []
        for seeds, calls in _gaps(grid, pair, method, there).items():
            gaps.append(f"n = {_spaced(calls)}, seeds {_spaced(seeds)}")
            count += len(calls) * len(seeds)
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


def _gaps(
    grid: Experiment, pair: Pair, method: str, there: set[tuple[Pair, str, int, int]]
) -> dict[tuple[int, ...], list[int]]:
    """The seeds that are missing -> the n at which just these are."""
    gaps = defaultdict(list)
    for n in grid.calls:
        seeds = tuple(seed for seed in grid.seeds if (pair, method, n, seed) not in there)
        if seeds:
            gaps[seeds].append(n)
    return gaps


def _spaced(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


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
    parts, told = {}, []
    for name in experiments:
        if found := rows_of_experiment(rows, name):
            parts[name] = found
        else:
            command = f"python -m ckdlib run --experiment {name}"
            told.append(
                f"no rows of experiment {name!r}; make them with: {command} "
                "(and the --profile and --results of this folder)"
            )
    if not parts:
        raise InputError("; ".join(told))
    table = _one_line_a_run(parts.values())
    _check_one_study(table)
    for name, part in parts.items():
        told += missing_runs(part, name)
    for line in told:
        report(line)
    return _at_best_rate(table)


def _one_line_a_run(parts: Iterable[Sequence[Row]]) -> pd.DataFrame:
    by_run: dict[str, Row] = {}
    for part in parts:
        by_run |= {row["run"]: row for row in part}
    table = pd.DataFrame(list(by_run.values()))
    table["pair"] = table.teacher + "-" + table.student
    table["hyperparameters"] = table.recipe.map(_without_rate)
    return table


def _without_rate(recipe: Mapping) -> dict:
    return {name: value for name, value in recipe.items() if name != "learning_rate"}


def _check_one_study(table: pd.DataFrame) -> None:
    for column in STUDY:
        _only_one(table, column, "these rows")
    for pair, part in table.groupby("pair"):
        _only_one(part.dropna(subset="teacher_sha256"), "teacher_sha256", f"the rows of {pair}")
    for method, part in table.groupby("method"):
        _only_one(part, "definition", f"the rows of {method}")


def _only_one(table: pd.DataFrame, column: str, whose: str) -> None:
    values = table[column].tolist() if column in table else []
    for value in values:
        if value != values[0]:
            raise InputError(
                f"{whose} differ in {column} ({difference(values[0], value)}); "
                "give each its own --results folder"
            )


def _at_best_rate(table: pd.DataFrame) -> pd.DataFrame:
    """The runs of each cell's best learning rate, one a seed."""
    done = table.assign(**table[["seed", "val_accuracy"]].where(table.status == "done"))
    rates = done.groupby([*CELL, "learning_rate"])
    score = rates.agg(seeds=("seed", "nunique"), score=("val_accuracy", "mean"))
    ascending = score.sort_values(["seeds", "score"]).reset_index()
    best = ascending.groupby(CELL).tail(1)[[*CELL, "learning_rate"]]
    chosen = table.merge(best).drop_duplicates([*CELL, "seed"], keep="last")
    return chosen.sort_values([*CELL, "seed"], ignore_index=True)


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
            f"{len(lost)} runs have no measures, for instance {lost[0]}; "
            "remove their lines from rows.jsonl and train them again"
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
        f"{len(table)} runs on {first.dataset}, profile {first.profile}, "
        f"{table.seed.nunique()} seeds, {diverged} diverged"
    )
