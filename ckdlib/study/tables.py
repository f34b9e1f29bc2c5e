"""Which rows may stand in one table: checked before runs are made, and again when a table is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import InputError, difference
from .grid import Experiment, Pair, profile

Cells = tuple[set[Pair], set[str], set[int]]  # of a grid: pairs, methods, n
Line = Mapping[str, Any]  # a row, or what is known of one that is to be made

# what all rows of a table share -> what to do about rows that do not
SHARED = {
    "profile": "choose that --profile",
    "dataset_sha256": "put the images back as they were",
    "transform": "give the same options (--no-flip, --image-size; flip in a notebook) as before",
    "precision": "leave out --precision",
    "hyperparameters": "leave out --monitor",
}


def rows_of_experiment(rows: Sequence[Any], experiment: str) -> list[Any]:
    """The rows made for an experiment, and those of others that fall into its grid.

    Others are taken where they are of the same images and recipe, and of a pair, a method and an n
    that the experiment's grid or its own rows hold.
    """
    own = [row for row in rows if row["experiment"] == experiment]
    cells: dict[str, Cells] = {}
    found = []
    for row in rows:
        if row["experiment"] == experiment:
            found.append(row)
        elif _shared(row, experiment):
            name = row["profile"]
            if name not in cells:
                cells[name] = _held(profile(name).experiments[experiment], own)
            pairs, methods, calls = cells[name]
            pair, method, n = cell(row)
            if pair in pairs and method in methods and n in calls:
                found.append(row)
    return found


def _shared(row: Line, experiment: str) -> bool:
    """May a row of another experiment serve this one: same images, same recipe?"""
    grids = profile(row["profile"]).experiments
    mine, other = grids.get(experiment), grids.get(row["experiment"])
    if mine is None or other is None:
        return False
    return (mine.dataset, mine.recipe) == (other.dataset, other.recipe)


def _held(grid: Experiment, own: Iterable[Line]) -> Cells:
    """The pairs, methods and n of a grid and of the rows that were made for it."""
    pairs, methods, calls = set(grid.pairs), set(grid.methods), set(grid.calls)
    for row in own:
        pair, method, n = cell(row)
        pairs.add(pair)
        methods.add(method)
        calls.add(n)
    return pairs, methods, calls


def cell(row: Line) -> tuple[Pair, str, int]:
    """A row's place in the grid: pair, method, n."""
    return (row["teacher"], row["student"]), row["method"], row["n"]


def check_table(rows: Iterable[Line], whose: str = "these rows") -> None:
    """Refuse rows that may not stand in one table.

    Raises
    ------
    InputError
        If they differ in what SHARED names, those of a pair in the teacher, or those of a method in
        its definition.
    """
    first: dict[tuple[str, str], tuple[str, Any]] = {}
    for row in rows:
        for about, field, value, remedy in _must_equal(row):
            kept, other = first.setdefault((about, field), (row["run"], value))
            if other != value:
                raise InputError(
                    f"{whose} differ in {field}{about}: {difference(other, value)} (of {kept} and "
                    f"{row['run']}); {remedy}, or choose another folder with --results"
                )


def _must_equal(row: Line) -> Iterable[tuple[str, str, Any, str]]:
    """What must be equal among rows: of what, the field, its value, what to do if it is not."""
    for field, remedy in SHARED.items():
        value = row.get(field)
        if field == "hyperparameters":
            value = {k: v for k, v in row.get("recipe", {}).items() if k != "learning_rate"}
        yield "", field, value, remedy
    if row.get("teacher_sha256"):
        pair = f"{row['teacher']}-{row['student']}"
        yield f" of {pair}", "teacher_sha256", row["teacher_sha256"], "put that teacher back"
    remedy = "remove the rows of the other definition"
    yield f" of {row['student']}", "student_sha256", row.get("student_sha256"), remedy
    yield f" of method {row['method']}", "definition", row.get("definition"), remedy
