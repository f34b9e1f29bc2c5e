"""Costs that must not grow: opening a large store, keeping a row of many, importing, a notebook
around an experiment. They are seconds of processor time, which other processes do not change.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace

from ckdlib import notebooks, study
from ckdlib.study import Store, plan
from ckdlib.study import batch as batch_module
from ckdlib.study.student import StudentResult
from ckdlib.study.tasks import resolve
from tests import PROJECT, a_row


def large(folder, count):
    folder.mkdir()
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps(a_row(run=f"r{i}", seed=i)) + "\n" for i in range(count))
    )
    return Store(folder)


def test_ten_thousand_rows_open_in_two_seconds(tmp_path):
    store = large(tmp_path / "large", 10_000)
    started = time.process_time()
    rows = store.rows()
    plan.Pace(rows).seconds(study.select("paper"))
    assert time.process_time() - started < 2 and len(rows) == 10_000


def test_a_student_costs_the_same_however_many_are_done(here, brief, monkeypatch):
    """What the runner does around one more student, on top of 10,000 rows and of none."""
    (run,) = brief(["ce"])
    tasks = resolve([run], {"digits": here.dataset("digits")}, {}, "float32")
    ((key, task),) = tasks.items()
    result = StudentResult(a_row(run=key), None, [])
    monkeypatch.setattr(batch_module, "train_students", lambda *_: iter([(task, result)]))
    taken = []
    for count in (0, 10_000):
        store = large(here.results.parent / f"rows{count}", count)
        pace = plan.Pace(store.rows())  # opening is timed above
        students = batch_module._Students([task], 1, store, pace, lambda line: None)
        started = time.process_time()
        students.train(replace(here, results=store.folder), 1, None)
        taken.append(time.process_time() - started)
    assert taken[1] < taken[0] + 0.1


def test_who_reads_rows_and_draws_them_loads_no_torch():
    asked = (
        "import sys; from pathlib import Path; from ckdlib import report, study; "
        "from ckdlib.report import answers, figures; "
        "rows = study.Store(Path('results/pilot')).rows(); "
        "table = report.frame(rows, 'black_box'); figures.accuracy_curves(report.summary(table)); "
        "answers.black_box(table); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked], cwd=PROJECT).returncode == 0


def test_importing_costs_little_beyond_torch():
    code = (
        "import time, torch; started = time.process_time(); import ckdlib, ckdlib.__main__, "
        "ckdlib.study.batch; print(time.process_time() - started)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5


def spent():
    """Processor time of this process and of its children that ended."""
    return sum(os.times()[:4])


def test_a_notebook_adds_little_to_its_experiment(here, tmp_path):
    """Page 02 beside the same command without Jupyter, with nothing left to train."""
    words = ["--experiment", "black_box", "--methods", "ce", "--n", "40", "--seeds", "1"]
    command = [sys.executable, "-m", "ckdlib", "run", "--results", str(here.results), *words]
    subprocess.run(command, capture_output=True, check=True)
    started = spent()
    subprocess.run(command, capture_output=True, check=True)
    between = spent()
    notebooks.execute(
        (PROJECT / "notebooks/02_experiments.ipynb"),
        tmp_path / "02.ipynb",
        results=str(here.results),
        experiments=["black_box"],
        methods=["ce"],
        n=[40],
        seeds=[1],
    )
    assert spent() - between < between - started + 5
