"""Results folders of machines that never met, brought into one."""

import json
import multiprocessing
import shutil
from dataclasses import replace

import pytest
import torch

from ckdlib import study
from ckdlib.__main__ import main
from ckdlib.errors import InputError
from ckdlib.files import append_line, write_json
from ckdlib.study import Store, merge, open_workspace
from ckdlib.teachers import Ledger
from ckdlib.tensors import read_tensors, write_tensors
from tests.conftest import BRIEF


def quiet(line):
    pass


def briefly(*names, n=40):
    chosen = study.select("quick", ["black_box"], method_names=names, calls=[n], seeds=[1])
    return [replace(run, recipe=BRIEF) for run in chosen]


ONE = [*briefly("ce", "kd")]
OTHER = [*briefly("kd", "vid"), *briefly("ckd", n=80)]


@pytest.fixture(scope="module")
def made(teachers, tmp_path_factory):
    """Two folders of one teacher that share a run, and one where all was made."""
    base = tmp_path_factory.mktemp("made")
    for name, runs in {"a": ONE, "b": OTHER, "whole": [*ONE, *OTHER]}.items():
        study.run(runs, place(base / name, teachers), 1, report=quiet)
    return base


def place(folder, teachers):
    return open_workspace(folder, cache=folder.parent / "cache", device="cpu", teachers=teachers)


@pytest.fixture
def met(made, teachers, tmp_path):
    shutil.copytree(made, tmp_path / "made")
    return {name: place(tmp_path / "made" / name, teachers) for name in ("a", "b", "whole")}


@pytest.mark.parametrize("among", ["a", "whole"])
def test_a_damaged_split_is_a_line(met, tmp_path, among):
    split = next((met[among].results / "splits").glob("*.json"))
    split.write_text(split.read_text()[:50])
    folders = [met["a"].results, met["whole"].results]
    with pytest.raises(InputError, match=f"{split} is damaged .no JSON.; remove it"):
        merge.merge(folders, tmp_path / "all", report=quiet)
    assert not (tmp_path / "all/rows.jsonl").exists()


def numbers(folder):
    return {
        row["run"]: (row["val_accuracy"], row["test_accuracy"], row["teacher_calls"])
        for row in Store(folder).rows(quiet)
    }


