"""Methods and models from files, scripts and notebooks: wherever students are trained, and what is
refused before a teacher is asked.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest
import torch

import ckdlib
from ckdlib import methods, models, study
from ckdlib.__main__ import main
from ckdlib.errors import InputError
from ckdlib.records import Row, fault
from ckdlib.study import Store
from ckdlib.study import batch as batch_module
from ckdlib.study.runs import FURTHER, IDENTITY, run_name
from ckdlib.study.tasks import resolve
from tests import PROJECT, a_row

MINE = """
import torch
from torch import nn

import ckdlib

POWER = 2


def far(student, teacher):
    return (student - teacher).abs().pow(POWER).mean()


@ckdlib.method("mine", weights={"labels": 1, "far": 0.5}, label="Mine", source="Me 2026")
def mine(student, teacher):
    return far(student, teacher)


@ckdlib.model("my-net")
class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, 8, 3), nn.Linear(8, classes)

    def forward(self, x):
        return self.out(torch.relu(self.conv(x)).mean((2, 3)))
"""


def quiet(line):
    pass


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


def brief(runs):
    return [replace(run, recipe=replace(run.recipe, steps=6, checks=3)) for run in runs]


def own_runs(method_names=("mine",), pair="resnet14-my-net", seeds=(1,)):
    return brief(
        study.select("quick", ["black_box"], None, [pair], method_names, calls=[40], seeds=seeds)
    )


# Files.


@pytest.mark.parametrize("source, says", [
    (None, "no plugin .*mine.py .No such file or directory.; name a file"),
    ("import torch\ndef f(:\n", "plugin .*mine.py, line 2: SyntaxError: invalid syntax"),
    ("\nimport nothing_of_that_name\n", "mine.py, line 2: ModuleNotFoundError: No module named"),
    ("def f():\n    return {}['x']\n\nf()\n", "plugin .*mine.py, line 2: KeyError: 'x'"),
    ("import sys\nsys.exit(3)\n", "mine.py, line 2: SystemExit: 3"),
    ("import ckdlib\n\n@ckdlib.method('kd', weights={'x': 1})\ndef f(s, t): return s.mean()\n",
     "mine.py, line 3: there is a method 'kd' already, of ckdlib; choose another name"),
    ("import ckdlib\nckdlib.method('a', weight={'x': 1})\n", "mine.py, line 2: TypeError: method"),
    ("x = '\\xff'\n".encode("latin-1") + b"\xff", "mine.py"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["run", "status", "check"])
def test_a_file_that_cannot_be_used_is_told_in_a_line(source, says, command, tmp_path, capsys):
    path = tmp_path / "mine.py"
    if source is not None:
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
    where = ["--results", str(tmp_path / "results")]
    words = [command, str(path)] if command == "check" else [command, "--plugin", str(path), *where]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1
    with pytest.raises(InputError, match=says):
        ckdlib.load_plugins([path])
    assert not (tmp_path / "results").exists()


def test_a_file_is_run_once_until_it_changes(mine):
    (mine.parent / "beside.py").write_text("VALUE = 3")
    mine.write_text(MINE + "\nimport beside\nassert beside.VALUE == 3\n")
    (path,) = ckdlib.load_plugins(str(mine))
    first = methods.OUTSIDE["mine"]
    ckdlib.load_plugins([mine, mine])
    assert methods.OUTSIDE["mine"] is first and path == mine
    mine.write_text(MINE.replace("POWER = 2", "POWER = 1"))
    ckdlib.load_plugins(mine)
    assert methods.OUTSIDE["mine"].definition() != first.definition()


def test_a_definition_is_the_same_wherever_its_file_lies(mine, tmp_path):
    ckdlib.load_plugins(mine)
    known, net = methods.get("mine").definition(), models.digest("my-net")
    methods.OUTSIDE.clear(), models.OUTSIDE.clear()
    other = tmp_path / "elsewhere" / "other.py"
    other.parent.mkdir()
    other.write_text("# moved\n" + MINE)
    ckdlib.load_plugins(other)
    assert (methods.get("mine").definition(), models.digest("my-net")) == (known, net)


# Runs and their names.


def test_a_run_holds_its_method_and_network_and_tells_two_apart(mine, here, digits):
    def task():
        ckdlib.load_plugins(mine)
        (found,) = resolve(own_runs(), {"digits": digits}, {}, "float32").values()
        return found

    first = task()
    methods.OUTSIDE.clear(), models.OUTSIDE.clear()  # it carries what it needs
    assert first.method.label == "Mine" and first.student(10).classes == 10
    names = {first.key}
    for old, new in (
        ("POWER = 2", "POWER = 1"), ("0.5}", "0.25}"), ("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 1)")
    ):  # fmt: skip
        mine.write_text(MINE.replace(old, new))
        names.add(task().key)
    for looks in (MINE + "\n# a word\n", MINE.replace('"Mine"', '"My own"')):
        mine.write_text(looks)
        assert task().key == first.key
    assert len(names) == 4


def test_committed_rows_keep_their_names():
    for profile in ("quick", "pilot"):
        rows = Store(PROJECT / "results" / profile).rows(quiet)
        assert rows and all(run_name(row) == row["run"] for row in rows)
        assert not any(set(FURTHER) & row.keys() for row in rows)


@pytest.mark.parametrize("method", ["kd:kl=3,labels=0.5", "a/b", "a b", "../x", "x" * 300])
def test_a_name_of_a_run_is_one_of_a_file(method, tmp_path):
    row = a_row(method=method)
    name = run_name(row)
    assert len(name) < 200 and "/" not in name and ":" not in name and "=" not in name
    (tmp_path / f"{name}.safetensors").touch()
    assert name != run_name(a_row(method=method + "y")) and set(IDENTITY) <= row.keys()


def test_rows_hold_whose_it_is():
    row = a_row(label="Mine", source="Me 2026", student_sha256="0")
    assert fault(row, Row) == "" and fault(row | {"label": 3}, Row) == "label is 3"


# Every way of running it.


@pytest.fixture
def known(mine):
    ckdlib.load_plugins(mine)
    return ("mine", "kd:kl=3")


def told(rows):
    return {row["method"]: (row["test_accuracy"], row["val_accuracy"]) for row in rows}


def test_two_workers_give_what_one_process_gives(known, here, tmp_path):
    alone = study.run(own_runs(known), here, 1, report=quiet)
    other = replace(here, results=tmp_path / "two")
    methods_of = own_runs(known)
    assert told(study.run(methods_of, other, 2, report=quiet)) == told(alone)
    (row,) = [row for row in alone if row["method"] == "mine"]
    assert (row["label"], row["source"]) == ("Mine", "Me 2026")
    assert row["student_sha256"] == models.digest("my-net") and row["run"] == run_name(row)
    (row,) = [row for row in alone if row["method"] == "kd:kl=3"]
    assert "label" not in row and row["definition"]["terms"]["kl"]["weight"] == 3
    assert (here.results / row["logits"]).exists()


TRAINS = """
from dataclasses import replace
from ckdlib import study
if GUARD:
    runs = study.select("quick", ["black_box"], None, ["my-net-my-net"], ["mine"], [40], [1, 2])
    runs = [replace(run, recipe=replace(run.recipe, steps=6, checks=3)) for run in runs]
    rows = study.run(runs, study.open_workspace(FOLDER, device="cpu"), 2)
    print([row["test_accuracy"] for row in rows], "in rows")
