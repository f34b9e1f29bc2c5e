"""What protects, one by one: each of these fails where that is broken."""

import os
import stat
import time
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

import pytest
import torch
from PIL import Image

from ckdlib.errors import InputError, OutOfTime
from ckdlib.files import HOST, append_line, read_lines, remove_leftovers, write_json
from ckdlib.images import cache as cache_room
from ckdlib.images.decoding import decode_all
from ckdlib.study import Store, batch
from ckdlib.study import marks as marks_room
from ckdlib.study import store as store_room
from ckdlib.study import teachers as rooms
from ckdlib.study.tasks import resolve
from ckdlib.teachers import load_teacher, pretraining, train_teacher
from ckdlib.teachers.ledger import Ledger
from ckdlib.tensors import read_tensors, write_tensors
from tests import a_row
from tests.conftest import BRIEF

CPU = torch.device("cpu")


def quiet(line):
    pass


def test_changed_metadata_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": torch.zeros(2)}, seconds="17.25")
    path.write_bytes(path.read_bytes().replace(b"17.25", b"17.26"))
    with pytest.raises(InputError, match="its checksum is another"):
        read_tensors(path)


def test_a_file_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    order, fsync, move = [], os.fsync, os.replace

    def synced(handle):
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *paths: order.append("replace") or move(*paths))
    write_json(tmp_path / "a.json", 1)
    assert order == ["file", "replace", "folder"]


def test_a_line_whose_number_was_changed_is_none(tmp_path):
    append_line(tmp_path / "a.jsonl", {"run": "a", "test_accuracy": 71.5})
    text = (tmp_path / "a.jsonl").read_text()
    (tmp_path / "a.jsonl").write_text(text.replace("71.5", "77.5") + text)
    values = [value for _, value in read_lines(tmp_path / "a.jsonl")]
    assert values == [None, {"run": "a", "test_accuracy": 71.5}]


def test_leftovers_of_the_living_stay(tmp_path):
    dead, fresh, old = 2**22 + 1, f".d.elsewhere.{os.getpid()}.tmp", ".e.elsewhere.1.tmp"
    living = f".a.{HOST}.{os.getpid()}.tmp"
    for name in (living, f".b.{HOST}.{dead}.tmp", fresh, old):
        (tmp_path / name).touch()
    os.utime(tmp_path / old, (0, 0))
    (tmp_path / f".report.{HOST}.{dead}.tmp" / "html").mkdir(parents=True)
    assert remove_leftovers(tmp_path) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living, fresh])


def test_a_row_comes_after_its_measures_and_probes(tmp_path, monkeypatch):
    store, written = Store(tmp_path), []
    monkeypatch.setattr(store_room, "append_line", lambda path, _: written.append(path.name) or 0)
    store.append(a_row(), {"run": "a"}, [{"run": "a"}])
    assert written[-1] == "rows.jsonl" and len(written) == 3


def test_two_batches_ask_a_call_once(tmp_path):
    shown = []

    def slow(images):
        shown.extend(images.tolist())
        time.sleep(0.5)
        return torch.zeros(len(images), 3)

    def ask():
        Ledger(tmp_path, "t", "d", "v").ask(torch.arange(4), lambda index: index, slow)

    crowd = [Thread(target=ask) for _ in range(2)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert sorted(shown) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["teacher", "dataset", "view"])
def test_a_shard_of_another_origin_is_refused(tmp_path, name):
    origin = {"teacher": "t", "dataset": "d", "view": "v"}
    made, other = Ledger(tmp_path, **origin), Ledger(tmp_path, **origin | {name: "x"})
    made.ask(torch.arange(4), lambda index: index, lambda images: torch.zeros(len(images), 3))
    made.folder.rename(other.folder)
    with pytest.raises(InputError, match=f"answers of another {name}"):
        other.kept(torch.arange(4))


def test_a_checkpoint_of_other_settings_is_passed_over(digits, tmp_path):
    short, told = replace(BRIEF, steps=6, checks=3), []
    other = replace(short, learning_rate=0.2)
    whole = train_teacher(digits, "resnet8", short, tmp_path / "a", CPU, report=quiet)
    with pytest.raises(OutOfTime):
        train_teacher(digits, "resnet8", other, tmp_path / "b", CPU, deadline=0, report=quiet)
    again = train_teacher(digits, "resnet8", short, tmp_path / "b", CPU, report=told.append)
    assert again["weights_sha256"] == whole["weights_sha256"]
    assert "is of other images or settings" in told[0] and "learning_rate" in told[0]


