"""How the students of a distillation learn."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from torch import nn

from .. import methods, models
from ..errors import InputError
from ..recipes import Recipe

AUTO = "auto"
STEPS, PASSES = 2400, 15  # of a student's training over its pictures, where nobody says: at least


def name_of(student: str | Callable[[int], nn.Module]) -> str:
    """The name of a student's network, one's own added to those that are known."""
    if isinstance(student, str):
        return student
    if isinstance(student, nn.Module) or not callable(student):
        raise InputError(
            f"a student cannot be {type(student).__name__}; give a name, or a function of the "
            "number of classes that makes a new nn.Module"
        )
    name = getattr(student, "__name__", type(student).__name__).strip("<>")
    models.add(name, student)
    return name


@dataclass(frozen=True)
class Schooling:
    """How students learn.

    Parameters
    ----------
    model : str
        The name of the student's network.
    method : str
        A name, or 'auto'.
    steps : int, optional
    learning_rate : float
    seed : int
    jobs : int, optional
    """

    model: str
    method: str = AUTO
    steps: int | None = None
    learning_rate: float = 0.05
    seed: int = 1
    jobs: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "jobs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} = {value}: give at least 1")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate = {self.learning_rate}: give a positive number")
        if self.seed < 0:
            raise InputError(f"seed = {self.seed}: give 0 or more")
        if self.method != AUTO:
            methods.get(self.method)
        models.maker(self.model)

    @property
    def learns_spare_labels(self) -> bool:
        """Where there are any."""
        return self.method == AUTO or methods.get(self.method).spare

    def recipe(self, pictures: int) -> Recipe:
        """Of each student of so many pictures, those of spare labels among them.

        It is validated at the end alone: the last weights of one cycle are better than those that
        few validation images choose along it (LOG.md).
        """
        steps = self.steps or max(STEPS, ceil(PASSES * pictures / Recipe.batch))
        return Recipe("one_cycle", self.learning_rate, steps=steps, checks=1)
