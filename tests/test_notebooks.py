"""The committed notebooks: executed in order, thin, with outputs that a new run gives again; and
the batch itself.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from ckdlib import notebooks, study
from ckdlib.__main__ import main
from ckdlib.errors import InputError
from ckdlib.files import append_line
from ckdlib.notebooks import ANALYSES, execute
from tests import PROJECT, a_row

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
STRICT = {
    f"{name}.ipynb" for name in (*ANALYSES, "10_verdict")
}  # made from committed rows alone, so deterministic


def code_cells(path):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks():
    assert {path.name for path in NOTEBOOKS} >= {
        "00_tour.ipynb",
        "01_teacher.ipynb",
        "02_experiments.ipynb",
        *STRICT,
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_was_executed_in_order_without_error(path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs and not [output for output in outputs if output["output_type"] == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_is_thin_and_has_parameters(path):
    cells = code_cells(path)
    lines = [
        line for cell in cells for line in "".join(cell["source"]).splitlines() if line.strip()
    ]
    assert len(lines) <= 80 and not [line for line in lines if line.startswith(("def ", "class "))]
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1
    assert str(PROJECT) not in path.read_text()


@pytest.mark.parametrize("name", sorted(STRICT))
def test_every_analysis_begins_with_its_answer(name):
    """In bold, with what it is made of; code is folded, and no table is cut."""
    cells = code_cells(PROJECT / "notebooks" / name)
    assert all(cell["metadata"]["jupyter"]["source_hidden"] for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    answer = "".join(outputs[0]["data"]["text/markdown"])
    assert answer.startswith("**") and " a point, " in answer
    tables = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    assert "..." not in "".join(tables) and "…" not in "".join(tables)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nbval(path, tmp_path):
    """Those that write run as a copy, so that nothing is left in a user's `runs/`."""
    mode = "--nbval"
    if path.name not in STRICT:
        mode = "--nbval-lax"
        (tmp_path / "results").symlink_to(PROJECT / "results")
        (tmp_path / "notebooks").mkdir()
        path = Path(shutil.copy(path, tmp_path / "notebooks"))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            mode,
            "-p",
            "no:cacheprovider",
            "--nbval-cell-timeout=300",
            f"--rootdir={path.parents[1]}",
            str(path),
        ],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]


@pytest.fixture
def page(tmp_path):
    """A notebook that says by which interpreter it was run."""
    code = nbformat.v4.new_code_cell
    cells = [code("n = [1]", metadata={"tags": ["parameters"]}), code("import sys"), code(TELLS)]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}),
        tmp_path / "page.ipynb",
    )
    return tmp_path / "page.ipynb"


TELLS = "print(sys.executable, n)"


@pytest.mark.parametrize("command", ["/bin/false", "/nowhere/python"])
def test_pages_run_in_this_interpreter_whatever_kernels_there_are(
    page, tmp_path, monkeypatch, command
):
    spec = {"argv": [command, "{connection_file}"], "display_name": "?", "language": "python"}
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    execute(page, tmp_path / "out.ipynb", n=5)
    told = code_cells(tmp_path / "out.ipynb")[-1]["outputs"][0]["text"]
    assert "".join(told) == f"{sys.executable} [5]\n"
    assert (tmp_path / "out.html").exists()


@pytest.mark.parametrize("missing", ["papermill", "nbconvert", "ipykernel", "seaborn"])
@pytest.mark.parametrize("words", [["notebook", "notebooks/03_table1_figure2.ipynb"], ["batch"]])
def test_without_jupyter_the_extra_is_named(tmp_path, monkeypatch, capsys, missing, words):
    monkeypatch.setitem(sys.modules, missing, None)
    where = [str(tmp_path / "a.ipynb")] if words[0] == "notebook" else ["--results", str(tmp_path)]
    assert main([*words, *where]) == 2
    assert capsys.readouterr().err == (
        f"error: {missing} is not installed, and notebooks need it; install what they need with: "
        'pip install "ckdlib[notebooks]"\n'
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, words, says",
    [
        (
            "10_verdict",
            ["folders", "{}/nothing"],
            "no rows in {}/nothing; name folders that hold a rows.jsonl, as `python -m ckdlib run` "
            "writes it",
        ),
        (
            "10_verdict",
            ["folders", '["results/quick", "{}/nothing"]'],
            "no rows in {}/nothing; name folders that hold a rows.jsonl, as `python -m ckdlib run` "
            "writes it",
        ),
        (
            "10_verdict",
            ["folders", "[]"],
            "no rows in no folder; name folders that hold a rows.jsonl, as `python -m ckdlib run` "
            "writes it",
        ),
        (
            "09_large_n",
            ["results", "{}/nothing"],
            "{0}/nothing holds no rows, so no rows of experiment 'large_n'; make them with: python "
            "-m ckdlib run --experiment large_n --results {0}/nothing",
        ),
        (
            "09_large_n",
            ["interval", '["sd"]'],
            '09_large_n.ipynb: interval = ["sd"], where text is declared; give such, for instance '
            '"sd"',
        ),
    ],
)
def test_pages_that_would_show_nothing_are_refused(tmp_path, capsys, name, words, says):
    words = [words[0], words[1].replace("{}", str(tmp_path))]
    assert main(["notebook", f"notebooks/{name}.ipynb", f"{tmp_path}/out.ipynb", "-p", *words]) == 2
    assert capsys.readouterr().err == f"error: {says.format(tmp_path)}\n"
    assert not list(tmp_path.iterdir())


