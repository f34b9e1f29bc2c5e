"""The ledger of teacher calls: a call is made once, ever, and kept.

A ledger is a folder of shards, named by the hash of teacher, dataset and view. A shard holds the indices of some
training images and the teacher's logits for them; it is written beside and renamed, so a killed batch loses at most
the shard in the making.
"""
import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import torch
from torch import Tensor

from .errors import InputError
from .files import read_tensors, sha256, write_tensors

Teacher = Callable[[Tensor], Tensor]     # images [B, 3, H, W] -> logits [B, C]


class Ledger:
    """Kept answers of one teacher about one view of each training image of one dataset.

    teacher, dataset: their SHA-256 (for a teacher behind an API: any text that changes when the teacher does);
    view: which view of each image is shown, for instance 'seed 0'; budget: calls that may be made in all, None for
    no limit; shard: calls between two writes.
    """

    def __init__(self, folder: Path, teacher: str, dataset: str, view: str, budget: int | None = None,
                 shard: int = 1024):
        self.origin = {"teacher": teacher, "dataset": dataset, "view": view}
        self.folder = folder / sha256(*(f"{name}={value};" for name, value in self.origin.items()))[:16]
        self.budget, self.shard = budget, shard

    def _read(self) -> tuple[Tensor, Tensor]:
        """Every call made so far: indices [calls] and logits [calls, C]."""
        shards = [read_tensors(path)[0] for path in sorted(self.folder.glob("calls-*.safetensors"))]
        if not shards:
            return torch.empty(0, dtype=torch.int64), torch.empty(0, 0)
        return torch.cat([s["index"] for s in shards]), torch.cat([s["logits"] for s in shards])

    @property
    def calls(self) -> int:
        """How many calls were made and kept."""
        return len(self._read()[0])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def ask(self, index: Tensor, view: Callable[[Tensor], Tensor], teacher: Teacher) -> Tensor:
        """The teacher's logits [B, C] for training images `index` [B]; only those never asked before cost a call.

        view(index) -> the images [B, 3, H, W] shown. InputError, before any call, if the budget does not allow it.
        """
        with self._locked():
            known, logits = self._read()
            missing = index[~torch.isin(index, known)].unique()
            if self.budget is not None and len(known) + len(missing) > self.budget:
                raise InputError(f"{len(missing)} more teacher calls are needed, but {len(known)} of the budget of "
                                 f"{self.budget} are made; raise the budget or lower n")
            for number, part in enumerate(missing.split(self.shard), len(known)):
                answers = teacher(view(part)).detach().float().cpu()
                if answers.shape[0] != len(part) or not torch.isfinite(answers).all():
                    raise InputError(f"the teacher gave {tuple(answers.shape)} or non-finite logits for {len(part)} "
                                     f"images; it must give finite logits [{len(part)}, classes]")
                write_tensors(self.folder / f"calls-{number:08d}.safetensors", {"index": part, "logits": answers},
                              **self.origin)
        return self.kept(index)

    def kept(self, index: Tensor) -> Tensor:
        """Logits [B, C] of calls that were made before. InputError names how many of `index` were not."""
        known, logits = self._read()
        if missing := int((~torch.isin(index, known)).sum()):
            raise InputError(f"{missing} of {len(index)} images were never shown to the teacher; "
                             f"make the calls first with Ledger.ask")
        order = torch.argsort(known)
        return logits[order[torch.searchsorted(known[order], index)]]
