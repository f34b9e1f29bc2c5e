"""Results of schema 1 -> schema 2, in place: n counts teacher calls, and names are made of a run's
whole identity.

In schema 1 n counted all images of a run, four fifths of them shown to the teacher. The images,
answers and accuracies of a run stay what they are; only what it is called changes. Ends with the
rows, so that a killed migration goes on.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import methods
from ..errors import InputError
from ..files import read_lines, replacing, write_json
from ..images import TRANSFORMS
from ..progress import Report
from ..records import SCHEMA
from ..teachers import Ledger
from ..tensors import read_tensors, write_tensors
from .runs import run_name


def migrate(folder: Path, report: Report = print) -> None:
    """Bring a results folder up to date: rows, measures, looks, splits, logits, weights, ledgers
    and teachers' cards.

    InputError if it holds rows of images of one's own: schema 1 does not say whether those were
    mirrored.
    """
    old = [
        line for line in _lines(folder / "rows.jsonl") if {"method", "test_accuracy"} <= line.keys()
    ]
    rows = [row for row in old if row.get("schema", 1) < SCHEMA]
    if odd := {row["dataset"] for row in rows} - TRANSFORMS.keys():
        raise InputError(
            f"{folder} holds rows of {', '.join(sorted(odd))}, and rows of schema 1 do not say "
            "how such images were cut; train them anew in another folder, with --results"
        )
    names, kept = {}, []
    for row in rows:
        if row["n"] % 5 < 4:  # else no number of calls has these validation images
            kept.append(renewed(row))
            names[row["run"]] = kept[-1]["run"]
    for card in sorted(folder.glob("teachers/*/*.json")):
        renew_card(card)
    for path in sorted(
        folder.glob("splits/*.json"), key=_images
    ):  # fewer images first: their names become free
        _rename_split(path)
    for kind in ("logits", "students"):
        for path in sorted(folder.glob(f"{kind}/*.safetensors")):
            path.rename(path.with_stem(names.get(path.stem, path.stem)))
    datasets = {row["dataset_sha256"]: row["dataset"] for row in old}
    ledgers = sum(_renew_ledger(path, datasets) for path in sorted((folder / "ledger").glob("*/")))
    if (old_history := folder / "along.jsonl").exists():
        old_history.rename(folder / "history.jsonl")
    for name in ("measures.jsonl", "history.jsonl"):
        lines = _lines(folder / name)
        for line in lines:
            line["run"] = names.get(line["run"], line["run"])
        _write_lines(folder / name, lines)
    _write_lines(
        folder / "rows.jsonl", kept + [row for row in old if row.get("schema", 1) == SCHEMA]
    )
    report(
        f"{folder}: {len(kept)} rows and {ledgers} ledgers are up to date now"
        + (
            f"; {len(rows) - len(kept)} rows are left out, of an n that no number of calls has"
            * (len(kept) < len(rows))
        )
    )


def renewed(row: Mapping) -> dict:
    """A row of schema 1 as one of schema 2; its accuracies, its images' hash and what it cost are
    the same.
    """
    new = (
        {"schema": SCHEMA}
        | {name: value for name, value in row.items() if name != "train_images"}
        | {
            "n": row["n"] - row["n"] // 5,
            "transform": asdict(TRANSFORMS[row["dataset"]]),
            "definition": methods.get(row["method"]).definition(),
        }
    )
    new["run"] = run_name(new)
    return new | {"logits": f"logits/{new['run']}.safetensors"}


def renew_card(path: Path) -> None:
    """Write into a teacher's card how its images are cut."""
    card = json.loads(path.read_text())
    if "transform" not in card and card["dataset"] in TRANSFORMS:
        write_json(path, card | {"transform": asdict(TRANSFORMS[card["dataset"]])})


def _images(split: Path) -> int:
    found = re.search(r"-n(\d+)-", split.name)
    return int(found[1]) if found else 0


def _rename_split(path: Path) -> None:
    split, images = json.loads(path.read_text()), _images(path)
    calls = len(split["train"])
    if images == calls + len(split["validation"]):
        path.rename(path.with_name(path.name.replace(f"-n{images}-", f"-n{calls}-")))


def _renew_ledger(folder: Path, datasets: Mapping[str, str]) -> bool:
    """Move the shards of a ledger to where `Workspace.ledger` looks for them now.

    False if it is up to date or unknown.
    """
    shards = sorted(folder.glob("calls-*.safetensors"))
    origin = read_tensors(shards[0])[1] if shards else {}
    seed = re.fullmatch(r"random view, seed (\d+)", origin.get("view", ""))
    name = datasets.get(origin.get("dataset", ""))
    if not seed or not name:
        return False
    view = TRANSFORMS[name].view(int(seed[1]))
    new = Ledger(folder.parent, origin["teacher"], origin["dataset"], view)
    for path in shards:
        write_tensors(new.folder / path.name, read_tensors(path)[0], **new.origin)
        path.unlink()
    return True


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines that are of a run."""
    return [line for _, line in read_lines(path) if isinstance(line, dict) and "run" in line]


def _write_lines(path: Path, lines: list[dict]) -> None:
    if lines:
        with replacing(path) as beside:
            beside.write_text("".join(json.dumps(line) + "\n" for line in lines))
