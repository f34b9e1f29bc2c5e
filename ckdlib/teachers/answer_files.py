"""Answers in a file, by image: npz, CSV or parquet; whole rows or the k best classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..errors import InputError
from ..reproducibility import sha256
from .rules import complete, from_top_k

SUFFIXES = (".npz", ".csv", ".parquet")
IMAGES = ("image", "images", "name", "names", "file", "filename", "path", "index")
CLASSES = ("class", "classes", "label")
VALUES = {
    "logits": ("logit", "logits"),
    "probabilities": ("probability", "probabilities", "prob", "score"),
    "log-probabilities": ("log_probability", "log_probabilities", "logprob", "logprobs"),
}
LAYOUT = (
    "a table has a column 'image' and one for each class, or the columns 'image', 'class' and "
    "'probability'; an npz has 'images', and 'logits' or 'probabilities' [N, C]"
)


@dataclass(frozen=True)
class AnswerFile:
    """What a teacher said, by image.

    Parameters
    ----------
    path : Path
    names : list of str
        Of the images.
    values : Tensor [N, C]
    classes : tuple of str, optional
        Of the columns, where the file names them.
    kind : str, optional
        Of the values, where the file says it: one of `rules.KINDS`.
    rule : str
        How rows were made whole; '' if they were.
    """

    path: Path
    names: list[str]
    values: Tensor
    classes: tuple[str, ...] | None = None
    kind: str | None = None
    rule: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.path.read_bytes())

    def rows_of(self, pictures: Sequence[str]) -> Tensor:
        """Where each picture's answer stands, -1 where there is none.

        An answer is about the picture whose path ends in its name, or the other way: with or
        without the folders before, and without the picture's suffix, but never about one of two
        pictures (or answers) that it could be about.

        Raises
        ------
        InputError
            If no answer is about any of the pictures.
        """
        rows = same_ends(pictures, self.names)
        if max(rows) < 0:
            raise InputError(
                f"{self.path} holds answers about {self.names[0]!r} and others, and none of the "
                f"{len(pictures)} pictures ({pictures[0]!r}, ...) is among them; name images as "
                "their paths within the folder"
            )
        return torch.tensor(rows)


def same_ends(pictures: Sequence[str], names: Sequence[str]) -> list[int]:
    """Of each picture the place of the one name that ends as its path does; -1 where none is."""
    answers = [_parts(name) for name in names]
    rows = [-1] * len(pictures)
    for without_suffix in (False, True):
        own = [_parts(name, without_suffix) for name in pictures]
        for depth in sorted({len(parts) for parts in own + answers}, reverse=True):
            theirs, mine = _by_end(answers, depth), _by_end(own, depth)
            for end in mine.keys() & theirs.keys():
                picture, answer = mine[end], theirs[end]
                if min(picture, answer) < 0 or rows[picture] >= 0:
                    continue
                if depth == min(len(own[picture]), len(answers[answer])):
                    rows[picture] = answer
    return rows


def _parts(name: str, without_suffix: bool = False) -> tuple[str, ...]:
    path = PurePosixPath(name.replace("\\", "/"))
    return (path.with_suffix("") if without_suffix and path.suffix else path).parts


def _by_end(names: Sequence[tuple[str, ...]], depth: int) -> dict[tuple[str, ...], int]:
    """Last parts -> where they stand, -1 where two names share them."""
    places: dict[tuple[str, ...], int] = {}
    for place, parts in enumerate(names):
        if len(parts) >= depth:
            end = parts[-depth:]
            places[end] = -1 if end in places else place
    return places


def read_answers(path: Path, classes: Sequence[str] | None = None) -> AnswerFile:
    """Read answers.

    Parameters
    ----------
    path : Path
        .npz, .csv or .parquet: see LAYOUT.
    classes : sequence of str, optional
        Of the images, for files that hold the best classes only and do not list all.

    Raises
    ------
    InputError
        If the file cannot be read, is of another layout, or holds an image twice, a class that is
        not there or values that are no numbers.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"a teacher {path}: give MODULE:FUNCTION, FILE.py:FUNCTION, or answers in one of "
            f"{', '.join(SUFFIXES)}"
        )
    if not path.is_file():
        raise InputError(f"no file {path} of answers")
    try:
        is_npz = path.suffix.lower() == ".npz"
        found = _npz(path, classes) if is_npz else _table(path, classes)
    except ImportError:
        raise InputError(
            'parquet needs pyarrow: pip install "ckdlib[parquet]", or give CSV'
        ) from None
    except InputError:
        raise
    except Exception as error:  # zip, numpy and pandas raise what they like of a damaged file
        why = f"{type(error).__name__}: {error}".splitlines()[0][:100]
        raise InputError(f"{path} cannot be read ({why}); {LAYOUT}") from None
    if not found.names:
        raise InputError(f"{path} holds no answers; {LAYOUT}")
    if len(set(found.names)) < len(found.names):
        twice = pd.Series(found.names)
        name = twice[twice.duplicated()].iloc[0]
        raise InputError(f"{path} holds {name!r} twice; leave one answer for each image")
    bad = ~complete(found.values)
    if bad.any():
        name = found.names[int(bad.nonzero()[0])]
        raise InputError(
            f"{path}: {int(bad.sum())} answers are not finite, for instance that about {name!r}; "
            "leave them out"
        )
    return found


