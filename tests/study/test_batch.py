"""Runs -> rows: what a row holds, what is skipped, what a kill or a time budget leaves."""

from collections import Counter
from dataclasses import replace

import pytest
import torch

from ckdlib import models, study
from ckdlib.errors import InputError, RunsFailed
from ckdlib.images import Views, split, teacher_view
from ckdlib.measures import accuracy, correlation_draws
from ckdlib.metrics import correlation_gap, singular_values
from ckdlib.study import Store, open_workspace, plan
from ckdlib.study import runs as study_runs
from ckdlib.study import student as student_module
from ckdlib.study import tasks as tasks_module
from ckdlib.study import teachers as teachers_module
from ckdlib.study import workspace as workspace_module
from ckdlib.teachers import load_teacher
from ckdlib.tensors import read_tensors
from ckdlib.training.evaluate import predict

CONTRACT = {
    "dataset",
    "profile",
    "experiment",
    "teacher",
    "student",
    "method",
    "n",
    "seed",
    "teacher_calls",
    "val_accuracy",
    "test_accuracy",
    "status",
    "seconds",
    "steps",
}


def quiet(line):
    pass


def numbers(rows):
    return sorted((row["run"], row["test_accuracy"], row["val_accuracy"]) for row in rows)


def test_rows_hold_what_they_must(here, brief, digits):
    rows = {
        row["method"]: row
        for row in study.run(brief(["ce", "kd"], n=[48]), here, jobs=1, report=quiet)
    }
    kd, ce = rows["kd"], rows["ce"]
    assert CONTRACT | {
        "recipe",
        "code",
        "versions",
        "device",
        "logits",
        "dataset_sha256",
        "student_passes",
    } <= set(kd)
    assert (kd["teacher_calls"], ce["teacher_calls"], kd["n"], kd["steps"], kd["status"]) == (
        48,
        0,
        48,
        6,
        "done",
    )
    logits = read_tensors(here.results / kd["logits"])[0]["test"]
    assert logits.shape == (500, 10)
    assert accuracy(logits, digits.test.labels) == pytest.approx(kd["test_accuracy"], abs=0.5)
    assert (
        open_workspace(here.results, teachers=here.teachers)
        .ledger(digits, kd["teacher_sha256"], 1)
        .calls
        == 48
    )
    assert (here.results / "splits/digits-n48-seed1.json").exists()


def test_scores_are_those_of_the_kept_weights_on_held_out_images(here, brief, digits):
    (row,) = study.run(brief(["kd"], n=[160]), here, jobs=1, report=quiet)
    net = models.new("resnet8", 10)
    net.load_state_dict(read_tensors(here.results / "students" / f"{row['run']}.safetensors")[0])
    _, validation = split(len(digits.train), 160, 1)
    for images, score in (
        (digits.train[validation], row["val_accuracy"]),
        (digits.test, row["test_accuracy"]),
    ):
        seen = Views(images, digits.transform)
        assert accuracy(predict(net, seen), seen.labels) == pytest.approx(score, abs=1e-3)


def test_a_student_learns_from_the_answers_about_its_own_images(here, brief, digits, monkeypatch):
    real, given = student_module.fit, {}

    def watched(net, method, recipe, views, answers, *rest, **options):
        given.update(views=views, answers=answers)
        return real(net, method, recipe, views, answers, *rest, **options)

    monkeypatch.setattr(student_module, "fit", watched)
    study.run(brief(["kd"], n=[80]), here, jobs=1, report=quiet)
    training, _ = split(len(digits.train), 80, 1)
    cpu = torch.device("cpu")
    net, _ = load_teacher(here.teacher_path(digits, "resnet14"), digits, "resnet14", cpu)
    torch.testing.assert_close(
        given["answers"], net(teacher_view(digits, 1, cpu)(training)), rtol=1e-3, atol=1e-3
    )
    assert torch.equal(given["views"].labels, digits.train.labels[training])


def test_every_seed_has_calls_of_its_own(here, brief, digits):
    row, *_ = study.run(brief(["kd"], seeds=[1, 2]), here, jobs=1, report=quiet)
    assert [here.ledger(digits, row["teacher_sha256"], seed).calls for seed in (1, 2)] == [40, 40]


def test_finished_runs_and_calls_are_never_repeated(here, brief):
    said = []
    first = study.run(brief(["kd"]), here, jobs=1, report=quiet)
    second = study.run(brief(["kd", "ckd"]), here, jobs=1, report=said.append)
    assert "0 calls made, 40 kept" in said[1] and "1 of 2 students are trained" in said[2]
    assert numbers(first)[0] in numbers(second) and len(second) == 2


