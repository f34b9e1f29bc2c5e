"""Words in: every command with its options. Nothing here imports torch, so that --help is quick."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import Field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from .study.options import Options, of_group

ABOUT = "The command line: `python -m ckdlib COMMAND`, or `ckd COMMAND`, each with --help."
FLAGS = [one.metadata["flag"] or "--" + one.name.replace("_", "-") for one in fields(Options)]


class Parser(argparse.ArgumentParser):
    """Refuses abbreviated options, and says what is wrong in one line."""

    def __init__(self, **words: Any):
        super().__init__(**words, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        flags = [*FLAGS, *(f"--{name.replace('_', '-')}" for name, _, _ in DISTILL)]
        near = get_close_matches(unknown[1], flags, n=1) if unknown else []
        hint = f", did you mean {near[0]}?" if near else ""
        self.exit(2, f"error: {message}{hint}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """Words in: every command with its options."""
    top = Parser(prog="python -m ckdlib", description=ABOUT)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)

    def command(name: str, help: str, *groups: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        for one in of_group(*groups):
            _add(made, one)
        return made

    everything = ("where", "grid", "pace")
    train = command("run", "train what is missing; needs no Jupyter", *everything)
    train.add_argument(
        "--cluster",
        metavar="WHERE",
        help="train by dask.distributed (docs/cluster.md): local, a scheduler's address, or the "
        "file that it wrote; --jobs are then students at once of each GPU",
    )
    batch = command("batch", "run_all.sh: all notebooks by papermill", *everything)
    batch.add_argument(
        "--targets", nargs="+", type=float, default=[], help="accuracies in per cent for Table 1"
    )
    command("status", "what is done, running and left", "where", "grid")
    teacher = command("teacher", "train or import one teacher", "where", "pace")
    teacher.add_argument("--model", required=True)
    teacher.add_argument("--recipe", help="reference, medium or fast (default: the profile's)")
    teacher.add_argument(
        "--import", dest="checkpoint", type=folder, metavar="PTH", help="a RepDistiller checkpoint"
    )
    teacher.add_argument("--seed", type=int, help="of weights and batches (default: 0)")
    notebook = command("notebook", "run one notebook with checked parameters")
    notebook.add_argument("notebook", type=folder)
    notebook.add_argument("output", type=folder)
    notebook.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="VALUE as JSON or text, of the kind declared there; paths from the current folder",
    )
    headline = command("headline", "the tables of docs/results.md")
    advice = command("advise", "what more teacher calls would buy, by rows that are kept")
    advice.add_argument("--method", help="default: all")
    advice.add_argument("--price", type=float, help="of a call, in your money")
    for one, experiment in ((headline, "black_box"), (advice, None)):
        one.add_argument("--results", type=folder, default=Path("results/pilot"))
        words = experiment or "that of the most n"
        one.add_argument("--experiment", default=experiment, help=f"default: {words}")
    book = command("report", "pages, documents and figures as one folder of HTML, to send")
    book.add_argument(
        "--results", type=folder, help="whose executed pages are shown (default: the committed)"
    )
    book.add_argument("--output", type=folder, help="default: FOLDER/report, or out/report")
    own = command("check", "try the methods and models of files of your own, in seconds")
    own.add_argument("plugins", nargs="+", type=folder, metavar="FILE")
    _own_options(command)
    old = command("migrate", "bring a results folder of an older ckdlib up to date")
    old.add_argument("results", type=folder)
    merged = command("merge", "one results folder of several that never met")
    merged.add_argument("folders", nargs="+", type=folder, metavar="FOLDER")
    merged.add_argument("--results", required=True, type=folder, help="that they come into")
    merged.add_argument("--dry-run", action="store_true", help="what would come in, no more")
    _bench_options(command("bench", "speed beside a straightforward implementation"))
    return top


def folder(text: str) -> Path:
    """A path as people write it: ~ is their home."""
    return Path(text).expanduser()


def _add(made: argparse.ArgumentParser, one: Field) -> None:
    """An option of `Options` as words."""
    words = one.metadata
    flag = words["flag"] or "--" + one.name.replace("_", "-")
    if words["kind"] is bool:
        action = "store_false" if one.default else "store_true"
        made.add_argument(flag, dest=one.name, action=action, help=words["help"])
        return
    many: dict[str, Any] = {"default": one.default}
    if isinstance(one.default, tuple):  # --n 16 24, or --n 16 --n 24
        many = {"default": list(one.default), "nargs": "+", "action": "extend"}
    made.add_argument(
        flag,
        dest=one.name,
        type=folder if words["kind"] is Path else words["kind"],
        help=words["help"],
        **many,
    )


def _bench_options(timed: argparse.ArgumentParser) -> None:
    timed.add_argument(
        "--pair",
        nargs="+",
        default=[],
        help="default: the pairs of pilot and paper; on a CPU the first of each",
    )
    timed.add_argument("--methods", nargs="+", default=["kd", "rkd", "crd", "ckd"])
    timed.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    timed.add_argument(
        "--precision",
        help="float32 or bfloat16, here only (default: bfloat16 on cuda, float32 on cpu)",
    )
    timed.add_argument("--turns", type=int, default=5, help="of which the median is told")
    timed.add_argument("--steps", type=int, help="a turn (default: a second's worth or so)")
    timed.add_argument(
        "--jobs", type=int, help="students at once here (default: one a core, on cuda 8)"
    )
    timed.add_argument("--json", type=folder, metavar="FILE")


def _own_options(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Of one's own teacher and student; what `ckdlib.distill` takes, but objects."""
    made = command("distill", "images, a teacher and n calls -> the best small student")
    made.add_argument("images", type=folder, help="folder of <class>/<image>, or of images alone")
    made.add_argument(
        "--teacher",
        required=True,
        help="MODULE:FUNCTION, FILE.py:FUNCTION, or answers by image: .npz, .csv, .parquet",
    )
    made.add_argument("--calls", type=int, required=True, help="pictures to ask about")
    made.add_argument(
        "--results",
        dest="folder",
        type=folder,
        default=Path("runs/distilled"),
        help="folder of answers, student and report (default runs/distilled)",
    )
    for name in ("validation", "test"):
        made.add_argument(f"--{name}", type=folder, help="folder of further images, with labels")
    made.add_argument("--dry-run", action="store_true", help="calls and cost, and nothing more")
    made.add_argument("--no-flip", dest="flip", action="store_false", help="never mirror pictures")
    made.add_argument(
        "--no-spare-labels",
        dest="spare_labels",
        action="store_false",
        help="never learn labels of pictures that the teacher is not asked about",
    )
    for name, kind, help in DISTILL:
        many = "+" if name.endswith("classes") else None
        flag = f"--{name.replace('_', '-')}"
        made.add_argument(flag, type=kind, nargs=many, default=argparse.SUPPRESS, help=help)
    made.add_argument(
        "--plugin", dest="plugins", nargs="+", type=folder, default=[], help="files of one's own"
    )
    guess = command("predict", "the class of each picture, as CSV, by a student that was made")
    guess.add_argument("student", type=folder, help="folder of `ckd distill`")
    guess.add_argument("images", type=folder, help="folder of images")
    out = command("export", "a program of a student: uint8 images -> logits")
    out.add_argument("student", type=folder, help="folder of `ckd distill`")
    out.add_argument("file", type=folder, help=".pt2 (torch.export) or .onnx")


