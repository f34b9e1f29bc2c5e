"""The command line: `python -m ckdlib run | batch | status | teacher | notebook | headline | bench | migrate`, each with --help."""
import argparse
import json
import sys
import time
from pathlib import Path

from . import methods, study
from .errors import InputError, OutOfTime, choose

FOLDERS = {"results", "save_to", "folders", "data", "cache", "teachers", "checkpoint"}  # parameters that are paths


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--profile", default="quick", help="size of the study: " + "; ".join(
        f"{p.name}: {p.about}" for p in study.PROFILES.values()))
    where.add_argument("--results", type=Path, help="folder of rows, figures, notebooks (default runs/PROFILE)")
    where.add_argument("--data", type=Path, help="folder that holds or receives cifar100/ (default data)")
    where.add_argument("--cache", type=Path, help="folder of decoded images (default data/cache)")
    where.add_argument("--dataset", help="instead of the profile's: digits, cifar100, or a folder with train/ and "
                                         "test/, a folder of images for each class in both")
    where.add_argument("--image-size", type=int, help="pixels to resize such a folder's images to")
    where.add_argument("--no-flip", action="store_true", help="never mirror such a folder's images")
    where.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    where.add_argument("--precision", help="float32 or bfloat16 (default: that of the rows in --results, else bfloat16 "
                                           "on cuda, float32 on cpu)")

    grid = argparse.ArgumentParser(add_help=False)
    grid.add_argument("--experiment", nargs="+", default=[], help="default: every experiment of the profile")
    grid.add_argument("--pair", nargs="+", default=[], help="TEACHER-STUDENT, for instance wrn_40_2-wrn_16_2")
    grid.add_argument("--methods", nargs="+", default=[])
    grid.add_argument("--n", nargs="+", type=int, default=[],
                      help="teacher calls: images that the teacher is shown; a quarter as many further ones validate")
    grid.add_argument("--seeds", nargs="+", type=int, default=[])
    grid.add_argument("--learning-rates", nargs="+", type=float, default=[], help="the best on validation is reported")
    grid.add_argument("--monitor", help="what early stopping watches: accuracy (the default, as the published code) or loss")

    pace = argparse.ArgumentParser(add_help=False)
    pace.add_argument("--jobs", type=int, help="students at once (default: one a core, on cuda 8)")
    pace.add_argument("--time-budget", type=float, metavar="MIN", help="stop in time, everything kept")

    pace.add_argument("--add-features", action="store_true",
                      help="white box: make calls a second time whose feature maps were not kept (they count again)")

    top = Parser(prog="python -m ckdlib", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    commands.add_parser("run", parents=[where, grid, pace], help="train what is missing; needs no Jupyter")
    batch = commands.add_parser("batch", parents=[where, grid, pace], help="run_all.sh: all notebooks by papermill")
    batch.add_argument("--targets", nargs="+", type=float, default=[], help="accuracies in per cent for Table 1")
    commands.add_parser("status", parents=[where, grid], help="what is done, running and left")
    teacher = commands.add_parser("teacher", parents=[where, pace], help="train or import one teacher")
    teacher.add_argument("--model", required=True)
    teacher.add_argument("--recipe", help="reference or fast (default: the profile's)")
    teacher.add_argument("--import", dest="checkpoint", type=Path, metavar="PTH", help="a RepDistiller checkpoint")
    teacher.add_argument("--seed", type=int, default=0)
    notebook = commands.add_parser("notebook", help="run one notebook with checked parameters")
    notebook.add_argument("notebook", type=Path)
    notebook.add_argument("output", type=Path)
    notebook.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
                          help="VALUE as JSON, else text; paths from the current folder")
    headline = commands.add_parser("headline", help="the README's tables")
    headline.add_argument("--results", type=Path, default=Path("results/pilot"))
    headline.add_argument("--experiment", default="black_box")
    old = commands.add_parser("migrate", help="bring a results folder of an older ckdlib up to date")
    old.add_argument("results", type=Path)
    timed = commands.add_parser("bench", help="speed beside a straightforward implementation")
    timed.add_argument("--pair", nargs="+", default=[], help="default: the pairs of pilot and paper; on a CPU the first of each")
    timed.add_argument("--methods", nargs="+", default=["kd", "rkd", "crd", "ckd"])
    timed.add_argument("--device", help="cpu or cuda (default: cuda where there is one)")
    timed.add_argument("--precision", help="float32 or bfloat16, here only (default: bfloat16 on cuda, float32 on cpu)")
    timed.add_argument("--turns", type=int, default=5, help="of which the median is told")
    timed.add_argument("--steps", type=int, help="a turn (default: a second's worth or so)")
    timed.add_argument("--jobs", type=int, help="students at once here (default: one a core, on cuda 8)")
    timed.add_argument("--json", type=Path, metavar="FILE")
    return top


