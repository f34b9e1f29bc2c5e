"""What the teacher says about the pictures: asked, or looked up in a file, and made logits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..images import Images, Transform, Views, pixels
from ..images.pictures import Seen
from ..progress import Report
from ..reproducibility import generator, sha256, tensor_bytes
from ..teachers.answer_files import AnswerFile
from ..teachers.patience import patient
from ..teachers.purse import Purse, Shown
from ..teachers.rules import Agreement, Logits, agreement, in_order, to_logits
from .material import FEW_NAMES, Material, Part
from .ready import Ready


@dataclass(frozen=True)
class Answers:
    """What a student learns from.

    Parameters
    ----------
    logits : Tensor [N, C]
        Of the pictures to learn from, then of those that validate, where these were shown, too.
    classes : tuple of str
    told : list of str
        By which rules, how often it is right, and what is doubtful.
    teacher : str
        Its name.
    right : Agreement, optional
    """

    logits: Tensor
    classes: tuple[str, ...]
    told: list[str]
    teacher: str
    right: Agreement | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the logits."""
        return sha256(tensor_bytes(self.logits), self.teacher)


def looked_up(file: AnswerFile, material: Material) -> Tensor:
    """The answers of a file about the pictures that are shown, [N, C']."""
    rows = [file.rows_of(part.pictures.places)[part.index] for part in material.shown_parts]
    for part, found in zip(material.shown_parts, rows, strict=True):
        if lacking := (found < 0).nonzero().flatten().tolist():
            raise InputError(
                f"{file.path} holds no answer about {len(lacking)} of {len(part)} pictures without "
                f"labels that validate, for instance {part.names[lacking[0]]!r}; leave them out"
            )
    return file.values[torch.cat(rows)]


def asked(
    ready: Ready, purse: Purse, classes: int | None, device: str, report: Report
) -> tuple[Tensor, str]:
    """A teacher's answers [N, C'] about the pictures that are shown, and its name.

    Parameters
    ----------
    ready : Ready
    purse : Purse
    classes : int, optional
        That an answer must have.
    device : str
        Of a module.
    report : callable
    """

    def usable(answers: Tensor) -> None:
        if classes is not None:
            _check_width(answers, classes)
        to_logits(answers, asking.kind)

    asking, seed = ready.asking, ready.schooling.seed
    own = asking.own(ready.source, device)
    patiently = patient(own.ask, asking.attempts, asking.wait, report)
    shown = _shown(ready.material.shown_parts, ready.shown)
    if asking.shows == "views":
        shown = _views(shown, ready.shown, ready.transform, seed)
    ledger = purse.ledger(own.name, asking.view(own, ready.transform, seed))
    missing = purse.missing(ledger, shown.keys)
    report(f"teacher {own.name[:40]}: {len(shown.keys):,} pictures ({own.about})")
    report(f"{purse.bill(missing)}; {purse.calls:,} made before")
    by_name = not (
        asking.name or isinstance(ready.source, nn.Module) or hasattr(ready.source, "name")
    )
    if by_name and missing < len(shown.keys.unique()):
        report(f"kept answers of {own.name[:40]} are used: another teacher_name if it has changed")
    patient_one = replace(own, ask=patiently)
    answers = purse.ask(ledger, patient_one, shown, asking.batch, report, usable)
    report(f"the bill of this folder: {purse.bill()}")
    return answers, own.name


def _shown(parts: Sequence[Part], seen: Sequence[Seen]) -> Shown:
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))

    def picture(place: int) -> Tensor:
        part = next(i for i in range(len(parts)) if place < starts[i + 1])
        return parts[part].picture(place - starts[part])

    keys = torch.cat([one.keys for one in seen])
    names = [str(name) for part in parts for name in part.names]
    return Shown(keys, torch.cat([one.shapes for one in seen]), picture, names)


def _views(shown: Shown, seen: Sequence[Seen], transform: Transform, seed: int) -> Shown:
    """The study's protocol: one random view of each picture, as students get them."""
    small = torch.cat([one.pixels for one in seen])
    views = Views(Images(small, torch.zeros(len(small), dtype=torch.int64)), transform)
    draws = [views.draw(1, generator(seed, f"view of {key}")) for key in shown.keys.tolist()]
    drawn = torch.cat(draws)

    def picture(place: int) -> Tensor:
        index = torch.tensor([place])
        return pixels(views.random(index, drawn[index]), transform)[0]

    side = torch.full((len(small), 2), transform.crop)
    return Shown(shown.keys, side, picture, shown.names)


def understood(
    raw: Tensor,
    ready: Ready,
    name: str,
    rule: str,
    kind: str | None,
    columns: Sequence[str] | None,
) -> Answers:
    """Raw answers as logits of the images' classes, by stated rules.

    Parameters
    ----------
    raw : Tensor [N, C']
    ready : Ready
    name : str
        Of the teacher.
    rule : str
        By which rows were made whole.
    kind : str, optional
        Of the answers, as their file says.
    columns : sequence of str, optional
        Names of the answers' classes.
    """
    asking, classes, labels = ready.asking, ready.classes, ready.material.learn.labels
    told = [*ready.doubts, *([rule] if rule else [])]
    if asking.classes and columns and set(asking.classes) == set(columns):
        if list(asking.classes) != list(columns):
            raise InputError(
                f"the answers' classes are named {', '.join(columns[:8])} in their file, and "
                f"{', '.join(asking.classes[:8])} as teacher_classes; leave the latter out"
            )
    columns = asking.classes or columns
    if classes is None:
        classes = tuple(map(str, columns or range(raw.shape[1])))
    made: Logits = to_logits(raw, asking.kind or kind)
    told.append(made.rule)
    values = made.values
    if columns is not None:
        values = in_order(values, columns, classes)
        values = values - values.mean(1, keepdim=True)
        if others := [str(name) for name in columns if str(name) not in classes]:
            left = ", ".join(others[:FEW_NAMES]) + ", ..." * (len(others) > FEW_NAMES)
            told.append(
                f"{len(others)} columns that are no class of the images are left out: {left}"
            )
    _check_width(values, len(classes))
    if labels is None:
        told.append("the images have no labels: the teacher's best class stands in for them")
        return Answers(values, tuple(classes), told, name)
    right = agreement(values[: len(labels)], labels)
    first = [f"the teacher is right on {right.right:.1f} % of {len(labels):,} pictures shown"]
    if warning := right.warning(classes):
        first.append(f"WARNING: {warning}")
    return Answers(values, tuple(classes), first + told, name, right)


def _check_width(answers: Tensor, classes: int) -> None:
    if answers.shape[1] != classes:
        raise InputError(
            f"the teacher gives {answers.shape[1]} answers an image, but there are {classes} "
            "classes; name its classes in its order (teacher_classes)"
        )
