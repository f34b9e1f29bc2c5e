"""All that can be known, and refused, before a call is made."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .. import models
from ..errors import InputError
from ..images import Transform
from ..images.packed import scale_of
from ..images.pictures import Seen
from ..models.outside import SIDES
from ..progress import Report
from ..teachers.answer_files import AnswerFile
from ..teachers.purse import Purse
from .asking import Asking
from .choice import candidates, check, curve_sizes
from .material import SPARE_BYTES, Collections, Material
from .schooling import Schooling
from .student import Program, exported

LEARNED = ("learn", "spare")  # parts that a student learns from
USED = (*LEARNED, "validate")
SUPPOSED = 10  # classes, where nobody names them before the teacher is asked


@dataclass(frozen=True)
class Ready:
    """All that is known before a call is made.

    Parameters
    ----------
    material : Material
    asking : Asking
    source : object
        The teacher that was opened: a callable, or an AnswerFile.
    schooling : Schooling
    classes : tuple of str, optional
        Of the images; None where nobody names any.
    names : list of str
        Of the methods that are tried, as far as the number of classes is known.
    seen : dict of Seen
        Of each part of the material, by its name.
    transform : Transform
        How students get pictures.
    doubts : list of str
        About how the student will be judged.
    """

    material: Material
    asking: Asking
    source: Any
    schooling: Schooling
    classes: tuple[str, ...] | None
    names: list[str]
    seen: dict[str, Seen]
    transform: Transform
    doubts: list[str]

    @property
    def shown(self) -> list[Seen]:
        """Of the parts that the teacher is asked about."""
        return [self.seen[name] for name in self.material.asked]

    @property
    def file(self) -> AnswerFile | None:
        """Where the answers are in a file."""
        return self.source if isinstance(self.source, AnswerFile) else None


def get_ready(
    collections: Collections,
    asking: Asking,
    schooling: Schooling,
    calls: int,
    classes: Sequence[str] | None,
    size: int | None,
    flip: bool,
    spare_labels: bool,
    report: Report,
) -> Ready:
    """Open, divide and check everything; see `distill`.

    Raises
    ------
    InputError
        For whatever cannot be used.
    """
    own = collections.classes(classes)
    side = size or collections.size()
    if side not in SIDES:
        raise InputError(f"size = {side}: students take {SIDES[0]} to {SIDES[-1]} pixels")
    source = asking.opened(own)
    answered = None
    if isinstance(source, AnswerFile):
        answered = source.rows_of(collections.learn.places) >= 0
        own = own or source.classes
    asking.check_classes(own)
    report(collections.described(own))
    wanted = spare_labels and schooling.learns_spare_labels
    most = SPARE_BYTES // (3 * side**2) if wanted else 0
    material = collections.cut(calls, schooling.seed, answered, most)
    if material.spare:
        report(f"{len(material.spare):,} further pictures: their labels alone are learned")
    count = len(own or asking.classes or ()) or SUPPOSED
    names = candidates(schooling.method, count, material.labelled, material.spare is not None)
    check(names, schooling.model, count, side, material.spare is not None)
    seen = {name: part.looked_at(side, report) for name, part in material.parts.items()}
    transform = Transform(side, side // 8, flip, *scale_of(seen["learn"].pixels))
    if schooling.model not in models.NAMES:
        exported(Program(models.new(schooling.model, count), transform), side)
    doubts = list(_doubts(seen))
    for line in doubts:
        report(line)
    return Ready(material, asking, source, schooling, own, names, seen, transform, doubts)


def _doubts(seen: Mapping[str, Seen]) -> Iterator[str]:
    """Pictures that judge a student and are learned from, or choose it, as well."""
    asked = (("validate", LEARNED, "learned from"), ("test", USED, "learned from or validated on"))
    for judging, others, used in asked:
        if judging not in seen:
            continue
        keys = seen[judging].keys
        known = torch.cat([seen[one].keys for one in others if one in seen])
        if count := int(torch.isin(keys, known).sum()):
            yield (
                f"WARNING: {count:,} of {len(keys):,} pictures to {judging} on are {used} too, so "
                "that scores are better than they should be"
            )


def plan(ready: Ready, purse: Purse) -> list[str]:
    """What a distillation would ask and cost, and what it would train."""
    shown = ready.material.shown
    lines = [f"{shown:,} answers are read from {ready.file.path}"] if ready.file else []
    if ready.file is None:
        own = ready.asking.own(ready.source)
        keys = torch.cat([one.keys for one in ready.shown])
        view = ready.asking.view(own, ready.transform, ready.schooling.seed)
        missing = purse.missing(purse.ledger(own.name, view), keys)
        purse.check(missing)
        lines.append(f"{shown:,} pictures for teacher {own.name[:40]} ({own.about})")
        lines.append(f"{purse.bill(missing)}; {purse.calls:,} made before")
    material, schooling = ready.material, ready.schooling
    names, fewer = ready.names, len(curve_sizes(len(material.learn)))
    tested = f"{len(material.test):,} test" if material.test else "no further images test"
    lines.append(
        f"{len(material.learn):,} pictures to learn from, {len(material.validate):,} validate, "
        f"{tested}; {len(names) + fewer} students {schooling.model} of {ready.transform.crop} "
        f"pixels, {schooling.recipe(material.taught).steps} steps each ({', '.join(names)})"
    )
    return lines
