"""Results of schema 1, in which n counted images: what becomes of them, and what is refused."""

import json
import shutil
from dataclasses import replace

import pytest

from ckdlib import study
from ckdlib.__main__ import main
from ckdlib.errors import InputError
from ckdlib.files import read_lines, write_json
from ckdlib.study import Store
from ckdlib.teachers.ledger import Ledger
from ckdlib.tensors import read_tensors, write_tensors


def quiet(line):
    pass


def aged(row, name):
    """A row of today as schema 1 held it."""
    new = ("schema", "transform", "definition")
    return {key: value for key, value in row.items() if key not in new} | {
        "n": row["n"] + row["n"] // 4,
        "train_images": row["n"],
        "run": name,
        "logits": f"logits/{name}.safetensors",
    }


@pytest.fixture
def old(here, brief, tmp_path, digits):
    """A finished folder of today and the same as ckdlib 0.1 left it: (new, old, rows)."""
    rows = study.run(brief(["kd", "ce"], n=[40, 80]), here, jobs=1, report=quiet)
    folder = tmp_path / "old"
    shutil.copytree(here.results, folder)
    names = {row["run"]: f"old{i}" for i, row in enumerate(rows)}
    for name, needed in (("rows", aged), ("measures", None)):
        lines = [line for _, line in read_lines(folder / f"{name}.jsonl")]
        lines = [
            aged(line, names[line["run"]])
            if needed
            else line | {"run": names.get(line["run"], line["run"])}
            for line in lines
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for kind in ("logits", "students"):
        for path in (folder / kind).glob("*.safetensors"):
            path.rename(path.with_stem(names.get(path.stem, path.stem)))
    for n, images in ((80, 100), (40, 50)):
        (folder / f"splits/digits-n{n}-seed1.json").rename(
            folder / f"splits/digits-n{images}-seed1.json"
        )
    shutil.rmtree(folder / "ledger")
    kept = here.ledger(digits, rows[0]["teacher_sha256"], 1)
    before = Ledger(
        folder / "ledger", rows[0]["teacher_sha256"], digits.digest, "random view, seed 1"
    )
    for path in kept.folder.glob("calls-*"):
        write_tensors(before.folder / path.name, read_tensors(path)[0], **before.origin)
    return here.results, folder, rows


def test_an_old_folder_is_refused_with_the_way_out_and_then_goes_on(
    old, here, brief, digits, capsys
):
    new, folder, rows = old
    with pytest.raises(
        InputError, match="rows of schema 1.*python -m ckdlib migrate .*old"
    ) as refused:
        study.run(brief(["kd"]), replace(here, results=folder), jobs=1, report=quiet)
    command = str(refused.value).partition("python -m ckdlib ")[2].partition(", or")[0]
    assert (
        main(command.split()) == 0
        and "4 rows and 1 ledgers are up to date now" in capsys.readouterr().out
    )
    assert (
        Store(folder).rows() == Store(new).rows()
        and Store(folder).measures() == Store(new).measures()
    )
    files = [
        sorted(
            str(path.relative_to(root))
            for path in root.rglob("*")
            if path.is_file() and path.name != "lock"
        )
        for root in (folder, new)
    ]
    assert files[0] == files[1]
    said = []
    again = study.run(
        brief(["kd", "ce", "ckd"], n=[40, 80]),
        replace(here, results=folder),
        jobs=1,
        report=said.append,
    )
    assert any("0 calls made, 80 kept" in line for line in said) and any(
        "4 of 6 students are trained" in line for line in said
    )
    assert len(again) == 6 and all(row in again for row in rows)


def test_a_migration_that_was_done_changes_nothing(old):
    _, folder, _ = old
    assert main(["migrate", str(folder)]) == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["migrate", str(folder)]) == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_rows_of_ones_own_images_and_folders_that_are_not_there_are_refused(old, tmp_path, capsys):
    _, folder, rows = old
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(aged(rows[0], "x") | {"dataset": "animals"}) + "\n")
    before = path.read_bytes()
    assert (
        main(["migrate", str(folder)]) == 2
        and "do not say how such images were cut" in capsys.readouterr().err
    )
    assert path.read_bytes() == before
    assert main(["migrate", str(tmp_path / "none")]) == 2 and "no folder" in capsys.readouterr().err


def test_rows_whose_validation_images_no_n_has_are_left_out_and_counted(old, capsys):
    _, folder, rows = old
    with open(folder / "rows.jsonl", "a") as file:
        file.write(json.dumps(aged(rows[0], "odd") | {"n": 54}) + "\n")
    assert main(["migrate", str(folder)]) == 0
    assert "4 rows" in (said := capsys.readouterr().out) and "1 rows are left out" in said


def test_a_card_that_does_not_say_how_images_are_cut_is_refused_until_it_is_brought_up_to_date(
    here, digits, tmp_path
):
    path = here.teacher_path(digits, "resnet14")
    results = tmp_path / "mine"
    for source in (path, path.with_suffix(".json")):
        (results / "teachers/digits").mkdir(parents=True, exist_ok=True)
        shutil.copy(source, results / "teachers/digits" / source.name)
    card = results / "teachers/digits/resnet14.json"
    weights = card.with_suffix(".safetensors")
    write_tensors(weights, read_tensors(weights)[0])  # cards of that time were beside them only
    write_json(
        card,
        {key: value for key, value in json.loads(card.read_text()).items() if key != "transform"},
    )
    mine = replace(here, results=results)
    with pytest.raises(InputError, match="does not say how.*python -m ckdlib migrate .*mine"):
        study.make_teacher("quick", "resnet14", mine)
    assert main(["migrate", str(results)]) == 0
    assert (
        study.make_teacher("quick", "resnet14", mine)["weights_sha256"]
        == json.loads(path.with_suffix(".json").read_text())["weights_sha256"]
    )
