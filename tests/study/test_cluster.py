"""The workers of a cluster: the same rows, whoever dies, comes late or is slow."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from ckdlib import study
from ckdlib.__main__ import main
from ckdlib.errors import InputError, RunsFailed
from ckdlib.study import Store, cluster, remote
from ckdlib.study.attempt import Failure
from tests import PROJECT

distributed = pytest.importorskip("distributed")
SLOW = """
import time
from ckdlib.study import remote

def slowly(*words, real=remote.attempt):
    time.sleep({seconds})
    return real(*words)


remote.attempt = slowly
"""


def quiet(line):
    pass


@pytest.fixture(scope="module")
def scheduler():
    """One of this process, without workers."""
    with distributed.LocalCluster(
        n_workers=0, host="127.0.0.1", dashboard_address=":0", silence_logs=50
    ) as local:
        yield local


@pytest.fixture
def threads():
    """The address of a scheduler whose two workers are threads of this process."""
    with distributed.LocalCluster(
        processes=False,
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=":0",
        silence_logs=50,
        memory_limit=0,
    ) as local:
        yield local


@pytest.fixture
def elsewhere(here, tmp_path):
    """Another results folder beside `here`."""
    return replace(here, results=tmp_path / "elsewhere")


def worker(scheduler, folder, seconds):
    """A process that is slow to begin each of its students."""
    slow = folder / f"slow_{int(10 * seconds)}.py"
    slow.write_text(SLOW.format(seconds=seconds))
    words = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler.scheduler_address]
    words += ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
    words += ["--local-directory", str(folder), "--preload", str(slow)]
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)


def numbers(rows):
    return {row["run"]: (row["status"], row["val_accuracy"], row["test_accuracy"]) for row in rows}


def test_rows_are_those_of_one_process_whoever_dies_is_slow_or_late(
    scheduler, here, elsewhere, brief, tmp_path
):
    """Three processes: one dies at its second student, one is slow, one comes when that died."""
    runs = brief(["ce", "kd", "ckd"], seeds=(1, 2))
    alone = study.run(runs, here, 1, report=quiet)
    crew = [worker(scheduler, tmp_path, 0.3), worker(scheduler, tmp_path, 1)]
    told = []

    def kill_one():
        while not Store(elsewhere.results).rows(quiet):
            time.sleep(0.05)
        time.sleep(0.15)
        crew[0].kill()
        crew.append(worker(scheduler, tmp_path, 0.2))

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    try:
        at = scheduler.scheduler_address
        found = study.run(runs, elsewhere, report=told.append, cluster=at, time_budget=2)
    finally:
        for process in crew:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert crew[0].returncode == -signal.SIGKILL and len(crew) == 3
    assert numbers(found) == numbers(alone) and len(found) == len(runs)
    lines = (elsewhere.results / "rows.jsonl").read_text().splitlines()
    assert len(lines) == len(runs)  # each was trained and kept once
    assert not any("failed" in line for line in told)
    assert [path.name for path in (elsewhere.results / "running").iterdir()] == [".lock"]


def test_what_fails_on_a_worker_costs_only_itself_and_is_told(threads, here, brief, monkeypatch):
    real = remote.attempt

    def some(task, *words):
        return Failure("no luck") if task.run.method == "kd" else real(task, *words)

    monkeypatch.setattr(remote, "attempt", some)
    told = []
    runs = brief(["ce", "kd", "ckd"])
    with pytest.raises(RunsFailed, match="1 runs failed"):
        study.run(runs, here, report=told.append, cluster=threads.scheduler_address)
    assert {row["method"] for row in Store(here.results).rows()} == {"ce", "ckd"}
    assert any(line.startswith("failed: ") and line.endswith(": no luck") for line in told)
    status = study.status(runs, here)
    assert "2/3 runs done, 0 running, 1 left" in status[0]
    assert status[1].startswith("  failed: ") and status[1].endswith(".kd.n40.s1" + status[1][-22:])
    assert status[1].endswith(": no luck")
    monkeypatch.undo()
    assert len(study.run(runs, here, 1, report=quiet)) == 3
    assert len(study.status(runs, here)) == 1 and not list((here.results / "failed").iterdir())


def test_a_run_whose_workers_die_is_told_and_the_others_go_on(threads, here, brief, monkeypatch):
    """The scheduler's word for it, `KilledWorker`, as its client raises it."""

    class Worker:
        address = "tcp://there:1"

    def result(self, timeout=None):
        if "kd.n40" in self.key.split("-resnet8.")[1][:6]:
            raise distributed.KilledWorker(self.key, Worker(), 2)
        return real(self, timeout)

    real = distributed.Future.result
    monkeypatch.setattr(distributed.Future, "result", result)
    told = []
    with pytest.raises(RunsFailed, match="1 runs failed"):
        study.run(brief(["ce", "kd"]), here, report=told.append, cluster=threads.scheduler_address)
    (line,) = [line for line in told if line.startswith("failed")]
    assert "its worker process died 3 times, the last one at tcp://there:1" in line
    assert [row["method"] for row in Store(here.results).rows()] == ["ce"]


