"""Marks say which runs are being trained, by whom: each is trained once, whoever else is at it.

A mark is a file of `running/` that holds host, process and when that began; where a cluster's
worker trains, a file beside it names that one's host. It counts while its process lives; on another
host, while it is touched.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..files import HOST, is_alive, locked, replacing

LAPSES = 600  # seconds after which another host's mark that was not touched counts no more
TOUCHED = 60  # seconds between touches


class Marks:
    """The marks of one results folder."""

    def __init__(self, folder: Path):
        self.folder = folder / "running"

    def take(self, run: str, waits: bool = False) -> bool:
        """Mark a run as this process's; False where somebody else's mark counts.

        waits: it is for a worker, who has not begun (`place`).
        """
        with locked(self.folder / ".lock"):
            mark = self.folder / run
            if _counts(mark):
                return False
            with replacing(mark) as beside:
                beside.write_text(json.dumps(_own() | ({"waits": True} if waits else {})))
        return True

    def alive(self, run: str) -> Callable[[], None]:
        """What says to other hosts that the run's process lives, called as often as one likes."""
        last = time.monotonic()

        def touch() -> None:
            nonlocal last
            if time.monotonic() - last > TOUCHED:
                last = time.monotonic()
                self.touch(run)

        return touch

    def touch(self, run: str) -> None:
        """Say to other hosts that the run is still somebody's."""
        with suppress(OSError):
            os.utime(self.folder / run)

    def place(self, run: str) -> None:
        """Say that this host trains a run, which another process's mark is of."""
        with replacing(self._beside(run)) as beside:
            beside.write_text(HOST)

    def _beside(self, run: str) -> Path:
        return self.folder / f".{run}.at"

    def release(self, run: str) -> None:
        """The run is trained, or given up."""
        (self.folder / run).unlink(missing_ok=True)
        self._beside(run).unlink(missing_ok=True)

    def held(self) -> list[str]:
        """Runs whose mark counts."""
        return list(self.places())

    def places(self) -> dict[str, str | None]:
        """Run whose mark counts -> the host that trains it; None: it waits for a worker."""
        return {mark.name: self._place(mark) for mark in self._all() if _counts(mark)}

    def _place(self, mark: Path) -> str | None:
        try:
            holder = json.loads(mark.read_text())
            return self._beside(mark.name).read_text() if holder.get("waits") else holder["host"]
        except (OSError, ValueError, KeyError):
            return None

    def clear(self) -> None:
        """Remove marks that count no more."""
        for mark in self._all():
            with locked(self.folder / ".lock"):
                if not _counts(mark):
                    mark.unlink(missing_ok=True)
        for beside in self.folder.glob(".*.at"):
            if not (self.folder / beside.name[1:-3]).exists():
                beside.unlink(missing_ok=True)

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("[!.]*"))


def _own() -> dict[str, str | int | None]:
    return {"host": HOST, "pid": os.getpid(), "began": _began(os.getpid())}


def _counts(mark: Path) -> bool:
    try:
        holder = json.loads(mark.read_text())
        if holder["host"] != HOST:
            return time.time() - mark.stat().st_mtime < LAPSES
        return is_alive(holder["pid"]) and holder["began"] == _began(holder["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _began(pid: int) -> int | None:
    """When a process of this machine began, in ticks since it was started: pids come again."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
