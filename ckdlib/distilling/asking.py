"""How a teacher is asked, as the user says it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, choose
from ..images import Transform
from ..teachers.answer_files import read_answers
from ..teachers.callables import TAKES, KeptTeacher, OwnTeacher, load_object, own_teacher
from ..teachers.rules import KINDS, in_order

SHOWS = ("pictures", "views")  # as they are; or the study's one random view of each
WHOLE = "as they are, at their own size"


@dataclass(frozen=True)
class Asking:
    """How a teacher is asked.

    Parameters
    ----------
    teacher : object
        What the user gave: a function, a module, the path of a file of answers, 'module:name'.
    name : str, optional
    preprocess, takes
        Of `callables.own_teacher`.
    kind : str, optional
        One of `rules.KINDS`.
    classes : sequence of str, optional
        In the teacher's order.
    shows : {'pictures', 'views'}
    batch, attempts : int
    wait : float
        Seconds.
    """

    teacher: Any
    name: str | None = None
    preprocess: Callable[[Tensor], Tensor] | None = None
    takes: str = "images"
    kind: str | None = None
    classes: Sequence[str] | None = None
    shows: str = "pictures"
    batch: int = 16
    attempts: int = 5
    wait: float = 1.0

    def __post_init__(self) -> None:
        choose("way of showing pictures (shows)", self.shows, SHOWS)
        choose("kind of input (takes)", self.takes, TAKES)
        if self.kind is not None:
            choose("kind of answers", self.kind, KINDS)
        if not 0 <= self.wait < float("inf"):
            raise InputError(f"wait = {self.wait}: give seconds, at least 0")
        for name in ("batch", "attempts"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}: give at least 1")

    def own(self, source: Any, device: str = "cpu") -> OwnTeacher:
        """The opened callable or module as somebody who answers."""
        return own_teacher(source, self.name, self.preprocess, self.takes, device)

    def check_classes(self, ours: Sequence[str] | None) -> None:
        """Refuse names of the teacher's classes that are not all different or lack one of ours."""
        if self.classes is not None:
            in_order(torch.empty(0, len(self.classes)), self.classes, ours or ())

    def view(self, own: OwnTeacher, transform: Transform, seed: int) -> str:
        """What a ledger calls pictures as this teacher is shown them."""
        unscaled = replace(transform, mean=(), std=())  # which change with the pictures drawn
        how = WHOLE if self.shows == "pictures" else unscaled.view(seed)
        return f"{how}; {own.about}"

    def opened(self, classes: Sequence[str] | None) -> Any:
        """The teacher, or an AnswerFile.

        Parameters
        ----------
        classes : sequence of str, optional
            Of the images.
        """
        given = self.teacher
        if isinstance(given, str) and ":" in given and not Path(given).exists():
            return load_object(given)
        if str(given).endswith(".safetensors"):
            return KeptTeacher(Path(given).expanduser())
        if str(given).endswith(".py"):
            raise InputError(f"teacher {given}: name its function, as {given}:answer")
        if isinstance(given, str | Path):
            return read_answers(Path(given).expanduser(), self.classes or classes)
        return given
