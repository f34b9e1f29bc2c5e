"""Files: written beside their place, flushed and renamed into it; lines carry a checksum, compared
when they are read.
"""

import errno
import json
import os
import re
import shutil
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .errors import InputError

HOST = re.sub(r"\W", "-", socket.gethostname())
LEFTOVER = re.compile(r"\..+\.(?P<host>[\w-]+)\.(?P<pid>\d+)\.tmp")
DAY = 24 * 3600  # seconds
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class Damaged(InputError):
    """A file is not what was written: truncated, changed or foreign."""

    def __init__(self, path: Path, why: str, remedy: str):
        super().__init__(f"{path} is damaged ({why}); {remedy}")
        self.path, self.why = path, why


class NoSpace(InputError):
    """The disk is full."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; on success it is renamed to `path`, on failure it is removed.

    Raises
    ------
    InputError
        If it cannot be written; NoSpace if the disk is full.
    """
    beside = path.with_name(f".{path.name}.{HOST}.{os.getpid()}.tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            _flush(beside)
            os.replace(beside, path)
            _flush(path.parent)
        finally:
            beside.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """The machine's refusals in a line."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise NoSpace(
                f"no space is left for {path} ({_space_left(path)} free); make some, and the same "
                "command goes on"
            ) from None
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from None


def _flush(path: Path) -> None:
    """Onto the disk, so that a machine that loses power keeps it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(*folders: Path) -> int:
    """Remove what killed processes left half written; how many files and folders that were.

    Those of living processes of this machine stay, and those of others for a day.
    """
    removed = 0
    for folder in folders:
        for path in folder.rglob(".*.tmp"):
            found = LEFTOVER.fullmatch(path.name)
            if found and _is_dead(path, found["host"], int(found["pid"])):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
                removed += 1
    return removed


def _is_dead(path: Path, host: str, pid: int) -> bool:
    if host == HOST:
        return not is_alive(pid)
    try:
        return time.time() - path.stat().st_mtime > DAY
    except FileNotFoundError:
        return False


def is_alive(pid: int) -> bool:
    """Does a process of this machine still run?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # ended, though its parent has not asked


@contextmanager
def locked(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold `path` as a lock; a dead holder's is free.

    Parameters
    ----------
    path : Path
        A file that is made for it.
    waiting : callable, optional
        Called once where somebody else holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0.2)
    except Timeout:
        if waiting:
            waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def json_text(value: Any) -> str:
    """A value as a file of JSON has it."""
    return json.dumps(value, indent=1) + "\n"


def write_json(path: Path, value: Any) -> None:
    """A value as indented JSON."""
    with replacing(path) as beside:
        beside.write_text(json_text(value))


def append_line(path: Path, *values: Mapping[str, Any]) -> int:
    """Add objects to a file of JSON lines, each with its checksum, in one write.

    A torn line before them is closed. Returns how many bytes were added.
    """
    line = b"".join(map(_line, values))
    with (
        _writing(path),
        locked(path.with_name(f".{path.name}.lock")),
        open(path, "ab+") as file,
    ):
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    return len(line)


def _line(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(value)
    return f'{text[:-1]}, "check": "{_crc(text.encode())}"}}\n'.encode()


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The number of each line of a file, and its value without its checksum.

    The value is None where the line is no JSON or its checksum is another. Lines without one are
    taken as they are.
    """
    if path.exists():
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                yield number, _value(line)


def _value(line: bytes) -> Any:
    try:
        value = json.loads(line.decode())
    except ValueError:
        return None
    if not isinstance(value, dict) or "check" not in value:
        return value
    check = value.pop("check")
    text = line.rstrip()
    as_written = text[: text.rfind(b', "check"')] + b"}"
    if check == _crc(as_written) or check == _crc(json.dumps(value).encode()):
        return value
    return None


def _crc(text: bytes) -> str:
    return f"{zlib.crc32(text):08x}"


def writable_folder(path: Path) -> Path:
    """The folder, made if need be.

    Raises
    ------
    InputError
        If nothing can be written there.
    """
    probe = path / f".probe.{HOST}.{os.getpid()}.tmp"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b" ")
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write to {path} ({error.strerror}); choose another folder with --results"
        ) from None
    return path


def _space_left(path: Path) -> str:
    while not path.exists():
        path = path.parent
    return f"{shutil.disk_usage(path).free / 2**20:,.0f} MiB"
