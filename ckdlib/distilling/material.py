"""Which pictures are for what: to learn from, to validate on, to test on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..images.pictures import Pictures, Seen, open_pictures
from ..images.subsets import FEWEST_CALLS
from ..progress import Report
from ..reproducibility import sha256

MOST_TESTED = 10_000  # pictures left over that test a student, where no test set is given
# So many times the calls must be left over and labelled, for half of them to be learned from by
# their labels alone: 8 times as many added 2.0 points [0.9, 3.0] (docs/results.md).
SPARED = 4
SPARE_BYTES = 2 * 2**30  # of these, as students get them
SMALLEST, LARGEST = 8, 64  # pixels of the side between which students get pictures as they are
FEW_NAMES = 6  # of classes, in a line
USUAL = 32  # else


@dataclass(frozen=True)
class Part:
    """Some pictures of a collection."""

    pictures: Pictures
    index: Tensor

    def __len__(self) -> int:
        return len(self.index)

    @property
    def labels(self) -> Tensor | None:
        """Of these; None where nobody gave any."""
        given = self.pictures.labels
        return None if given is None else given[self.index]

    @property
    def names(self) -> list[str]:
        """Of these."""
        return [self.pictures.names[i] for i in self.index.tolist()]

    def picture(self, place: int) -> Tensor:
        """One of these as it is, uint8 [H, W, 3]."""
        return self.pictures.read(int(self.index[place]))

    def looked_at(self, size: int, report: Report) -> Seen:
        """Opened, once."""
        return self.pictures.looked_at(self.index, size, report)


@dataclass(frozen=True)
class Material:
    """The pictures of one distillation."""

    learn: Part  # shown to the teacher
    validate: Part  # which students are chosen on; shown to the teacher where they have no labels
    test: Part | None  # with labels, for what is left; None where there are none
    spare: Part | None  # whose labels alone are learned; None where there are few or none

    @property
    def labelled(self) -> bool:
        """Did people label what is learned from?"""
        return self.learn.labels is not None

    @property
    def parts(self) -> dict[str, Part]:
        """All there are, by what they are for."""
        return {name: part for name, part in vars(self).items() if part is not None}

    @property
    def asked(self) -> list[str]:
        """The names of those that the teacher is asked about."""
        return ["learn"] if self.validate.labels is not None else ["learn", "validate"]

    @property
    def shown_parts(self) -> list[Part]:
        """Those that the teacher is asked about."""
        return [self.parts[name] for name in self.asked]

    @property
    def judged_by(self) -> str:
        """What the student is compared with where it is scored."""
        judging = self.validate if self.test is None else self.test
        return "label" if judging.labels is not None else "teacher's class"

    @property
    def taught(self) -> int:
        """Pictures that something is learned of: answers, labels or both."""
        return len(self.learn) + (len(self.spare) if self.spare else 0)

    @property
    def shown(self) -> int:
        """Pictures that the teacher is asked about."""
        return sum(map(len, self.shown_parts))


def open_material(images: Any, validation: Any, test: Any, report: Report) -> "Collections":
    """All that was given, opened.

    Raises
    ------
    InputError
        If a collection is none, a test set has no labels, or the classes of two differ.
    """
    learn, own_test = open_pictures(images, report)
    tested = own_test if test is None else open_pictures(test, report)[0]
    validated = None if validation is None else open_pictures(validation, report)[0]
    if tested is not None and tested.labels is None:
        raise InputError("the test images have no labels; give labels, or leave them out")
    given = (learn, validated, tested)
    classes = next((one.classes for one in given if one is not None and one.classes), None)
    labels = learn.labels
    if labels is not None and (labels == labels[0]).all():
        only = (learn.classes or ())[int(labels[0])]
        raise InputError(f"all images are of one class, {only!r}; give at least two classes")
    found = Collections(learn, validated, tested)
    return found.with_classes(classes) if classes else found


@dataclass(frozen=True)
class Collections:
    """Pictures as they were given."""

    learn: Pictures
    validate: Pictures | None
    test: Pictures | None

    def with_classes(self, classes: tuple[str, ...]) -> "Collections":
        """The same, all labels as positions in `classes`."""
        validate = self.validate and self.validate.with_classes(classes)
        test = self.test and self.test.with_classes(classes)
        return replace(self, validate=validate, test=test)

    def classes(self, given: Sequence[str] | None) -> tuple[str, ...] | None:
        """Names of the classes, None where nobody names any.

        Parameters
        ----------
        given : sequence of str, optional
            By the user.

        Raises
        ------
        InputError
            If they are fewer than two, or other than those of the labels.
        """
        parts = (self.learn, self.validate, self.test)
        own = next((one.classes for one in parts if one is not None and one.classes), None)
        if given is None:
            return own
        named = tuple(map(str, given))
        if len(set(named)) != len(named) or len(named) < 2:
            raise InputError(f"classes {', '.join(named)}: give two or more different names")
        numbers = own is not None and own == tuple(map(str, range(len(own))))
        if own is not None and own != named and not (numbers and len(named) >= len(own)):
            if set(own) == set(named) or len(own) != len(named):
                raise InputError(
                    f"classes {', '.join(named[:8])} are not those of the labels, "
                    f"{', '.join(own[:8])}; leave them out (teacher_classes is for the teacher's)"
                )
        return named

    def described(self, classes: tuple[str, ...] | None) -> str:
        """How many pictures, of which classes."""
        count = f"{len(self.learn):,} pictures"
        if self.learn.labels is None:
            return f"{count} without labels"
        few = ", ".join((classes or ())[:FEW_NAMES])
        more = ", ..." if len(classes or ()) > FEW_NAMES else ""
        return f"{count} of {len(classes or ())} classes: {few}{more}"

    def size(self) -> int:
        """Pixels of the side that students get, where nobody says: the pictures' own, if small."""
        height, width = self.learn.read(0).shape[:2]
        return height if height == width and SMALLEST <= height <= LARGEST else USUAL

    def cut(
        self, calls: int, seed: int, answered: Tensor | None = None, spare: int = 0
    ) -> Material:
        """Divide the pictures by the seed: what learns is nested in the calls.

        Of pictures with labels `calls` are shown to the teacher and a quarter as many further ones
        validate; of those without a fifth of the calls validates. What is left and has labels tests
        (at most MOST_TESTED), unless a test set was given; where it is SPARED times the calls or
        more, half of it at most, and the labels of the others are learned.

        Parameters
        ----------
        calls : int
        seed : int
        answered : Tensor [N], optional
            Which pictures can be asked about at all, of a file of answers; others may validate.
        spare : int
            Pictures whose labels alone are learned, at most.

        Raises
        ------
        InputError
            If there are too few.
        """
        if isinstance(calls, bool) or not isinstance(calls, Integral):
            raise InputError(f"calls = {calls!r}: give a whole number")
        if calls < FEWEST_CALLS:
            raise InputError(f"{calls} calls are too few; give at least {FEWEST_CALLS}")
        calls = int(calls)
        order = _order(self.learn.names, seed)
        can_be_asked = order if answered is None else order[answered[order]]
        if self.validate is not None:
            whole = Part(self.validate, torch.arange(len(self.validate)))
            further = 0 if whole.labels is not None else len(whole)
            asked = calls - further
            _enough(asked, len(can_be_asked), calls, further)
            learn, rest, validate = can_be_asked[:asked], order, whole
        elif self.learn.labels is not None:
            further = max(2, calls // 4)
            most = min(len(can_be_asked), (len(order) * 4) // 5)
            _enough(calls, most, calls)
            learn = can_be_asked[:calls]
            rest = order[~torch.isin(order, learn)]
            rest, validate = rest[:-further], Part(self.learn, rest[-further:])
        else:
            further = max(2, calls // 5)
            _enough(calls, len(can_be_asked), calls)
            learn, validate = (
                can_be_asked[: calls - further],
                Part(self.learn, can_be_asked[-further:]),
            )
            rest = order
        labelled = self.learn.labels is not None
        rest = rest[~torch.isin(rest, learn)] if labelled else rest[:0]
        spare = spare if len(rest) >= SPARED * calls else 0
        test, rest = self._tested(rest, MOST_TESTED if not spare else len(rest) // 2)
        further_labels = Part(self.learn, rest[:spare]) if spare else None
        return Material(Part(self.learn, learn), validate, test, further_labels)

    def _tested(self, rest: Tensor, most: int) -> tuple[Part | None, Tensor]:
        """What tests, and what is then left."""
        if self.test is not None:
            return Part(self.test, torch.arange(len(self.test))), rest
        most = min(most, MOST_TESTED)
        return Part(self.learn, rest[:most]) if len(rest) else None, rest[most:]


def _order(names: Sequence[str], seed: int) -> Tensor:
    """By a hash of each name, so that a picture more or less leaves the others where they are."""
    return torch.tensor(sorted(range(len(names)), key=lambda i: sha256(f"{seed}/{names[i]}")))


def _enough(needed: int, most: int, calls: int, further: int = 0) -> None:
    """Refuse calls of which too few are to learn from, or more than there are pictures for."""
    if needed < FEWEST_CALLS:
        raise InputError(f"{calls} calls leave {needed} to learn from; give more calls")
    if most < FEWEST_CALLS:
        raise InputError(
            f"pictures for {most} calls only, of those that can be asked about (others validate); "
            f"give more pictures, for at least {FEWEST_CALLS}"
        )
    if needed > most:
        raise InputError(
            f"{calls:,} calls, but of the pictures that can be asked about, without those that "
            f"must validate, there are enough for {most + further:,}; choose at most so many calls"
        )
