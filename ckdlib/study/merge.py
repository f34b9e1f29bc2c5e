"""Results folders of machines that never met, brought into one.

What comes in is found, and compared with all that is there, before anything is written. Rows come
last, so that after a kill a second call finds what is still missing.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, difference
from ..files import Damaged, append_line, replacing, writable_folder
from ..progress import Report
from ..records import Row
from ..teachers import Ledger, read_card
from ..tensors import read_tensors
from .store import Store, found_in
from .tables import check_table, rows_of_experiment

NEAR = 1e-3  # of its size, or of 1: two devices' answers about an image differ by less
AT_ONCE = 1000  # lines in one write
LEDGERS = ("ledger", "answers")  # of the study, of one's own teachers


def merge(
    folders: Sequence[Path], into: Path, dry_run: bool = False, report: Report = print
) -> None:
    """Bring results folders into one; the same run, answer or file twice is one.

    Parameters
    ----------
    folders : sequence of Path
        They stay as they are.
    into : Path
        Made where it is not there.
    dry_run : bool
        Only tell what would come in.

    Raises
    ------
    InputError
        Before anything is written: if one is no folder or holds something damaged, or if what two
        of them hold differs: a run's numbers, a teacher of the same name, an answer about the same
        image, a split, or what rows of a table share.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"no folder {folder}; name results folders")
        if folder.resolve() == into.resolve():
            raise InputError(f"{folder} is the folder that the others come into; leave it out")
    lines, files, answers = _Lines(into), _Files(into), _Answers(into)
    for folder in folders:
        rows = lines.take(folder)
        told = f"{rows} rows, {answers.take(folder)} answers, {files.take(folder, lines)} files"
        report(f"{folder}: {told} that are new")
        if held := Store(folder).marks.held():
            report(f"{folder}: {len(held)} runs are still being trained there; merge again later")
    lines.check()
    if dry_run:
        report(f"nothing is written to {into}")
        return
    writable_folder(into)
    answers.write()
    files.write()
    lines.write()
    report(f"{into}: {len(lines.all)} rows")


class _Lines:
    """Rows, measures and probes, each once."""

    def __init__(self, into: Path):
        self.store = Store(into)
        self.all: dict[str, tuple[Row, Path]] = {}  # run -> row, the folder that has it
        self.seen: set[tuple] = set()
        self.new: dict[Path, list[Any]] = {}  # file -> lines that it lacks
        self.take(into)
        self.new.clear()

    def take(self, folder: Path) -> int:
        """Add what is new of a folder; how many rows that is."""
        store, own = Store(folder), self.store
        rows = [row for row in store.rows() if self._is_new(row, folder)]
        for probe in store.history():
            self._add(own.history_path, (probe["run"], probe["step"]), probe)
        for run, measures in store.measures().items():
            self._add(own.measures_path, (run,), measures)
        self.new.setdefault(own.path, []).extend(rows)
        return len(rows)

    def _is_new(self, row: Row, folder: Path) -> bool:
        other, where = self.all.setdefault(row["run"], (row, folder))
        if found_in(other) != found_in(row):
            raise InputError(
                f"{where} and {folder} hold rows of {row['run']} that differ in "
                f"{difference(found_in(other), found_in(row))}; leave one of the folders out, or "
                "remove the line of one of them"
            )
        return other is row

    def _add(self, path: Path, name: tuple, line: Any) -> None:
        if name not in self.seen:
            self.seen.add(name)
            self.new.setdefault(path, []).append(line)

    def check(self) -> None:
        """Refuse rows that no table could hold together."""
        rows = [row for row, _ in self.all.values()]
        for name in ("profile", "precision"):
            if len(values := {row[name] for row in rows}) > 1:
                raise InputError(
                    f"the rows of these folders differ in {name}: {' and '.join(sorted(values))}; "
                    "a folder keeps to one: leave those of the other out"
                )
        for experiment in sorted({row["experiment"] for row in rows}):
            check_table(rows_of_experiment(rows, experiment), "the rows of these folders")

    def write(self) -> None:
        """Append what is new, rows last."""
        for path in (self.store.history_path, self.store.measures_path, self.store.path):
            lines = self.new.get(path, [])
            for start in range(0, len(lines), AT_ONCE):
                append_line(path, *lines[start : start + AT_ONCE])