def content(folder):
    """What is there, but for what locks."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if "lock" not in path.name
    }


def test_two_folders_become_what_one_would_have_been(met, tmp_path):
    into, told = tmp_path / "into", []
    folders = [met["a"].results, met["b"].results]
    merge.merge(folders, into, report=told.append)
    assert numbers(into) == numbers(met["whole"].results)
    assert Store(into).measures().keys() == Store(met["whole"].results).measures().keys()
    assert told[0].startswith(f"{folders[0]}: 2 rows, 40 answers, ")
    assert told[1].startswith(f"{folders[1]}: 2 rows, 40 answers, ")  # of 80
    for kind in ("students", "logits", "splits"):
        names = {path.name for path in (into / kind).iterdir()}
        assert names == {path.name for path in (met["whole"].results / kind).iterdir()}
    here = replace(met["a"], results=into)
    assert len(study.run([*ONE, *OTHER], here, 1, report=told.append)) == 4
    assert any("4 of 4 students are trained; 0 to go" in line for line in told)


def test_a_second_time_nothing_comes_in(met, tmp_path):
    into, told = tmp_path / "into", []
    folders = [met["a"].results, met["b"].results]
    merge.merge(folders, into, report=quiet)
    before = content(into)
    merge.merge(folders, into, report=told.append)
    assert content(into) == before
    assert [line.split(": ")[1] for line in told[:2]] == 2 * [
        "0 rows, 0 answers, 0 files that are new"
    ]


def test_a_dry_run_tells_and_writes_nothing(met, tmp_path, capsys):
    words = ["merge", str(met["a"].results), str(met["b"].results)]
    assert main([*words, "--results", str(tmp_path / "into"), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "2 rows, 40 answers" in out and "nothing is written" in out
    assert not (tmp_path / "into").exists()


def _killed(folders, into, after):
    """Merge, and end this process at the write of that number."""
    import os

    from ckdlib import files

    real, count = files._flush, iter(range(1000))

    def flush(path):
        if next(count) == after:
            os._exit(9)
        real(path)

    files._flush = flush
    merge.merge(folders, into, report=quiet)
    os._exit(0)


@pytest.mark.parametrize("after", [0, 5, 12])
def test_after_a_kill_the_folder_can_be_read_and_a_second_call_finishes(met, tmp_path, after):
    into, folders = tmp_path / "into", [met["a"].results, met["b"].results]
    child = multiprocessing.get_context("fork").Process(target=_killed, args=(folders, into, after))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    assert not Store(into).rows(quiet)  # rows come last
    merge.merge(folders, into, report=quiet)
    assert numbers(into) == numbers(met["whole"].results)
    ledgers = {path.name for path in (into / "ledger").iterdir()}
    for name in ledgers:
        calls = sorted((into / "ledger" / name).glob("calls-*"))
        index = torch.cat([read_tensors(path)[0]["index"] for path in calls])
        assert len(index) == len(index.unique()) == 80


def refuses(says, folders, into):
    before = content(into) if into.exists() else None
    with pytest.raises(InputError, match=says) as error:
        merge.merge(folders, into, report=quiet)
    assert "\n" not in str(error.value)
    assert (content(into) if into.exists() else None) == before


def test_other_numbers_of_a_run_are_refused(met, tmp_path):
    a, b = met["a"].results, met["b"].results
    path = b / "rows.jsonl"
    rows = Store(b).rows(quiet)
    path.unlink()
    for row in rows:
        wrong = row["method"] == "kd"
        append_line(path, row | {"test_accuracy": 1.5} if wrong else row)
    refuses(
        r"a and .*b hold rows of .*\.kd\.n40.*differ in test_accuracy [\d.]+ and 1.5",
        [a, b],
        b.parent / "into",
    )
    refuses("differ in test_accuracy", [b], a)


def test_another_answer_to_the_same_image_is_refused_and_another_device_s_is_not(met, tmp_path):
    a, b = met["a"].results, met["b"].results
    (shard,) = (b / "ledger").rglob("calls-00000000.safetensors")
    tensors, origin = read_tensors(shard)
    tensors = {name: value.clone() for name, value in tensors.items()}
    near = tensors | {"logits": tensors["logits"] * (1 + 1e-5)}
    write_tensors(shard, near, **origin)
    merge.merge([a, b], tmp_path / "near", report=quiet)
    image = int(read_tensors(next((a / "ledger").rglob("calls-*")))[0]["index"][3])
    far = tensors["logits"].clone()
    far[tensors["index"] == image, 0] += 1
    write_tensors(shard, tensors | {"logits": far}, **origin)
    refuses(f"other answers about 1 images: of image {image} they are", [a, b], tmp_path / "into")


def test_another_teacher_of_the_same_name_is_refused(met, teachers, tmp_path):
    a, b = met["a"].results, met["b"].results
    (source,) = teachers.rglob("resnet14.safetensors")
    for folder in (a, b):
        (folder / "teachers/digits").mkdir(parents=True)
        shutil.copy(source, folder / "teachers/digits")
        shutil.copy(source.with_suffix(".json"), folder / "teachers/digits")
    merge.merge([a, b], tmp_path / "same", report=quiet)
    assert (tmp_path / "same/teachers/digits/resnet14.json").exists()
    path = b / "teachers/digits/resnet14.safetensors"
    tensors, metadata = read_tensors(path)
    card = json.loads(metadata["card"]) | {"weights_sha256": "other"}
    write_tensors(path, tensors, **(metadata | {"card": json.dumps(card)}))
    refuses("resnet14.safetensors differ: weights of SHA-256", [a, b], tmp_path / "into")


def test_what_no_table_could_hold_is_refused(met, tmp_path):
    a, b = met["a"].results, met["b"].results
    rows = [row | {"teacher_sha256": "other"} for row in Store(b).rows(quiet)]
    (b / "rows.jsonl").unlink()
    for row in rows:
        append_line(b / "rows.jsonl", row | {"run": row["run"] + "0"})
    refuses("the rows of these folders differ in teacher_sha256", [a, b], tmp_path / "into")
    (b / "rows.jsonl").unlink()
    for row in rows:
        append_line(b / "rows.jsonl", row | {"run": row["run"] + "0", "precision": "bfloat16"})
    refuses("differ in precision: bfloat16 and float32; a folder keeps", [a, b], tmp_path / "into")


def test_other_splits_damage_and_folders_that_are_none_are_refused(met, tmp_path):
    a, b, into = met["a"].results, met["b"].results, tmp_path / "into"
    refuses("no folder .*nowhere; name results folders", [a, tmp_path / "nowhere"], into)
    refuses("is the folder that the others come into", [a, b], a)
    split = b / "splits" / "digits-n40-seed1.json"
    write_json(split, json.loads(split.read_text()) | {"train": [1]})
    refuses("digits-n40-seed1.json and .*digits-n40-seed1.json differ", [a, b], into)
    shutil.copy(a / "splits" / split.name, split)
    student = next((b / "students").iterdir())
    student.write_bytes(student.read_bytes()[:-8])
    refuses("is damaged", [a, b], into)


def ledger(folder):
    return Ledger(folder / "answers", "mine", "pictures", "as they are")


def as_it_is(index):
    return index


def twice(index):
    return index.float()[:, None].repeat(1, 2)


def test_answers_of_ones_own_teachers_come_in_too(tmp_path):
    for name, index in (("a", [1, 2, 3]), ("b", [3, 4])):
        ledger(tmp_path / name).ask(torch.tensor(index), as_it_is, twice)
    merge.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "into", report=quiet)
    assert ledger(tmp_path / "into").calls == 4
    kept = ledger(tmp_path / "into").kept(torch.tensor([4, 1]))
    assert kept.tolist() == [[4.0, 4.0], [1.0, 1.0]]


def test_answers_with_feature_maps_come_in_beside_those_without(tmp_path):
    def with_maps(index):
        return [twice(index)], twice(index)

    index = torch.tensor([3, 4])
    ledger(tmp_path / "a").ask(torch.tensor([1, 2, 3, 4]), as_it_is, twice)
    ledger(tmp_path / "b").ask(index, as_it_is, with_maps, [(2,)])
    for _ in range(2):
        merge.merge([tmp_path / "b"], tmp_path / "a", report=quiet)
    assert ledger(tmp_path / "a").calls == 6  # two were asked twice
    assert ledger(tmp_path / "a").kept_features(index)


def test_runs_that_are_still_trained_are_told(met, tmp_path):
    told = []
    met["a"].store.marks.take("one")
    merge.merge([met["a"].results], tmp_path / "into", report=told.append)
    assert any("1 runs are still being trained there" in line for line in told)


def test_scouts_come_along(here, brief, tmp_path):
    """Who goes on from the merged folder asks about the same images."""
    runs = brief(["kd@margin"], n=[40])
    study.run(runs, here, 1, report=quiet)
    into = tmp_path / "into"
    merge.merge([here.results], into, report=quiet)
    (scout,) = (here.results / "scouts").glob("*.safetensors")
    assert (into / "scouts" / scout.name).read_bytes() == scout.read_bytes()
