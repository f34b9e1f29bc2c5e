"""One attempt at a student: its result, or in a line why there is none."""

import traceback
from collections.abc import Callable
from typing import NamedTuple

from ..errors import InputError, OutOfTime
from ..files import NoSpace
from .student import StudentResult, train_student
from .tasks import Task
from .workspace import Workspace

Stop = Callable[[], bool]


class Failure(NamedTuple):
    """Why a student was not trained."""

    why: str  # in a line
    detail: str = ""  # a traceback, where the fault is not the user's
    fatal: bool = False  # no other student can be trained either


def attempt(
    task: Task, workspace: Workspace, deadline: float | None, stop: Stop = lambda: False
) -> StudentResult | Failure | None:
    """Train one student; None where the deadline or `stop` cuts it off."""
    try:
        return train_student(task, workspace, deadline, stop)
    except OutOfTime:
        return None
    except NoSpace as error:
        return Failure(str(error), fatal=True)
    except InputError as error:
        return Failure(str(error))
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        return Failure(why, traceback.format_exc())