def test_nothing_that_is_kept_stays_with_the_workers(threads, here, brief, monkeypatch):
    """Else what a dead worker finished would be trained again; and few are given at a time."""
    waiting = []
    append = Store.append

    def watched(store, *words):
        append(store, *words)
        waiting.append(len(threads.scheduler.tasks))

    monkeypatch.setattr(Store, "append", watched)
    runs = brief(["ce", "kd", "ckd", "mixup"])
    study.run(runs, here, report=quiet, cluster=threads.scheduler_address)
    assert len(waiting) == 4 and max(waiting) <= 3  # two at work, and the one being kept
    assert not threads.scheduler.tasks


def test_where_runs_are_trained_is_told(threads, here, brief, monkeypatch):
    begun, go = threading.Semaphore(0), threading.Event()
    real = remote.attempt

    def waits(*words):
        begun.release()
        assert go.wait(30)
        return real(*words)

    monkeypatch.setattr(remote, "attempt", waits)
    monkeypatch.setattr("ckdlib.study.marks.HOST", "there")
    runs = brief(["ce", "kd", "ckd"])
    words = {"report": quiet, "cluster": threads.scheduler_address}
    batch = threading.Thread(target=study.run, args=(runs, here), kwargs=words)
    batch.start()
    begun.acquire(timeout=30), begun.acquire(timeout=30)
    (line,) = study.status(runs, here)
    go.set()
    batch.join(60)
    assert "0/3 runs done, 2 running (there 2), 3 left" in line
    (line,) = study.status(runs, here)
    assert "3/3 runs done, 0 running, 0 left" in line


def test_marks_tell_who_waits_for_a_worker(here):
    marks = Store(here.results).marks
    assert marks.take("a", waits=True) and marks.take("b", waits=True) and marks.take("c")
    marks.place("b")
    host = marks.places()["c"]
    assert host and marks.places() == {"a": None, "b": host, "c": host}
    marks.place("nobody's")
    assert "nobody's" not in marks.places()
    marks.clear()
    assert [path.name for path in marks.folder.glob(".*.at")] == [".b.at"]
    marks.release("b")
    assert not list(marks.folder.glob(".*.at")) and "b" not in marks.places()
    assert marks.take("b", waits=True)
    os.utime(marks.folder / "a", (0, 0))
    marks.touch("a")
    assert time.time() - (marks.folder / "a").stat().st_mtime < 60


def test_a_stop_ends_what_workers_do(threads, here, brief, monkeypatch):
    """A second of steps at most, and no row."""
    runs = [replace(run, recipe=replace(run.recipe, steps=100_000)) for run in brief(["ce", "kd"])]
    begun, left = threading.Semaphore(0), threading.Semaphore(0)
    real = remote.attempt

    def watched(*words):
        begun.release()
        found = real(*words)
        left.release()
        return found

    monkeypatch.setattr(remote, "attempt", watched)

    def stop():
        begun.acquire(timeout=60)
        begun.acquire(timeout=60)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        study.run(runs, here, report=quiet, cluster=threads.scheduler_address)
    assert left.acquire(timeout=5) and left.acquire(timeout=5)
    assert not Store(here.results).rows() and not Store(here.results).marks.held()


