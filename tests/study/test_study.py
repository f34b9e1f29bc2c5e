"""Profiles and runs as data; the store of rows."""

import json
import os
import re
from collections import Counter
from dataclasses import asdict, replace

import pytest
import torch

from ckdlib import losses, methods, report, study
from ckdlib.errors import InputError
from ckdlib.images import split
from ckdlib.methods import Term
from ckdlib.study import Store, plan
from ckdlib.study.options import Options
from ckdlib.study.runs import run_name
from ckdlib.study.tasks import Task
from ckdlib.training import Recipe
from tests import PROJECT, a_row


def test_profiles():
    count = {name: Counter(run.experiment for run in study.select(name)) for name in study.PROFILES}
    assert count["quick"] == {
        "black_box": 120,
        "white_box": 54,
        "dimensionality": 48,
        "cars": 60,
        "large_n": 60,
        "fewer_calls": 48,
        "protocol": 18,
    }
    assert count["pilot"] == {
        "black_box": 90,
        "white_box": 36,
        "dimensionality": 24,
        "cars": 60,
        "large_n": 60,
        "fewer_calls": 192,
        "tuning": 180,
        "spare_labels": 18,
        "no_labels": 54,
        "select": 54,
        "fair": 306,
        "few_classes": 27,
        "long_schedule": 36,
        "protocol": 27,
    }
    assert count["paper"] == {
        "black_box": 1950,
        "white_box": 180,
        "dimensionality": 200,
        "cars": 600,
        "large_n": 600,
        "fewer_calls": 775,
    }
    paper = study.PROFILES["paper"]
    assert (
        paper.experiments["black_box"].calls == tuple(range(1600, 6401, 400))
        and paper.recipe == Recipe()
    )
    assert (
        paper.recipe.learning_rate,
        paper.recipe.momentum,
        paper.recipe.weight_decay,
        paper.recipe.batch,
        paper.recipe.patience,
        paper.recipe.stages,
        paper.recipe.max_epochs,
    ) == (0.05, 0.9, 5e-4, 64, 50, 3, 1000)


def test_a_selection_narrows_every_axis():
    runs = study.select(
        "paper",
        pairs=["vgg13-vgg8"],
        method_names=["kd", "ckd"],
        calls=[1600],
        seeds=[7],
        learning_rates=[0.1, 0.05],
    )
    assert {
        (r.teacher, r.student, r.method, r.n, r.seed, r.recipe.learning_rate) for r in runs
    } == {
        ("vgg13", "vgg8", method, 1600, 7, rate) for method in ("kd", "ckd") for rate in (0.1, 0.05)
    }


def cells(**options):
    return Counter(
        (run.experiment, run.method, run.n) for run in study.select("quick", seeds=[1], **options)
    )


def test_arguments_narrow_every_grid_to_what_it_holds():
    assert cells(method_names=["ckd", "vid"], calls=[80]) == {
        (label, method, 80): 1
        for label, method in (("black_box", "ckd"), ("white_box", "vid"), ("cars", "ckd"))
    }
    assert cells(calls=[640], method_names=["kd"]) == {("large_n", "kd", 640): 1}
    assert cells(calls=[70, 640], method_names=["kd"]) == {
        ("black_box", "kd", 70): 1,
        ("large_n", "kd", 640): 1,
    }
    assert {label for label, *_ in cells(dataset="digits", calls=[80])} == {
        "black_box",
        "white_box",
        "dimensionality",
        "fewer_calls",
    }


def test_a_named_experiment_takes_the_arguments_as_they_are():
    assert cells(experiments=["large_n"], method_names=["vid"], calls=[70]) == {
        ("large_n", "vid", 70): 1
    }
    assert study.select("quick", ["cars"], dataset="mine")[0].dataset == "mine"


def row_of(run, **other):
    return {
        "profile": run.profile,
        "experiment": run.experiment,
        "teacher": run.teacher,
        "student": run.student,
        "method": run.method,
        "n": run.n,
        "seed": run.seed,
        "dataset": run.dataset,
    } | other


