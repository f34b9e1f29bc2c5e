"""Runs -> rows: what a row holds, what is skipped, what a kill or a time budget leaves."""
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from ckdlib import data, place, runner
from ckdlib.errors import InputError
from ckdlib.files import read_tensors
from ckdlib.store import Store

CONTRACT = {"dataset", "profile", "experiment", "teacher", "student", "method", "n", "seed", "teacher_calls", "val_accuracy",
            "test_accuracy", "status", "seconds", "steps"}


def quiet(line):
    pass


def numbers(rows):
    return sorted((row["run"], row["test_accuracy"], row["val_accuracy"]) for row in rows)


def test_rows_hold_what_they_must(here, brief, digits):
    rows = {row["method"]: row for row in runner.run(brief(["ce", "kd"], n=[60]), here, jobs=1, report=quiet)}
    kd, ce = rows["kd"], rows["ce"]
    assert CONTRACT | {"recipe", "code", "versions", "device", "logits", "dataset_sha256", "student_passes"} <= set(kd)
    assert (kd["teacher_calls"], ce["teacher_calls"], kd["n"], kd["steps"], kd["status"]) == (48, 0, 60, 6, "done")
    logits = read_tensors(here.results / kd["logits"])[0]["test"]
    assert logits.shape == (500, 10)
    assert runner.train.accuracy(logits, digits.test.labels) == pytest.approx(kd["test_accuracy"], abs=0.5)
    assert place.at(here.results, teachers=here.teachers).ledger(digits, kd["teacher_sha256"], 1).calls == 48
    assert (here.results / "splits/digits-n60-seed1.json").exists()


def test_scores_are_those_of_the_kept_weights_on_held_out_images(here, brief, digits):
    row, = runner.run(brief(["kd"], n=[200]), here, jobs=1, report=quiet)
    net = runner.teacher.new("resnet8", 10)
    net.load_state_dict(read_tensors(here.results / "students" / f"{row['run']}.safetensors")[0])
    _, validation = data.split(len(digits.train), 200, 1)
    for images, score in ((digits.train[validation], row["val_accuracy"]), (digits.test, row["test_accuracy"])):
        views = data.Views(images, digits.transform)
        assert runner.train.accuracy(runner.train.predict(net, views), views.labels) == pytest.approx(score, abs=1e-3)


def test_a_student_learns_from_the_answers_about_its_own_images(here, brief, digits, monkeypatch):
    real, given = runner.train.fit, {}

    def fit(net, method, recipe, views, answers, *rest, **options):
        given.update(views=views, answers=answers)
        return real(net, method, recipe, views, answers, *rest, **options)
    monkeypatch.setattr(runner.train, "fit", fit)
    runner.run(brief(["kd"], n=[100]), here, jobs=1, report=quiet)
    training, _ = data.split(len(digits.train), 100, 1)
    cpu = torch.device("cpu")
    net, _ = runner.teacher.load(here.teacher_path("digits", "resnet14"), digits, "resnet14", cpu)
    torch.testing.assert_close(given["answers"], net(place.teacher_view(digits, 1, cpu)(training)), rtol=1e-3, atol=1e-3)
    assert torch.equal(given["views"].labels, digits.train.labels[training])


def test_every_seed_has_calls_of_its_own(here, brief, digits):
    row, *_ = runner.run(brief(["kd"], seeds=[1, 2]), here, jobs=1, report=quiet)
    assert [here.ledger(digits, row["teacher_sha256"], seed).calls for seed in (1, 2)] == [40, 40]


def test_finished_runs_and_calls_are_never_repeated(here, brief):
    said = []
    first = runner.run(brief(["kd"]), here, jobs=1, report=quiet)
    second = runner.run(brief(["kd", "ckd"]), here, jobs=1, report=said.append)
    assert "0 calls made, 40 kept" in said[0] and "1 of 2 students are trained" in said[1]
    assert numbers(first)[0] in numbers(second) and len(second) == 2


def test_larger_n_pays_only_the_difference(here, brief):
    said = []
    runner.run(brief(["kd"], n=[50]), here, jobs=1, report=quiet)
    runner.run(brief(["kd"], n=[50, 100]), here, jobs=1, report=said.append)
    assert "40 calls made, 80 kept" in said[0]


def test_processes_give_the_rows_of_one(here, brief, tmp_path):
    other = place.at(tmp_path / "other", device="cpu", teachers=here.teachers)
    runs = brief(["kd", "ckd_pairs"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = runner.run(runs, here, jobs=1, report=quiet)
    finally:
        torch.set_num_threads(threads)
    both = runner.run(runs, other, jobs=2, report=quiet)
    assert {row["run"] for row in alone} == {row["run"] for row in both}
    for a, b in zip(numbers(alone), numbers(both)):
        assert a[1:] == pytest.approx(b[1:], abs=3.0)    # threads may add in another order


def test_a_time_budget_stops_with_everything_kept(here, brief):
    said = []
    assert runner.run(brief(["kd"]), here, jobs=1, time_budget=1e-9, report=said.append) == []
    assert "same command goes on" in said[-1]
    assert len(runner.run(brief(["kd"]), here, jobs=1, report=quiet)) == 1


def test_a_failing_run_is_told_and_costs_only_itself(here, brief, monkeypatch):
    real = runner.train.fit

    def fit(net, method, *rest, **options):
        if not method.asks:
            raise MemoryError("no memory")
        return real(net, method, *rest, **options)
    monkeypatch.setattr(runner.train, "fit", fit)
    with pytest.raises(RuntimeError, match="1 runs failed"):
        runner.run(brief(["ce", "kd"]), here, jobs=1, report=quiet)
    assert [row["method"] for row in Store(here.results).rows()] == ["kd"]


def test_a_killed_batch_goes_on(tmp_path, teachers):
    command = [sys.executable, "-m", "ckdlib", "run", "--results", str(tmp_path), "--methods", "ce", "--n", "50", "100",
               "--seeds", "1", "2", "3", "--jobs", "2", "--device", "cpu"]
    batch = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(Store(tmp_path).rows()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(batch.pid, signal.SIGKILL)
    batch.wait()
    while Store(tmp_path).running() and time.monotonic() < deadline:
        time.sleep(0.05)                 # its workers see that it is gone and end too
    kept = Store(tmp_path).rows()
    assert 2 <= len(kept) < 6 and time.monotonic() < deadline
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{len(kept)} of 6 students are trained" in done.stdout
    assert len({row["run"] for row in Store(tmp_path).rows()}) == len(Store(tmp_path).rows()) == 6


def test_every_seed_shows_an_image_in_a_view_of_its_own(digits):
    index, cpu = torch.arange(40), torch.device("cpu")
    one, again, two = (place.teacher_view(digits, seed, cpu)(index) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, two)
    assert torch.equal(place.teacher_view(digits, 1, cpu)(index[7:9]), one[7:9])


def test_too_large_n_is_refused_before_anything_starts(here, brief):
    with pytest.raises(InputError, match="n = 2000 is more than the 1297"):
        runner.run(brief(["kd"], n=[2000]), here, report=quiet)
    assert not (here.results / "ledger").exists()


def test_status(here, brief):
    runner.run(brief(["kd"]), here, jobs=1, report=quiet)
    line, = runner.status(brief(["kd", "ckd"]), here)
    assert line.startswith("black_box: 1/2 runs done, 0 running, 1 left, 40 teacher calls made, about")
