"""The store of rows and measures: one JSON object a line, appended as runs finish; a torn line
costs that line only.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import append_line, is_alive, read_lines
from ..records import SCHEMA, Measures, Probe, Row, fault


class Store:
    """Rows, their measures and the files beside them in one results folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.path, self.measures_path = folder / "rows.jsonl", folder / "measures.jsonl"
        self.history_path = folder / "history.jsonl"

    def rows(self, report: Callable[[str], None] = print) -> list[Row]:
        """Every row, in the order of writing; lines that are none are left out, which is reported.

        Raises
        ------
        InputError
            If rows are of another schema.
        """
        return _records(self.path, Row, report)

    def measures(self) -> dict[str, Measures]:
        """Run, or 'teacher' and its SHA-256 -> its measures; unreadable lines are left out."""
        return {line["run"]: line for line in _records(self.measures_path, Measures)}

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
        append_line(self.path, row)

    def note(self, measures: Measures) -> None:
        """Add measures that belong to no row: a teacher's."""
        append_line(self.measures_path, measures)

    def history(self) -> list[Probe]:
        """What was seen of students along their training, each probe once; unreadable lines are
        left out.
        """
        probes = _records(self.history_path, Probe)
        return list({(probe["run"], probe["step"]): probe for probe in probes}.values())

    def mark(self, run: str) -> Path:
        """The file that says a run is being trained; it holds the process's id."""
        return self.folder / "running" / run

    def running(self) -> list[str]:
        """Runs that a living process of this machine is training now."""
        return [path.name for path in _entries(self.folder / "running") if _alive(path)]


def _records(path: Path, kind: type, report: Callable[[str], None] | None = None) -> list:
    records = []
    for number, line in read_lines(path):
        if kind is Row:
            _same_schema(path, line)
        wrong = fault(line, kind)
        if not wrong:
            records.append(line)
        elif report:
            report(f"{path}, line {number} is no row ({wrong}); its run counts as not done")
    return records


def _same_schema(path: Path, line: Any) -> None:
    if isinstance(line, dict) and "run" in line and line.get("schema", 1) != SCHEMA:
        raise InputError(
            f"{path} holds rows of schema {line.get('schema', 1)}, and this version reads schema "
            f"{SCHEMA}, in which n counts teacher calls; bring the folder up to date with: python "
            f"-m ckdlib migrate {path.parent}, or choose another with --results"
        )


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _alive(mark: Path) -> bool:
    try:
        return is_alive(int(mark.read_text()))
    except (OSError, ValueError):
        return False
