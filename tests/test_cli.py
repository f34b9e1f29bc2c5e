"""A user's mistakes on the command line: one line that names the value, exit code 2, nothing
written.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields

import pytest
import torch

from ckdlib import study
from ckdlib.__main__ import main
from ckdlib.study.options import Options
from tests import PROJECT

COMMON = ["--methods", "ce", "--n", "40", "--seeds", "1", "--jobs", "1"]


@pytest.mark.parametrize(
    "words, says",
    [
        (["run", "--profile", "quik"], "unknown profile 'quik'"),
        (["run", "--experiment", "blackbox"], "'blackbox'"),
        (["run", "--methods", "kdd"], "unknown method 'kdd'"),
        (
            ["run", "--methods", "rkd_3"],
            "rkd_3 cannot pool 10 classes; choose from rkd_1, rkd_2, rkd_5, rkd_10",
        ),
        (
            ["run", "--experiment", "white_box", "--pair", "vgg13-resnet8"],
            "which cannot be matched; choose a pair of one family",
        ),
        (
            ["run", "--experiment", "cars", "--dataset", "stanford_cars", "--data", "/nowhere"],
            "Stanford Cars cannot be downloaded",
        ),
        (
            ["run", "--experiment", "large_n", "--n", "16000"],
            "n = 16000 teacher calls and 4000 further images for validation are more than the 1297",
        ),
        (
            ["run", "--methods", "vid", "--n", "800"],
            "nothing to run: no experiment holds all of these",
        ),
        (["run", "--pair", "resnet14-resnet9"], "unknown model 'resnet9'"),
        (["run", "--dataset", "digit"], "unknown dataset 'digit'"),
        (["run", "--dataset", "/nowhere/images"], "no folder /nowhere/images/train"),
        (["run", "--device", "tpu"], "unknown device 'tpu'"),
        (["run", "--device", "cpu:0", "--n", "1", "--n", "2"], "n = 1"),
        (["run", "--n", "0"], "n = 0 is too few teacher calls"),
        (["run", "--n", "2000"], "choose n of at most 1038"),
        (["run", "--n", "many"], "invalid int value: 'many'"),
        (["run", "--jobs", "0"], "--jobs 0"),
        (["run", "--time-budget", "-3"], "--time-budget -3"),
        (["run", "--time-budget", "nan"], "--time-budget nan"),
        (["run", "--image-size", "3"], "image size 3"),
        (["run", "--result", "x", "--bogus"], "--bogus"),
        (["batch", "--targets", "101"], "target 101"),
        (["status", "--profile", "quik"], "unknown profile 'quik'"),
        (["teacher", "--model", "resnet15"], "unknown model 'resnet15'"),
        (["teacher", "--model", "resnet14", "--recipe", "slow"], "unknown teacher recipe 'slow'"),
        (["teacher", "--model", "resnet14", "--import", "/nowhere.pth"], "/nowhere.pth"),
        (["notebook", "notebooks/09.ipynb", "out.ipynb"], "no notebook notebooks/09.ipynb"),
        ([], "arguments are required"),
        (["walk"], "'walk'"),
    ],
)
def test_mistakes(words, says, tmp_path, capsys):
    if words and words[0] in ("run", "batch", "status", "teacher"):
        words = [*words, "--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    try:
        code = main(words)
    except SystemExit as stopped:
        code = stopped.code
    error = capsys.readouterr().err
    assert code == 2 and says in error and error.startswith("error: ") and error.count("\n") == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_asked_for_where_there_is_none(tmp_path, capsys):
    assert main(["run", *COMMON, "--device", "cuda", "--results", str(tmp_path)]) == 2
    assert "this machine has 0 CUDA devices; choose --device cpu" in capsys.readouterr().err


def test_results_that_cannot_be_written(capsys):
    assert main(["run", *COMMON, "--results", "/proc/results"]) == 2
    assert "cannot write to /proc/results" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_results_that_are_read_only(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["run", *COMMON, "--results", str(tmp_path)]) == 2
    assert "cannot write to" in capsys.readouterr().err


def test_a_misspelled_notebook_parameter(tmp_path, capsys):
    out = tmp_path / "out.ipynb"
    assert (
        main(["notebook", "notebooks/03_table1_figure2.ipynb", str(out), "-p", "targts", "[50]"])
        == 2
    )
    assert (
        "unknown parameter of 03_table1_figure2.ipynb 'targts': did you mean 'targets'"
        in capsys.readouterr().err
    )
    assert not out.exists()


def test_a_notebook_is_run_with_what_it_declares(tmp_path, monkeypatch):
    from ckdlib import notebooks

    given = {}
    monkeypatch.setattr(
        notebooks, "execute", lambda source, out, **parameters: given.update(parameters)
    )
    monkeypatch.chdir(tmp_path)
    source = str(PROJECT / "notebooks/02_experiments.ipynb")
    assert main(["notebook", source, "b.ipynb", "-p", "results", "2024", "-p", "n", "50"]) == 0
    assert given == {"results": str(tmp_path / "2024"), "n": [50]}


def test_a_mistake_inside_a_notebook_is_one_line(tmp_path, capfd):
    words = ["notebook", "notebooks/03_table1_figure2.ipynb", str(tmp_path / "out.ipynb")]
    assert main([*words, "-p", "targets", "300"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("error: 03_table1_figure2.ipynb: target 300 is no accuracy")
    assert error.count("\n") == 1


def test_a_torn_row_is_told_and_the_rest_used(here, brief, capsys):
    from ckdlib.study import Store

    study.run(brief(["ce"], seeds=[1, 2]), here, jobs=1, report=lambda line: None)
    path = Store(here.results).path
    path.write_bytes(path.read_bytes()[:-40])
    assert main(["status", "--results", str(here.results)]) == 0
    assert "rows.jsonl, line 2 is left out (damaged); its run counts" in capsys.readouterr().out


def test_run_and_status_from_the_shell(tmp_path):
    words = ["--methods", "ce", "--n", "40", "--seeds", "1", "--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "ckdlib", "run", *words, "--jobs", "1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "[1/1] resnet14-resnet8 ce n=40 seed 1" in done.stdout
    told = subprocess.run(
        [sys.executable, "-m", "ckdlib", "status", *words], capture_output=True, text=True
    )
    assert told.stdout.startswith(
        "black_box: 1/1 runs done, 0 running, 0 left, 0 teacher calls kept"
    )


def test_an_installed_library_is_whole():
    """pyproject.toml finds every package, and every folder of the library is one."""
    told = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert told == {"find": {"include": ["ckdlib*"]}}
    assert all(
        (path.parent / "__init__.py").exists() for path in (PROJECT / "ckdlib").rglob("*.py")
    )


def test_what_a_batch_is_told_is_declared_once():
    """Notebook 02's parameters are the fields of `Options`."""
    cells = json.loads((PROJECT / "notebooks/02_experiments.ipynb").read_text())["cells"]
    source = next(
        "".join(cell["source"])
        for cell in cells
        if "parameters" in cell["metadata"].get("tags", [])
    )
    parameters = {node.targets[0].id for node in ast.parse(source).body}
    assert parameters == {field.name for field in fields(Options)}


