"""JupyterLab as a person meets it, in a headless Chromium: the tour opens, runs, and follows."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests import PROJECT
from tests.browser import CHROMIUM, browser, read, until

STORED = [json.loads(path.read_text()) for path in sorted((PROJECT / "notebooks").glob("*.ipynb"))]
PAGE = "[...jupyterapp.shell.widgets('main')].find(one => one.sessionContext)"
LAST = "[...document.querySelectorAll('.jp-CodeCell')].at(-1)"
IMAGE, TEXT = f"{LAST}.querySelector('img').src", f"{LAST}.innerText"


@pytest.fixture
def lab(tmp_path):
    """A copy of the project's pages, with JupyterLab started there; its address."""
    project = tmp_path / "project"
    (project / "notebooks").mkdir(parents=True)
    shutil.copy(PROJECT / "notebooks" / "00_tour.ipynb", project / "notebooks")
    shutil.copytree(PROJECT / ".jupyter", project / ".jupyter")
    (project / "results").symlink_to(PROJECT / "results")
    runtime = tmp_path / "runtime"
    places = {
        "HOME": f"{tmp_path}",
        "JUPYTER_RUNTIME_DIR": f"{runtime}",
        "PYTHONPATH": f"{PROJECT}",
    }
    env = {**os.environ, **places, "JUPYTER_CONFIG_PATH": ".jupyter"}
    words = ["--no-browser", "--allow-root", "--port=0", "--LabApp.expose_app_in_browser=True"]
    with open(tmp_path / "log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *words]
        server = subprocess.Popen(command, cwd=project, env=env, stdout=log, stderr=log)
        try:
            found = until(lambda: "".join(map(read, runtime.glob("jpserver-*.json"))))
            info = json.loads(found)
            yield f"{info['url']}?token={info['token']}"
        finally:
            server.terminate()
            server.wait(30)


@pytest.mark.skipif(not CHROMIUM, reason="no chromium")
def test_the_tour_opens_runs_and_follows_the_controls(lab, tmp_path):
    pytest.importorskip("ipywidgets")
    with browser(tmp_path / "profile", lab) as tab:
        tab.wait("document.querySelector('.jp-Notebook h1')?.innerText.includes('A tour')", 60)
        tab.wait(f"{PAGE}?.sessionContext.session?.kernel?.status == 'idle'")
        tab.value(f"jupyterapp.shell.activateById({PAGE}.id)")
        tab.value("void jupyterapp.commands.execute('notebook:run-all-cells')")
        tab.wait(f"{LAST}.querySelector('.noUi-handle') && {LAST}.querySelector('img')", 90)
        before, said = tab.value(IMAGE), tab.value(TEXT)
        assert "1,000 calls cost 2.00" in said

        tab.value(f"{LAST}.querySelector('.noUi-handle').focus()")
        for _ in range(5):
            tab.key("ArrowRight")
        tab.wait(f"{IMAGE}.length && !{TEXT}.includes('1,000 calls cost')")
        assert tab.value(IMAGE) != before and "calls cost" in tab.value(TEXT)
        assert not tab.value("/Error|Traceback|Jupyter news/.test(document.body.innerText)")


def test_stored_pages_hold_no_state_of_widgets():
    """They are read without a kernel: no page waits for one to draw its controls."""
    for page in STORED:
        assert "widgets" not in page["metadata"] and "jupyter.widget" not in json.dumps(page)


def test_the_stored_tour_shows_a_budget():
    tour = STORED[0]
    *_, picture, words = [cell for cell in tour["cells"] if cell.get("outputs")][-1]["outputs"]
    assert "image/png" in picture["data"] and "calls cost" in "".join(
        words["data"]["text/markdown"]
    )
