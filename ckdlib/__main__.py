"""The command line: `python -m ckdlib COMMAND`, or `ckd COMMAND`, each with --help."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

from .errors import InputError, OutOfTime, choose
from .stopping import SIGNALS, Stopped, obey
from .study.grid import PROFILES
from .study.options import Options, of_group

FLAGS = [one.metadata["flag"] or "--" + one.name.replace("_", "-") for one in fields(Options)]


class Parser(argparse.ArgumentParser):
    """Refuses abbreviated options, and says what is wrong in one line."""

    def __init__(self, **words: Any):
        super().__init__(**words, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        near = get_close_matches(unknown[1], FLAGS, n=1) if unknown else []
        hint = f", did you mean {near[0]}?" if near else ""
        self.exit(2, f"error: {message}{hint}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """Words in: every command with its options."""
    top = Parser(prog="python -m ckdlib", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)

    def command(name: str, help: str, *groups: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        for one in of_group(*groups):
            _add(made, one)
        return made

    everything = ("where", "grid", "pace")
    command("run", "train what is missing; needs no Jupyter", *everything)
    batch = command("batch", "run_all.sh: all notebooks by papermill", *everything)
    batch.add_argument(
        "--targets", nargs="+", type=float, default=[], help="accuracies in per cent for Table 1"
    )
    command("status", "what is done, running and left", "where", "grid")
    teacher = command("teacher", "train or import one teacher", "where", "pace")
    teacher.add_argument("--model", required=True)
    teacher.add_argument("--recipe", help="reference or fast (default: the profile's)")
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
    old = command("migrate", "bring a results folder of an older ckdlib up to date")
    old.add_argument("results", type=folder)
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
    made.add_argument(
        flag,
        dest=one.name,
        nargs="+" if isinstance(one.default, tuple) else None,
        type=folder if words["kind"] is Path else words["kind"],
        default=one.default,
        help=words["help"],
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


def main(words: list[str] | None = None) -> int:
    """One call out; the exit status.

    2 for the user's and the machine's refusals, 130 and 143 for Ctrl-C and SIGTERM, 141 where
    nobody reads on.
    """
    args = parser().parse_args(words)
    try:
        COMMANDS[args.command](args)
        sys.stdout.flush()
    except InputError as error:
        return _told(f"error: {error}", 2)
    except OutOfTime as stopped:
        return _told(str(stopped), 0)
    except KeyboardInterrupt as stopped:
        told = stopped if isinstance(stopped, Stopped) else Stopped()
        return _told(str(told), told.exit_status)
    except BrokenPipeError:  # as by `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, MemoryError) as error:
        where = getattr(error, "filename", None)
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return _told(f"error: {f'{where}: ' if where else ''}{why}", 2)
    return 0


def _told(line: str, status: int) -> int:
    print(line, file=sys.stderr)
    return status


def options_of(args: argparse.Namespace) -> Options:
    """The words as one value."""
    given: dict[str, Any] = {}
    for one in fields(Options):
        if hasattr(args, one.name):
            value = getattr(args, one.name)
            given[one.name] = tuple(value) if isinstance(value, list) else value
    return Options(**given)


def run(args: argparse.Namespace) -> None:
    from .study import run as train

    options = options_of(args)
    runs, workspace = options.runs(), options.workspace()
    print(f"results: {workspace.results}", flush=True)
    train(runs, workspace, options.jobs, options.time_budget, options.add_features)


def status(args: argparse.Namespace) -> None:
    from .study import status as lines

    options = options_of(args)
    for line in lines(options.runs(), options.workspace()):
        print(line)


def teacher(args: argparse.Namespace) -> None:
    from .study import make_teacher

    options = options_of(args)
    card = make_teacher(
        options.profile,
        args.model,
        options.workspace(),
        options.images(),
        args.recipe,
        args.checkpoint,
        args.seed,
        options.time_budget,
    )
    print(
        f"{card['model']}: {card['test_accuracy']:.2f} % on the {card['dataset']} test set, "
        f"{card['source']}, SHA-256 {card['weights_sha256']}"
    )


def notebook(args: argparse.Namespace) -> None:
    from .notebooks import execute
    from .study.parameters import read

    execute(args.notebook, args.output, **read(args.notebook, args.p))


def headline(args: argparse.Namespace) -> None:
    from . import report
    from .study import Store

    choose("experiment", args.experiment, PROFILES["quick"].experiments)
    rows = Store(args.results).rows()
    print(report.headline(rows, args.experiment))
    if args.experiment == "fewer_calls":
        print("", report.saved(rows), sep="\n")


def advise(args: argparse.Namespace) -> None:
    from . import report
    from .study import Store

    rows = Store(args.results).rows()
    print(report.advise(rows, args.experiment, args.method, args.price, str(args.results)))


def migrate(args: argparse.Namespace) -> None:
    from .study.migrate import migrate as renew

    if not args.results.is_dir():
        raise InputError(f"no folder {args.results}; name a results folder")
    renew(args.results)


def batch(args: argparse.Namespace) -> None:
    from .notebooks import batch as execute_all

    execute_all(options_of(args), args.targets)


def bench(args: argparse.Namespace) -> None:
    from . import bench as benchmark
    from .files import write_json
    from .reproducibility import PRECISIONS, choose_device, own_precision
    from .study.runs import parse_pair

    for name in ("turns", "steps", "jobs"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name} {value}: give at least 1")
    for method in args.methods:
        choose("method of the benchmark", method, benchmark.METHODS)
    device = choose_device(args.device)
    precision = args.precision or own_precision(device)
    choose("precision", precision, PRECISIONS)
    pairs = [parse_pair(pair) for pair in args.pair]
    lines = benchmark.bench(
        pairs, args.methods, device, precision, args.turns, args.steps, args.jobs
    )
    if args.json:
        write_json(args.json, lines)


COMMANDS = {
    "advise": advise,
    "batch": batch,
    "bench": bench,
    "headline": headline,
    "migrate": migrate,
    "notebook": notebook,
    "run": run,
    "status": status,
    "teacher": teacher,
}


def cli(words: Sequence[str] | None = None) -> NoReturn:
    """The `ckd` command."""
    for number in SIGNALS:
        signal.signal(number, obey)  # a shell may have had it ignored
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where it writes ASCII only
    sys.exit(main(None if words is None else list(words)))


if __name__ == "__main__":
    cli()