def _npz(path: Path, classes: Sequence[str] | None) -> AnswerFile:
    with np.load(path, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    key = next((name for name in IMAGES if name in held), None)
    listed = tuple(map(str, held["classes"])) if "classes" in held else None
    for kind, words in VALUES.items():
        for word in words:
            if word in held:
                values = torch.from_numpy(np.asarray(held[word], np.float32))
                count = len(values)
                names = list(map(str, held[key] if key else range(count)))
                if values.ndim != 2 or len(names) != count:
                    raise InputError(
                        f"{path}: {word} {list(values.shape)} for {len(names)} images; give [N, C]"
                    )
                if f"top_{CLASSES[1]}" not in held:
                    return AnswerFile(path, names, values, listed, kind)
                top = torch.from_numpy(np.asarray(held["top_classes"], np.int64))
                named = listed or (tuple(classes) if classes else None)
                if named is None or top.shape != values.shape or (top >= len(named)).any():
                    raise InputError(
                        f"{path}: top_classes must be as {word}, of numbers below that of 'classes'"
                    )
                whole, rule = from_top_k(top, values, len(named), kind)
                return AnswerFile(path, names, whole, named, "probabilities", rule)
    raise InputError(f"{path} holds {', '.join(held)}; {LAYOUT}")


def _table(path: Path, classes: Sequence[str] | None) -> AnswerFile:
    if path.suffix.lower() == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    else:
        table = pd.read_parquet(path)
    columns = {str(name).lower(): name for name in table.columns}
    key = next((columns[name] for name in IMAGES if name in columns), None)
    if key is None:
        raise InputError(f"{path} has columns {', '.join(map(str, table.columns[:6]))}; {LAYOUT}")
    word = next((columns[name] for name in CLASSES if name in columns), None)
    value = _value_column(columns)
    if word is not None and value is not None:
        return _long(path, table, key, word, *value, classes)
    images = [columns[name] for name in IMAGES if name in columns]
    numbers = table.drop(columns=images if word is None else [*images, word])
    numbers = numbers.apply(pd.to_numeric, errors="coerce").dropna(axis="columns", how="all")
    others = [name for name in numbers.columns if not str(name).startswith("Unnamed:")]
    values = numbers[others].to_numpy(np.float32, copy=True)
    names = table[key].astype(str).tolist()
    if values.shape[1] < 2:
        raise InputError(f"{path} has {values.shape[1]} columns of answers; {LAYOUT}")
    return AnswerFile(path, names, torch.tensor(values), tuple(map(str, others)))


def _value_column(columns: dict[str, Any]) -> tuple[Any, str] | None:
    for kind, words in VALUES.items():
        for word in words:
            if word in columns:
                return columns[word], kind
    return None


def _long(
    path: Path,
    table: pd.DataFrame,
    key: Any,
    word: Any,
    value: Any,
    kind: str,
    classes: Sequence[str] | None,
) -> AnswerFile:
    """A line for each image and class."""
    named = tuple(map(str, classes)) if classes else tuple(sorted(table[word].astype(str).unique()))
    said = table[word].astype(str)
    codes = pd.Index(named).get_indexer(said)
    if (codes < 0).any():
        strange = said[codes < 0].iloc[0]
        raise InputError(
            f"{path} speaks of class {strange!r}, which is none of {', '.join(named[:8])}"
        )
    place, names = pd.factorize(table[key].astype(str))
    if pd.Series(zip(place, codes, strict=True)).duplicated().any():
        raise InputError(f"{path} holds a class of an image twice; leave one line for each")
    column = table.groupby(place).cumcount().to_numpy()
    shape = (len(names), int(column.max()) + 1)
    top, values = np.full(shape, -1), np.zeros(shape, np.float32)
    numbers = pd.to_numeric(table[value], errors="coerce").to_numpy(np.float32)
    if np.isnan(numbers).any():
        name, said = table.loc[np.isnan(numbers), [key, value]].iloc[0]
        raise InputError(f"{path} gives {said!r} about {name!r}, which is no number; leave it out")
    top[place, column], values[place, column] = codes, numbers
    if kind == "logits":
        if shape[1] != len(named) or (top < 0).any():
            kind = f"logits of some of {len(named)} classes"
        else:
            whole = np.zeros(shape, np.float32)
            np.put_along_axis(whole, top, values, 1)
            return AnswerFile(path, list(names), torch.from_numpy(whole), named, kind)
    whole_rows, rule = from_top_k(torch.from_numpy(top), torch.from_numpy(values), len(named), kind)
    rule = "" if shape[1] == len(named) and (top >= 0).all() else rule
    return AnswerFile(path, list(names), whole_rows, named, "probabilities", rule)