def test_a_run_serves_every_experiment_whose_grid_holds_it():
    rows = [row_of(run) for run in study.select("quick", seeds=[1])]
    table2 = Counter(row["method"] for row in report.rows_of_experiment(rows, "white_box"))
    assert table2 == {method: 3 for method in study.WHITE_BOX}
    figure4 = {row["method"] for row in report.rows_of_experiment(rows, "dimensionality")}
    assert figure4 == {
        "rkd",
        "rkd_1",
        "rkd_2",
        "rkd_5",
        "rkd_10",
        "ckd_pairs",
        "mse",
        "ckd",
        "ckd_calibrated",
    }
    assert {row["dataset"] for row in report.rows_of_experiment(rows, "cars")} == {"digits_cropped"}
    assert {row["n"] for row in report.rows_of_experiment(rows, "black_box")} == {40, 80, 160, 320}


def test_rows_of_another_recipe_serve_no_other_experiment():
    rows = [row_of(run) for run in study.select("pilot", calls=[1280], seeds=[4])]
    assert {row["experiment"] for row in report.rows_of_experiment(rows, "protocol")} == {
        "protocol"
    }
    assert {row["experiment"] for row in report.rows_of_experiment(rows, "fewer_calls")} == {
        "fewer_calls"
    }
    recipes = {run.recipe for run in study.select("pilot", ["protocol"], learning_rates=[0.1])}
    assert recipes == {Recipe(learning_rate=0.1)}


def test_runs_outside_the_grid_are_shared_where_the_experiment_has_their_like():
    (run,) = study.select(
        "quick",
        ["black_box"],
        pairs=["resnet20-resnet8"],
        method_names=["mse"],
        calls=[40],
        seeds=[1],
    )
    inside = row_of(run, experiment="white_box", method="vid")
    assert report.rows_of_experiment([row_of(run), inside], "white_box") == [row_of(run), inside]
    assert report.rows_of_experiment([row_of(run)], "white_box") == []


def test_missing_runs_are_named_with_the_command_that_makes_them():
    runs = study.select("quick", ["cars"])
    rows = [
        row_of(run)
        for run in runs
        if (run.method, run.n, run.seed) not in {("kd", 80, 1), ("kd", 160, 1), ("mse", 160, 3)}
    ]
    assert report.missing_runs(rows, "cars") == [
        "3 of the 60 runs of cars are missing:",
        "  resnet14-resnet8 kd: n = 80 160, seeds 1",
        "  resnet14-resnet8 mse: n = 160, seeds 3",
        "make them with: python -m ckdlib run --profile quick --experiment cars "
        "(and the --results of this folder)",
    ]
    assert report.missing_runs([row_of(run) for run in runs], "cars") == []


def test_seeds_vary_slowest_and_large_n_come_first():
    runs = study.select("quick", ["black_box"], method_names=["kd"], seeds=[1, 2])
    assert [(run.seed, run.n) for run in runs] == [
        (seed, n) for seed in (1, 2) for n in (320, 160, 80, 40)
    ]


def test_images_of_ones_own_leave_out_experiments_on_other_images():
    assert study.select("paper", dataset="mine", calls=[1400]) == []


def test_members_are_found_in_every_profile():
    rows = [
        row_of(run)
        for profile, n in (("pilot", 1280), ("quick", 40))
        for run in study.select(profile, ["black_box"], method_names=["mse"], calls=[n], seeds=[1])
    ]
    assert report.rows_of_experiment(rows, "white_box") == rows


def test_every_missing_seed_counts():
    rows = [
        row_of(run) for run in study.select("quick", ["cars"]) if (run.method, run.n) != ("kd", 80)
    ]
    assert report.missing_runs(rows, "cars")[:2] == [
        "3 of the 60 runs of cars are missing:",
        "  resnet14-resnet8 kd: n = 80, seeds 1 2 3",
    ]


