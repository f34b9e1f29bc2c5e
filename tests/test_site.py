"""The report to send: whole, in order, and nothing in it is fetched from the network."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from urllib.parse import unquote

import nbformat
import pytest

from ckdlib import site
from ckdlib.__main__ import main
from ckdlib.notebooks import execute
from tests import PROJECT

WHOLE = all(find_spec(name) for name in site.EXTRA)
needs_sphinx = pytest.mark.skipif(not WHOLE, reason="the extra `site` is not installed")
FETCHED = re.compile(
    r"url\(\s*[\"']?(?:https?:)?//|@import|(?:import|from|fetch)[\s(]*[\"'](?:https?:)?//"
)
PIXEL = (  # a PNG
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)


class References(HTMLParser):
    """What a page points to: links to follow, and what a browser loads by itself."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loaded = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = [value for name, value in attributes if name in ("href", "src", "data", "poster")]
        (self.links if tag == "a" else self.loaded).extend(found)


def check_it_stands_alone(folder):
    """Nothing is fetched from elsewhere, and every link within leads to a file."""
    pages = sorted(folder.rglob("*.html"))
    assert pages
    for page in pages:
        found = References(page.read_text())
        for target in [*found.links, *found.loaded]:
            if re.match(r"(https?:)?//|mailto:", target):
                assert target in found.links, f"{page}: {target}"
            elif not target.startswith(("#", "data:")):
                path = page.parent / unquote(re.split("[?#]", target)[0])
                assert path.exists(), f"{page}: {target}"
    for path in folder.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            assert not FETCHED.search(re.sub("data:[^)\"']*", "", path.read_text())), path


def browse(page, query=""):
    """The title, and the text as Chromium has it after scripts, with the network off."""
    words = "--headless --no-sandbox --disable-gpu --dump-dom --virtual-time-budget=8000".split()
    words += ["--host-resolver-rules=MAP * ~NOTFOUND", f"file://{page}{query}"]
    done = subprocess.run(["chromium", *words], capture_output=True, text=True, timeout=120)
    return done.stdout


@needs_sphinx
def test_the_committed_pages_as_a_report(tmp_path, capfd):
    written = site.write(output=tmp_path / "report")
    assert capfd.readouterr() == ("", "")  # Sphinx warns of nothing
    folder = tmp_path / "report"
    check_it_stands_alone(folder)

    sources = sorted((PROJECT / "notebooks").glob("*.ipynb"))
    documents = sorted((PROJECT / "docs").glob("*.md"))
    index = (folder / "index.html").read_text()
    found = re.findall(r'toctree-l1"><a class="reference internal" href="([^"]*)"', index)
    numbers = [re.sub(r"notebooks/(\d\d).*", r"\1", target) for target in found]
    first = ["10", "03", "15", "11", "12", "14", "16", "17", "18"]
    assert numbers[: len(sources)] == first + sorted({path.name[:2] for path in sources} - {*first})
    assert {*found[len(sources) :]} == {
        *(f"docs/{path.stem}.html" for path in documents),
        "LOG.html",
        "figures/README.html",
    }
    assert written.pages == len(found) + 1 and "The answer" in index

    gallery = (folder / "figures/README.html").read_text()
    shown = 0
    for path in sources:
        cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        outputs = [output for cell in cells for output in cell.outputs]
        figures = sum("image/png" in output.get("data", {}) for output in outputs)
        page = (folder / "notebooks" / f"{path.stem}.html").read_text()
        told = [cell for cell in cells if cell.outputs]  # others are left out
        assert page.count('class="admonition hide above-input"') == len(told)
        assert page.count("<img alt=") == figures and ">import</span>" in page
        assert gallery.count(f"_images/{path.stem}-") == figures
        shown += figures
    assert written.figures == shown > 20
    for path in (PROJECT / "figures").iterdir():
        assert path.name == "README.md" or f"/{path.name}" in gallery

    tour = (folder / "notebooks/00_tour.html").read_text()
    assert tour.count("<table") == 3 and "| --- |" not in tour  # of Markdown that cells gave

    assert tour.count("<math") == 4 and "<mfrac>" in tour and "$" not in tour.split("<article")[1]
    text = (folder / "searchindex.js").read_text()
    known = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    pages = [known["docnames"][at] for at in known["terms"]["ckd_pair"]]  # stemmed
    assert {"docs/methods", "notebooks/11_fewer_calls"} <= {*pages}

    if shutil.which("chromium"):
        assert "<title>Learning from few teacher calls</title>" in browse(folder / "index.html")
        assert (
            "11 · Fewer calls than CKD"
            in browse(folder / "search.html", "?q=ckd_pairs").split("<article")[1]
        )


