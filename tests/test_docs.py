"""The documents against what they speak of: links, commands, methods, floors, figures."""

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ckdlib import methods, study
from ckdlib.__main__ import main, options_of, parser
from ckdlib.notebooks import ANALYSES
from tests import PROJECT, pictures

PAGES = [
    PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "figures/README.md")
]
PAGES += sorted((PROJECT / "docs").glob("*.md"))
OWN = PROJECT / "docs" / "own-method.md"
OWN_TEACHER = PROJECT / "docs" / "own-teacher.md"
CATALOGUE = PROJECT / "docs" / "methods.md"
of_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


def links(text):
    """Targets of the links and images of a page, code left out."""
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


@of_pages
def test_every_link_leads_to_a_file_that_is_there(page):
    for target in links(page.read_text()):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            there = page.parent / path if path else page
            assert there.exists(), target
            titles = re.findall(r"^#+ (.*)", there.read_text(), re.MULTILINE) if heading else []
            assert not heading or heading in [
                re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles
            ], target


def test_the_readme_is_short():
    lines = (PROJECT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    assert not [
        line for line in lines if len(line) > 100 and not line.startswith("|") and "](" not in line
    ]


def commands(text):
    """What a page tells to type, in its blocks and in its text."""
    blocks = re.findall(r"```(\w*)\n(.*?)\n```", text, re.DOTALL)
    for line in (
        "\n".join(block for language, block in blocks if language == "bash")
        .replace("\\\n", " ")
        .splitlines()
    ):
        if line.startswith(("python -m ckdlib ", "./run_all.sh")):
            yield shlex.split(line, comments=True)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for words in re.findall(r"`((?:python -m ckdlib |\./run_all\.sh)[^`]*)`", prose):
        yield shlex.split(words)


@of_pages
def test_every_command_of_a_page_is_understood(page, tmp_path, monkeypatch):
    if page.name == OWN.name:
        the_files_of_own_method(tmp_path)
        monkeypatch.chdir(tmp_path)
    for words in commands(page.read_text()):
        args = parser().parse_args(words[3:] if words[0] == "python" else ["batch", *words[1:]])
        if (
            args.command in ("run", "batch", "status") and page.name != "CONTRIBUTING.md"
        ):  # there of a method to be added
            assert options_of(args).runs(), words


def the_files_of_own_method(folder):
    """mine.py as the page has it, and the code of its notebook."""
    mine, cell = re.findall(r"```python\n(.*?)```", OWN.read_text(), re.DOTALL)
    (folder / "mine.py").write_text(mine)
    return cell


def test_a_method_of_ones_own_as_its_page_says(tmp_path, monkeypatch, teachers, capsys):
    """Its file, commands and cell, with a teacher that is there already."""
    cell = the_files_of_own_method(tmp_path)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(teachers, tmp_path / "runs" / "mine" / "teachers")
    told = []
    for words in commands(OWN.read_text()):
        if words[0] == "python":
            where = ["--device", "cpu", "--jobs", "1"] if words[3] == "run" else []
            assert main([*words[3:], *where]) == 0, words
            told.append(capsys.readouterr().out)
    checked, trained, table = told
    assert "method jeffreys: fine" in checked and "model tiny: fine, 1,130 parameters" in checked
    assert trained.count(" (done), ") == 6
    for name in ("kd", "jeffreys", "jeffreys:both=1,temperature=2"):
        assert re.search(rf"^\| `{name}` \| \d", table, re.MULTILINE)
    whose = "jeffreys (Jeffreys 1946), jeffreys:both=1,temperature=2 (Jeffreys 1946)"
    assert f"outside the study's grid: {whose}" in table
    shutil.copytree(teachers, tmp_path / "notebook" / "teachers")
    exec(cell.replace('"runs/mine"', f'"{tmp_path}/notebook"'), {})
    assert (tmp_path / "notebook" / "rows.jsonl").read_text().count('"method": "jeffreys"') == 1


def test_a_teacher_of_ones_own_as_its_page_says(tmp_path, monkeypatch, capsys):
    """Its file, commands and lines, with fewer pictures and steps, and an API."""
    api = "def my_api(image):\n    return np.eye(2)[int(image[0, 0, 0]) % 2]\n"
    mine, lines, *_ = re.findall(r"```python\n(.*?)```", OWN_TEACHER.read_text(), re.DOTALL)
    (tmp_path / "my_teacher.py").write_text(mine + api)
    whole = pictures(tmp_path / "whole", 15)
    (whole / "train").rename(tmp_path / "pictures")
    (whole / "test" / "cat").rename(tmp_path / "new_pictures")
    monkeypatch.chdir(tmp_path)
    small = {"400": "16"}
    for words in commands(OWN_TEACHER.read_text()):
        if words[3] == "distill":
            few = [small.get(word, word) for word in words[3:]]
            assert main([*few, "--steps", "4", "--jobs", "1", "--device", "cpu"]) == 0, words
            assert "16 calls (0.03 at 0.002 each); 0 made before" in capsys.readouterr().out
        elif words[3] == "predict":
            assert main(words[3:]) == 0
            assert capsys.readouterr().out.startswith("image,class,probability\n0.png,")
    monkeypatch.syspath_prepend(tmp_path)
    lines = lines.replace("calls=400", "calls=16, steps=4, jobs=1, device='cpu'")
    exec(lines, {"__name__": "__main__"})
    assert "3 of 3 students are trained" in capsys.readouterr().out  # by the command, before
    assert (tmp_path / "student.pt2").exists()
    assert (tmp_path / "runs/distilled/report.html").exists()


def test_the_commands_of_the_pages_are_found():
    found = [words for page in PAGES for words in commands(page.read_text())]
    assert (
        len(found) > 22
        and ["./run_all.sh"] in found
        and ["python", "-m", "ckdlib", "headline"] in found
    )


def test_the_readme_counts_the_students_of_each_profile():
    lines = (PROJECT / "README.md").read_text().splitlines()
    for name in study.PROFILES:
        line = next(line for line in lines if line.startswith(f"| `{name}`"))
        assert f"{len(study.select(name)):,} students" in line


def test_the_map_of_the_readme():
    """Each page of an experiment, with the command that makes its rows and a test."""
    lines = [
        line.strip("| ").split(" | ")
        for line in (PROJECT / "README.md").read_text().splitlines()
        if re.search(r"\| `\d\d_", line)
    ]
    found = {line[1].strip("`"): line[2] for line in lines}
    quick = study.profile("quick").experiments
    assert found == {
        name: f"`{'' if one in quick else '--profile pilot '}--experiment {one}`"
        for name, one in ANALYSES.items()
    } | {"10_verdict": found["10_verdict"]}
    for line in lines:
        for test in line[3].split(", "):
            assert list((PROJECT / "tests").rglob(test.strip("`"))), test


def catalogue():
    """Method -> its cells: definition, weights, batch, loss, test, paper."""
    lines = [
        line.strip("| ").split(" | ")
        for line in CATALOGUE.read_text().splitlines()
        if line.startswith("| `")
    ]
    assert len({line[0] for line in lines}) == len(lines)
    return {line[0].strip("`"): line[1:] for line in lines}


def test_the_catalogue_and_the_registry_hold_the_same_methods():
    assert set(catalogue()) == {*methods.METHODS, "rkd_D"}


@pytest.mark.parametrize("name", [*methods.METHODS, "rkd_D"])
def test_a_line_of_the_catalogue_says_what_the_registry_does(name):
    method = methods.get(name.replace("_D", "_5"))
    definition, weights, batch, loss, test, *_ = catalogue()[name]
    assert len(definition) > 10
    assert weights == ", ".join(f"{term} {part.weight:g}" for term, part in method.terms.items())
    assert (
        batch
        == {"epoch_batches": "images", "pair_batches": "pairs", "class_batches": "images by class"}[
            method.sampler.__name__
        ]
    )
    listed = {(CATALOGUE.parent / target).resolve() for target in links(loss)}
    needed = {
        Path(inspect.getsourcefile(term.formula or term.loss)) for term in method.terms.values()
    }
    assert listed and all(path.is_file() for path in listed)
    assert {path for path in needed if path.parent.name == "losses"} <= listed
    tests = [(CATALOGUE.parent / target).resolve() for target in links(test)]
    assert tests and all(PROJECT / "tests" in path.parents and path.is_file() for path in tests)


def test_the_catalogue_lists_every_parameter():
    told = {}
    for line in re.findall(r"^- (`.*?): (.*)$", CATALOGUE.read_text(), re.MULTILINE):
        found = {
            name: float(own) for name, own in re.findall(r"(\w+) ([\de.-]+)(?=[ ,]|$)", line[1])
        }
        told |= dict.fromkeys(
            re.findall(r"`(.*?)`", line[0])[-1 if " of " in line[0] else 0 :], found
        )
    there = {}
    for name, method in methods.METHODS.items():
        there |= {name: method.settable} if method.settable else {}
        for term, part in method.terms.items():
            own = name if term == "labels" else term
            there |= {own: part.settable} if part.settable else {}
    assert told == there


def test_the_gallery_shows_every_figure():
    text = (PROJECT / "figures" / "README.md").read_text()
    there = {path.name for path in (PROJECT / "figures").iterdir()} - {"README.md"}
    assert set(links(text)) >= there


def test_a_method_is_added_as_contributing_says(tmp_path):
    """The diff as it stands there, on a copy: its own tests, and those of all methods, pass."""
    diff = re.search(r"```diff\n(.*?)```", (PROJECT / "CONTRIBUTING.md").read_text(), re.DOTALL)[1]
    added = re.search(r'^\+ +"(\w+)": Method\(', diff, re.MULTILINE)[1]
    if added in methods.METHODS:
        pytest.skip(f"{added} is a method already")
    for name in ("ckdlib", "tests", "docs"):
        shutil.copytree(
            PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    subprocess.run(["git", "apply", "-"], input=diff, text=True, cwd=tmp_path, check=True)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "tests/losses/test_losses.py",
            "tests/methods/test_methods.py",
            "tests/test_docs.py",
            "-k",
            f"test_{added} or [{added}] or version or catalogue_and",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0 and " passed" in done.stdout, (
        done.stdout[-3000:] + done.stderr[-1000:]
    )


def test_the_architecture_draws_the_floors_that_are_enforced():
    """docs/architecture.md against the layers that import-linter holds the library to."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = [name.strip().removeprefix("ckdlib.") for layer in layers for name in layer.split("|")]
    there = {
        path.stem
        for path in (PROJECT / "ckdlib").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert sorted(rooms) == sorted(there - {"__init__"})
    drawn = (PROJECT / "docs" / "architecture.md").read_text().split("```")[1]
    assert [room for room in rooms if room not in drawn] == ["__main__"]  # drawn as the command
