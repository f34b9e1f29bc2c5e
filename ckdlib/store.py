"""The store of rows: one JSON object a line, appended as runs finish; a torn line costs that line only."""
import json
import os
from pathlib import Path
from typing import Iterable


class Store:
    """Rows and the files beside them in one results folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / "rows.jsonl"

    def rows(self, report=print) -> list[dict]:
        """Every readable row, in the order of writing; unreadable lines are left out and said to `report`."""
        rows, torn = [], []
        text = self.path.read_text(errors="replace") if self.path.exists() else ""
        for number, line in enumerate(text.splitlines(), 1):
            try:
                row = json.loads(line)
                row["method"], row["test_accuracy"]
                rows.append(row)
            except (json.JSONDecodeError, KeyError, TypeError):
                torn.append(number)
        if torn:
            report(f"{self.path}: left out {len(torn)} unreadable line(s), number {', '.join(map(str, torn))}; "
                   f"the runs they held count as not done")
        return rows

    def append(self, row: dict) -> None:
        """Add one row in a single write; a torn line before it is closed first."""
        line = (json.dumps(row) + "\n").encode()
        with open(self.path, "ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def mark(self, run: str) -> Path:
        """The file that says a run is being trained; it holds the process's id."""
        return self.folder / "running" / run

    def running(self) -> list[str]:
        """Runs that a living process of this machine is training now."""
        return [path.name for path in _entries(self.folder / "running") if _alive(path)]


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _alive(mark: Path) -> bool:
    try:
        state = Path(f"/proc/{int(mark.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return False
    return state != "Z"                  # ended, though its parent has not asked