@pytest.fixture
def results(tmp_path):
    """A results folder with a page: a formula, a figure, a widget and links."""
    text = "# 03 · Mine\n\n$a_i$ [log](../LOG.md) [code](../ckdlib/files.py) [page](own.ipynb)\n"
    markdown = nbformat.v4.new_markdown_cell(text + "\n## Bars\n\n$$\\frac{1}{2}$$")
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "bar"}
    code = nbformat.v4.new_code_cell("draw()")
    code.outputs = [
        nbformat.v4.new_output("display_data", {"image/png": PIXEL, "text/plain": "figure"}),
        nbformat.v4.new_output("display_data", widget),
    ]
    state = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}}
    folder = tmp_path / "results"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "figures").mkdir()
    (folder / "figures" / "mine.csv").write_text("a,b\n")
    metadata = {"widgets": state, "language_info": {"name": "python"}}
    made = nbformat.v4.new_notebook(cells=[markdown, code], metadata=metadata)
    nbformat.write(made, folder / "notebooks" / "03_mine.ipynb")
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("No heading.")])
    nbformat.write(made, folder / "notebooks" / "own.ipynb")
    return folder


@pytest.mark.parametrize("whole", [pytest.param(True, marks=needs_sphinx), False])
def test_the_executed_pages_of_a_results_folder(results, monkeypatch, capfd, whole):
    if not whole:
        monkeypatch.setitem(sys.modules, "furo", None)
    (results / "report").mkdir()
    (results / "report" / "contents.json").write_text("{}")
    (results / "report" / "old.html").write_text("an older report's")
    assert main(["report", "--results", str(results)]) == 0
    folder = results / "report"
    told, warned = capfd.readouterr()
    assert f"{folder}/index.html: 13 pages, 1 figures, " in told and warned == ""
    assert told.startswith("furo not installed: plain pages, without search; ") is not whole
    check_it_stands_alone(folder)
    assert not (folder / "old.html").exists()
    page = (folder / "notebooks/03_mine.html").read_text()
    assert page.count("<math") == 2 and "<mfrac>" in page and whole is ('alt="Bars"' in page)
    assert ">log<" in page and ">code<" not in page and 'href="own.html"' in page
    gallery = (folder / "figures/README.html").read_text()
    assert "03_mine-1.png" in gallery and "mine.csv" in gallery and "pilot" not in gallery
    index = (folder / "index.html").read_text()
    assert "rows of <code" in index and "The answer" not in index
    assert index.index("03 · Mine") < index.index(">own<") < index.index("What was found")


def test_a_page_alone_fetches_nothing_either(results, tmp_path):
    source = nbformat.read(results / "notebooks/03_mine.ipynb", 4)
    source.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "?"}
    source.cells[1].source = "print(1)"
    nbformat.write(source, results / "notebooks/03_mine.ipynb")
    execute(results / "notebooks/03_mine.ipynb", tmp_path / "out" / "03.ipynb")
    page = (tmp_path / "out" / "03.html").read_text()
    found = References(page)
    assert not [one for one in found.loaded if not one.startswith("data:")]
    assert "<script" not in page and not FETCHED.search(page)
    assert page.count("<math") == 2 * bool(find_spec("latex2mathml"))


def test_a_formula_without_mathml_is_its_tex(monkeypatch):
    monkeypatch.setitem(sys.modules, "latex2mathml", None)
    monkeypatch.delitem(sys.modules, "latex2mathml.converter", raising=False)
    cell = nbformat.v4.new_markdown_cell("so $a<b$ is")
    page = site.page_html(nbformat.v4.new_notebook(cells=[cell]), "A title")
    assert "so <code>a&lt;b</code> is" in page and "<title>A title</title>" in page


def test_what_cannot_be_a_report_is_refused(results, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    words = ["report", "--results", str(results)]
    assert main([*words, "--output", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "thesis.tex").exists()
    assert main(["report", "--results", str(tmp_path / "nothing")]) == 2
    (results / "notebooks" / "own.ipynb").write_text("no notebook")
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert (
        lines[0]
        == f"error: {tmp_path}/mine holds something else; name another folder with --output"
    )
    assert lines[1].startswith(f"error: no pages in {tmp_path}/nothing/notebooks; make them with: ")
    assert "own.ipynb cannot be read as a notebook" in lines[2] and len(lines) == 3
    assert {path.name for path in results.iterdir()} == {"notebooks", "figures"}
