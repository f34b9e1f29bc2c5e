"""The committed notebooks: executed in order, thin, with outputs that a new run gives again; and
the batch itself.
"""

import json
import subprocess
import sys
from collections import Counter

import pytest

from ckdlib.notebooks import ANALYSES
from tests import PROJECT

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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nbval(path):
    mode = "--nbval" if path.name in STRICT else "--nbval-lax"
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
            f"--rootdir={PROJECT}",
            str(path),
        ],
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]


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
            *ANALYSES,
            "10_verdict",
        )
    )
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
    ):
        for kind in ("png", "pdf"):
            assert (tmp_path / "figures" / f"{name}.{kind}").stat().st_size > 1000
    assert "resnet14-resnet8,vid," in (tmp_path / "figures" / "table2.csv").read_text()
    assert (
        "runs of white_box are missing:" in done.stdout
        and "--profile quick --experiment white_box" in done.stdout
    )
    verdict = (tmp_path / "figures" / "verdict.csv").read_text()
    assert "not yet run" in verdict and ",reproduced" not in verdict


def test_run_all_with_one_experiment_and_one_method_makes_its_page_only(tmp_path):
    done = run_all(
        tmp_path, "--experiment", "black_box", "--methods", "ce", "--n", "80", "--seeds", "1"
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    made = sorted(path.stem for path in (tmp_path / "notebooks").glob("*.ipynb"))
    assert made == [
        "00_tour",
        "02_experiments",
        "03_table1_figure2",
        "10_verdict",
    ]  # no teacher was asked


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
