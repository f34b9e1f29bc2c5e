"""The store of rows and measures: one JSON object a line, appended as runs finish; a torn line
costs that line only.
"""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import InputError

SCHEMA = 2  # of rows: n counts teacher calls, and a run's name is made of its whole identity


class Store:
    """Rows, their measures and the files beside them in one results folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.path, self.measures_path = folder / "rows.jsonl", folder / "measures.jsonl"
        self.history_path = folder / "history.jsonl"

    def rows(self, report=print) -> list[dict]:
        """Every readable row, in the order of writing; unreadable lines are left out and said to
        `report`.

        InputError if rows are of another schema.
        """
        rows, torn = read_lines(self.path, ("run", "method", "test_accuracy"))
        if odd := {row.get("schema", 1) for row in rows} - {SCHEMA}:
            raise InputError(
                f"{self.path} holds rows of schema {min(odd)}, and this version reads schema "
                f"{SCHEMA}, in which n "
                f"counts teacher calls; bring the folder up to date with: python -m ckdlib migrate "
                f"{self.folder}, or choose another with --results"
            )
        if torn:
            report(
                f"{self.path}: left out {len(torn)} unreadable line(s), number "
                f"{', '.join(map(str, torn))}; "
                f"the runs they held count as not done"
            )
        return rows

    def measures(self) -> dict[str, dict]:
        """Run, or 'teacher' and its SHA-256 -> its measures; unreadable lines are left out."""
        return {line["run"]: line for line in read_lines(self.measures_path, ("run", "raw"))[0]}

    def append(self, row: dict, measures: dict | None = None, probes: Iterable[dict] = ()) -> None:
        """Add a row, and first its measures and what was seen along its training, so that a row
        that is there has them.
        """
        for line in probes:
            _append(self.history_path, line)
        if measures:
            _append(self.measures_path, measures)
        _append(self.path, row)

    def note(self, measures: dict) -> None:
        """Add measures that belong to no row: a teacher's."""
        _append(self.measures_path, measures)

    def history(self) -> list[dict]:
        """What was seen of students along their training (`student.probe`), each once; unreadable
        lines are left out.
        """
        return list(
            {
                (line["run"], line["step"]): line
                for line in read_lines(self.history_path, ("run", "step", "offset"))[0]
            }.values()
        )

    def mark(self, run: str) -> Path:
        """The file that says a run is being trained; it holds the process's id."""
        return self.folder / "running" / run

    def running(self) -> list[str]:
        """Runs that a living process of this machine is training now."""
        return [path.name for path in _entries(self.folder / "running") if _alive(path)]


def read_lines(path: Path, wanted: Sequence[str]) -> tuple[list[dict], list[int]]:
    """The lines that are objects with all `wanted` names, and the numbers of the others."""
    lines, torn = [], []
    for number, text in enumerate(
        path.read_text(errors="replace").splitlines() if path.exists() else (), 1
    ):
        try:
            line = json.loads(text)
            [line[name] for name in wanted]
            lines.append(line)
        except (json.JSONDecodeError, KeyError, TypeError):
            torn.append(number)
    return lines, torn


def _append(path: Path, value: dict) -> None:
    """Add one line in a single write; a torn line before it is closed first."""
    line = (json.dumps(value) + "\n").encode()
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _alive(mark: Path) -> bool:
    try:
        state = (
            Path(f"/proc/{int(mark.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
        )
    except (OSError, ValueError):
        return False
    return state != "Z"  # ended, though its parent has not asked