@pytest.mark.parametrize(
    "options, says",
    [
        ({"name": "quik"}, "unknown profile 'quik': did you mean 'quick'"),
        (
            {"experiments": ["blackbox"]},
            "unknown experiment of profile quick 'blackbox': did you mean 'black_box'",
        ),
        ({"method_names": ["kdd"]}, "unknown method 'kdd'"),
        ({"method_names": ["rkd_0"]}, "unknown method 'rkd_0'"),
        ({"pairs": ["resnet8"]}, "'resnet8' is not a pair"),
        ({"pairs": ["resnet8-resnet9"]}, "unknown model 'resnet9'"),
        ({"calls": [0]}, "n = 0 is too few teacher calls"),
        ({"calls": [7]}, "n = 7 is too few.*at least 8"),
        ({"seeds": [-1]}, "seed -1 is negative"),
        ({"learning_rates": [0.0]}, "learning rate 0.0 is no positive number"),
    ],
)
def test_bad_selections(options, says):
    with pytest.raises(InputError, match=says):
        study.select(**({"name": "quick"} | options))


@pytest.fixture
def named(digits):
    """Run -> its name, on digits, but for what is changed."""

    def name(run, images=digits, teacher="teacher", precision="float32", **changes):
        none = torch.empty(0, dtype=torch.int64)
        return Task.of(replace(run, **changes), images, teacher, precision, none, none).key

    return name


def one(method):
    return study.select("quick", method_names=[method], calls=[40], seeds=[1])[0]


def test_a_run_is_named_by_all_that_determines_its_result(digits, named):
    kd = one("kd")
    mirrored, larger = (
        replace(digits, transform=replace(digits.transform, **change))
        for change in ({"flip": True}, {"padding": 2})
    )
    names = [
        named(kd),
        named(kd, images=replace(digits, digest="others")),
        named(kd, images=mirrored),
        named(kd, images=larger),
        named(kd, teacher="another"),
        named(kd, precision="bfloat16"),
        named(kd, n=41),
        named(kd, seed=2),
        named(kd, student="resnet14"),
        named(kd, recipe=replace(kd.recipe, weight_decay=0.0)),
        named(one("dist")),
    ]
    assert len(set(names)) == len(names) and named(kd) == named(
        kd, experiment="protocol", profile="paper"
    )
    assert named(one("ce")) == named(one("ce"), teacher="another")


@pytest.mark.parametrize(
    "change",
    [
        {"terms": {"labels": Term(9.0, lambda b: 0, losses.ckd)}},
        {"terms": {"labels": Term(1.0, lambda b: 0, losses.mse)}},
        {"sampler": methods.pair_batches},
        {"forward": methods.forward_features},
        {"calibrated": True},
        {"dims": 5},
    ],
)
def test_a_method_that_is_defined_otherwise_is_another_run(named, monkeypatch, change):
    before = named(one("ckd"))
    monkeypatch.setitem(methods.METHODS, "ckd", replace(methods.get("ckd"), **change))
    assert named(one("ckd")) != before


def test_a_new_version_or_other_parameters_of_a_loss_are_another_run(named, monkeypatch):
    before = named(one("kd"))
    with monkeypatch.context() as patch:
        patch.setitem(losses.VERSIONS, "kd", 2)
        assert named(one("kd")) != before
    monkeypatch.setattr(losses.kd, "__defaults__", (2.0,))
    assert (
        named(one("kd")) != before
        and "temperature" in methods.get("kd").definition()["terms"]["kl"]
    )


def test_every_committed_row_holds_what_its_name_is_made_of(digits):
    rows = [
        row for folder in ("quick", "pilot") for row in Store(PROJECT / "results" / folder).rows()
    ]
    assert len({row["run"] for row in rows}) == len(rows) == 720
    assert all(row["run"] == run_name(row) and row["n"] >= row["teacher_calls"] for row in rows)
    assert all(row["definition"] == methods.get(row["method"]).definition() for row in rows)
    first = next(row for row in rows if row["dataset"] == "digits")
    assert first["transform"] == json.loads(json.dumps(asdict(digits.transform)))


def test_splits_of_committed_rows_are_those_of_today():
    for path in sorted((PROJECT / "results/pilot/splits").iterdir())[::7]:
        n, seed = map(int, re.fullmatch(r"cifar100-n(\d+)-seed(\d)", path.stem).groups())
        kept = json.loads(path.read_text())
        assert [part.tolist() for part in split(50_000, n, seed)] == [
            kept["train"],
            kept["validation"],
        ]


