"""The steps of a distillation after it is ready: asked, kept, finished."""

from dataclasses import asdict

import torch
from torch import Tensor

from .. import models
from ..images import Dataset, Images, load_dataset
from ..images.packed import write_packed
from ..progress import Report
from ..reproducibility import sha256, tensor_bytes, versions
from ..study.workspace import Workspace
from ..teachers.purse import Purse
from ..tensors import read_tensors
from .answering import Answers, asked, looked_up, understood
from .choice import CONTROLS, Found, Lesson, score
from .material import Part
from .ready import Ready
from .student import Program, Student


def ask(ready: Ready, purse: Purse, device: str, report: Report) -> Answers:
    """The teacher's answers as logits; what is to be said of them is reported."""
    file, columns, kind = ready.file, None, None
    if file is not None:
        raw, name, rule = looked_up(file, ready.material), f"answers {file.digest}", file.rule
        columns, kind = file.classes, file.kind
        report(f"{len(raw):,} answers of {file.path}")
    else:
        named = ready.asking.classes or ready.classes
        count = len(named) if named else None
        raw, name = asked(ready, purse, count, device, report)
        rule = ""
    found = understood(raw, ready, name, rule, kind, columns)
    for line in found.told:
        report(line)
    return found


def keep(ready: Ready, answers: Answers, place: Workspace, report: Report) -> Dataset:
    """The images as one file, and the logits where students find them."""
    material, seen = ready.material, ready.seen
    learn = Images(seen["learn"].pixels, _labels(material.learn, answers.logits))
    further = answers.logits[len(learn) :]
    validate = test = Images(seen["validate"].pixels, _labels(material.validate, further))
    parts, learned = [learn, validate], seen["learn"].keys
    if material.spare is not None:
        parts.append(Images(seen["spare"].pixels, _given(material.spare)))
        learned = torch.cat([learned, seen["spare"].keys])
    _tell_copies("validation", learned, seen["validate"].keys, report)
    if material.test is not None:
        test = Images(seen["test"].pixels, _given(material.test))
        _tell_copies("test", learned, seen["test"].keys, report)
    train = Images(*map(torch.cat, zip(*map(_both, parts), strict=True)))
    held = (*_both(train), *_both(test))
    name = sha256(*map(tensor_bytes, held), str((answers.classes, ready.transform)))[:16]
    path = place.results / "images" / f"{name}.safetensors"
    write_packed(path, "own", train, test, answers.classes, ready.transform)
    dataset = load_dataset(str(path), path.parent, path.parent)
    ledger = place.ledger(dataset, answers.digest, ready.schooling.seed)
    ledger.ask(torch.arange(len(learn)), lambda index: index, lambda index: answers.logits[index])
    return dataset


def _both(images: Images) -> tuple[Tensor, Tensor]:
    return images.pixels, images.labels


def _labels(part: Part, logits: Tensor) -> Tensor:
    """Those that were given, else the teacher's best class."""
    return logits[: len(part)].argmax(1) if part.labels is None else part.labels


def _given(part: Part) -> Tensor:
    assert part.labels is not None
    return part.labels


def _tell_copies(what: str, learned: Tensor, others: Tensor, report: Report) -> None:
    copies = int(torch.isin(others, learned).sum())
    if copies:
        report(
            f"WARNING: {copies:,} of the {len(others):,} {what} images are among those "
            f"learned from: the {what} accuracy is too high"
        )


def finish(ready: Ready, answers: Answers, lesson: Lesson, found: Found, purse: Purse) -> Student:
    """The chosen student with its card."""
    row, material, dataset = found.choice.row, ready.material, lesson.dataset
    net = models.new(row["student"], len(dataset.classes))
    weights = lesson.workspace.results / "students" / f"{row['run']}.safetensors"
    net.load_state_dict(read_tensors(weights)[0])
    validated = score(row["val_accuracy"], len(material.validate))
    scores = {"validation": validated}
    what = "agreement with the teacher" if material.validate.labels is None else "accuracy"
    expected = f"{what} on the validation images, on which it was chosen (a little too high)"
    if material.test is not None:
        scores = {"test": score(row["test_accuracy"], len(material.test))} | scores
        expected = "accuracy on test images that nothing was chosen on"
        if other := next((one for one in found.rows if one["method"] in CONTROLS), None):
            expected += f" ({other['method']}, labels alone: {other['test_accuracy']:.1f} %)"
    first = next(iter(scores.values()))
    calls = len(torch.cat([one.keys for one in ready.shown]).unique())  # copies cost one
    told = [found.choice.told, f"expected: {first}, {expected}"]
    if found.curve is not None:
        told += [found.curve.sentence(times * found.curve.most, purse.price) for times in (2, 4)]
    card = {
        "model": row["student"],
        "parameters": sum(p.numel() for p in net.parameters()),
        "classes": list(dataset.classes),
        "transform": asdict(dataset.transform),
        "takes": f"uint8 images [B, {dataset.transform.crop}, {dataset.transform.crop}, 3]",
        "method": row["method"],
        "calls": calls,
        "labels": material.taught if material.labelled else 0,
        "cost": purse.cost(calls) if ready.file is None else None,
        "scores": {name: one._asdict() for name, one in scores.items()},
        "told": told,
        "answers": answers.told,
        "teacher": answers.teacher,
        "answers_sha256": answers.digest,
        "dataset_sha256": dataset.digest,
        "seed": row["seed"],
        "recipe": row["recipe"],
        "precision": row["precision"],
        "run": row["run"],
        "code": row["code"],
        "versions": versions(),
    }
    return Student(Program(net, dataset.transform).eval(), card)
