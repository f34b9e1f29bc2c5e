"""A purse: each picture costs one call, ever, whoever asks; the budget is kept before any."""

import pytest
import torch

from ckdlib.errors import InputError
from ckdlib.files import Damaged
from ckdlib.teachers.callables import OwnTeacher
from ckdlib.teachers.purse import Purse, Shown


class Asked:
    """A teacher that answers with the mean of each picture."""

    def __init__(self, name="mean", width=3):
        self.shapes, self.width = [], width
        self.own = OwnTeacher(name, self, "as they are")

    def __call__(self, images):
        self.shapes.append(tuple(images.shape))
        return images.float().mean((1, 2, 3))[:, None] + torch.arange(self.width)


def shown(keys, sides=None):
    sides = sides or [4] * len(keys)
    shapes = torch.tensor([[side, 5] for side in sides])

    def picture(place):
        return torch.full((sides[place], 5, 3), int(keys[place]), dtype=torch.uint8)

    return Shown(torch.tensor(keys), shapes, picture, [f"{key}.png" for key in keys])


def ask(purse, asked, pictures, batch=4, view="whole", **how):
    ledger = purse.ledger(asked.own.name, view)
    return purse.ask(ledger, asked.own, pictures, batch, str, **how)


def test_a_picture_is_asked_about_once_and_at_its_own_size(tmp_path):
    purse, asked = Purse(tmp_path), Asked()
    keys, sides = [7, 9, 3, 7, 5, 11], [4, 6, 6, 4, 6, 4]
    answers = ask(purse, asked, shown(keys, sides), batch=2)
    assert answers[:, 0].tolist() == keys and purse.calls == 5
    assert sorted(asked.shapes) == [(1, 6, 5, 3), (2, 4, 5, 3), (2, 6, 5, 3)]
    again, further = Asked(), Asked()
    assert ask(purse, again, shown(keys[::-1], sides[::-1]))[:, 0].tolist() == keys[::-1]
    assert again.shapes == []
    ask(purse, further, shown([3, 200], [6, 4]))
    assert further.shapes == [(1, 4, 5, 3)] and purse.calls == 6


def test_one_folder_is_one_purse(tmp_path):
    purse = Purse(tmp_path, budget=5)
    ask(purse, Asked("one"), shown([1, 2]))
    ask(purse, Asked("other"), shown([1, 2]))
    late = Asked("one")
    says = "3 calls more than the 4 that were made are too many for the budget of 5; 1 more fit"
    with pytest.raises(InputError, match=says):
        ask(purse, late, shown([1, 3, 4]), view="another")
    assert late.shapes == [] and purse.calls == 4
    ask(purse, late, shown([1, 2, 3]))
    assert purse.calls == 5
    ask(purse, late, shown([3, 2, 1]))  # what is paid for is never refused


@pytest.mark.parametrize("price, budget, calls", [
    (0.1, 0.3, 3), (0.1, 0.299, 2), (None, 4, 4), (None, 3.9, 3), (0.0, 0.0, 50), (7, 6, 0),
])  # fmt: skip
def test_the_budget_in_money(tmp_path, price, budget, calls):
    purse = Purse(tmp_path, price, budget)
    purse.check(calls)
    if calls < 50:
        with pytest.raises(InputError, match=f"; {calls} more fit"):
            purse.check(calls + 1)


def test_the_bill():
    assert Purse(None, 0.002).bill(1000) == "1,000 calls (2.00 at 0.002 each)"
    assert Purse(None).bill(1000) == "1,000 calls" and Purse(None).cost(3) is None
    assert Purse(None, 2.5).cost(3) == 7.5


@pytest.mark.parametrize(
    "price, budget", [(-1, None), (float("nan"), None), (None, -0.1), ("x", None)]
)
def test_a_price_and_a_budget_are_at_least_0(tmp_path, price, budget):
    with pytest.raises(InputError, match="give a number of at least 0"):
        Purse(tmp_path, price, budget)