"""


def ran(*words):
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scripts_with_a_guard_and_without(tmp_path):
    lines = []
    for name, guard in (("guarded", '__name__ == "__main__"'), ("bare", "True")):
        script = tmp_path / f"{name}.py"
        trains = TRAINS.replace("GUARD", guard).replace("FOLDER", repr(str(tmp_path / name)))
        script.write_text(MINE + trains)
        lines.append(ran(script).splitlines())
    guarded, bare = lines
    assert "one at a time" in " ".join(bare) and "one at a time" not in " ".join(guarded)
    assert guarded[-1] == bare[-1] and guarded[-1].endswith("in rows")


def test_a_cell_of_a_notebook_with_two_workers(tmp_path):
    from ckdlib.notebooks import execute

    code = nbformat.v4.new_code_cell
    cells = [
        code("GUARD = True", metadata={"tags": ["parameters"]}),
        code(MINE.replace("POWER = 2", "")),
        code("POWER = 2"),
        code(MINE.replace("POWER = 2", "# the cell again")),
        code(TRAINS.replace("FOLDER", repr(str(tmp_path / "nb")))),
        code("POWER = 1\n" + TRAINS.replace("FOLDER", repr(str(tmp_path / "other")))),
    ]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    page = tmp_path / "page.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), page)
    execute(page, tmp_path / "out.ipynb")
    text = json.dumps(nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs)
    assert "one at a time" not in text and "in rows" in text
    two, other = (Store(tmp_path / name).rows(quiet) for name in ("nb", "other"))
    assert len(two) == len(other) == 2
    assert {row["run"] for row in two}.isdisjoint(row["run"] for row in other)


def test_the_command_line_and_pages_take_files(mine, here, tmp_path):
    from ckdlib.study.parameters import SOURCES, read

    results = tmp_path / "cli"
    words = ["--plugin", str(mine), "--pair", "my-net-my-net", "--methods", "mine", "--n", "40"]
    words += ["--experiment", "black_box", "--seeds", "1", "--device", "cpu"]
    assert main(["run", *words, "--jobs", "1", "--results", str(results)]) == 0
    assert main(["status", *words, "--results", str(results)]) == 0
    (row,) = Store(results).rows(quiet)
    assert (row["teacher"], row["student"]) == ("my-net", "my-net") and row["teacher_calls"] == 40
    for page in ("01_teacher.ipynb", "02_experiments.ipynb"):
        given = read(SOURCES / page, [("plugins", os.path.relpath(mine))])
        assert given == {"plugins": [str(mine)]}


# What is refused, before anything starts.

ODD = """
import threading
from torch import nn
import ckdlib

