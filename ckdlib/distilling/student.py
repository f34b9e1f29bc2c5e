"""A student as it is used: a file that tells how, predictions, programs for other places."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import pandas as pd
import torch
from torch import Tensor, nn

from .. import models, origins
from ..errors import InputError
from ..files import Damaged, replacing, write_json
from ..images import Transform
from ..images.packed import transform_of
from ..images.pictures import open_pictures
from ..progress import Report, say_once
from ..tensors import read_tensors, write_tensors

WEIGHTS, CARD, PROGRAM = "student.safetensors", "card.json", "student.pt2"
CHUNK = 256  # pictures at a time
# what every card says
NEEDED = ("model", "classes", "transform")


class Program(nn.Module):
    """Images as they are stored -> logits: nothing is left to scale or guess.

    Parameters
    ----------
    net : nn.Module
        Inputs [B, 3, S, S] -> logits [B, C].
    transform : Transform
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, transform: Transform):
        super().__init__()
        self.net = net
        for name in ("mean", "std"):
            values = torch.tensor(getattr(transform, name)).view(1, 3, 1, 1) * 255
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """images: uint8 [B, S, S, 3]; logits [B, C]."""
        return self.net((images.permute(0, 3, 1, 2).float() - self.mean) / self.std)


@dataclass(frozen=True)
class Student:
    """A small classifier, and all that is known of it.

    Parameters
    ----------
    program : nn.Module
        uint8 [B, S, S, 3] -> logits [B, C]: a `Program`, or one that was exported.
    card : mapping
        Model, classes, transform (crop: the side S in pixels), method, calls, scores, provenance.
    folder : Path, optional
        Where it is kept.
    """

    program: nn.Module
    card: Mapping[str, Any]
    folder: Path | None = None

    def __repr__(self) -> str:
        name, one = next(iter(self.scores.items()))
        return (
            f"Student({self.card['model']}, {len(self.classes)} classes, {self.size} pixels, "
            f"{self.method}: {one['value']:.1f} % [{one['low']:.1f}, {one['high']:.1f}] on {name})"
        )

    @property
    def classes(self) -> list[str]:
        """In the order of the logits."""
        return list(self.card["classes"])

    @property
    def method(self) -> str:
        """By which it learned."""
        return self.card["method"]

    @property
    def calls(self) -> int:
        """Pictures that the teacher was asked about."""
        return self.card["calls"]

    @property
    def cost(self) -> float | None:
        """Of these calls; None without a price, and of answers in a file."""
        return self.card["cost"]

    @property
    def size(self) -> int:
        """Pixels of the side of its images."""
        return self.card["transform"]["crop"]

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """What was measured -> value, low, high (95 %, in per cent), images."""
        return self.card["scores"]

    @torch.inference_mode()
    def logits(self, images: Tensor) -> Tensor:
        """Logits [B, C] of uint8 images [B, S, S, 3]."""
        parts = [self.program(part) for part in images.split(CHUNK)]
        return torch.cat(parts).float()

    def predict(self, images: Any, report: Report = say_once) -> pd.DataFrame:
        """The class of each image.

        Parameters
        ----------
        images : path, array, sequence or Pictures
            As `distill` takes them, of any size; labels are not looked at.
        report : callable, optional

        Returns
        -------
        DataFrame
            A line an image: `image` (its name), `class`, `probability`.
        """
        pictures, _ = open_pictures(images, report)
        answers = []
        for part in torch.arange(len(pictures)).split(CHUNK):
            answers.append(self.logits(pictures.looked_at(part, self.size, report).pixels))
        best, place = torch.cat(answers).softmax(1).max(1)
        names = [self.classes[i] for i in place.tolist()]
        return pd.DataFrame({"image": pictures.names, "class": names, "probability": best.numpy()})

    def save(self, folder: str | Path) -> "Student":
        """Its weights with the card in them, and a copy of the card; those of networks that are
        not this library's as a program, too.
        """
        place = Path(folder).expanduser()
        if not isinstance(self.program, Program):
            raise InputError(
                f"this student was opened as a program; copy its folder, {self.folder}, instead"
            )
        (place / PROGRAM).unlink(missing_ok=True)  # of another student, if this is cut off
        write_tensors(place / WEIGHTS, self.program.net.state_dict(), card=json.dumps(self.card))
        write_json(place / CARD, dict(self.card))
        saved = Student(self.program, self.card, place)
        if self.card["model"] not in models.NAMES:
            saved.export(place / PROGRAM)
        return saved

    def export(self, path: str | Path) -> Path:
        """A program of it: uint8 images [B, S, S, 3] of any number -> logits [B, C].

        Parameters
        ----------
        path : path
            `.pt2`, for `torch.export.load`, or `.onnx`, which needs `ckdlib[export]`.

        Raises
        ------
        InputError
            For another suffix, a network that cannot be exported, or where what ONNX needs is not
            installed.
        """
        path = Path(path).expanduser()
        if path.suffix not in (".pt2", ".onnx"):
            raise InputError(f"{path}: a program is a .pt2 (torch.export) or an .onnx")
        if isinstance(self.program, Program):
            made = exported(self.program, self.size)
        else:
            assert self.folder is not None
            made = _opened(self.folder / PROGRAM)
        with replacing(path) as beside, catch_warnings(action="ignore"):
            if path.suffix == ".pt2":
                with open(beside, "wb") as file:
                    torch.export.save(made, file)
            else:
                _onnx(made, beside)
        return path


