"""What is kept of a student: its row, its measures, and the probes along its training."""

from functools import cache
from math import isfinite
from types import UnionType
from typing import Any, NotRequired, TypedDict, get_args, get_type_hints

SCHEMA = 2  # of rows: n counts teacher calls, and a run's name is made of its whole identity
STATUSES = ("done", "diverged")


class Row(TypedDict):
    """One student; a line of rows.jsonl. Accuracies are in per cent."""

    schema: int
    run: str  # the run's name, made of its identity (`runs.IDENTITY`)
    profile: str
    experiment: str
    dataset: str
    dataset_sha256: str
    transform: dict[str, Any]  # of `images.Transform`
    teacher: str
    teacher_sha256: str | None  # of the weights; None where the method needs no teacher
    student: str
    method: str
    definition: dict[str, Any]  # of the method: terms, weights, versions, sampler
    n: int  # images that the teacher was shown, or would have been
    seed: int
    recipe: dict[str, Any]  # of `recipes.Recipe`
    learning_rate: float
    precision: str
    status: str  # one of STATUSES
    teacher_calls: int
    val_accuracy: float
    test_accuracy: float
    steps: int
    best_step: int
    student_passes: int  # images that went through the student, forward and backward
    seconds: float
    logits: str  # path of the test logits, in the results folder
    device: str
    code: str  # digest of the library's source
    versions: dict[str, str]
    finished: str  # UTC
    student_sha256: NotRequired[str]  # of the code of a network that is not the library's
    label: NotRequired[str]  # of a method that is not the library's: what figures call it,
    source: NotRequired[str]  # and whose it is


class Measures(TypedDict):
    """What a student's (or teacher's) test logits say; a line of measures.jsonl."""

    run: str  # or 'teacher' and the SHA-256 of its weights
    raw: list[float | None]  # singular values: of the logits,
    centred: list[float | None]  # without column means,
    by_class: list[float | None]  # of one class, the mean over classes,
    calibrated: NotRequired[list[float | None]]  # with the calibrating constant
    offset: NotRequired[float | None]  # norm of that constant
    calibrated_accuracy: NotRequired[float | None]
    correlation_gaps: NotRequired[list[float | None]]  # Table 3's number, a draw each


class Probe(TypedDict):
    """A student at the end of a round; a line of history.jsonl."""

    run: str
    step: int
    loss: float
    score: float
    test_accuracy: float
    offset: float
    calibrated_accuracy: float


def fault(line: Any, kind: type) -> str:
    """Why a line is no record of that kind; '' if it is one.

    Parameters
    ----------
    line : object
        As JSON gave it.
    kind : type
        Row, Measures or Probe.
    """
    if not isinstance(line, dict):
        return "not an object"
    wrong = _misfit(kind, tuple(line), tuple(map(type, line.values())))
    if wrong:
        return f"{wrong} is {line[wrong]!r:.40}" if wrong in line else f"no {wrong}"
    if kind is Row:
        floats = [value for value in line.values() if type(value) is float]
        if not isfinite(sum(floats)):  # of all at once: lines are many
            for name, value in line.items():
                if type(value) is float and not isfinite(value) and name in _fields(kind):
                    return f"{name} is {value}"
        if line["status"] not in STATUSES:
            return f"status is {line['status']!r}"
    return ""


@cache
def _misfit(kind: type, names: tuple[str, ...], types: tuple[type, ...]) -> str:
    """The first field that lacks or has a value of another type; '' if there is none.

    Lines of a file are alike, so that this is looked at once for all of them.
    """
    given = dict(zip(names, types, strict=True))
    for name, (allowed, required) in _fields(kind).items():
        if given[name] not in allowed if name in given else required:
            return name
    return ""


@cache
def _fields(kind: type) -> dict[str, tuple[set[type], bool]]:
    """Field -> the types that its values may have, and whether it must be there."""
    required = kind.__required_keys__  # type: ignore[attr-defined]
    fields = {}
    for name, hint in get_type_hints(kind).items():
        parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        types = {getattr(part, "__origin__", part) for part in parts}
        if float in types:
            types.add(int)  # JSON writes 90.0 as 90 where another tool rewrote it
        fields[name] = (types, name in required)
    return fields
