"""The ledger: calls are made once, counted exactly, kept over a crash, and never above the budget."""
import pytest
import torch

from ckdlib.errors import InputError
from ckdlib.ledger import Ledger


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
    assert answers[:, 0].tolist() == [50, 20, 90, 20] and sorted(asked.shown) == [2, 5, 9] and ledger.calls == 3
    ledger.ask(torch.tensor([9, 5]), view, asked)
    assert len(asked.shown) == 3 and ledger.calls == 3
    larger = ledger.ask(torch.arange(10), view, asked)
    assert sorted(asked.shown) == list(range(10)) and larger[:, 0].tolist() == [10 * i for i in range(10)]


def test_answers_outlive_the_process(ledger, tmp_path):
    ledger.ask(torch.arange(6), view, Counting())
    again = Ledger(tmp_path, "teacher", "dataset", "view")
    assert again.kept(torch.tensor([4, 0]))[:, 1].tolist() == [41, 1]


@pytest.mark.parametrize("other", [("other", "dataset", "view"), ("teacher", "other", "view"), ("teacher", "dataset", "other")])
def test_another_teacher_dataset_or_view_has_a_ledger_of_its_own(ledger, tmp_path, other):
    ledger.ask(torch.arange(3), view, Counting())
    assert Ledger(tmp_path, *other).calls == 0


def test_the_budget_is_enforced_before_any_call(tmp_path):
    ledger, asked = Ledger(tmp_path, "t", "d", "v", budget=5), Counting()
    ledger.ask(torch.arange(4), view, asked)
    with pytest.raises(InputError, match="2 more teacher calls are needed, but 4 of the budget of 5"):
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


@pytest.mark.parametrize("answer", [torch.full((2, 3), float("nan")), torch.zeros(1, 3)])
def test_unusable_answers_are_not_kept(ledger, answer):
    with pytest.raises(InputError, match="it must give finite logits"):
        ledger.ask(torch.arange(2), view, lambda images: answer)
    assert ledger.calls == 0
