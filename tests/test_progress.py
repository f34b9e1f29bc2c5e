"""How far something is: one changing line on a page that a person runs, lines in batch."""

import sys

import nbformat
import pytest
from nbclient import NotebookClient

from ckdlib import progress
from ckdlib.notebooks import execute
from ckdlib.progress import Meter
from tests import PROJECT

TRAINS = """
from dataclasses import replace

from ckdlib import study
from ckdlib.recipes import Recipe
from ckdlib.study import executors
from ckdlib.study.attempt import Failure

attempt = executors.attempt
executors.attempt = lambda task, *more: (
    Failure("no reason") if task.run.method == "ckd" else attempt(task, *more)
)
recipe = Recipe(schedule="one_cycle", steps=6, checks=3)
runs = study.select(
    "quick", ["black_box"], method_names=["kd", "ckd", "mse"], calls=[40], seeds=[1]
)
here = study.open_workspace(results, teachers=teachers, device="cpu")
try:
    study.run([replace(run, recipe=recipe) for run in runs], here, jobs=1)
except study.batch.RunsFailed as error:
    print(error)
"""


@pytest.fixture
def page(tmp_path, teachers):
    """A notebook that trains three students, one of which fails."""
    code = nbformat.v4.new_code_cell
    values = f"results = {str(tmp_path / 'rows')!r}\nteachers = {str(teachers)!r}"
    cells = [code(values, metadata={"tags": ["parameters"]}), code("import ckdlib.study.batch")]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    cells.append(code(TRAINS))
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def outputs(page):
    """What is printed, and what is displayed."""
    found = page.cells[-1].outputs
    printed = [one.text for one in found if one.output_type == "stream"]
    displayed = [one.data["text/plain"] for one in found if one.output_type == "display_data"]
    return "".join(printed), displayed


def test_a_page_that_a_person_runs_has_one_line(page, monkeypatch):
    monkeypatch.setenv(progress.PAGE, "page.ipynb")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    NotebookClient(page, timeout=120, kernel_name="python3").execute()
    printed, displayed = outputs(page)
    (line,) = displayed
    assert line.startswith(
        "students trained: 3 of 3, last: resnet14-resnet8 mse n=40 seed 1: test "
    )
    assert printed.count("failed: ") == 1 and "1 runs failed, see above" in printed
    assert "[1/3]" not in printed and "black_box: 3 runs" in printed


def test_a_page_in_batch_has_a_line_a_student(page, tmp_path, monkeypatch):
    """Also where the batch itself was started from a page."""
    monkeypatch.setenv(progress.PAGE, "page.ipynb")
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    nbformat.write(page, tmp_path / "page.ipynb")
    execute(tmp_path / "page.ipynb", tmp_path / "out.ipynb")
    printed, displayed = outputs(nbformat.read(tmp_path / "out.ipynb", 4))
    assert displayed == [] and "] resnet14-resnet8 mse n=40 seed 1: test " in printed
    assert printed.count("failed: ") == 1


@pytest.fixture
def shown(monkeypatch):
    """A page: its displays, each as the texts that it had."""
    displays = []

    class Handle:
        def __init__(self, texts):
            self.texts = texts

        def update(self, data, raw):
            self.texts.append(data["text/plain"])

    def display(data, raw, display_id):
        displays.append([data["text/plain"]])
        return Handle(displays[-1])

    monkeypatch.setattr(progress, "on_page", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    return displays


@pytest.fixture
def clock(monkeypatch):
    """Seconds, which a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_says_how_many_and_how_long(shown, clock):
    with Meter("students", 4, "student") as meter:
        meter.begin(1)
        for seconds, done in ((160, 2), (160.1, 3), (190, 4)):
            clock[0] = seconds
            meter.at(done, "fine")
    assert shown == [["students: 2 of 4, fine, about 2.0 min left", "students: 4 of 4, fine, 90 s"]]


def test_the_last_line_is_shown_whenever_it_came(shown, clock):
    with Meter("students", 4, "student") as meter:
        meter.at(1, left=60)
        meter.at(2, left=30)
    assert shown == [
        ["students: 1 of 4, about 1.0 min left", "students: 2 of 4, about 0.5 min left"]
    ]


def test_what_is_done_within_the_delay_is_not_shown(shown, clock):
    assert list(progress.progress("abc", 3, "reading", print)) == ["a", "b", "c"]
    assert shown == []


@pytest.mark.parametrize("report", [progress.silent, [].append])
def test_who_wants_no_printing_gets_no_line(shown, report):
    with Meter("students", 4, "student", report) as meter:
        meter.at(1)
    assert shown == [] and not meter.visible


def test_elsewhere_nothing_is_shown(monkeypatch, capsys):
    monkeypatch.setenv(progress.PAGE, "page.ipynb")  # as a command that a page calls
    with Meter("students", 4, "student") as meter:
        meter.at(1)
    assert not meter.visible and capsys.readouterr() == ("", "")


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with Meter("students", 4, "student") as meter:
        meter.at(3, "loss 0.1")
    told = capsys.readouterr().err
    assert meter.visible and "3/4" in told and "loss 0.1" in told
