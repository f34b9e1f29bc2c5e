"""What is trained beside a student, by the name of its term."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from .. import losses
from ..errors import InputError
from .terms import Problem, accepted


class EachLevel(nn.ModuleList):
    """A loss for each inner level, and their sum."""

    def forward(self, maps: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """maps: the student's and the teacher's of each level."""
        first, *others = (loss(*pair) for loss, pair in zip(self, maps, strict=True))
        return sum(others, first)


def _contrast(problem: Problem, **changed: float) -> nn.Module:
    if problem.present < 2:
        raise InputError(
            "all training images are of one class, and CRD contrasts classes; choose a larger n"
        )
    return losses.CRD(problem.classes, problem.images, **accepted(losses.CRD, changed))


def _hint(problem: Problem, level: int = 1) -> nn.Module:
    if level >= len(problem.student):
        raise InputError(
            f"level {level} of {len(problem.student)} inner feature maps, which are counted from 0"
        )
    return losses.FitNets(problem.student[level], problem.teacher[level])


def _variances(problem: Problem, **changed: float) -> nn.Module:
    levels = zip(problem.student, problem.teacher, strict=True)
    return EachLevel(losses.VID(student[0], teacher[0], **changed) for student, teacher in levels)


# of a problem, and of the parameters of the term that are not the defaults
HELPERS: dict[str, Callable[..., nn.Module]] = {
    "crd": _contrast,
    "fitnets": _hint,
    "vid": _variances,
}