def test_answers_before_a_failure_are_kept(tmp_path):
    purse, asked = Purse(tmp_path), Asked()

    def fails(images):
        if len(asked.shapes) == 2:
            raise KeyboardInterrupt
        return asked(images)

    with pytest.raises(KeyboardInterrupt):
        ledger = purse.ledger("mean", "whole")
        purse.ask(ledger, OwnTeacher("mean", fails, ""), shown(list(range(10))), 3, str)
    assert purse.calls == 6
    rest = Asked()
    ask(purse, rest, shown(list(range(10))))
    assert sum(shape[0] for shape in rest.shapes) == 4


def test_pictures_without_an_answer_are_named_and_all_others_asked_about(tmp_path):
    purse, asked = Purse(tmp_path), Asked()

    def sick(images):
        answers = asked(images)
        answers[(images[:, 0, 0, 0] == 2) | (images[:, 0, 0, 0] == 7)] = torch.nan
        return answers

    says = r"about 2 of 10 pictures \(2.png, 7.png\); all others are kept"
    pictures, ledger = shown(list(range(10))), purse.ledger("mean", "whole")
    with pytest.raises(InputError, match=says):
        purse.ask(ledger, OwnTeacher("mean", sick, ""), pictures, 4, str, of_width(3))
    assert purse.calls == 8 and len(asked.shapes) == 3
    without = shown([one for one in range(10) if one not in (2, 7)])
    assert len(ask(purse, asked, without)) == 8 and len(asked.shapes) == 3


def test_pictures_shown_singly_without_an_answer_stop_it_only_many_in_a_row(tmp_path):
    purse, asked = Purse(tmp_path), Asked()

    def sick(images):
        answers = asked(images)
        answers[(images[:, 0, 0, 0] % 10 == 2) | (images[:, 0, 0, 0] >= 13)] = torch.nan
        return answers

    ledger = purse.ledger("mean", "whole")
    with pytest.raises(InputError, match=r"\(2.png, 12.png, 13.png, 14.png\)"):
        purse.ask(ledger, OwnTeacher("mean", sick, ""), shown([*range(12), 12, 13, 14, 15]), 1, str)
    assert purse.calls == 11 and len(asked.shapes) == 15


def of_width(classes):
    def usable(answers):
        if answers.shape[1] != classes:
            raise InputError(f"{answers.shape[1]} answers")

    return usable


def test_answers_that_cannot_be_used_end_it_after_a_batch_and_are_kept(tmp_path):
    purse, asked, pictures = Purse(tmp_path), Asked(width=3), shown(list(range(10)))
    says = r"3 answers; what it answered is kept; .* another name \(teacher_name\)"
    for _ in range(2):  # a second try pays for nothing further
        with pytest.raises(InputError, match=says):
            ask(purse, asked, pictures, usable=of_width(2))
        assert len(asked.shapes) == 1 and purse.calls == 4
    assert ask(purse, asked, pictures, usable=of_width(3)).shape == (10, 3)
    assert purse.calls == 10 and sum(shape[0] for shape in asked.shapes) == 10


def test_a_mended_teacher_of_the_same_name_is_refused_before_it_is_paid(tmp_path):
    purse, mended, pictures = Purse(tmp_path), Asked(width=2), shown(list(range(10)))
    with pytest.raises(InputError):
        ask(purse, Asked(width=4), pictures, usable=of_width(2))
    with pytest.raises(InputError, match="4 answers; .*teacher_name"):
        ask(purse, mended, pictures, usable=of_width(2))
    assert mended.shapes == []
    mended.own = OwnTeacher("mended", mended, "")
    assert ask(purse, mended, pictures, usable=of_width(2)).shape == (10, 2)


def test_a_damaged_answer_of_another_teacher_is_a_line(tmp_path):
    purse = Purse(tmp_path)
    ask(purse, Asked("one"), shown([1, 2]))
    (path,) = tmp_path.glob("*/calls-*")
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(Damaged, match=f"{path} is damaged .*; its calls are lost"):
        ask(purse, Asked("other"), shown([1, 2]))
        purse.calls  # noqa: B018
