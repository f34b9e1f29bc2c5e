"""The ledger of teacher calls: a call is made once, ever, and kept.

A ledger is a folder of shards, named by the hash of teacher, dataset and view. A shard holds the
indices of some training images and the teacher's logits for them, and for white-box methods its
feature maps (float16, read through a memory map); it is written beside and renamed, so a killed
batch loses at most the shard in the making.
"""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..files import locked
from ..methods.terms import Shape
from ..reproducibility import sha256
from ..tensors import read_tensors, write_tensors
from ..training.features import Features
from .answers import Unanswered, checked_answers

MOST_BAD = 3  # answers in a row: then the teacher is rather at fault than the images
# inputs [B, 3, H, W] -> logits [B, C], or (maps, each [B, ...], and logits)
Teacher = Callable[[Tensor], Any]
GIB = 2**30
FEATURE_LIMIT = 4 * GIB  # bytes of feature maps that one ledger may hold


class Ledger:
    """Kept answers of one teacher about one view of each training image of one dataset.

    Parameters
    ----------
    folder : Path
        Of all ledgers; this one has a folder of its own inside.
    teacher, dataset : str
        Their SHA-256 (for a teacher behind an API: any text that changes when the teacher does).
    view : str
        Which view of each image is shown, for instance 'seed 0'.
    budget : int, optional
        Calls that may be made in all; None for no limit.
    shard : int
        Images shown at a time, whose answers are then written.
    feature_limit : int
        Bytes of feature maps that may be kept.
    classes : int, optional
        Logits an answer must have; without, as many as the first one has.
    """

    def __init__(
        self,
        folder: Path,
        teacher: str,
        dataset: str,
        view: str,
        budget: int | None = None,
        shard: int = 1024,
        feature_limit: int = FEATURE_LIMIT,
        classes: int | None = None,
    ):
        self.origin = {"teacher": teacher, "dataset": dataset, "view": view}
        name = sha256(*(f"{name}={value};" for name, value in self.origin.items()))[:16]
        self.folder = folder / name
        self.budget, self.shard, self.feature_limit = budget, shard, feature_limit
        self.classes = classes

    def _shards(self) -> list[dict[str, Tensor]]:
        shards = []
        for path in self._files():
            tensors, origin = read_tensors(path, lost(path))
            self._check(path, tensors, origin)
            shards.append(tensors)
        return shards

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("calls-*.safetensors"))

    def _check(self, path: Path, tensors: dict[str, Tensor], origin: dict[str, str]) -> None:
        """Refuse a shard that is not of this ledger."""
        for name, own in self.origin.items():
            if origin.get(name) != own:
                raise InputError(
                    f"{path} holds answers of another {name} ({origin.get(name)}; this ledger's is "
                    f"{own}); put it back where it was, or rm {path}"
                )
        width = tensors["logits"].shape[1]
        if self.classes is not None and width != self.classes:
            raise InputError(
                f"{path} holds answers of {width} logits about {self.classes} classes; they are of "
                f"another network: rm -r {self.folder}, and ask the right one"
            )

    @property
    def calls(self) -> int:
        """How many calls were made and kept."""
        return sum(len(shard["index"]) for shard in self._shards())

    def known(self) -> Tensor:
        """The images of which an answer is kept."""
        return _indices(self._shards())

    def ask(
        self,
        index: Tensor,
        view: Callable[[Tensor], Tensor],
        teacher: Teacher,
        features: Sequence[Shape] = (),
        missing_features: str = "raise",
        cut: Callable[[Tensor], Iterable[Tensor]] | None = None,
    ) -> Tensor:
        """The teacher's logits for training images; only those never asked before cost a call.

        Answers are checked before they are kept. Where some of a part cannot be used the others are
        kept and the next parts asked for, until MOST_BAD or more in a row, whole parts, cannot.

        Parameters
        ----------
        index : Tensor [B]
        view : callable
            Of indices: the images [B, 3, H, W] shown.
        teacher : callable
        features : sequence of tuple
            Shapes of the maps that come with each answer, from a teacher that returns (maps,
            logits).
        missing_features : {'raise', 'recompute', 'skip'}
            Calls that were kept without maps raise, are made again (each counts again) or are left
            without.
        cut : callable, optional
            Of the images to ask about: those that are shown together, a part each; by default
            `shard` at a time.

        Returns
        -------
        Tensor [B, C]

        Raises
        ------
        InputError
            Before any call, if the budget, the limit of kept maps or `missing_features` does not
            allow it; or if an answer is of another shape than promised. `Unanswered`, where some
            are not finite.
        """
        with locked(self.folder / "lock"):
            shards = self._shards()
            missing = self._missing(index, shards, features, missing_features)
            classes = shards[0]["logits"].shape[1] if shards else self.classes
            bad, in_a_row = missing[:0], 0
            for part in cut(missing) if cut else self._parts(missing):
                answers = checked_answers(teacher(view(part)), len(part), classes, features)
                good = answers.good
                bad = torch.cat([bad, part[~good]])
                if not good.any():
                    in_a_row += len(part)
                    if in_a_row >= MOST_BAD:
                        break
                    continue
                in_a_row = 0
                tensors = {name: value[good] for name, value in answers.tensors.items()}
                self._keep({"index": part[good]} | tensors)
                classes = tensors["logits"].shape[1]
            if len(bad):
                raise Unanswered(bad, bool(features))
        return self.kept(index)

    def _parts(self, missing: Tensor) -> Sequence[Tensor]:
        return missing.split(self.shard) if len(missing) else ()

    def add(self, tensors: dict[str, Tensor]) -> None:
        """Keep answers that were made elsewhere.

        Parameters
        ----------
        tensors : dict
            'index' [B], 'logits' [B, C], and 'feature0', ... where there are maps.
        """
        with locked(self.folder / "lock"):
            self._keep(tensors)

    def _keep(self, tensors: dict[str, Tensor]) -> None:
        files = self._files()
        number = int(files[-1].stem.removeprefix("calls-")) + 1 if files else 0
        write_tensors(self.folder / f"calls-{number:08d}.safetensors", tensors, **self.origin)

    def _missing(
        self,
        index: Tensor,
        shards: Sequence[dict[str, Tensor]],
        features: Sequence[Shape],
        missing_features: str,
    ) -> Tensor:
        """The images to ask about, each once; InputError if that may not be."""
        every, known = _indices(shards), _indices(shards, bool(features))
        held = every if missing_features == "skip" else known
        missing = index[~torch.isin(index, held)].unique()
        without = int(torch.isin(missing, every).sum())
        if missing_features == "raise" and without:
            raise InputError(
                f"the features of {without} calls were not kept, which white-box methods need; "
                "--add-features makes these calls a second time and counts them again"
            )
        if self.budget is not None and len(every) + len(missing) > self.budget:
            raise InputError(
                f"{len(missing)} more teacher calls are needed, but {len(every)} of the budget of "
                f"{self.budget} are made; raise the budget or lower n"
            )
        count = len(known) + len(missing)
        size = 2 * sum(map(prod, features)) * count
        if size > self.feature_limit:
            raise InputError(
                f"the features of {count} calls take {size / GIB:.1f} GiB, more than the limit of "
                f"{self.feature_limit / GIB:g} GiB; lower n or raise feature_limit"
            )
        return missing

    def kept(self, index: Tensor) -> Tensor:
        """Logits of calls that were made before.

        Parameters
        ----------
        index : Tensor [B]

        Returns
        -------
        Tensor [B, C]

        Raises
        ------
        InputError
            If any of `index` was not; it says how many.
        """
        shards = self._shards()
        place = _places(_indices(shards), index, "shown to the teacher")
        return torch.cat([shard["logits"] for shard in shards])[place]

    def kept_features(self, index: Tensor, device: torch.device | str = "cpu") -> Features:
        """The maps of calls that were made with features.

        Parameters
        ----------
        index : Tensor [N]
        device : torch.device or str
            Where they are gathered.

        Raises
        ------
        InputError
            If any of `index` was not; it says how many.
        """
        shards = [shard for shard in self._shards() if "feature0" in shard]
        place = _places(_indices(shards), index, "shown to the teacher with its features kept")
        sizes = torch.tensor([len(shard["index"]) for shard in shards])
        first = sizes.cumsum(0) - sizes
        number = torch.searchsorted(first, place, right=True) - 1
        maps = [[shard[f"feature{level}"] for level in range(len(shard) - 2)] for shard in shards]
        return Features(maps, number, place - first[number], device)


def lost(path: Path) -> str:
    """What to do about a shard that is damaged."""
    return (
        "its calls are lost, and will be made and counted again if it is removed: put a copy back, "
        f"or rm {path}"
    )


def _indices(shards: Sequence[dict[str, Tensor]], with_features: bool = False) -> Tensor:
    held = [shard["index"] for shard in shards if "feature0" in shard or not with_features]
    return torch.cat(held) if held else torch.empty(0, dtype=torch.int64)


def _places(known: Tensor, index: Tensor, what: str) -> Tensor:
    """Where each of `index` stands first in `known`."""
    if missing := int((~torch.isin(index, known)).sum()):
        raise InputError(
            f"{missing} of {len(index)} images were never {what}; make the calls first with "
            "Ledger.ask"
        )
    order = torch.argsort(known, stable=True)
    return order[torch.searchsorted(known[order], index)]
