"""The ledger of teacher calls: a call is made once, ever, and kept.

A ledger is a folder of shards, named by the hash of teacher, dataset and view. A shard holds the
indices of some training images and the teacher's logits for them, and for white-box methods its
feature maps (float16, read through a memory map); it is written beside and renamed, so a killed
batch loses at most the shard in the making.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..files import read_tensors, write_tensors
from ..methods.terms import Shape
from ..reproducibility import sha256
from ..training.features import Features

# inputs [B, 3, H, W] -> logits [B, C], or (maps, each [B, ...], and logits)
Teacher = Callable[[Tensor], Tensor | tuple[Sequence[Tensor], Tensor]]
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
    ):
        self.origin = {"teacher": teacher, "dataset": dataset, "view": view}
        self.folder = (
            folder / sha256(*(f"{name}={value};" for name, value in self.origin.items()))[:16]
        )
        self.budget, self.shard, self.feature_limit = budget, shard, feature_limit

    def _shards(self) -> list[dict[str, Tensor]]:
        return [read_tensors(path)[0] for path in sorted(self.folder.glob("calls-*.safetensors"))]

    @property
    def calls(self) -> int:
        """How many calls were made and kept."""
        return sum(len(shard["index"]) for shard in self._shards())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def ask(
        self,
        index: Tensor,
        view: Callable[[Tensor], Tensor],
        teacher: Teacher,
        features: Sequence[Shape] = (),
        missing_features: str = "raise",
    ) -> Tensor:
        """The teacher's logits for training images; only those never asked before cost a call.

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

        Returns
        -------
        Tensor [B, C]

        Raises
        ------
        InputError
            Before any call, if the budget, the limit of kept maps or `missing_features` does not
            allow it; or if an answer is not finite or of another shape than promised.
        """
        with self._locked():
            shards = self._shards()
            every, known = _indices(shards), _indices(shards, bool(features))
            missing = index[
                ~torch.isin(index, every if missing_features == "skip" else known)
            ].unique()
            if missing_features == "raise" and (without := int(torch.isin(missing, every).sum())):
                raise InputError(
                    f"the features of {without} calls were not kept, which white-box methods "
                    "need; --add-features makes these calls a second time and counts them again"
                )
            if self.budget is not None and len(every) + len(missing) > self.budget:
                raise InputError(
                    f"{len(missing)} more teacher calls are needed, but {len(every)} of the "
                    f"budget of {self.budget} are made; raise the budget or lower n"
                )
            size = 2 * sum(map(prod, features)) * (len(known) + len(missing))
            if size > self.feature_limit:
                raise InputError(
                    f"the features of {len(known) + len(missing)} calls take {size / GIB:.1f} "
                    f"GiB, more than the limit of {self.feature_limit / GIB:g} GiB; lower n or "
                    "raise feature_limit"
                )
            for number, part in enumerate(
                missing.split(self.shard) if len(missing) else (), len(every)
            ):
                tensors = {"index": part} | _answers(teacher(view(part)), len(part), features)
                write_tensors(
                    self.folder / f"calls-{number:08d}.safetensors", tensors, **self.origin
                )
        return self.kept(index)

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


def _answers(answer, count: int, shapes: Sequence[Shape]) -> dict[str, Tensor]:
    """A teacher's answer as tensors to keep.

    InputError if it is not finite or of another shape than promised.
    """
    maps, logits = answer if shapes else ((), answer)
    logits = torch.as_tensor(logits).detach().float().cpu()
    if logits.shape[0] != count or not torch.isfinite(logits).all():
        raise InputError(
            f"the teacher gave {tuple(logits.shape)} or non-finite logits for {count} images; it "
            f"must give finite logits [{count}, classes]"
        )
    maps = [level.detach().half().cpu() for level in maps]
    given = [tuple(level.shape) for level in maps]
    if given != [(count, *shape) for shape in shapes] or not all(
        torch.isfinite(level).all() for level in maps
    ):
        raise InputError(
            f"the teacher gave features {given} or some that float16 cannot hold; finite ones of "
            f"shapes {list(shapes)} were promised"
        )
    return {"logits": logits} | {f"feature{level}": values for level, values in enumerate(maps)}