def test_a_checkpoint_is_written_now_and_then(digits, tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(pretraining, "CHECKPOINT_EVERY", -1)
    monkeypatch.setattr(
        pretraining.Checkpoint, "write", lambda self, moment: steps.append(moment.step)
    )
    train_teacher(digits, "resnet8", BRIEF, tmp_path, CPU, report=quiet)
    assert steps == [1, 2, 3, 4, 5, 6]


def test_weights_that_are_not_those_of_the_card_are_refused(digits, teachers, tmp_path):
    path = tmp_path / "a/b/resnet14.safetensors"
    tensors, about = read_tensors(teachers / "digits/resnet14.safetensors")
    write_tensors(path, tensors | {"fc.bias": tensors["fc.bias"] + 1}, **about)
    with pytest.raises(InputError, match="holds other weights than its card says"):
        load_teacher(path, digits, "resnet14", CPU)


def test_a_teacher_of_other_images_is_refused(digits, teachers):
    path = teachers / "digits/resnet14.safetensors"
    with pytest.raises(InputError, match="was trained on other images than those of digits"):
        load_teacher(path, replace(digits, digest="others"), "resnet14", CPU)


def test_a_mark_is_touched_while_its_run_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(marks_room, "TOUCHED", -1)
    marks = Store(tmp_path).marks
    assert marks.take("a")
    os.utime(marks.folder / "a", (0, 0))
    marks.alive("a")()
    assert time.time() - (marks.folder / "a").stat().st_mtime < 60


def test_a_teacher_that_came_while_one_waited_is_taken(here, digits, monkeypatch):
    path = here.results / "teachers/digits/resnet8.safetensors"

    @contextmanager
    def waited(lock, waiting):
        path.parent.mkdir(parents=True)
        path.touch()  # another batch's
        yield

    monkeypatch.setattr(rooms, "locked", waited)
    monkeypatch.setattr(rooms, "train_teacher", lambda *_: pytest.fail("trained twice"))
    assert rooms._found_or_trained(here, digits, "resnet8", BRIEF, 0, None, quiet) == path


def test_a_student_that_was_finished_before_its_mark_was_taken_is_not_trained(here, brief):
    (run,) = brief(["ce"])
    ((key, task),) = resolve([run], {"digits": here.dataset("digits")}, {}, "float32").items()
    store = here.store
    students = batch._Students([task], 1, store, batch.Pace([]), quiet)
    take = store.marks.take
    other = Store(here.results)  # of another batch, which finishes just now
    store.marks.take = lambda run, *_: other.append(a_row(run=run)) or take(run)
    assert [one for one in students._claimed() if one] == []


def test_the_time_budget_ends_waiting_for_another_batch(here, brief):
    tasks = resolve(brief(["ce"]), {"digits": here.dataset("digits")}, {}, "float32")
    students = batch._Students(list(tasks.values()), 1, here.store, batch.Pace([]), quiet)
    for key in tasks:  # another batch's
        assert Store(here.results).marks.take(key)
    claimed = students._claimed(deadline=time.monotonic() + 0.1)
    assert next(claimed) is None  # it waits
    time.sleep(0.2)
    assert list(claimed) == []


def test_past_the_time_budget_no_further_student_is_marked(here, brief):
    tasks = resolve(
        brief(["ce", "ce+smoothing"]), {"digits": here.dataset("digits")}, {}, "float32"
    )
    students = batch._Students(list(tasks.values()), 2, here.store, batch.Pace([]), quiet)
    assert list(students._claimed(deadline=time.monotonic())) == [] and not students.marked


def test_a_bomb_is_refused_when_a_folder_is_decoded(tmp_path):
    decode_all([], 12, "none", quiet)  # as Pillow is set up for folders
    assert Image.MAX_IMAGE_PIXELS and Image.MAX_IMAGE_PIXELS < 10**8


def test_a_cache_that_somebody_else_made_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "ckdlib").mkdir()
    assert tmp_path / "ckdlib" in cache_room._places(tmp_path / "cache")
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert tmp_path / "ckdlib" not in cache_room._places(tmp_path / "cache")