def test_a_time_budget_is_kept_without_workers(scheduler, here, brief):
    told = []
    assert not study.run(
        brief(["ce"]),
        here,
        time_budget=0.03,
        report=told.append,
        cluster=scheduler.scheduler_address,
    )
    assert any("no worker is there yet" in line for line in told)
    assert "the time budget is used up with 1 students left" in told[-1]


def refused(runs, here, where):
    began = time.monotonic()
    with pytest.raises(InputError) as error:
        study.run(runs, here, report=quiet, cluster=where)
    assert time.monotonic() - began < 15 and "\n" not in str(error.value)
    assert not (here.results / "ledger").exists() and not Store(here.results).rows()
    return str(error.value)


def test_a_cluster_that_is_not_there_is_refused(here, brief, tmp_path):
    runs = brief(["kd"])
    assert "no scheduler answers at tcp://127.0.0.1:9" in refused(runs, here, "tcp://127.0.0.1:9")
    assert "choose local, an address" in refused(runs, here, "nowhere.json")
    (tmp_path / "torn.json").write_text('{"address"')
    assert "choose local, an address" in refused(runs, here, str(tmp_path / "torn.json"))
    assert "no scheduler answers at" in refused(runs, here, "what://ever")


def test_without_dask_the_extra_is_named(here, brief, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert 'pip install "ckdlib[cluster]"' in refused(brief(["ce"]), here, "local")


def test_workers_of_another_version_are_refused(threads, here, brief, monkeypatch):
    own = remote.software()
    monkeypatch.setattr(cluster, "software", lambda: own | {"ckdlib": "9.9"})
    told = refused(brief(["kd"]), here, threads.scheduler_address)
    assert f"ckdlib is {own['ckdlib']} there and 9.9 here; install the same" in told


def test_workers_without_the_results_folder_are_refused(threads, here, brief, monkeypatch):
    monkeypatch.setattr(remote, "SEEN", 0.1)
    monkeypatch.setattr(cluster, "replacing", lambda path: replaced(here.results / "other"))

    def replaced(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Elsewhere(path)

    told = refused(brief(["kd"]), here, threads.scheduler_address)
    assert f"it does not see {here.results}; put the results into a folder that all" in told


class _Elsewhere:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        pass


def test_workers_without_the_images_are_refused(threads, here, folder, tmp_path, monkeypatch):
    at = replace(here, image_size=12)
    runs = study.select(
        "quick", ["black_box"], dataset=str(folder), method_names=["ce"], calls=[10], seeds=[1]
    )
    monkeypatch.setattr(cluster, "cloudpickle", _Hides(cluster.cloudpickle, folder, tmp_path))
    told = refused(runs, at, threads.scheduler_address)
    assert "it cannot have the images" in told and "name that with --data or --dataset" in told


class _Hides:
    """Pickles, and takes the images away."""

    def __init__(self, real, folder, away):
        self.real, self.folder, self.away = real, folder, away

    def dumps(self, value):
        packed = self.real.dumps(value)
        if self.folder.exists():
            self.folder.rename(self.away / "gone")
        return packed


def test_a_worker_that_cannot_take_part_and_comes_late_is_sent_away(
    threads, here, elsewhere, brief, monkeypatch
):
    """Its run goes to another."""
    addresses = sorted(threads.scheduler.workers)
    real = remote.lacks

    def lacks(ticket):
        at = distributed.get_worker().address
        return "it has no disk" if at == addresses[0] else real(ticket)

    monkeypatch.setattr(remote, "lacks", lacks)
    monkeypatch.setattr(cluster.Cluster, "look", lambda self: self._count())
    told = []
    runs = brief(["ce", "kd", "ckd"])
    rows = study.run(runs, here, report=told.append, cluster=threads.scheduler_address)
    assert len(rows) == 3
    assert f"worker {addresses[0]} is sent away: it has no disk" in told
    assert list(threads.scheduler.workers) == addresses[1:]


def test_the_words_of_the_command_line(tmp_path, capsys):
    words = ["run", "--methods", "ce", "--results", str(tmp_path), "--cluster", "nowhere"]
    assert main(words) == 2
    assert capsys.readouterr().err.startswith("error: no cluster 'nowhere'")