def exported(program: Program, size: int) -> torch.export.ExportedProgram:
    """A program for any number of images of `size` pixels.

    Raises
    ------
    InputError
        If the network cannot be one.
    """
    example = (torch.zeros(2, size, size, 3, dtype=torch.uint8),)
    plain = copy.deepcopy(program).to(memory_format=torch.contiguous_format).eval()
    batch = {0: torch.export.Dim("batch")}
    try:
        return torch.export.export(plain, example, dynamic_shapes=(batch,))
    except Exception as error:
        why = origins.place(error)
        raise InputError(
            f"the student's network cannot be exported for any number of images ({why}); "
            "let its forward use shapes of tensors as they are, and no Python values of tensors"
        ) from None


def _opened(path: Path) -> torch.export.ExportedProgram:
    if not path.is_file():
        raise Damaged(path, "it is not there", "make the student again")
    try:
        return torch.export.load(path)
    except Exception as error:
        raise Damaged(path, origins.place(error), "make the student again") from None


def _onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            f'{error.name} is not installed, and ONNX needs it: pip install "ckdlib[export]"'
        ) from None
    made = torch.onnx.export(
        program, dynamo=True, verbose=False, input_names=["images"], output_names=["logits"]
    )
    assert made is not None
    made.save(str(path))


def load_student(folder: str | Path) -> Student:
    """A student that was kept.

    Parameters
    ----------
    folder : path
        Of the student, or that `distill` was given.

    Raises
    ------
    InputError
        If there is none, or it is damaged.
    """
    given = Path(folder).expanduser()
    places = [place for place in (given, given / "student") if (place / WEIGHTS).is_file()]
    if not places:
        raise InputError(f"no student in {given}: no {WEIGHTS}; name the folder of `ckd distill`")
    path = places[0] / WEIGHTS
    state, metadata = read_tensors(path)
    try:
        card = json.loads(metadata["card"])
        transform = transform_of(card["transform"])
        assert all(name in card for name in NEEDED)
    except (KeyError, ValueError, TypeError, AssertionError):
        raise Damaged(path, "it holds no card", "make it again") from None
    if card["model"] not in models.NAMES:
        return Student(_opened(places[0] / PROGRAM).module(), card, places[0])
    net = models.new(card["model"], len(card["classes"]))
    net.load_state_dict(state)
    return Student(Program(net, transform).eval(), card, places[0])
