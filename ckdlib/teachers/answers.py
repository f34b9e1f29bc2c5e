"""Answers of a teacher are checked before they are kept, so that no call is paid for in vain."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..methods.terms import Shape
from .rules import complete


class Answers(NamedTuple):
    """What a teacher said about some images, as tensors to keep."""

    tensors: dict[str, Tensor]  # logits [B, C] float32, feature0 ... float16
    good: Tensor  # [B] whether an answer can be used


class Unanswered(InputError):
    """Of some images, `index` [B], no answer can be used; those of others are kept."""

    def __init__(self, index: Tensor, features: bool):
        why = "not finite, or of features that float16 cannot hold" if features else "not finite"
        super().__init__(
            f"{len(index)} answers of the teacher cannot be used ({why}); the others are kept, and "
            "these are asked for again by the same command"
        )
        self.index = index


def checked_answers(
    answer: Any, count: int, classes: int | None = None, shapes: Sequence[Shape] = ()
) -> Answers:
    """A teacher's answer about `count` images.

    Parameters
    ----------
    answer : object
        Logits [B, C], or anything that is that without doubt: an array of another kind or
        precision, or with further axes of length one ([B, 1, C], [B, C, 1, 1]). With `shapes`,
        (maps, logits).
    count : int
        B.
    classes : int, optional
        C.
    shapes : sequence of tuple
        Of the feature maps that were promised.

    Raises
    ------
    InputError
        If it is none; the message says what it is.
    """
    maps: Sequence[Any] = ()
    if shapes:
        if not (isinstance(answer, tuple | list) and len(answer) == 2):
            raise InputError(
                f"the teacher gave {_described(answer)} where (maps, logits) were promised"
            )
        maps, answer = answer
    logits = _logits(answer, count, classes)
    tensors = {"logits": logits}
    good = complete(logits)
    given = [tuple(getattr(level, "shape", ())) for level in maps]
    if given != [(count, *shape) for shape in shapes]:
        raise InputError(
            f"the teacher gave features of shapes {given}, and {list(shapes)} were promised of "
            f"each of {count} images"
        )
    for number, level in enumerate(maps):
        kept = level.detach().half().cpu()
        tensors[f"feature{number}"] = kept
        good &= torch.isfinite(kept).flatten(1).all(1)
    return Answers(tensors, good)


def _logits(answer: Any, count: int, classes: int | None) -> Tensor:
    wanted = f"[{count}, {classes or 'classes'}]"
    try:
        if isinstance(answer, list | tuple) and hasattr(next(iter(answer), None), "shape"):
            answer = torch.stack([torch.as_tensor(one) for one in answer])
        strides = getattr(answer, "strides", None)  # torch takes no array that runs backwards
        found = torch.as_tensor(answer.copy() if strides and min(strides) < 0 else answer)
    except (TypeError, ValueError, RuntimeError):
        found = None
    if found is None or found.is_complex():
        raise InputError(
            f"the teacher gave {_described(answer)} for {count} images; it must give an array of "
            f"logits {wanted}"
        )
    if found.ndim == 1 and count == 1:
        found = found[None]
    shape = list(found.shape)
    sides = [side for side in shape if side != 1]
    if found.ndim > 2 and sides[:-1] == [count] * (count > 1):
        found = found.reshape(count, -1)  # further axes of length one
    if found.ndim != 2 or found.shape[1] < 2 or len(found) != count:
        labels = " (labels?)" if found.numel() == count else ""
        raise InputError(
            f"the teacher gave {shape}{labels} for {count} images; it must give logits {wanted}, "
            "a number for each class"
        )
    if classes is not None and found.shape[1] != classes:
        raise InputError(
            f"the teacher gave {found.shape[1]} logits an image, but there are {classes} classes; "
            f"it must give logits {wanted}, in the order of the classes"
        )
    return found.detach().float().cpu()


def _described(answer: Any) -> str:
    if isinstance(answer, dict):
        return f"a {type(answer).__name__} of {', '.join(map(str, answer))}"
    if isinstance(kind := getattr(answer, "dtype", None), np.dtype):
        return f"a {type(answer).__name__} of {kind}"
    length = f" of {len(answer)}" if isinstance(answer, list | tuple) else ""
    return "nothing (None)" if answer is None else f"a {type(answer).__name__}{length}"
