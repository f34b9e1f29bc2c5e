"""A small study that is interrupted, damaged and crowded, and then judged.

The study has everything: images of one's own, a teacher trained from steps, calls with and without
features, four students, probes. Each trial forks, so that it begins in a second.
"""

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ckdlib import study
from ckdlib.errors import InputError
from ckdlib.study import grid, open_workspace
from ckdlib.study.store import Store
from ckdlib.tensors import read_tensors

METHODS = ("ce", "kd", "fitnets")
TEACHER_STEPS = 12


@contextmanager
def short_teachers() -> Iterator[None]:
    """Teachers of `quick` learn for a few steps."""
    whole = grid.PROFILES["quick"]
    recipe = replace(whole.teacher_recipe, steps=TEACHER_STEPS, checks=3, batch=8)
    grid.PROFILES["quick"] = replace(whole, teacher_recipe=recipe)
    try:
        yield
    finally:
        grid.PROFILES["quick"] = whole


@dataclass(frozen=True)
class Study:
    """A study of a few steps in one folder."""

    results: Path
    pictures: Path
    jobs: int = 1

    def workspace(self):
        where = {"cache": self.results / "cache", "teachers": self.results / "none"}
        return open_workspace(self.results, device="cpu", **where)

    def run(self, methods=METHODS, report=print, time_budget=None):
        """What a user's command does."""
        chosen = {"dataset": str(self.pictures), "calls": [10], "seeds": [1]}
        runs = study.select("quick", ["protocol"], method_names=methods, **chosen)
        recipe = replace(runs[0].recipe, schedule="one_cycle", steps=10, checks=10, batch=8)
        runs = [replace(one, recipe=recipe) for one in runs]
        return study.run(runs, self.workspace(), self.jobs, time_budget, report=report)

    def make_teacher(self) -> None:
        """What is told where a teacher's weights are lost."""
        study.make_teacher("quick", "resnet14", self.workspace(), str(self.pictures))

    def rows(self) -> dict[str, float]:
        """Run -> its accuracy, as the tables would read them."""
        rows = Store(self.results).rows(lambda line: None)
        return {row["run"]: row["test_accuracy"] for row in rows}

    def said(self) -> dict[str, object]:
        """Measures, probes and index lists, by name: what tables and figures read beside rows."""
        store = Store(self.results)
        found: dict[str, object] = {
            f"measures {run}": line for run, line in store.measures().items()
        }
        found |= {f"probe {probe['run']} {probe['step']}": probe for probe in store.history()}
        for path in self.results.glob("splits/*.json"):
            found[path.name] = path.read_text()
        return found

    def lines(self) -> list[str]:
        """The runs of the rows' file, as often as they stand there whole."""
        found = []
        for text in (self.results / "rows.jsonl").read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(text)["run"])
            except (ValueError, KeyError, TypeError):
                pass
        return found

    def answers(self) -> dict[tuple, tuple[float, ...]]:
        """Every kept answer; one asked twice stands twice."""
        kept: dict[tuple, tuple[float, ...]] = {}
        for path in sorted(self.results.glob("ledger/*/calls-*.safetensors")):
            tensors, _ = read_tensors(path)
            features = "feature0" in tensors
            for index, logits in zip(tensors["index"].tolist(), tensors["logits"], strict=True):
                key = (path.parent.name, index, features)
                assert key not in kept, f"{key} was asked twice"
                kept[key] = tuple(logits.tolist())
        return kept


@dataclass
class Ended:
    """How a forked trial ended."""

    status: int  # 0 done, 2 refused in a line, 3 a traceback, negative: killed by that signal
    said: str

    @property
    def refusal(self) -> str:
        """The line of a refusal."""
        return self.said.rpartition("\nerror: ")[2].strip() if self.status == 2 else ""


def forked(work: Callable[[], object], log: Path) -> int:
    """Start `work` in a process of its own; its pid."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 3
    try:
        with open(log, "w") as told:
            os.dup2(told.fileno(), 1)
            os.dup2(told.fileno(), 2)
            sys.stdout = sys.stderr = told
            try:
                work()
                status = 0
            except InputError as error:
                print(f"\nerror: {error}")
                status = 2
            except KeyboardInterrupt:
                status = 4
            except BaseException:
                traceback.print_exc()
            told.flush()
    finally:
        os._exit(status)


def ended(child: int, log: Path, seconds: float = 120) -> Ended:
    """Wait for a forked trial."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, code = os.waitpid(child, os.WNOHANG)
        if pid:
            return Ended(os.waitstatus_to_exitcode(code), log.read_text(errors="replace"))
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Ended(5, "it hung")


def tried(work: Callable[[], object], log: Path) -> Ended:
    """Run `work` in a process of its own to its end."""
    return ended(forked(work, log), log)


def copied(source: Study, to: Path) -> Study:
    """A copy of a study to be harmed."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(source.results, to)
    return replace(source, results=to)


def fresh(source: Study, folder: Path) -> Study:
    """An empty place for the same study."""
    shutil.rmtree(folder / "harmed", ignore_errors=True)
    return replace(source, results=folder / "harmed", jobs=1)