class _Files:
    """Teachers, splits, scouts, and of runs with a row their logits and weights."""

    def __init__(self, into: Path):
        self.into = into
        self.held: dict[Path, Path] = {}  # place in a results folder -> the file
        self.new: list[Path] = []
        for pattern in ("teachers/*/*.safetensors", "splits/*.json"):
            self.held |= {path.relative_to(into): path for path in into.glob(pattern)}

    def take(self, folder: Path, lines: _Lines) -> int:
        """Add what is new of a folder; how many files that is."""
        before = len(self.new)
        for path in sorted(folder.glob("teachers/*/*.safetensors")):
            self._add(folder, path, _teacher_of)
            self._copy(folder, path.with_suffix(".json"))
        for path in sorted(folder.glob("splits/*.json")):
            self._add(folder, path, _split_of)
        for path in sorted(folder.glob("scouts/*.safetensors")):
            self._copy(folder, path)
        for kind in ("logits", "students"):
            for path in sorted(folder.glob(f"{kind}/*.safetensors")):
                if path.stem in lines.all or path.stem.startswith("teacher-"):
                    self._copy(folder, path)
        return len(self.new) - before

    def _add(self, folder: Path, path: Path, told: Callable[[Path], Any]) -> None:
        """A file of which there may not be two that differ."""
        place = path.relative_to(folder)
        other, two = self.held.get(place), told(path)
        if other and (one := told(other)) != two:
            raise InputError(
                f"{other} and {path} differ{f': {one} and {two}' if isinstance(one, str) else ''}; "
                "no table mixes what comes of them: leave one of the folders out"
            )
        self._copy(folder, path)

    def _copy(self, folder: Path, path: Path) -> None:
        place = path.relative_to(folder)
        if place in self.held or (self.into / place).exists() or not path.exists():
            return
        if path.suffix == ".safetensors":
            read_tensors(path, "make it again there, or remove it")
        self.held[place] = path
        self.new.append(place)

    def write(self) -> None:
        """Copy what is new."""
        for place in self.new:
            with replacing(self.into / place) as beside:
                shutil.copyfile(self.held[place], beside)


def _teacher_of(path: Path) -> str:
    return f"weights of SHA-256 {read_card(path)['weights_sha256']}"


def _split_of(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError:
        raise Damaged(path, "no JSON", "remove it; the next batch writes it anew") from None


class _Answers:
    """Answers of teachers, each once; with feature maps where one of the folders has them."""

    def __init__(self, into: Path):
        self.into = into
        self.known: dict[Path, list[tuple[Path, dict[str, Tensor]]]] = {}  # ledger -> its shards
        self.new: list[tuple[Ledger, dict[str, Tensor]]] = []
        for ledger, path, tensors, _ in _shards(into):
            self.known.setdefault(ledger, []).append((path, tensors))

    def take(self, folder: Path) -> int:
        """Add what is new of a folder; how many answers that is."""
        count = 0
        for ledger, path, tensors, origin in _shards(folder):
            shards = self.known.setdefault(ledger, [])
            new = torch.ones(len(tensors["index"]), dtype=torch.bool)
            for where, others in shards:
                _compare(path, tensors, where, others)
                if "feature0" in others or "feature0" not in tensors:
                    new &= ~torch.isin(tensors["index"], others["index"])
            shards.append((path, tensors))
            if new.any():
                own = _ledger(self.into / ledger.parent, origin)
                if own.folder.name != ledger.name:
                    raise InputError(f"{path} is of another ledger than the folder that it is in")
                self.new.append((own, {name: value[new] for name, value in tensors.items()}))
                count += int(new.sum())
        return count

    def write(self) -> None:
        """Add what is new to the ledgers, a shard each."""
        for ledger, tensors in self.new:
            ledger.add(tensors)


def _ledger(folder: Path, origin: Mapping[str, str]) -> Ledger:
    teacher, dataset, view = (origin.get(name, "") for name in ("teacher", "dataset", "view"))
    return Ledger(folder, teacher, dataset, view)


def _shards(folder: Path) -> Iterator[tuple[Path, Path, dict[str, Tensor], dict[str, str]]]:
    """Ledger (its place in the folder), file, tensors and origin of each shard."""
    for kind in LEDGERS:
        for path in sorted(folder.glob(f"{kind}/*/calls-*.safetensors")):
            tensors, origin = read_tensors(path, "put a copy back, or remove it")
            yield path.parent.relative_to(folder), path, tensors, origin


def _compare(
    path: Path, tensors: dict[str, Tensor], other: Path, others: dict[str, Tensor]
) -> None:
    """Refuse two answers of a teacher about one view of an image."""
    both = tensors["index"][torch.isin(tensors["index"], others["index"])]
    one, two = _of(tensors, both), _of(others, both)
    if one.shape != two.shape:
        raise InputError(
            f"{path} and {other} hold answers of {one.shape[1]} and {two.shape[1]} logits"
        )
    apart = (one - two).abs() > NEAR * two.abs().clamp(min=1)
    if apart.any():
        row = int(apart.any(1).nonzero()[0])
        raise InputError(
            f"{path} and {other} hold other answers about {int(apart.any(1).sum())} images: of "
            f"image {int(both[row])} they are {_short(one[row])} and {_short(two[row])}; leave one "
            "of the folders out"
        )


def _of(shard: dict[str, Tensor], index: Tensor) -> Tensor:
    order = shard["index"].argsort(stable=True)
    return shard["logits"][order[torch.searchsorted(shard["index"][order], index)]]


def _short(logits: Tensor) -> str:
    return f"[{', '.join(f'{value:.3f}' for value in logits[:4].tolist())}, ...]"
