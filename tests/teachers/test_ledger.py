"""The ledger: calls made once, counted exactly, kept over a crash, never above the budget."""

import numpy as np
import pytest
import torch

from ckdlib.errors import InputError
from ckdlib.teachers.ledger import Ledger


class Counting:
    """A teacher that answers 10 * image and counts the images it was shown."""

    def __init__(self, fails_after=None):
        self.shown, self.fails_after = [], fails_after

    def __call__(self, images):
        if self.fails_after is not None and len(self.shown) + len(images) > self.fails_after:
            raise ConnectionError("the teacher is gone")
        self.shown += images.flatten().tolist()
        return 10 * images[:, None].float() + torch.arange(3)


def view(index):
    return index


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path, "teacher", "dataset", "view", shard=4)


def test_a_call_is_made_once(ledger):
    asked = Counting()
    answers = ledger.ask(torch.tensor([5, 2, 9, 2]), view, asked)
    assert (
        answers[:, 0].tolist() == [50, 20, 90, 20]
        and sorted(asked.shown) == [2, 5, 9]
        and ledger.calls == 3
    )
    asked.fails_after = -1  # no more, not even on nothing
    ledger.ask(torch.tensor([9, 5]), view, asked)
    asked.fails_after = None
    assert len(asked.shown) == 3 and ledger.calls == 3
    larger = ledger.ask(torch.arange(10), view, asked)
    assert sorted(asked.shown) == list(range(10)) and larger[:, 0].tolist() == [
        10 * i for i in range(10)
    ]


def test_answers_outlive_the_process(ledger, tmp_path):
    ledger.ask(torch.arange(6), view, Counting())
    again = Ledger(tmp_path, "teacher", "dataset", "view")
    assert again.kept(torch.tensor([4, 0]))[:, 1].tolist() == [41, 1]


@pytest.mark.parametrize(
    "other",
    [("other", "dataset", "view"), ("teacher", "other", "view"), ("teacher", "dataset", "other")],
)
def test_another_teacher_dataset_or_view_has_a_ledger_of_its_own(ledger, tmp_path, other):
    ledger.ask(torch.arange(3), view, Counting())
    assert Ledger(tmp_path, *other).calls == 0


def test_the_budget_is_enforced_before_any_call(tmp_path):
    ledger, asked = Ledger(tmp_path, "t", "d", "v", budget=5), Counting()
    ledger.ask(torch.arange(4), view, asked)
    with pytest.raises(
        InputError, match="2 more teacher calls are needed, but 4 of the budget of 5"
    ):
        ledger.ask(torch.arange(6), view, asked)
    assert len(asked.shown) == 4
    ledger.ask(torch.arange(5), view, asked)
    assert ledger.calls == 5


def test_a_crash_loses_no_finished_shard(ledger):
    with pytest.raises(ConnectionError):
        ledger.ask(torch.arange(10), view, Counting(fails_after=9))
    assert ledger.calls == 8
    rest = Counting()
    ledger.ask(torch.arange(10), view, rest)
    assert rest.shown == [8, 9]


def test_images_never_shown_have_no_answer(ledger):
    ledger.ask(torch.arange(3), view, Counting())
    with pytest.raises(InputError, match="1 of 2 images were never shown"):
        ledger.kept(torch.tensor([1, 7]))


@pytest.mark.parametrize("answer, says", [
    (torch.full((2, 3), float("nan")), "2 answers of the teacher cannot be used .not finite"),
    (torch.zeros(1, 3), r"gave \[1, 3\] for 2 images"),
    (torch.zeros(2), r"gave \[2\] \(labels\?\) for 2 images"),
    (torch.zeros(2, 1), r"gave \[2, 1\] \(labels\?\) for 2 images"),
    (torch.zeros(2, 5), "gave 5 logits an image, but there are 3 classes"),
    (torch.zeros(2, 2, 3), r"gave \[2, 2, 3\] for 2 images"),
    ([[1.0, 2.0, 3.0], [1.0]], "gave a list of 2 for 2 images"),
    ({"logits": torch.zeros(2, 3)}, "gave a dict of logits"),
    (torch.zeros(2, 3, dtype=torch.complex64), "gave a Tensor"),
    (None, r"gave nothing \(None\)"),
    (np.full((2, 3), "cat"), "gave a ndarray of <U3 for 2 images"),
    ("cat", "gave a str"),
])  # fmt: skip
def test_unusable_answers_are_not_kept(tmp_path, answer, says):
    ledger = Ledger(tmp_path, "teacher", "dataset", "view", classes=3)
    with pytest.raises(InputError, match=says) as error:
        ledger.ask(torch.arange(2), view, lambda images: answer)
    assert ledger.calls == 0 and "\n" not in str(error.value)
    ledger.ask(torch.arange(2), view, Counting())  # a mended teacher is asked again
    assert ledger.calls == 2