def test_larger_n_pays_only_the_difference(here, brief):
    said = []
    study.run(brief(["kd"], n=[40]), here, jobs=1, report=quiet)
    study.run(brief(["kd"], n=[40, 80]), here, jobs=1, report=said.append)
    assert "40 calls made, 80 kept" in said[1]


def test_processes_give_the_rows_of_one(here, brief, tmp_path):
    other = open_workspace(tmp_path / "other", device="cpu", teachers=here.teachers)
    runs = brief(["kd", "ckd_pairs"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = study.run(runs, here, jobs=1, report=quiet)
    finally:
        torch.set_num_threads(threads)
    both = study.run(runs, other, jobs=2, report=quiet)
    assert {row["run"] for row in alone} == {row["run"] for row in both}
    for a, b in zip(numbers(alone), numbers(both)):
        assert a[1:] == pytest.approx(b[1:], abs=3.0)  # threads may add in another order


def test_measures_stand_beside_the_rows(here, brief, digits):
    rows = {
        row["method"]: row
        for row in study.run(
            brief(["ce", "ckd", "ckd_calibrated"], n=[48]), here, jobs=1, report=quiet
        )
    }
    kept = Store(here.results).measures()
    logits = read_tensors(here.results / rows["ckd"]["logits"])[0]["test"].float()
    ckd, teacher_line = kept[rows["ckd"]["run"]], kept[f"teacher {rows['ckd']['teacher_sha256']}"]
    assert (
        ckd["raw"] == pytest.approx(singular_values(logits), rel=1e-2)
        and len(teacher_line["raw"]) == 10
    )
    answers = read_tensors(here.teacher_logits(rows["ckd"]["teacher_sha256"]))[0]["test"]
    draw = correlation_draws(500)[0]
    assert ckd["correlation_gaps"][0] == pytest.approx(
        correlation_gap(logits[draw], answers[draw]), abs=1e-3
    )
    assert ckd["offset"] > 0.05 and kept[rows["ckd_calibrated"]["run"]]["offset"] < 1e-4
    assert kept[rows["ckd_calibrated"]["run"]]["calibrated_accuracy"] == pytest.approx(
        rows["ckd_calibrated"]["test_accuracy"], abs=0.21
    )
    assert "correlation_gaps" not in kept[rows["ce"]["run"]]


# White box.


def test_white_box_students_cost_no_call_more(here, brief, digits):
    said = []
    rows = study.run(brief(["kd", "vid", "fitnets+ckd"]), here, jobs=1, report=said.append)
    assert any("40 calls made, 40 kept" in line for line in said) and {
        row["teacher_calls"] for row in rows
    } == {40}
    assert all(row["status"] == "done" for row in rows)


def test_the_kept_features_are_those_of_the_view_that_was_shown(here, brief, digits):
    (row,) = study.run(brief(["vid"]), here, jobs=1, report=quiet)
    training, _ = split(len(digits.train), 40, 1)
    cpu = torch.device("cpu")
    net, _ = load_teacher(here.teacher_path(digits, "resnet14"), digits, "resnet14", cpu)
    maps, logits = net.forward_features(teacher_view(digits, 1, cpu)(training))
    ledger = here.ledger(digits, row["teacher_sha256"], 1)
    torch.testing.assert_close(ledger.kept(training), logits, rtol=1e-3, atol=1e-3)
    kept = ledger.kept_features(training)[torch.arange(40)]
    assert len(kept) == 3
    for ours, theirs in zip(kept, maps[1:-1]):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-3)


def test_black_box_calls_keep_the_features_that_the_profile_will_want(here, brief):
    study.run(brief(["kd"], n=[40]), here, jobs=1, report=quiet)
    said = []
    study.run(brief(["kd", "vid"], n=[80]), here, jobs=1, report=said.append)
    assert any("40 calls made, 80 kept" in line for line in said)


def test_features_that_were_not_kept_are_refused_until_asked_for(here, brief, monkeypatch):
    monkeypatch.setattr(teachers_module, "later_white_box", lambda one: 0)
    study.run(brief(["kd"]), here, jobs=1, report=quiet)
    with pytest.raises(InputError, match="features of 40 calls were not kept.*--add-features"):
        study.run(brief(["vid"]), here, jobs=1, report=quiet)
    said = []
    study.run(brief(["vid"]), here, jobs=1, add_features=True, report=said.append)
    assert any("40 calls made, 80 kept" in line for line in said)


def test_calls_that_were_kept_without_features_are_made_again_for_nobody_else(
    here, brief, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(teachers_module, "later_white_box", lambda one: 0)
        study.run(brief(["kd"], n=[40]), here, jobs=1, report=quiet)
    said = []
    study.run(brief(["kd"], n=[80]), here, jobs=1, report=said.append)
    assert any("40 calls made, 80 kept" in line for line in said)
    study.run(
        brief(["vid"], n=[40]) + brief(["kd"], n=[80]),
        here,
        jobs=1,
        add_features=True,
        report=said.append,
    )
    assert any(
        "40 calls made, 120 kept" in line for line in said
    )  # those of n = 50 alone, not of 100


def test_features_are_kept_up_to_the_largest_n_of_white_box_students(here, brief, digits):
    black, cars = runner_runs(method_names=["kd"]) + runner_runs(["cars"], method_names=["kd"])
    assert (teachers_module.later_white_box(black), teachers_module.later_white_box(cars)) == (
        160,
        0,
    )
    (row,) = study.run(brief(["kd"], n=[320]), here, jobs=1, report=quiet)
    ledger = here.ledger(digits, row["teacher_sha256"], 1)
    assert len(ledger.kept_features(split(1297, 160, 1)[0]).row) == 160
    with pytest.raises(InputError, match="160 of 320 images were never shown"):
        ledger.kept_features(split(1297, 320, 1)[0])


def test_a_white_box_student_gets_the_features_and_test_logits_of_its_teacher(
    here, brief, digits, monkeypatch
):
    real, given, cpu = student_module.fit, {}, torch.device("cpu")
    monkeypatch.setattr(
        student_module,
        "fit",
        lambda *words, **options: given.update(options) or real(*words, **options),
    )
    (row,) = study.run(brief(["vid"]), here, jobs=1, report=quiet)
    net, _ = load_teacher(here.teacher_path(digits, "resnet14"), digits, "resnet14", cpu)
    maps, _ = net.forward_features(teacher_view(digits, 1, cpu)(split(1297, 40, 1)[0]))
    torch.testing.assert_close(
        given["features"][torch.arange(40)][0], maps[1], rtol=2e-3, atol=2e-3
    )
    torch.testing.assert_close(
        read_tensors(here.teacher_logits(row["teacher_sha256"]))[0]["test"],
        predict(net, Views(digits.test, digits.transform)),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize(
    "words, says",
    [
        (
            {"method_names": ["rkd_3"]},
            "rkd_3 cannot pool 10 classes; choose from rkd_1, rkd_2, rkd_5, rkd_10",
        ),
        (
            {"method_names": ["vid"], "pairs": ["vgg13-resnet8"]},
            "3 inner feature maps and the teacher 4",
        ),
        (
            {
                "method_names": ["kd"],
                "calls": [160],
                "experiments": ["cars"],
                "dataset": "stanford_cars",
            },
            "Stanford Cars cannot be downloaded",
        ),
    ],
)
def test_runs_that_cannot_be_are_refused_before_anything_starts(here, words, says):
    with pytest.raises(InputError, match=says):
        study.run(runner_runs(**words), here, report=quiet)
    assert not (here.results / "ledger").exists() and not (here.results / "teachers").exists()


def runner_runs(experiments=("black_box",), **words):
    return study.select(
        "quick",
        experiments,
        words.get("dataset"),
        words.get("pairs", ()),
        words["method_names"],
        words.get("calls", [40]),
        [1],
    )


def test_an_experiment_whose_images_are_not_there_is_left_out_and_said(here, brief):
    cars = [
        replace(one, recipe=brief(["ce"])[0].recipe)
        for one in runner_runs(["cars"], method_names=["ce"], dataset="stanford_cars")
    ]
    said = []
    rows = study.run(brief(["ce"]) + cars, here, jobs=1, report=said.append)
    assert [row["experiment"] for row in rows] == ["black_box"] and said[0].startswith(
        "cars is left out: Stanford Cars cannot be"
    )
    with pytest.raises(InputError, match="Stanford Cars cannot be downloaded"):
        study.run(cars + brief(["ce"]), here, report=quiet)


def test_experiments_on_two_sets_of_images_run_together(here, brief):
    runs = brief(["ce"]) + [
        replace(one, recipe=brief(["ce"])[0].recipe)
        for one in runner_runs(["cars"], method_names=["ce"])
    ]
    rows = study.run(runs, here, jobs=1, report=quiet)
    assert [(row["experiment"], row["dataset"]) for row in rows] == [
        ("black_box", "digits"),
        ("cars", "digits_cropped"),
    ]
    kept = {path.name.split("-")[0] for path in (here.results / "splits").iterdir()}
    assert kept == {"digits", "digits_cropped"}


def test_the_plan_counts_runs_calls_and_hours(here, brief, digits):
    def planned(runs):
        return plan.plan(
            runs, plan.pace_on(here.device, here.store.rows()), {"digits": digits}, here.device
        )

    lines = planned(study.select("paper", ["black_box"], dataset="digits"))
    assert len(lines) == 1 and lines[0].startswith(
        "black_box: 1950 runs, 96000 teacher calls, about "
    )  # 3 teachers, 5 seeds
    both = planned(study.select("paper", ["black_box", "large_n"], dataset="digits"))
    assert both[1].startswith("large_n: 600 runs, 144000 more teacher calls")  # 16,000 - 6,400 each
    assert "GPU hours (assuming 10 TFLOP/s, 393 epochs each)" in lines[0]
    alone = runner_runs(method_names=["ce"], calls=[320]) + runner_runs(
        method_names=["kd"], calls=[40]
    )
    assert planned(alone)[0].startswith("black_box: 2 runs, 40 teacher calls")
    runs = brief(["ckd", "mixup", "ckd_pairs"])
    one, mixed, two = (plan._flops(run, digits, 1) for run in runs)
    assert two == 2 * one == 2 * mixed == 2 * 3 * 6 * 64 * models.flops("resnet8", 10, 8)
    study.run(runs, here, jobs=1, report=quiet)
    assert planned(runs) == [
        "black_box: 3 runs, 40 teacher calls, under 0.1 hours, one at a time (from like rows)"
    ]


def test_a_time_budget_stops_with_everything_kept(here, brief):
    said = []
    assert study.run(brief(["kd"]), here, jobs=1, time_budget=1e-9, report=said.append) == []
    assert "same command goes on" in said[-1]
    assert len(study.run(brief(["kd"]), here, jobs=1, report=quiet)) == 1


def test_a_failing_run_is_told_and_costs_only_itself(here, brief, monkeypatch):
    real = student_module.fit

    def watched(net, method, *rest, **options):
        if not method.needs_teacher:
            raise MemoryError("no memory")
        return real(net, method, *rest, **options)

    monkeypatch.setattr(student_module, "fit", watched)
    with pytest.raises(RunsFailed, match="1 runs failed"):
        study.run(brief(["ce", "kd"]), here, jobs=1, report=quiet)
    assert [row["method"] for row in Store(here.results).rows()] == ["kd"]


def test_images_cut_another_way_are_another_run_and_another_ledger(folder, tmp_path):
    """As with --no-flip: the mirrored row is no answer, and the answers about mirrored images are
    none.
    """

    def at(results, flip):
        return open_workspace(
            tmp_path / results, cache=tmp_path / "cache", device="cpu", image_size=12, flip=flip
        )

    runs = [
        replace(one, recipe=replace(one.recipe, steps=2, checks=1))
        for one in study.select(
            "quick", ["black_box"], dataset=str(folder), method_names=["ce"], calls=[10], seeds=[1]
        )
    ]
    (mirrored,) = study.run(runs, at("one", True), jobs=1, report=quiet)
    with pytest.raises(InputError, match=r"differ in transform: flip True and False.*--no-flip"):
        study.run(runs, at("one", False), jobs=1, report=quiet)
    (plain,) = study.run(runs, at("two", False), jobs=1, report=quiet)
    assert mirrored["run"] != plain["run"] and (
        mirrored["transform"]["flip"],
        plain["transform"]["flip"],
    ) == (True, False)
    ledgers = [
        here.ledger(here.dataset(str(folder)), "teacher", 1).folder.name
        for here in (at("one", True), at("one", False))
    ]
    assert ledgers[0] != ledgers[1]


def test_every_seed_shows_an_image_in_a_view_of_its_own(digits):
    index, cpu = torch.arange(40), torch.device("cpu")
    one, again, two = (teacher_view(digits, seed, cpu)(index) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, two)
    assert torch.equal(teacher_view(digits, 1, cpu)(index[7:9]), one[7:9])


def test_too_large_n_is_refused_before_anything_starts(here, brief):
    with pytest.raises(InputError, match="choose n of at most 1038"):
        study.run(brief(["kd"], n=[2000]), here, report=quiet)
    assert not (here.results / "ledger").exists()


def test_status(here, brief):
    study.run(brief(["kd"]), here, jobs=1, report=quiet)
    (line,) = study.status(brief(["kd", "ckd"]), here)
    assert line.startswith(
        "black_box: 1/2 runs done, 0 running, 1 left, 40 teacher calls kept, about"
    )


def test_rows_tell_their_precision_and_a_folder_keeps_to_one(here, brief):
    runs, rounded = (
        brief(["ckd_calibrated", "crd"]),
        replace(here, precision="bfloat16", results=here.results / "rounded"),
    )
    exact = {row["method"]: row for row in study.run(runs, here, 2, report=quiet)}
    other = {row["method"]: row for row in study.run(runs, rounded, 2, report=quiet)}
    assert {row["precision"] for row in exact.values()} == {"float32"} and {
        row["precision"] for row in other.values()
    } == {"bfloat16"}
    weights = [
        read_tensors(folder.results / "students" / f"{rows['crd']['run']}.safetensors")[0][
            "fc.weight"
        ]
        for folder, rows in ((here, exact), (rounded, other))
    ]
    assert not torch.equal(*weights)
    torch.testing.assert_close(*weights, rtol=0.2, atol=0.05)
    assert open_workspace(rounded.results, teachers=here.teachers).precision == "bfloat16"
    with pytest.raises(InputError, match="differ in precision: bfloat16 and float32"):
        study.run(brief(["kd"]), replace(rounded, precision="float32"), report=quiet)
    with pytest.raises(InputError, match="unknown precision 'half'.*float32, bfloat16"):
        open_workspace(here.results, precision="half")


def test_a_student_is_followed_along_its_training(here):
    """By the looks that its experiment asks for; the last one sees the student that row and
    measures tell of.
    """
    runs = [
        replace(run, recipe=replace(run.recipe, schedule="one_cycle", steps=20, checks=10))
        for run in study.select(
            "quick",
            ["protocol"],
            method_names=["ckd", "ckd_calibrated", "ce"],
            calls=[48],
            seeds=[1],
        )
    ]
    rows = {row["method"]: row for row in study.run(runs, here, 2, report=quiet)}
    store = Store(here.results)
    looks = {
        method: [look for look in store.history() if look["run"] == row["run"]]
        for method, row in rows.items()
    }
    assert {method: [look["step"] for look in seen] for method, seen in looks.items()} == {
        "ckd": [10, 20],
        "ckd_calibrated": [10, 20],
        "ce": [],
    }  # labels alone have no offset
    assert looks["ckd"][1]["offset"] > 0.01 and looks["ckd_calibrated"][1]["offset"] < 1e-3
    kept_last = [method for method in ("ckd", "ckd_calibrated") if rows[method]["best_step"] == 20]
    assert kept_last
    for method in kept_last:
        last, told = looks[method][1], store.measures()[rows[method]["run"]]
        assert last["test_accuracy"] == pytest.approx(rows[method]["test_accuracy"], abs=1e-3)
        assert last["offset"] == pytest.approx(told["offset"], rel=1e-3, abs=1e-4)
        assert last["calibrated_accuracy"] == pytest.approx(told["calibrated_accuracy"], abs=1e-3)


def test_experiments_without_looks_keep_none(here, brief):
    study.run(brief(["ckd"]), here, 1, report=quiet)
    assert Store(here.results).history() == []


def test_a_published_teacher_of_other_images_is_passed_over(here, digits, tmp_path):
    others = replace(digits, digest="of other images")
    assert here.teacher_path(digits, "resnet14").is_relative_to(here.teachers)
    assert here.teacher_path(others, "resnet14").is_relative_to(here.results)


def test_rows_images_and_teachers_are_opened_once_a_batch(here, brief, monkeypatch):
    counted = Counter()

    def count(module, name):
        real = getattr(module, name)

        def counting(*words, **options):
            counted[name] += 1
            return real(*words, **options)

        monkeypatch.setattr(module, name, counting)

    count(Store, "rows")
    count(workspace_module, "load_dataset")
    count(teachers_module, "load_teacher")
    count(study_runs, "run_name")
    count(tasks_module, "run_name")
    runs = brief(["ce", "kd", "vid"], n=[40, 80])
    study.run(runs, here, jobs=1, report=quiet)
    assert counted == {"rows": 1, "load_dataset": 1, "load_teacher": 1, "run_name": len(runs)}
