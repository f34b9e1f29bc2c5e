"""Where a batch finds its images, teachers and kept calls, and on which device it computes."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import choose
from ..images import Dataset, check_size, load_dataset
from ..progress import silent
from ..reproducibility import PRECISIONS, choose_device, own_precision
from ..teachers import Ledger, read_card, weights_path
from .home import home
from .store import Store


@dataclass(frozen=True)
class Workspace:
    """Where a batch reads and writes, and on which device it computes."""

    results: Path
    data: Path  # holds or receives cifar100/
    cache: Path  # decoded images
    teachers: Path  # published teachers; those trained here go to results/teachers
    device: str = "cpu"
    image_size: int | None = None  # of a folder's images, if they must be resized
    flip: bool = True  # may a folder's training images be mirrored?
    precision: str = "float32"  # of convolutions in training; reported numbers are float32

    @cached_property
    def store(self) -> Store:
        """The rows and measures of the results folder."""
        return Store(self.results)

    def dataset(self, name: str) -> Dataset:
        """The images of that name, or in that folder."""
        return load_dataset(name, self.data, self.cache, self.image_size, self.flip)

    def teacher_path(self, dataset: Dataset, model: str) -> Path:
        """The weights of the batch's own teacher.

        Of the published one where there is no own and it is of these images.
        """
        own = weights_path(self.results / "teachers", dataset.name, model)
        published = weights_path(self.teachers, dataset.name, model)
        if own.exists() or not published.exists():
            return own
        return published if read_card(published)["dataset_sha256"] == dataset.digest else own

    def teacher_digest(self, dataset: Dataset, model: str) -> str | None:
        """SHA-256 of the weights of the batch's teacher; None where there is none."""
        path = self.teacher_path(dataset, model)
        return read_card(path)["weights_sha256"] if path.exists() else None

    def teacher_logits(self, teacher_sha256: str) -> Path:
        """Where a teacher's logits of the test images are kept."""
        return self.results / "logits" / f"teacher-{teacher_sha256[:16]}.safetensors"

    def ledger(self, dataset: Dataset, teacher_sha256: str, seed: int) -> Ledger:
        """The teacher's calls; each seed shows every image in one random view of its own."""
        view = dataset.transform.view(seed)
        folder, classes = self.results / "ledger", len(dataset.classes)
        return Ledger(folder, teacher_sha256, dataset.digest, view, classes=classes)


def open_workspace(
    results: str | Path,
    data: str | Path | None = None,
    cache: str | Path | None = None,
    device: str | None = None,
    image_size: int | None = None,
    flip: bool = True,
    teachers: str | Path | None = None,
    precision: str | None = None,
) -> Workspace:
    """A workspace by its results folder.

    Everything else has a default: data/, data/cache/ and teachers/ of the project, CUDA where there
    is one, the precision of the rows that are there, else bfloat16 on CUDA and float32 on a CPU.

    Raises
    ------
    InputError
        If the device is not there, or a value makes no sense.
    """
    check_size(image_size)
    results = _whole(results)
    device = choose_device(device)
    if precision is None:
        rows = Store(results).rows(silent)
        precision = rows[-1]["precision"] if rows else own_precision(device)
    choose("precision", precision, PRECISIONS)
    return Workspace(
        results=results,
        data=_whole(data or home() / "data"),
        cache=_whole(cache or home() / "data" / "cache"),
        teachers=_whole(teachers or home() / "teachers"),
        device=device,
        image_size=image_size,
        flip=flip,
        precision=precision,
    )


def _whole(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()