@pytest.mark.parametrize("kind", [
    torch.Tensor.double, torch.Tensor.half, torch.Tensor.numpy, torch.Tensor.tolist,
    lambda logits: logits.flip(1).numpy()[:, ::-1],
    lambda logits: logits[:, None], lambda logits: list(map(tuple, logits.tolist())),
    lambda logits: logits.requires_grad_(), torch.Tensor.int,
])  # fmt: skip
def test_answers_are_taken_where_there_is_no_doubt(tmp_path, kind):
    ledger = Ledger(tmp_path, "teacher", "dataset", "view", classes=3)
    answers = ledger.ask(torch.arange(4), view, lambda images: kind(Counting()(images)))
    assert answers.dtype == torch.float32 and not answers.requires_grad
    assert torch.equal(answers, Counting()(torch.arange(4)))


def test_the_good_part_of_a_shard_is_kept(ledger):
    def sick(images):
        logits = Counting()(images)
        logits[images == 2, 1] = float("inf")
        return logits

    with pytest.raises(InputError, match="1 answers of the teacher cannot be used .not finite.;"):
        ledger.ask(torch.arange(10), view, sick)
    assert ledger.calls == 9
    rest = Counting()
    answers = ledger.ask(torch.arange(10), view, rest)
    assert rest.shown == [2]
    assert torch.equal(answers, Counting()(torch.arange(10)))


def test_answers_of_another_width_are_refused_whenever_they_come(ledger, tmp_path):
    ledger.ask(torch.arange(4), view, Counting())
    with pytest.raises(InputError, match="gave 5 logits an image, but there are 3 classes"):
        ledger.ask(torch.arange(8), view, lambda images: torch.zeros(len(images), 5))
    of_ten = Ledger(tmp_path, "teacher", "dataset", "view", classes=10)
    with pytest.raises(InputError, match="3 logits about 10 classes.*rm -r") as error:
        of_ten.kept(torch.arange(4))
    assert str(ledger.folder) in str(error.value)


def test_a_shard_that_was_removed_is_asked_for_again_and_costs_no_other(ledger):
    ledger.ask(torch.arange(12), view, Counting())
    first, *others = sorted(ledger.folder.glob("calls-*"))
    first.unlink()
    before = {path: path.read_bytes() for path in others}
    ledger.ask(torch.arange(16), view, Counting())
    assert {path: path.read_bytes() for path in others} == before and ledger.calls == 16


@pytest.mark.parametrize("place", [3, 200, -1])
def test_a_damaged_shard_is_never_used(ledger, place):
    """In its length, its header and its numbers."""
    ledger.ask(torch.arange(8), view, Counting())
    path = sorted(ledger.folder.glob("calls-*"))[1]
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    for use in (lambda: ledger.kept(torch.arange(2)), lambda: ledger.calls):
        with pytest.raises(InputError, match=f"{path} is damaged .*rm {path}") as error:
            use()
    assert "\n" not in str(error.value)
    path.unlink()  # what the message tells
    asked = Counting()
    ledger.ask(torch.arange(8), view, asked)
    assert asked.shown == [4, 5, 6, 7]


def test_a_shard_of_another_ledger_is_refused(ledger, tmp_path):
    ledger.ask(torch.arange(4), view, Counting())
    other = Ledger(tmp_path, "another teacher", "dataset", "view")
    other.folder.mkdir()
    (path,) = ledger.folder.glob("calls-*")
    path.rename(other.folder / path.name)
    with pytest.raises(InputError, match="answers of another teacher .teacher; this ledger's is"):
        other.kept(torch.arange(4))


# Feature maps.

SHAPES = [(2, 3, 3), (4,)]


def seeing(images):
    """A teacher whose maps and logits all tell the image."""
    return [
        images.float().view(-1, *(1,) * len(shape)) + torch.zeros(1, *shape) for shape in SHAPES
    ], images[:, None] + torch.zeros(3)