def test_a_torn_line_costs_that_line_only(tmp_path):
    store, said = Store(tmp_path), []
    store.append(a_row(run="a"))
    with open(store.path, "a") as file:
        file.write(
            json.dumps(a_row(run="b"))[:25]
        )  # a machine that lost power in the middle of a write
    store.append(a_row(run="c"))
    assert [r["run"] for r in store.rows(said.append)] == ["a", "c"]
    assert len(said) == 1 and "line 2" in said[0] and str(store.path) in said[0]


def test_a_mark_counts_while_its_process_lives(tmp_path):
    marks = Store(tmp_path).marks
    assert marks.take("mine") and not marks.take("mine")
    own = json.loads((marks.folder / "mine").read_text())
    odd = {
        "dead": own | {"pid": 2**22 + 1},
        "pid that came again": own | {"began": own["began"] - 1},
        "another host": own | {"host": "elsewhere", "pid": 1},
        "lapsed": own | {"host": "elsewhere"},
        "list": [],
        "nothing": {},
    }
    for name, content in odd.items():
        (marks.folder / name).write_text(json.dumps(content))
    (marks.folder / "torn").write_text('{"host"')
    os.utime(marks.folder / "lapsed", (0, 0))
    assert marks.held() == ["another host", "mine"]
    assert marks.take("dead") and marks.take("torn") and not marks.take("another host")
    marks.release("mine")
    assert marks.held() == ["another host", "dead", "torn"]
    marks.clear()
    assert sorted(path.name for path in marks.folder.glob("[!.]*")) == marks.held()


def test_time_is_expected_from_like_rows():
    runs = study.select(
        "quick", ["black_box"], method_names=["kd", "ckd"], calls=[40, 80], seeds=[1]
    )
    like = {
        "student": "resnet8",
        "method": "kd",
        "n": 40,
        "seconds": 4.0,
        "steps": 60,
        "dataset": "digits",
        "recipe": {"schedule": "one_cycle", "batch": 64},
    }
    assert plan.Pace([]).seconds(runs) is None
    assert (
        plan.Pace([like, like | {"method": "ckd", "seconds": 2.0}]).seconds(runs)
        == 2 * (8 + 8 + 4 + 4) / 2
    )
    assert plan.Pace([like | {"method": "dist"}]).seconds(runs) == 4 * 8  # of the same student


def test_early_stopping_is_expected_after_the_epochs_that_rows_took():
    (run,) = study.select(
        "paper", ["black_box"], pairs=["vgg13-vgg8"], method_names=["kd"], calls=[1600], seeds=[1]
    )
    row = {
        "student": "vgg8",
        "method": "kd",
        "n": 128,
        "seconds": 10.0,
        "steps": 200,
        "dataset": "cifar100",
        "recipe": {"schedule": "plateau", "batch": 64},
    }
    assert (
        plan.Pace([]).expected_epochs == plan.EPOCHS == 393
        and plan.expected_steps(run, plan.Pace([]).expected_epochs) == 393 * 25
    )
    assert plan.Pace([row, row | {"steps": 400}]).expected_epochs == 150
    assert plan.Pace([row]).seconds([run]) == pytest.approx(100 * 25 * 10 / 200)
    assert plan.expected_steps(run, 5000) == 1000 * 25  # the protocol's most
    rows = [
        row for row in Store(PROJECT / "results/pilot").rows() if row["experiment"] == "protocol"
    ]
    assert plan.Pace(rows).expected_epochs == pytest.approx(plan.EPOCHS, abs=0.5)


def test_early_stopping_may_watch_the_loss():
    (run,) = study.select(
        "paper",
        ["black_box"],
        pairs=["vgg13-vgg8"],
        method_names=["kd"],
        calls=[1600],
        seeds=[1],
        monitor="loss",
    )
    assert run.recipe == Recipe(monitor="loss")
    with pytest.raises(InputError, match="unknown monitor 'los': did you mean 'loss'"):
        study.select("paper", monitor="los")


@pytest.mark.parametrize("name", ["cpu", "cpu:0"])
def test_the_cpu_has_one_name(name, tmp_path):
    assert study.open_workspace(tmp_path, device=name).device == "cpu"


def test_a_known_dataset_is_not_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    (tmp_path / "pics").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Options(dataset="digits").images() == "digits"
    assert Options(dataset="pics").images() == str(tmp_path / "pics")
