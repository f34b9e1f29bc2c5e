"""The faults: crash points, kills, damage, a full disk, two at once; each tried and judged."""

import errno
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

from .harness import METHODS, Study, copied, ended, forked, fresh, tried

EXTRA = (*METHODS, "ckd")  # a student more, which learns from what is kept


@dataclass
class Verdict:
    """What a fault did; all empty is good."""

    fault: str
    lost: str = ""
    false: str = ""
    traceback: str = ""

    def __bool__(self) -> bool:
        return not (self.lost or self.false or self.traceback)


class Crash:
    """Kills its process at the k-th write: before it, after it, or with only half of it kept."""

    def __init__(self, at: int, how: str):
        self.at, self.how, self.seen = at, how, 0
        self.replace, self.fsync = os.replace, os.fsync

    def __enter__(self) -> "Crash":
        self.patches = [
            mock.patch("os.replace", self._replace),
            mock.patch("os.fsync", self._fsync),
        ]
        for patch in self.patches:
            patch.start()
        return self

    def __exit__(self, *raised: object) -> None:
        for patch in self.patches:
            patch.stop()

    def _die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _here(self, when: str) -> bool:
        return self.seen == self.at and self.how == when

    def _replace(self, source, target) -> None:
        self.seen += 1
        if self._here("before"):
            self._die()
        self.replace(source, target)
        if self._here("after"):
            self._die()

    def _fsync(self, handle: int) -> None:
        self.seen += 1
        if self._here("before"):
            self._die()
        if self._here("torn"):
            size = os.fstat(handle).st_size
            try:
                os.ftruncate(handle, max(0, size - 17))
            except OSError:  # a folder, or opened to be read
                os.truncate(f"/proc/self/fd/{handle}", max(0, size - 17)) if size else None
            self._die()
        self.fsync(handle)
        if self._here("after"):
            self._die()


class Full(Crash):
    """The disk is full from the k-th write on."""

    def __init__(self, at: int):
        super().__init__(at, "full")

    def _fsync(self, handle: int) -> None:
        self.seen += 1
        if self.seen >= self.at:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.fsync(handle)


def writes(whole: Study, folder: Path) -> int:
    """How many writes the whole study makes."""
    there = replace(whole, results=folder / "counted")
    counter = folder / "count"

    def count() -> None:
        with Crash(-1, "never") as crash:
            there.run()
        counter.write_text(str(crash.seen))

    assert tried(count, folder / "log").status == 0
    return int(counter.read_text())


def goes_on(harmed: Study, whole: Study, fault: str, log: Path) -> Verdict:
    """Judge a study that was interrupted: the same command goes on to the same end."""
    verdict = Verdict(fault)
    before = harmed.rows() if (harmed.results / "rows.jsonl").exists() else {}
    kept = harmed.answers()
    again = tried(harmed.run, log)
    if again.status:
        verdict.traceback = again.said[-1500:]
        return verdict
    rows, answers = harmed.rows(), harmed.answers()
    if before.items() - rows.items() or kept.items() - answers.items():
        verdict.lost = "rows or answers that were there are gone"
    if rows != whole.rows() or answers != whole.answers():
        verdict.false = f"{rows} for {whole.rows()}"
    twice = [run for run, times in Counter(harmed.lines()).items() if times > 1]
    if twice:
        verdict.false = f"{twice} stand twice"
    left = [path for path in harmed.results.rglob(".*.tmp") if "cache" not in path.parts]
    if left or list((harmed.results / "running").glob("[!.]*")):
        verdict.lost += f" leftovers {left}"
    return verdict


def crashes(whole: Study, folder: Path, points: list[tuple[int, str]]) -> Iterator[Verdict]:
    """Crash at given writes."""
    for at, how in points:
        harmed = fresh(whole, folder)

        def work(harmed=harmed, at=at, how=how) -> None:
            with Crash(at, how):
                harmed.run()

        tried(work, folder / "log")
        yield goes_on(harmed, whole, f"crash {how} write {at}", folder / "log")


def full_disks(whole: Study, folder: Path, points: list[int]) -> Iterator[Verdict]:
    """The disk fills up at given writes: told in one line, and gone on from when there is room."""
    for at in points:
        harmed = fresh(whole, folder)

        def work(harmed=harmed, at=at) -> None:
            with Full(at):
                harmed.run()

        told = tried(work, folder / "log")
        verdict = Verdict(f"full disk from write {at}")
        if told.status != 2 or "no space is left" not in told.refusal or "\n" in told.refusal:
            verdict.traceback = told.said[-1500:] or f"status {told.status}"
            yield verdict
        yield goes_on(harmed, whole, verdict.fault, folder / "log")