def test_features_come_with_the_call_and_cost_none(ledger):
    logits = ledger.ask(torch.arange(10), view, seeing, SHAPES)
    assert ledger.calls == 10 and logits[:, 0].tolist() == list(range(10))
    kept = ledger.kept_features(torch.tensor([7, 3, 9]))
    assert kept.shapes == SHAPES
    maps = kept[torch.tensor([[2, 0], [1, 1]])]  # positions among the three, over shards of four
    assert [level.shape for level in maps] == [(2, 2, 2, 3, 3), (2, 2, 4)] and maps[
        0
    ].dtype == torch.float32
    assert maps[0][..., 0, 0, 0].tolist() == maps[1][..., 0].tolist() == [[9, 7], [3, 3]]
    asked = Counting()
    ledger.ask(torch.arange(12), view, asked)
    assert asked.shown == [10, 11] and ledger.calls == 12


def test_features_are_read_through_a_map_of_float16_files(tmp_path):
    ledger, shape = Ledger(tmp_path, "t", "d", "v"), (64, 64, 64)
    ledger.ask(
        torch.arange(40),
        view,
        lambda images: (
            [images.float().view(-1, 1, 1, 1).expand(-1, *shape)],
            images[:, None].float().expand(-1, 3),
        ),
        [shape],
    )
    (file,) = ledger.folder.glob("calls-*.safetensors")
    assert file.stat().st_size < 40 * 64**3 * 2 * 1.01

    def copied():
        """Bytes of memory that no file backs."""
        with open("/proc/self/smaps_rollup") as lines:
            return 1024 * int(
                next(line for line in lines if line.startswith("Anonymous")).split()[1]
            )

    before = copied()
    kept = ledger.kept_features(torch.arange(40))
    assert kept[torch.tensor([17])][0].unique().tolist() == [17]
    assert copied() - before < 0.5 * file.stat().st_size


def test_calls_kept_without_features_are_refused_left_or_made_again(ledger):
    ledger.ask(torch.arange(6), view, Counting())
    with pytest.raises(
        InputError,
        match="features of 3 calls were not kept.*--add-features makes these calls a second time",
    ):
        ledger.ask(torch.tensor([1, 2, 3]), view, seeing, SHAPES)
    with pytest.raises(
        InputError, match="3 of 3 images were never shown to the teacher with its features kept"
    ):
        ledger.kept_features(torch.tensor([1, 2, 3]))
    assert ledger.calls == 6
    ledger.ask(torch.tensor([1, 7]), view, seeing, SHAPES, missing_features="skip")
    assert ledger.calls == 7 and ledger.kept_features(torch.tensor([7])).shapes == SHAPES
    answers = ledger.ask(
        torch.tensor([1, 2, 7]), view, seeing, SHAPES, missing_features="recompute"
    )
    assert ledger.calls == 9 and answers[:, 0].tolist() == [10, 20, 7]  # the first answer stands
    assert ledger.kept_features(torch.tensor([2]))[torch.tensor([0])][1].unique().tolist() == [2]


def test_the_limit_of_kept_features_is_checked_before_any_call(tmp_path):
    size = 2 * (18 + 4)
    ledger = Ledger(tmp_path, "t", "d", "v", feature_limit=5 * size)
    ledger.ask(torch.arange(3), view, seeing, SHAPES)
    with pytest.raises(InputError, match="features of 6 calls take .* more than the limit"):
        ledger.ask(torch.arange(6), view, seeing, SHAPES)
    assert ledger.calls == 3
    ledger.ask(torch.arange(5), view, seeing, SHAPES)
    assert ledger.calls == 5


def test_features_that_are_not_as_promised_are_not_kept(ledger):
    with pytest.raises(InputError, match=r"features of shapes \[\(2, 2, 3, 3\), \(2, 4\)\], and"):
        ledger.ask(torch.arange(2), view, seeing, [(2, 3, 3), (5,)])
    with pytest.raises(InputError, match="float16 cannot hold"):
        ledger.ask(torch.tensor([70000]), view, seeing, SHAPES)
    assert ledger.calls == 0


def test_calls_that_are_made_again_count_in_the_budget(tmp_path):
    ledger = Ledger(tmp_path, "t", "d", "v", budget=5)
    ledger.ask(torch.arange(4), view, Counting())
    with pytest.raises(InputError, match="4 of the budget of 5"):
        ledger.ask(torch.arange(2), view, seeing, SHAPES, missing_features="recompute")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_features_move_to_the_device(ledger):
    ledger.ask(torch.arange(10), view, seeing, SHAPES)
    kept = ledger.kept_features(torch.tensor([7, 3, 9]), "cuda")
    assert kept[torch.tensor([2, 0], device="cuda")][1][:, 0].tolist() == [9, 7]
