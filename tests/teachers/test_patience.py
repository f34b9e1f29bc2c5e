"""Asking again, and about one picture after another."""

import pytest
import torch

from ckdlib.errors import InputError
from ckdlib.teachers.patience import IN_A_ROW, patient

IMAGES = torch.arange(3)[:, None, None, None].expand(3, 8, 8, 3)


def scores(images):
    return images[:, 0, 0, :2].float() + torch.tensor([0.0, 5.0])


def failing(times, error, seen):
    def ask(images):
        seen.append(len(images))
        if len(seen) <= times:
            raise error
        return scores(images)

    return ask


def refusing(*pictures, seen):
    """Fails wherever one of these is among the pictures."""

    def ask(images):
        shown = images[:, 0, 0, 0].tolist()
        seen.append(shown)
        if set(shown) & set(pictures):
            raise ValueError("filtered")
        return scores(images)

    return ask


def test_a_batch_that_failed_is_asked_again():
    seen, said = [], []
    asked = patient(failing(2, ConnectionError("gone\naway"), seen), 3, 0.0, said.append)
    assert torch.equal(asked(IMAGES), scores(IMAGES)) and seen == [3, 3, 3]
    assert len(said) == 2 and "(ConnectionError: gone); asked again in 0 s" in said[0]


def test_waits_are_twice_as_long_each_time(monkeypatch):
    slept = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    with pytest.raises(InputError, match="failed 9 times"):
        patient(failing(99, OSError("x"), []), 9, 1.5, str)(IMAGES)
    assert slept == [1.5, 3, 6, 12, 24, 48, 60, 60]


@pytest.mark.parametrize("error, times, says", [
    (ConnectionError("gone"), 4 + IN_A_ROW,
     r"failed 4 times \(ConnectionError: gone\) at 3 pictures"),
    (TypeError("no"), 1, r"for a mistake in it \(TypeError: no\).*the same call goes on"),
    (InputError("own line"), 1, "^own line$"),
])  # fmt: skip
def test_patience_ends(error, times, says):
    seen = []
    with pytest.raises(InputError, match=says):
        patient(failing(99, error, seen), 4, 0.0, str)(IMAGES)
    assert len(seen) == times


def test_a_stop_is_obeyed_at_once():
    seen = []
    with pytest.raises(KeyboardInterrupt):
        patient(failing(99, KeyboardInterrupt(), seen), 4, 0.0, str)(IMAGES)
    assert len(seen) == 1


def test_a_picture_that_it_refuses_costs_no_other_its_answer():
    seen, said = [], []
    found = patient(refusing(1, seen=seen), 2, 0.0, said.append)(IMAGES)
    assert torch.equal(found[[0, 2]], scores(IMAGES)[[0, 2]]) and found[1].isnan().all()
    assert seen == [[0, 1, 2], [0, 1, 2], [0], [1], [2]]
    assert (
        said[-1]
        == "the teacher failed (ValueError: filtered) at a picture alone; it is passed over"
    )


def test_pictures_that_are_asked_about_singly_are_passed_over_once_it_has_answered():
    seen = []
    asked = patient(refusing(1, seen=seen), 2, 0.0, str)
    asked(IMAGES[:1])
    assert asked(IMAGES[1:2]).isnan().all() and seen == [[0], [1], [1]]
    with pytest.raises(InputError, match="failed 1 times"):
        patient(refusing(1, seen=seen), 1, 0.0, str)(IMAGES[1:2])  # what it gives is not known


def test_one_that_fails_at_many_in_a_row_cannot_be_reached():
    asked = patient(refusing(1, seen=[]), 1, 0.0, str)
    asked(IMAGES[:1])
    for _ in range(IN_A_ROW - 1):
        asked(IMAGES[1:2])
    with pytest.raises(InputError, match="filtered"):
        asked(IMAGES[1:2])


def test_a_mistake_that_shows_at_a_picture_alone_is_told():
    def ask(images):
        raise TypeError("no") if len(images) == 1 else OSError("gone")

    with pytest.raises(InputError, match="for a mistake in it \\(TypeError: no\\)"):
        patient(ask, 1, 0.0, str)(IMAGES)