def kills(whole: Study, folder: Path, count: int, seconds: float, seed: int) -> Iterator[Verdict]:
    """Kill at random moments, with one process and with workers."""
    chance = random.Random(seed)
    for number in range(count):
        jobs = 2 if number % 3 == 2 else 1  # workers begin anew and take longer
        harmed = replace(fresh(whole, folder), jobs=jobs)
        child = forked(harmed.run, folder / "log")
        time.sleep(chance.uniform(0, seconds * (4 if jobs > 1 else 1)))
        kind = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        try:
            os.kill(child, kind)
        except ProcessLookupError:
            pass
        ended(child, folder / "log")
        time.sleep(0.3 if jobs > 1 else 0)  # its workers see that it is gone
        fault = f"kill {number} by {kind.name}, {jobs} jobs"
        yield goes_on(replace(harmed, jobs=1), whole, fault, folder / "log")


def crowds(whole: Study, folder: Path, count: int) -> Iterator[Verdict]:
    """Several batches at the same folder at once."""
    for number in range(count):
        shared = fresh(whole, folder)
        logs = [folder / f"log{i}" for i in range(2 + number % 2)]
        children = [forked(shared.run, log) for log in logs]
        ends = [ended(child, log) for child, log in zip(children, logs, strict=True)]
        verdict = Verdict(f"{len(logs)} at once")
        if any(end.status for end in ends):
            verdict.traceback = "\n".join(end.said[-800:] for end in ends)
        trained = sum(end.said.count("% on the") for end in ends)
        if trained != 1:
            verdict.false = f"the teacher was trained {trained} times"
        again = goes_on(shared, whole, verdict.fault, folder / "log")
        verdict.lost, verdict.false = again.lost, verdict.false or again.false
        yield verdict


# Kinds of files, and where they are.
KINDS = {
    "rows": "rows.jsonl",
    "measures": "measures.jsonl",
    "history": "history.jsonl",
    "answers": "ledger/*/calls-*.safetensors",
    "teacher": "teachers/*/*.safetensors",
    "card": "teachers/*/*.json",
    "teacher's test logits": "logits/teacher-*.safetensors",
    "students' test logits": "logits/resnet*.safetensors",
    "students": "students/*.safetensors",
    "cache": "cache/*.safetensors",
    "splits": "splits/*.json",
    "checkpoint": "teachers/*/*.checkpoint",
}


def _flip(content: bytearray, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _cut(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def _zero(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    content[at : at + 512] = bytes(len(content[at : at + 512]))


def _empty(content: bytearray, chance: random.Random) -> None:
    content.clear()


def _insert(content: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(content))
    content[at:at] = bytes(chance.randrange(256) for _ in range(5))


DAMAGES: dict[str, Callable[[bytearray, random.Random], None]] = {
    "a bit flipped": _flip,
    "cut off": _cut,
    "zeros": _zero,
    "emptied": _empty,
    "bytes put in": _insert,
}


def damages(
    whole: Study, begun: Study, reference: Study, folder: Path, count: int, seed: int
) -> Iterator[Verdict]:
    """Damage files of every kind, then go on with a student more.

    Parameters
    ----------
    whole : Study
        Finished.
    begun : Study
        Whose teacher is half trained.
    reference : Study
        `whole` with the student more.
    """
    chance = random.Random(seed)
    kinds = list(KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        harm = list(DAMAGES)[(number // len(kinds)) % len(DAMAGES)]
        source = begun if kind == "checkpoint" else whole
        harmed = copied(source, folder / "harmed")
        path = chance.choice(sorted(harmed.results.glob(KINDS[kind])))
        content = bytearray(path.read_bytes())
        DAMAGES[harm](content, chance)
        path.write_bytes(content)
        yield _judged(harmed, path, f"{kind}: {harm} ({number})", reference, folder / "log")


def _judged(harmed: Study, path: Path, fault: str, reference: Study, log: Path) -> Verdict:
    """Damage is told and mended, refused with the way out, or has no effect."""
    verdict = Verdict(fault)
    again = tried(lambda: harmed.run(EXTRA), log)
    if again.status == 2:
        if path.name not in again.refusal or "\n" in again.refusal:
            verdict.traceback = f"not told which file: {again.refusal}"
        path.unlink()  # the way out that is told; a copy would do as well
        if "teachers" in path.parts:
            tried(harmed.make_teacher, log)
        again = tried(lambda: harmed.run(EXTRA), log)
    if again.status:
        verdict.traceback = again.said[-1500:]
        return verdict
    if harmed.rows() != reference.rows():
        verdict.false = f"{harmed.rows()} for {reference.rows()}"
    right = reference.said()
    odd = [name for name, value in harmed.said().items() if right.get(name) != value]
    if odd:
        verdict.false += f" {odd} are not as they were"
    return verdict
