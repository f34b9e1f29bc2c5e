"""A purse of teacher calls: each picture is asked about once, ever, and the bill is kept.

Answers are kept by what a picture is, not where it stands, so that other splits, seeds and folders'
names ask for nothing twice. One folder is one purse, whoever its teachers are.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from ..errors import InputError
from ..files import Damaged, locked
from ..progress import Report, progress
from ..tensors import UNREADABLE
from .answers import Unanswered
from .callables import OwnTeacher
from .ledger import Ledger, lost

MOST_NAMES = 100  # of pictures, in a line
DATASET = "pictures by the first 63 bits of their SHA-256"


class Shown(NamedTuple):
    """Pictures as a teacher is shown them."""

    keys: Tensor  # [N] int64, by which they are known
    shapes: Tensor  # [N, 2] height and width
    picture: Callable[[int], Tensor]  # position -> uint8 [H, W, 3]
    names: Sequence[str]  # of each


class Purse:
    """The calls of one folder.

    Parameters
    ----------
    folder : Path
    price : float, optional
        Of a call.
    budget : float, optional
        What all calls of the folder may cost: in the price's money, without a price in calls.
    """

    def __init__(self, folder: Path, price: float | None = None, budget: float | None = None):
        for what, value in (("price", price), ("budget", budget)):
            known = isinstance(value, Real) and 0 <= value < float("inf")
            if value is not None and not known:
                raise InputError(f"{what} {value}: give a number of at least 0")
        self.folder, self.price, self.budget = folder, price, budget

    @property
    def calls(self) -> int:
        """How many calls of this folder were made and kept."""
        return sum(map(_length, self.folder.glob("*/calls-*.safetensors")))

    def bill(self, calls: int | None = None) -> str:
        """'1,000 calls (2.00 at 0.002 each)', of so many (all that were made)."""
        count = self.calls if calls is None else calls
        money = "" if self.price is None else f" ({count * self.price:.2f} at {self.price:g} each)"
        return f"{count:,} call{'s' * (count != 1)}{money}"

    def cost(self, calls: int) -> float | None:
        """Of so many calls; None without a price."""
        return None if self.price is None else calls * self.price

    def missing(self, ledger: Ledger, keys: Tensor) -> int:
        """How many calls these pictures would cost."""
        return len(keys[~torch.isin(keys, ledger.known())].unique())

    def check(self, further: int) -> None:
        """Refuse calls beyond the budget."""
        if self.budget is None or not further:
            return
        made, each = self.calls, 1.0 if self.price is None else self.price
        if (made + further) * each > self.budget * (1 + 1e-9):
            left = int((self.budget * (1 + 1e-9) - made * each) / each) if each else 0
            raise InputError(
                f"{self.bill(further)} more than the {made:,} that were made are too many for the "
                f"budget of {self.budget:g}; {max(0, left):,} more fit: choose fewer calls, or "
                "raise the budget"
            )

    def ledger(self, teacher: str, view: str) -> Ledger:
        """The kept answers of one teacher about pictures as they are shown."""
        return Ledger(self.folder, teacher, DATASET, view)

    def ask(
        self,
        ledger: Ledger,
        teacher: OwnTeacher,
        shown: Shown,
        batch: int,
        report: Report,
        usable: Callable[[Tensor], None] = lambda answers: None,
    ) -> Tensor:
        """The teacher's answers about pictures; those never asked before cost a call.

        Parameters
        ----------
        ledger : Ledger
        teacher : OwnTeacher
        shown : Shown
        batch : int
            Pictures shown at a time, of one size, whose answers are then kept.
        report : callable
            Is told how far it has come.
        usable : callable
            Shown what is kept of this teacher [K, C], and then the first batch: the InputError that
            it raises ends the asking there, before all is paid for.

        Returns
        -------
        Tensor [N, C]

        Raises
        ------
        InputError
            Before any call, where the budget does not allow it; where the teacher fails or answers
            what cannot be used. What was answered is kept.
        """
        place = {key: i for i, key in enumerate(shown.keys.tolist())}

        def view(keys: Tensor) -> Tensor:
            return torch.stack([shown.picture(place[key]) for key in keys.tolist()])

        def cut(missing: Tensor) -> Iterator[Tensor]:
            self._look(usable, ledger, ledger.known())
            self.check(len(missing))
            parts = _of_one_size(missing, shown, place, batch)
            for part in progress(parts, len(parts), "asking the teacher", report, "batch"):
                yield part
                if part is parts[0]:
                    self._look(usable, ledger, part)

        with locked(self.folder / "lock"):  # one at a time, whoever the teacher is
            try:
                return ledger.ask(shown.keys, view, teacher.ask, cut=cut)
            except Unanswered as error:
                names = [shown.names[place[key]] for key in error.index.tolist()]
                named = ", ".join(names[:MOST_NAMES]) + ", ..." * (len(names) > MOST_NAMES)
                raise InputError(
                    f"the teacher gave no answer that can be used about {len(names)} of "
                    f"{len(place)} pictures ({named}); all others are kept: remove these pictures, "
                    "or mend the teacher, and the same command goes on"
                ) from None

    def _look(self, usable: Callable[[Tensor], None], ledger: Ledger, keys: Tensor) -> None:
        """Refuse answers that the caller cannot use; they stay with this teacher."""
        kept = keys[torch.isin(keys, ledger.known())]
        if not len(kept):
            return
        try:
            usable(ledger.kept(kept))
        except InputError as error:
            raise InputError(
                f"{error}; what it answered is kept; a teacher that was mended is another: give it "
                "another name (teacher_name)"
            ) from None


def _of_one_size(missing: Tensor, shown: Shown, place: dict[int, int], batch: int) -> list[Tensor]:
    """Keys in batches, those of pictures of one size together."""
    sizes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for key in missing.tolist():
        sizes[tuple(shown.shapes[place[key]].tolist())].append(key)
    return [part for keys in sizes.values() for part in torch.tensor(keys).split(batch)]


def _length(path: Path) -> int:
    try:
        with safe_open(path, "pt") as file:
            return file.get_slice("index").get_shape()[0]
    except UNREADABLE as error:
        raise Damaged(path, f"no complete safetensors file: {error}", lost(path)) from None
