"""The store of rows and measures: one JSON object a line, appended as runs finish; a torn line
costs that line only.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError, difference
from ..files import append_line, read_lines
from ..progress import Report
from ..records import SCHEMA, Measures, Probe, Row, fault
from .marks import Marks

LOST = {
    Row: "its run counts as not done",
    Measures: "its run counts as not measured",
    Probe: "its student is followed less closely",
}


class Store:
    """Rows, their measures and the files beside them in one results folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.path, self.measures_path = folder / "rows.jsonl", folder / "measures.jsonl"
        self.history_path = folder / "history.jsonl"
        self.marks = Marks(folder)
        self._size = 0  # of the rows' file, as this process left it

    def rows(self, report: Report = print) -> list[Row]:
        """Every row, in the order of writing; lines that are none are left out, which is reported.

        Raises
        ------
        InputError
            If rows are of another schema, or if a run has two that differ.
        """
        self._size = self._bytes()
        return once_each(_records(self.path, Row, report), self.path)

    def changed(self) -> bool:
        """Has another process added rows since this one read or added some?"""
        return self._bytes() != self._size

    def measures(self, report: Report | None = None) -> dict[str, Measures]:
        """Run, or 'teacher' and its SHA-256 -> its measures; unreadable lines are left out."""
        return {line["run"]: line for line in _records(self.measures_path, Measures, report)}

    def append(
        self, row: Row, measures: Measures | None = None, probes: Iterable[Probe] = ()
    ) -> None:
        """Add a row, and first its measures and what was seen along its training, so that a row
        that is there has them.
        """
        for line in probes:
            append_line(self.history_path, line)
        if measures:
            append_line(self.measures_path, measures)
        alone = not self.changed()
        added = append_line(self.path, row)
        if alone and self._bytes() == self._size + added:
            self._size += added

    def failed(self, run: str) -> Path:
        """Where it is kept why a run failed: that in the first line, then a traceback."""
        return self.folder / "failed" / f"{run}.txt"

    def why(self, run: str) -> str:
        """Why a run failed; '' where it did not."""
        try:
            return self.failed(run).read_text().partition("\n")[0]
        except OSError:
            return ""

    def note(self, measures: Measures) -> None:
        """Add measures that belong to no row: a teacher's."""
        append_line(self.measures_path, measures)

    def history(self) -> list[Probe]:
        """What was seen of students along their training, each probe once; unreadable lines are
        left out.
        """
        probes = _records(self.history_path, Probe)
        return list({(probe["run"], probe["step"]): probe for probe in probes}.values())

    def _bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


def once_each(rows: Sequence[Row], path: Path) -> list[Row]:
    """Each run once.

    Raises
    ------
    InputError
        If two rows of a run differ in what was found.
    """
    kept: dict[str, Row] = {}
    for row in rows:
        other = kept.setdefault(row["run"], row)
        one, two = found_in(other), found_in(row)
        if one != two:
            raise InputError(
                f"{path} holds two rows of {row['run']} that differ in {difference(one, two)}; "
                f"remove the line of one of them"
            )
    return list(kept.values())


def found_in(row: Row) -> dict[str, Any]:
    """What a run gave."""
    return {
        "status": row["status"],
        "val_accuracy": row["val_accuracy"],
        "test_accuracy": row["test_accuracy"],
    }


def _records(path: Path, kind: type, report: Report | None = None) -> list:
    with _uncollected():
        return list(_each_record(path, kind, report))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Python's garbage collector at rest: all that is read stays, and looking through it again and
    again takes half of the time.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _each_record(path: Path, kind: type, report: Report | None) -> Iterator[Any]:
    for number, line in read_lines(path):
        if kind is Row:
            _same_schema(path, line)
        wrong = "damaged" if line is None else fault(line, kind)
        if not wrong:
            yield line
        elif report:
            report(f"{path}, line {number} is left out ({wrong}); {LOST[kind]}")


def _same_schema(path: Path, line: Any) -> None:
    if isinstance(line, dict) and "run" in line and line.get("schema", 1) != SCHEMA:
        raise InputError(
            f"{path} holds rows of schema {line.get('schema', 1)}, and this version reads schema "
            f"{SCHEMA}, in which n counts teacher calls; bring the folder up to date with: "
            f"python -m ckdlib migrate {path.parent}, or choose another with --results"
        )