def main(words: list[str] | None = None) -> int:
    args = parser().parse_args(words)
    try:
        COMMANDS[args.command](args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OutOfTime as stopped:
        print(stopped, file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped; everything finished is kept and the same command goes on", file=sys.stderr)
        return 130
    return 0


def place_of(args: argparse.Namespace):
    from .place import PROJECT, at
    study.profile(args.profile)
    if getattr(args, "jobs", None) is not None and args.jobs < 1:
        raise InputError(f"--jobs {args.jobs}: at least one student must be trained at a time")
    if getattr(args, "time_budget", None) is not None and not args.time_budget > 0:
        raise InputError(f"--time-budget {args.time_budget:g}: give a positive number of minutes")
    return at(args.results or PROJECT / "runs" / args.profile, args.data, args.cache, args.device, args.image_size,
              not args.no_flip, precision=args.precision)


def runs_of(args: argparse.Namespace) -> list[study.Run]:
    dataset = args.dataset
    if dataset and Path(dataset).is_dir():
        dataset = str(Path(dataset).resolve())
    return study.select(args.profile, args.experiment, dataset, args.pair, args.methods, args.n, args.seeds,
                        args.learning_rates, args.monitor)


def run(args: argparse.Namespace) -> None:
    from . import runner
    runner.run(runs_of(args), place_of(args), args.jobs, args.time_budget, args.add_features)


def status(args: argparse.Namespace) -> None:
    from . import runner
    for line in runner.status(runs_of(args), place_of(args)):
        print(line)


def teacher(args: argparse.Namespace) -> None:
    from . import runner
    card = runner.make_teacher(args.profile, args.model, place_of(args), args.dataset, args.recipe, args.checkpoint,
                               args.seed, args.time_budget)
    print(f"{card['model']}: {card['test_accuracy']:.2f} % on the {card['dataset']} test set, {card['source']}, "
          f"SHA-256 {card['weights_sha256']}")


def notebook(args: argparse.Namespace) -> None:
    from .notebooks import execute

    def value(name: str, text: str):
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            found = text
        if name not in FOLDERS:
            return found
        return [str(Path(path).resolve()) for path in found] if isinstance(found, list) else str(Path(found).resolve())
    execute(args.notebook, args.output, **{name: value(name, text) for name, text in args.p})


def headline(args: argparse.Namespace) -> None:
    from . import headline as tables
    from .store import Store
    choose("experiment", args.experiment, study.profile("quick").experiments)
    rows = Store(args.results).rows()
    print(tables.headline(rows, args.experiment))
    if args.experiment == "fewer_calls":
        print("", tables.saved(rows), sep="\n")


def migrate(args: argparse.Namespace) -> None:
    from .migrate import migrate as renew
    if not args.results.is_dir():
        raise InputError(f"no folder {args.results}; name a results folder")
    renew(args.results)


def batch(args: argparse.Namespace) -> None:
    """Every notebook in order; arguments and images are checked before the first one starts."""
    from .analysis import check_target
    from .notebooks import ANALYSES, OF_TEACHERS, SOURCES, execute
    from .runner import check
    from .store import Store
    place, runs = place_of(args), runs_of(args)
    datasets = check(runs, place)
    runs = [one for one in runs if one.dataset in datasets]
    for target in args.targets:
        check_target(target)
    shared = {"profile": args.profile, "results": str(place.results), "data": str(place.data),
              "cache": str(place.cache), "image_size": args.image_size, "flip": place.flip, "device": place.device,
              "precision": place.precision}
    executed, started = place.results / "notebooks", time.monotonic()

    def minutes_left() -> float | None:
        return args.time_budget and max(0.01, args.time_budget - (time.monotonic() - started) / 60)

    def go(source: str, name: str | None = None, **parameters) -> None:
        print(f"== {name or source}", flush=True)
        execute(SOURCES / f"{source}.ipynb", executed / f"{name or source}.ipynb", **parameters)

    asked = dict.fromkeys((one.dataset, one.teacher) for one in runs if methods.get(one.method).needs_teacher)
    for dataset, model in asked:
        go("01_teacher", f"01_teacher-{Path(dataset).name}-{model}", model=model, dataset=dataset,
           time_budget=minutes_left(), **shared)
    if args.profile == "quick":
        go("00_tour", results=str(place.results / "tour"), teachers=str(place.results / "teachers"))
    go("02_experiments", experiments=args.experiment, pairs=args.pair, methods=args.methods, n=args.n, seeds=args.seeds,
       learning_rates=args.learning_rates, monitor=args.monitor, jobs=args.jobs, add_features=args.add_features, dataset=args.dataset and
       runs[0].dataset, time_budget=minutes_left(), **shared)
    rows, figures = Store(place.results).rows(), str(place.results / "figures")
    if not rows:
        raise OutOfTime("no student was finished in time: no table yet; the same command goes on")
    for source, experiment in ANALYSES.items():
        own = study.members(rows, experiment) if any(one.experiment == experiment for one in runs) else []
        if any(row["teacher_sha256"] or source not in OF_TEACHERS for row in own):
            targets = {"targets": args.targets} if source == "03_table1_figure2" else {}
            go(source, results=str(place.results), save_to=figures, **targets)
    go("10_verdict", folders=[str(place.results)], save_to=figures)
    print(f"tables and figures: {figures}, notebooks to read: {executed}/*.html")


def bench(args: argparse.Namespace) -> None:
    from . import bench as benchmark
    from .files import write_json
    from .place import PRECISIONS, choose_device, own_precision
    for name in ("turns", "steps", "jobs"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise InputError(f"--{name} {getattr(args, name)}: give at least 1")
    for method in args.methods:
        choose("method of the benchmark", method, benchmark.METHODS)
    device = choose_device(args.device)
    precision = args.precision or own_precision(device)
    choose("precision", precision, PRECISIONS)
    lines = benchmark.bench([study.parse_pair(pair) for pair in args.pair], args.methods, device, precision, args.turns,
                            args.steps, args.jobs)
    if args.json:
        write_json(args.json, lines)


COMMANDS = {"bench": bench, "run": run, "batch": batch, "status": status, "teacher": teacher, "notebook": notebook,
            "headline": headline, "migrate": migrate}

if __name__ == "__main__":
    sys.exit(main())