def test_one_of_the_verdicts_own_folders_is_enough(tmp_path):
    source = tmp_path / "notebooks" / "10_verdict.ipynb"
    source.parent.mkdir()
    shutil.copy(PROJECT / "notebooks" / source.name, source)
    with pytest.raises(InputError, match=r"no rows in \.\./results/paper, \.\./results/pilot, "):
        execute(source, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "quick").symlink_to(PROJECT / "results" / "quick")
    execute(source, tmp_path / "out.ipynb")
    assert (tmp_path / "out.html").exists()


def run_all(results, *words):
    return subprocess.run(
        ["./run_all.sh", "--results", str(results), *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )


def test_run_all_on_a_tiny_grid(tmp_path):
    done = run_all(
        tmp_path,
        "--methods",
        "ce",
        "ckd",
        "ce+ckd",
        "vid",
        "rkd_5",
        "--n",
        "40",
        "160",
        "640",
        "--seeds",
        "1",
        "2",
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert Counter(row["experiment"] for row in rows) == {
        "black_box": 8,
        "white_box": 4,
        "dimensionality": 4,
        "cars": 4,
        "large_n": 4,
        "fewer_calls": 4,
        "protocol": 4,
    }
    made = sorted(path.name for path in (tmp_path / "notebooks").iterdir())
    assert made == sorted(
        f"{stem}.{kind}"
        for kind in ("html", "ipynb")
        for stem in (
            "00_tour",
            "01_teacher-digits-resnet14",
            "01_teacher-digits_cropped-resnet14",
            "02_experiments",
            *(page for page, one in ANALYSES.items() if one in study.profile("quick").experiments),
            "10_verdict",
        )
    )
    assert f"to read and to send: {tmp_path}/report/index.html: " in done.stdout
    assert "10 · Verdict" in (tmp_path / "report" / "index.html").read_text()
    for name in (
        "figure2",
        "differences",
        "table2",
        "figure3",
        "figure4",
        "figure5",
        "figure5_divided",
        "table3",
        "large_n",
        "fewer_calls",
        "calls_saved",
        "along",
        "protocol_differences",
        "coverage",
        "forecasts",
    ):
        for kind in ("png", "pdf"):
            assert (tmp_path / "figures" / f"{name}.{kind}").stat().st_size > 1000
    assert "resnet14-resnet8,vid," in (tmp_path / "figures" / "table2.csv").read_text()
    page = (tmp_path / "notebooks" / "04_table2_white_box.html").read_text()
    assert "runs of white_box are missing</summary>" in page
    assert "--profile quick --experiment white_box" in page
    verdict = (tmp_path / "figures" / "verdict.csv").read_text()
    assert "not yet run" in verdict and ",reproduced" not in verdict


def test_a_batch_of_one_experiment_and_one_method_makes_its_page_only(tmp_path, monkeypatch):
    made = []

    def instead(source, output, **parameters):
        made.append(source.stem)
        if source.stem == "02_experiments":
            row = {**a_row(), "method": "ce", "teacher_sha256": None, "teacher_calls": 0}
            append_line(tmp_path / "rows.jsonl", row)

    monkeypatch.setattr(notebooks, "execute", instead)
    monkeypatch.setattr(notebooks.site, "write", lambda folder: "a report")
    words = "--experiment black_box --methods ce --n 80 --seeds 1 --results".split()
    assert main(["batch", *words, str(tmp_path)]) == 0
    # no teacher was asked
    assert made == ["00_tour", "02_experiments", "03_table1_figure2", "10_verdict"]


def test_run_all_refuses_a_mistake(tmp_path):
    done = subprocess.run(
        ["./run_all.sh", "--results", str(tmp_path), "--profile", "quik"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 2
        and done.stderr.startswith("error: unknown profile 'quik'")
        and not done.stdout
    )