LOCK = threading.Lock()


@ckdlib.method("locked", weights={"x": 1})
def locked(student, teacher):
    with LOCK:
        return (student - teacher).square().mean()


@ckdlib.method("offset", weights={"x": 1}, calibrated=True)
def offset(student, teacher):
    return (student - teacher).var()


@ckdlib.method("shaped", weights={"x": 1})
def shaped(student, teacher):
    return student - teacher


@ckdlib.method("broken", weights={"x": 1})
def broken(student, teacher):
    return nothing_of_that_name


@ckdlib.model("large")
def large(classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, classes))


@ckdlib.model("small")
def small(classes):
    return nn.Sequential(nn.Conv2d(3, classes, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.mark.parametrize("method, pair, jobs, says", [
    ("shaped", "resnet14-small", 1, r"method 'shaped': its function gives shape .64, 10. as 'x'"),
    ("broken", "resnet14-small", 1, "'broken' fails on a batch: .*mine.py, line .*NameError"),
    ("locked", "resnet14-resnet8", 2, "cannot be sent to worker processes .*choose --jobs 1"),
    ("kd", "resnet14-large", 1, "model large cannot take images of 8x8 pixels"),
    ("kd", "large-resnet8", 1, "model large cannot take images of 8x8 pixels"),
    ("vid", "resnet14-small", 1, "small has no forward_features.* white-box methods and"),
    ("fitnets", "small-resnet8", 1, "small has no forward_features.* white-box methods and"),
    ("kd@margin", "resnet14-small", 1, "selections by a student .@margin. need"),
    ("offset", "resnet14-small", 1, "small has no linear layer whose bias adds to the logits"),
    ("ckd_calibrated", "resnet14-small", 1, "so that calibrated methods cannot train it"),
    ("kd:kl=-1", "resnet14-small", 1, "weight '-1' of kl is no number"),
])  # fmt: skip
def test_what_cannot_be_is_refused_before_a_call(method, pair, jobs, says, here, mine, monkeypatch):
    def called(*_, **__):
        pytest.fail("something began")

    mine.write_text(ODD)
    ckdlib.load_plugins(mine)
    monkeypatch.setattr(batch_module, "open_teachers", called)
    with pytest.raises(InputError, match=says) as refused:
        study.run(own_runs([method], pair), here, jobs, report=quiet)
    assert "\n" not in str(refused.value)


def test_rows_of_two_definitions_are_in_no_table(mine, here):
    ckdlib.load_plugins(mine)
    study.run(own_runs(), here, 1, report=quiet)
    mine.write_text(MINE.replace("POWER = 2", "POWER = 1"))
    ckdlib.load_plugins(mine)
    with pytest.raises(InputError, match="differ in definition of method mine: code"):
        study.run(own_runs(), here, 1, report=quiet)
    mine.write_text(MINE.replace("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 1)"))
    ckdlib.load_plugins(mine)
    with pytest.raises(InputError, match="differ in student_sha256 of my-net"):
        study.run(own_runs(), here, 1, report=quiet)


def test_a_teacher_is_of_the_definition_that_made_it(mine, here):
    ckdlib.load_plugins(mine)
    runs = own_runs(["kd"], "my-net-resnet8")
    (row,) = study.run(runs, here, 1, report=quiet)
    changed = MINE.replace("torch.relu", "torch.tanh")
    mine.write_text(changed)
    ckdlib.load_plugins(mine)
    with pytest.raises(
        InputError, match="my-net.safetensors was made by another definition of mod"
    ):
        study.run(own_runs(["dist"], "my-net-resnet8"), here, 1, report=quiet)
    mine.write_text(MINE.replace("POWER = 2", "POWER = 1"))  # nothing of the model's
    ckdlib.load_plugins(mine)
    assert study.run(runs, here, 1, report=quiet) == [row]


# The check.


def test_the_check_tells_a_line_each(mine, capsys):
    assert main(["check", str(mine)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("method mine: fine, its loss falls from ")
    assert lines[1].startswith("model my-net: fine, 314 parameters, images of 8, 16, 32, 64 pixels")
    assert len(lines) == 2


WRONG = """
import threading
import numpy
import torch
from torch import nn
import ckdlib

LOCK = threading.Lock()
method = lambda name: ckdlib.method(name, weights={"x": 1})


@method("rising")
def rising(s, t):
    return -s.exp().mean() * 0 + (s - s.detach()).sum() * 0 + s.new_ones(()) * next(COUNT)


COUNT = iter(range(1, 1000))


@method("nan")
def nan(s, t):
    return (s - s).sum() / 0 * 0


@method("cut")
def cut(s, t):
    return (s.detach() - t).square().mean()


@method("steep")
def steep(s, t):
    return (s - s.detach()).abs().sqrt().sum()


@method("shaped")
def shaped(s, t):
    return s - t


@method("locked")
def locked(s, t):
    return LOCK and (s - t).square().mean()


@method("raises")
def raises(s, t):
    return undefined_name


@ckdlib.method("part", weights={"x": 1}, forward=lambda net, views, lam: (
    torch.stack([net(view)[:, :1].detach() + net.fc.bias for view in views]), ()))
def part(s, t):
    return (s - t).square().mean()


@ckdlib.model("unseeded")
def unseeded(classes):
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))
    net[2].weight.data += torch.from_numpy(numpy.random.randn(classes, 3)).float()
    return net


class Forgets(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.out, self.scale = nn.Linear(3, classes), torch.rand(())

    def forward(self, x):
        return self.out(x.mean((2, 3))) * self.scale


ckdlib.models.add("forgets", Forgets)


class Stale(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.out, self.unused = nn.Linear(3, classes), nn.Linear(3, 3)

    def forward(self, x):
        return self.out(x.mean((2, 3)))


ckdlib.models.add("stale", Stale)


class Trains(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.out = nn.Linear(3, classes)

    def forward(self, x):
        logits = self.out(x.mean((2, 3)))
        return (logits, logits) if self.training else logits


ckdlib.models.add("trains", Trains)
ckdlib.models.add("fine", lambda classes: nn.Sequential(nn.Flatten(), nn.Linear(192, classes)))
"""


def test_the_check_names_what_is_wrong(mine, capsys):
    mine.write_text(WRONG)
    assert main(["check", str(mine)]) == 2
    out, err = capsys.readouterr()
    found = dict(line.split(": ", 1) for line in out.splitlines())
    says = {
        "method rising": "its loss does not fall in 12 steps",
        "method nan": "its loss is nan",
        "method cut": "its loss does not depend on the student",
        "method steep": "is not finite",
        "method shaped": "gives shape [32, 10] as 'x'",
        "method locked": "cannot pickle",
        "method raises": f"{mine}, line 47: NameError: name 'undefined_name'",
        "method part": "gets no gradient",
        "model unseeded": "the same seed gives other weights",
        "model forgets": "its state, taken and given back, gives other logits",
        "model stale": "weight net.unused.weight gets no gradient",
        "model trains": "gives tuple, not logits",
        "model fine": "fine, 1,930 parameters, images of 8 pixels; not for white-box",
    }
    assert found.keys() == says.keys()
    for name, text in says.items():
        assert text in found[name], (name, found[name])
    assert err.startswith("error: rising, nan, cut,") and "fine" not in err
    assert err.count("\n") == 1


def test_a_file_that_defines_nothing(tmp_path):
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(InputError, match="empty.py defines no method and no model"):
        ckdlib.check(tmp_path / "empty.py")


def test_the_check_leaves_torchs_own_state(mine):
    state = torch.get_rng_state()
    ckdlib.check(mine)
    assert torch.equal(torch.get_rng_state(), state)


MAPS = """
import ckdlib
from torch import nn


@ckdlib.model("maps")
class WithMaps(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.first, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(8, classes)

    def forward_features(self, x):
        level = self.first(x).relu()
        pooled = level.mean((2, 3))
        return [x, level, level.square(), pooled], self.out(pooled)

    def forward(self, x):
        return self.forward_features(x)[1]


@ckdlib.method("inner", {"labels": 1, "inner": 1}, forward=ckdlib.methods.forward_features)
def inner(batch):
    pairs = zip(batch.student_maps, batch.teacher_maps)
    return sum((student - teacher).square().mean() for student, teacher in pairs)
"""


def test_white_box_methods_train_networks_that_give_maps(mine, here):
    mine.write_text(MAPS)
    ckdlib.load_plugins(mine)
    rows = study.run(own_runs(["vid", "inner"], "maps-maps"), here, 1, report=quiet)
    assert [row["status"] for row in rows] == ["done", "done"]