# keyword of `ckdlib.distill`, its kind, what it says
DISTILL: tuple[tuple[str, type, str], ...] = (
    ("student", str, "a network (default resnet8)"),
    ("method", str, "of docs/methods.md, or auto (default)"),
    ("classes", str, "names, for images without labels"),
    ("size", int, "pixels of the side that students get, 8 to 224"),
    ("answers", str, "logits, probabilities or log-probabilities (default: noticed)"),
    ("teacher_classes", str, "the teacher's classes in its order, where it is another"),
    ("teacher_name", str, "change it when the teacher changes"),
    ("takes", str, "images (default) or inputs: what a function is shown"),
    ("shows", str, "pictures as they are (default), or views: one random view of each"),
    ("batch", int, "pictures asked about at a time (default 16)"),
    ("attempts", int, "at a batch where the teacher fails (default 5)"),
    ("wait", float, "seconds before the second attempt (default 1)"),
    ("price", float, "of a call, in your money"),
    ("budget", float, "for all calls of the folder, in money; in calls without a price"),
    ("steps", int, "of each student's training (default 2400, and each picture 15 times)"),
    ("learning_rate", float, "of students (default 0.05)"),
    ("seed", int, "of the choice of pictures, views and weights (default 1)"),
    ("device", str, "cpu or cuda (default: cuda where there is one)"),
    ("jobs", int, "students at once"),
)


def options_of(args: argparse.Namespace) -> Options:
    """The words as one value."""
    given: dict[str, Any] = {}
    for one in fields(Options):
        if hasattr(args, one.name):
            value = getattr(args, one.name)
            given[one.name] = tuple(value) if isinstance(value, list) else value
    return Options(**given)
