"""One page about a student: how good, what it confuses, what more calls would buy."""

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from torch import Tensor

from ..files import replacing
from .answering import Answers
from .choice import Found, Lesson, score
from .ready import Ready
from .student import Student

MOST_CLASSES = 40  # of a confusion matrix that can be read
SHOWN = 24  # pictures that student and teacher see otherwise
CSS = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;"
    "border-bottom:1px solid #ddd}img{max-width:100%}"
    "figure{display:inline-block;margin:.4rem;width:8rem;vertical-align:top;font-size:.75rem}"
    "figcaption{overflow-wrap:anywhere}figure img{width:6rem;image-rendering:pixelated}"
    ".warning{background:#fff3cd;padding:.5rem}"
)


def write_page(
    path: Path, student: Student, ready: Ready, answers: Answers, lesson: Lesson, found: Found
) -> None:
    """Write the report as one file of HTML, pictures within."""
    card = student.card
    first, one = next(iter(student.scores.items()))
    title = f"{card['model']}: {one['value']:.1f} % [{one['low']:.1f}, {one['high']:.1f}]"
    parts = [
        f"<h1>{escape(title)} on {one['images']:,} {first} images</h1>",
        _lines(card["told"]),
        "<h2>The teacher</h2>",
        _lines([f"{card['calls']:,} pictures, by {answers.teacher[:80]}", *answers.told]),
        "<h2>Students</h2>",
        _table(found, lesson, tested="test" in student.scores),
        "<h2>What more calls would buy</h2>",
        _image(_curve(found)) if found.curve else "<p>Too few pictures for a curve.</p>",
        "<h2>What it confuses</h2>",
        _confusions(student, lesson, ready.material.judged_by),
        "<h2>Where student and teacher disagree</h2>",
        _disagreements(student, ready, answers, lesson),
        "<h2>To use it</h2>",
        f"<pre>{escape(_use(student))}</pre>",
    ]
    head = f"<!doctype html><meta charset=utf-8><title>{escape(title)}</title><style>{CSS}</style>"
    with replacing(path) as beside:
        beside.write_text(head + "\n".join(parts), "utf-8", "backslashreplace")


def _lines(lines: Sequence[str]) -> str:
    made = []
    for line in lines:
        kind = " class=warning" if line.startswith("WARNING") else ""
        made.append(f"<p{kind}>{escape(line)}</p>")
    return "\n".join(made)


def _table(found: Found, lesson: Lesson, tested: bool) -> str:
    """Every student; test accuracies where images are left to test."""
    head = "<th>test %" if tested else ""
    lines = [f"<table><tr><th>method<th>pictures<th>validation %{head}<th>seconds"]
    for row in [*found.rows, *found.fewer]:
        checked = score(row["val_accuracy"], lesson.validated)
        test = f"<td>{score(row['test_accuracy'], found.tested)}" if tested else ""
        lines.append(
            f"<tr><td>{escape(row['method'])}<td>{row['n']:,}<td>{checked}{test}"
            f"<td>{row['seconds']:.0f}"
        )
    return "".join([*lines, "</table>"])


def _curve(found: Found) -> Figure:
    assert found.curve is not None
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    rows = [*found.fewer, found.choice.row]
    most = found.calls[-1]
    sizes = np.geomspace(found.calls[0], 4 * most, 60)
    fitted = np.array([found.curve.predict(n) for n in sizes])
    axes.fill_between(sizes, fitted[:, 1], fitted[:, 2], color="#0072b2", alpha=0.2, linewidth=0)
    axes.plot(sizes, fitted[:, 0], color="#0072b2", label="fitted, 95 % for a new student")
    axes.plot(
        found.calls,
        [row["test_accuracy"] for row in rows],
        "ko",
        label=f"students of {found.choice.row['method']}",
    )
    axes.set_xscale("log")
    ticks = [*found.calls, 2 * most, 4 * most]
    axes.set_xticks(ticks, [f"{n:,}" for n in ticks])
    axes.xaxis.set_minor_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set(xlabel="teacher calls", ylabel="accuracy (%)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def _image(figure: Figure) -> str:
    held = BytesIO()
    figure.savefig(held, format="png", dpi=150)
    return f"<img src='data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}'>"


def _confusions(student: Student, lesson: Lesson, truth: str) -> str:
    """A picture of few classes, else the pairs that are confused most."""
    test, names = lesson.dataset.test, student.classes
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (test.labels.numpy(), student.logits(test.pixels).argmax(1).numpy()), 1)
    wrong = counts - np.diag(np.diag(counts))
    worst = np.dstack(np.unravel_index(np.argsort(-wrong, axis=None)[:10], wrong.shape))[0]
    told = [
        f"{names[own]} taken for {names[said]}: {wrong[own, said]} of {counts[own].sum()}"
        for own, said in worst
        if wrong[own, said]
    ]
    picture = _image(_matrix(counts, names, truth)) if len(names) <= MOST_CLASSES else ""
    return picture + _lines(["; ".join(told) or "Nothing."])


def _matrix(counts: np.ndarray, names: Sequence[str], truth: str) -> Figure:
    side = 2.5 + 0.28 * len(names)
    figure = Figure(figsize=(side, side * 0.85), layout="constrained")
    axes = figure.subplots()
    shares = 100 * counts / counts.sum(1, keepdims=True).clip(1)
    drawn = axes.imshow(shares, cmap="Greys", vmin=0, vmax=100)
    axes.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set(xlabel="student says", ylabel=truth)
    figure.colorbar(drawn, label="% of the row's images", shrink=0.7)
    return figure


def _disagreements(student: Student, ready: Ready, answers: Answers, lesson: Lesson) -> str:
    """Pictures that the student learned from and sees otherwise than the teacher."""
    learned = lesson.dataset.train.pixels[: lesson.learned]
    mine, theirs = student.logits(learned), answers.logits[: lesson.learned]
    other = mine.argmax(1) != theirs.argmax(1)
    sure = torch.where(other, mine.softmax(1).amax(1) + theirs.softmax(1).amax(1), -1.0)
    told = f"<p>On {int(other.sum()):,} of {len(learned):,} pictures that were learned from.</p>"
    for place in sure.argsort(descending=True)[: min(SHOWN, int(other.sum()))].tolist():
        told += _figure(learned[place], _caption(student, ready, place, mine, theirs))
    return told


def _caption(student: Student, ready: Ready, place: int, mine: Tensor, theirs: Tensor) -> str:
    names, labels = student.classes, ready.material.learn.labels
    one, other = names[int(mine[place].argmax())], names[int(theirs[place].argmax())]
    said = f"student: {one}, teacher: {other}"
    label = "" if labels is None else f", label: {names[int(labels[place])]}"
    return f"{ready.material.learn.names[place]}: {said}{label}"


def _figure(pixels: Tensor, caption: str) -> str:
    from PIL import Image

    held = BytesIO()
    Image.fromarray(pixels.numpy()).save(held, "png")
    data = base64.b64encode(held.getvalue()).decode()
    return (
        f"<figure><img src='data:image/png;base64,{data}'><figcaption>{escape(caption)}"
        "</figcaption></figure>"
    )


def _use(student: Student) -> str:
    return (
        f"ckd predict {student.folder} PICTURES\n\n"
        f'import ckdlib\nstudent = ckdlib.load_student("{student.folder}")\n'
        'student.predict("PICTURES")          # a table: image, class, probability\n'
        'student.export("student.pt2")        # uint8 images -> logits, for torch.export.load'
    )
