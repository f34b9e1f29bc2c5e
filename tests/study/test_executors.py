"""Workers that die, stops, batches side by side: what is finished stays, nothing is done twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch

from ckdlib import study
from ckdlib.errors import InputError, RunsFailed
from ckdlib.files import NoSpace
from ckdlib.stopping import Stopped, deferred
from ckdlib.study import Store, executors, workers
from ckdlib.study import student as student_module
from tests import PROJECT


def quiet(line):
    pass


class Dying(workers.Processes):
    """Whose worker dies of every `ce`, and once of another run, as a full memory would have it."""

    spared = False

    def results(self, seconds):
        for worker in self.workers:
            if not (worker.ready and worker.task):
                continue
            if worker.task.run.method == "ce" or not Dying.spared:
                Dying.spared |= worker.task.run.method != "ce"
                worker.process.kill()
        return super().results(seconds)


def test_a_worker_that_dies_costs_one_run_which_is_tried_three_times(here, brief, monkeypatch):
    """The others go on; nothing of that needs shared memory."""

    def absent(*_):
        raise RuntimeError("no /dev/shm")

    monkeypatch.setattr(torch.UntypedStorage, "_share_fd_cpu_", absent)
    monkeypatch.setattr(executors, "Processes", Dying)
    monkeypatch.setattr(executors, "POLL", 0.01)
    told = []
    runs = [
        replace(run, recipe=replace(run.recipe, steps=60, checks=3)) for run in brief(["ce", "kd"])
    ]
    with pytest.raises(RunsFailed, match="1 runs failed"):
        study.run(runs, here, 2, report=told.append)
    (line,) = [line for line in told if line.startswith("failed")]
    assert ".ce.n40" in line and "died 3 times" in line and "fewer --jobs" in line
    assert Dying.spared and [row["method"] for row in Store(here.results).rows()] == ["kd"]
    assert not Store(here.results).marks.held()


SCRIPT = """
from dataclasses import replace
from ckdlib import study
runs = [replace(run, recipe=replace(run.recipe, steps=2, checks=1)) for run in
        study.select("quick", ["black_box"], method_names=["ce"], calls=[40], seeds=[1, 2])]
rows = study.run(runs, study.open_workspace({folder!r}, device="cpu"), 2)
print(len(rows), "rows")
"""


def test_a_script_without_a_guard_trains_one_at_a_time(tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT.format(folder=str(tmp_path / "results")))
    told = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, tmp_path / "mine.py"], env=told, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "one at a time" in done.stdout and "2 rows" in done.stdout


def test_a_full_disk_ends_the_batch_at_once(here, brief, monkeypatch):
    def full(*_, **__):
        raise NoSpace("no space is left for here (1 MiB free)")

    monkeypatch.setattr(student_module, "write_tensors", full)
    with pytest.raises(InputError, match="no space is left"):
        study.run(brief(["ce", "kd"]), here, 1, report=quiet)
    assert Store(here.results).rows() == [] and not Store(here.results).marks.held()


def command(folder, *words):
    options = ("--experiment", "black_box", "--device", "cpu", "--results", str(folder))
    return [sys.executable, "-m", "ckdlib", *words, *options]


def left(folder):
    """Processes that still speak of a folder."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/cmdline") as words:
                found += [entry] if str(folder) in words.read() else []
        except OSError:
            pass
    return found


@pytest.mark.parametrize("kind, group, jobs", [("SIGINT", True, "2"), ("SIGTERM", False, "1")])
def test_a_stop_is_obeyed_within_ten_seconds(tmp_path, kind, group, jobs):
    """As Ctrl-C gives it, to the whole group, or to the batch alone."""
    words = command(tmp_path, "run", "--methods", "ce", "--jobs", jobs)
    batch = subprocess.Popen(
        words, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not Store(tmp_path).rows(quiet) and batch.poll() is None:
        time.sleep(0.05)
    before = Store(tmp_path).rows(quiet)
    asked = time.monotonic()
    send = os.killpg if group else os.kill
    send(batch.pid, signal.Signals[kind])
    out, err = batch.communicate(timeout=30)
    assert time.monotonic() - asked < 10
    assert batch.returncode == 128 + signal.Signals[kind]
    assert err.strip() == "stopped; everything finished is kept and the same command goes on"
    after = Store(tmp_path).rows(quiet)
    assert after[: len(before)] == before and len(after) <= len(before) + int(jobs)
    assert not Store(tmp_path).marks.held() and not left(tmp_path)


def test_a_teachers_training_keeps_the_step_that_it_is_stopped_at(tmp_path):
    words = [sys.executable, "-m", "ckdlib", "teacher", "--model", "resnet14"]
    words += ["--device", "cpu", "--results", str(tmp_path)]
    training = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.rglob("*.lock")) and training.poll() is None:
        time.sleep(0.05)
    time.sleep(1.5)
    training.send_signal(signal.SIGTERM)
    out, err = training.communicate(timeout=30)
    assert training.returncode == 143 and "stopped after step" in out, out + err
    assert list(tmp_path.rglob("*.checkpoint"))
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0 and "goes on after step" in done.stdout


def test_signals_are_noted_and_then_obeyed():
    with pytest.raises(Stopped) as stopped:
        with deferred() as pending:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            assert pending
            reached = True
    assert reached and stopped.value.exit_status == 143
    with pytest.raises(Stopped):
        with deferred():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
            pytest.fail("a second signal is obeyed at once")


def test_students_of_another_batch_are_waited_for(here, brief):
    """Their rows are taken when they come."""
    (run,) = brief(["ce"])
    (row,) = study.run([run], here, 1, report=quiet)
    other = replace(here, results=here.results.parent / "shared")
    store, told = Store(other.results), []
    mine = store.marks

    def finish():
        time.sleep(1)
        store.append(row)
        mine.release(row["run"])

    assert mine.take(row["run"])  # this very process, as if it were another batch
    threading.Thread(target=finish).start()
    assert study.run([run], other, 1, report=told.append) == [row]
    assert any("1 students are being trained by another batch" in line for line in told)
    assert not (other.results / "students").exists()
