"""The command line: `python -m ckdlib COMMAND`, or `ckd COMMAND`, each with --help."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from itertools import chain
from typing import NoReturn

from .errors import InputError, OutOfTime, choose
from .stopping import SIGNALS, Stopped, obey
from .study.grid import PROFILES
from .words import DISTILL, options_of, parser


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


def run(args: argparse.Namespace) -> None:
    from .study import run as train

    options = options_of(args)
    runs, workspace = options.runs(), options.workspace()
    print(f"results: {workspace.results}", flush=True)
    train(
        runs,
        workspace,
        options.jobs,
        options.time_budget,
        options.add_features,
        cluster=args.cluster,
    )


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

    known = chain.from_iterable(size.experiments for size in PROFILES.values())
    choose("experiment", args.experiment, dict.fromkeys(known))
    rows = Store(args.results).rows()
    print(report.headline(rows, args.experiment))
    if calls := report.saved(rows, args.experiment):
        print("", calls, sep="\n")


def check(args: argparse.Namespace) -> None:
    from .study.checks import tell

    tell(args.plugins)


def advise(args: argparse.Namespace) -> None:
    from . import report
    from .study import Store

    rows = Store(args.results).rows()
    print(report.advise(rows, args.experiment, args.method, args.price, str(args.results)))


def merge(args: argparse.Namespace) -> None:
    from .study.merge import merge as bring

    bring(args.folders, args.results, args.dry_run)


def migrate(args: argparse.Namespace) -> None:
    from .study.migrate import migrate as renew

    if not args.results.is_dir():
        raise InputError(f"no folder {args.results}; name a results folder")
    renew(args.results)


def batch(args: argparse.Namespace) -> None:
    from .notebooks import batch as execute_all

    execute_all(options_of(args), args.targets)


def report(args: argparse.Namespace) -> None:
    from .site import write

    print(write(args.results, args.output))


def distill(args: argparse.Namespace) -> None:
    from .distilling import distill as make
    from .study import load_plugins

    load_plugins(args.plugins)
    given = {name: getattr(args, name) for name, _, _ in DISTILL if hasattr(args, name)}
    for name in ("classes", "teacher_classes"):
        if len(listed := given.get(name, [])) == 1:
            given[name] = listed[0].split(",")
    for name in ("validation", "test", "flip", "spare_labels", "dry_run"):
        given[name] = getattr(args, name)
    make(args.images, args.teacher, args.calls, args.folder, **given)


def predict(args: argparse.Namespace) -> None:
    from .distilling import load_student

    table = load_student(args.student).predict(args.images)
    print(table.to_csv(index=False, float_format="%.4f"), end="")


def export(args: argparse.Namespace) -> None:
    from .distilling import load_student

    print(load_student(args.student).export(args.file))


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
    "check": check,
    "distill": distill,
    "export": export,
    "headline": headline,
    "merge": merge,
    "migrate": migrate,
    "notebook": notebook,
    "predict": predict,
    "report": report,
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
