"""Rows -> frames: which belong to an experiment, which are missing, which may stand in one table.

A frame is a table of one experiment's rows, a line a run (`frame`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, product

import pandas as pd

from ..errors import InputError
from ..records import Measures, Row
from ..study.grid import Experiment, Pair, profile
from ..study.tables import cell, check_table, rows_of_experiment
from . import paper
from .outside import note, standing_outside, titled
from .statistics import CELL

CURVES = {
    "raw": "raw",
    "centred": "column means removed",
    "calibrated": "calibrated",
    "by_class": "of one class",
}
MADE_BY = {"code": "versions of the code", "versions": "of the packages", "device": "devices"}
NUMBERS = ("correlation_gaps", "offset", "calibrated_accuracy")


def missing_runs(rows: Sequence[Row], experiment: str) -> list[str]:
    """Which runs of the grid are not among `rows` (of one profile), and the command for them.

    Returns
    -------
    list of str
        A line for each pair and method that lacks any; empty where none is missing.
    """
    name = rows[0]["profile"]
    grid = profile(name).experiments[experiment]
    there = {(*cell(row), row["seed"]) for row in rows}
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
        f"make them with: {command} (and the --results of this folder)",
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
    check_table(chain.from_iterable(parts.values()))
    note(chain.from_iterable(parts.values()))
    table = _one_line_a_run(parts.values())
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
    return table


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
    """A frame with measures as further columns, nan (or None) where a run has none; `gap`: the mean
    of its correlation gaps.
    """
    lines = [measures[run] for run in table.run if run in measures]
    found = pd.DataFrame(lines, columns=["run", *CURVES, *NUMBERS])
    found["gap"] = found.correlation_gaps.dropna().map(_mean).astype(float)
    return table.merge(found, on="run", how="left")


def _mean(draws: Sequence[float | None]) -> float:
    return pd.Series(draws, dtype=float).mean()


def _seeds(counts: pd.Series) -> str:
    fewest, most = counts.min(), counts.max()
    return _count(most, "seed") if fewest == most else f"{fewest} to {most} seeds"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def about(table: pd.DataFrame) -> str:
    """What a frame is made of, in a line; it says where code, torch or device are not the same,
    and which methods are not the study's.
    """
    first = table.iloc[0]
    seeds = table.groupby(CELL).seed.nunique()
    pairs = ", ".join(map(titled, table.pair.unique()))
    diverged = (table.status == "diverged").sum()
    mixed = []
    for column, what in MADE_BY.items():
        values = table.get(column, pd.Series(dtype=object)).map(str)
        if values.nunique() > 1:
            mixed.append(f"{values.nunique()} {what}")
    strangers = standing_outside(table)
    return (
        f"{_count(len(table), 'run')} of {pairs} on {first.dataset}, profile {first.profile}, "
        f"n = {_spaced(sorted(table.n.unique()))}, {_seeds(seeds)} a point, {diverged} diverged"
        + (f", made by {', '.join(mixed)}" if mixed else "")
        + (f"; {strangers}" if strangers else "")
    )
