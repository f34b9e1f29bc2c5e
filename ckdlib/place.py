"""Where a batch finds its images, teachers and kept calls, and on which device it computes."""
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError, choose
from .images import Dataset, load_dataset
from .reproducibility import PRECISIONS, choose_device, own_precision
from .store import Store
from .teachers.ledger import Ledger
from .teachers.weights import read_card, weights_path

PROJECT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Place:
    """Where a batch reads and writes, and on which device it computes."""
    results: Path
    data: Path                           # holds or receives cifar100/
    cache: Path                          # decoded images
    teachers: Path                       # published teachers; those trained here go to results/teachers
    device: str = "cpu"
    image_size: int | None = None        # of a folder's images, if they must be resized
    flip: bool = True                    # may a folder's training images be mirrored?
    precision: str = "float32"           # of convolutions in training; what is reported is computed in float32

    def dataset(self, name: str) -> Dataset:
        return load_dataset(name, self.data, self.cache, self.image_size, self.flip)

    def teacher_path(self, dataset: Dataset, model: str) -> Path:
        """Of the batch's own teacher; of the published one where there is no own and it is of these images."""
        own, published = (weights_path(folder, dataset.name, model)
                          for folder in (self.results / "teachers", self.teachers))
        fits = published.exists() and read_card(published)["dataset_sha256"] == dataset.digest
        return published if fits and not own.exists() else own

    def teacher_logits(self, teacher_sha256: str) -> Path:
        """Where a teacher's logits of the test images are kept."""
        return self.results / "logits" / f"teacher-{teacher_sha256[:16]}.safetensors"

    def ledger(self, dataset: Dataset, teacher_sha256: str, seed: int) -> Ledger:
        """Each seed shows every image in one random view of its own."""
        return Ledger(self.results / "ledger", teacher_sha256, dataset.digest, dataset.transform.view(seed))


def at(results: str | Path, data: str | Path | None = None, cache: str | Path | None = None,
       device: str | None = None, image_size: int | None = None, flip: bool = True,
       teachers: str | Path | None = None, precision: str | None = None) -> Place:
    """A place by its results folder; everything else has a default: data/, data/cache/, teachers/ of the project, CUDA
    where there is one, the precision of the rows that are there, else bfloat16 on CUDA and float32 on a CPU."""
    if image_size is not None and image_size < 8:
        raise InputError(f"image size {image_size}: the networks take images of 8 to 64 pixels")
    results, device = Path(results).resolve(), choose_device(device)
    if precision is None:
        found = Store(results).rows(lambda line: None)
        precision = found[-1]["precision"] if found else own_precision(device)
    choose("precision", precision, PRECISIONS)
    return Place(results, Path(data or PROJECT / "data").resolve(), Path(cache or PROJECT / "data" / "cache").resolve(),
                 Path(teachers or PROJECT / "teachers").resolve(), device, image_size, flip, precision)