def test_an_installed_library_keeps_its_files_in_the_users_folder(tmp_path):
    """Its package copied where no project is around it."""
    shutil.copytree(PROJECT / "ckdlib", tmp_path / "site" / "ckdlib")
    home = {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(tmp_path / "site")}
    words = [sys.executable, "-m", "ckdlib", "run", "--methods", "ce", "--n", "0"]
    done = subprocess.run(words, capture_output=True, text=True, env=home, cwd=tmp_path)
    assert done.returncode == 2 and "n = 0 is too few" in done.stderr
    code = "from ckdlib.study.home import home; print(home())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=home, cwd=tmp_path
    )
    assert done.stdout.strip() == str(tmp_path / "home/.local/share/ckdlib")


def test_help_is_there_at_once_and_options_are_written_out(capsys):
    code = "import sys; from ckdlib.__main__ import main; main(['run', '--help'])"
    ended = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules)); "
    done = subprocess.run(
        [sys.executable, "-c", ended + code], capture_output=True, text=True, cwd=PROJECT
    )
    assert done.returncode == 0 and done.stdout.endswith("False\n")  # nothing slow was imported
    with pytest.raises(SystemExit):
        main(["run", "--profil", "quick"])
    assert "unrecognized arguments: --profil quick" in capsys.readouterr().err
