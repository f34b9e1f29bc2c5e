"""`python -m tests.faults [--long]`: a table of fault x tried x lost x false x tracebacks."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import torch

from tests import pictures

from .faults import EXTRA, KINDS, Verdict, crashes, crowds, damages, full_disks, kills, writes
from .harness import Study, short_teachers, tried

HOW = ("before", "after", "torn")


def prepared(folder: Path) -> tuple[Study, Study, Study, float]:
    """A finished study, one whose teacher is half trained, one with a student more, and the seconds
    that it takes.
    """
    torch.set_num_threads(1)
    whole = Study(folder / "whole", pictures(folder / "pictures"))
    log = folder / "log"
    assert tried(whole.run, log).status == 0, log.read_text()
    started = time.monotonic()
    more = Study(folder / "more", whole.pictures)
    assert tried(lambda: more.run(EXTRA), log).status == 0, log.read_text()
    seconds = time.monotonic() - started
    begun = Study(folder / "begun", whole.pictures)
    tried(lambda: begun.run(time_budget=1e-9), log)
    assert list(begun.results.glob("teachers/*/*.checkpoint"))
    return whole, begun, more, seconds


def table(groups: dict[str, Iterable[Verdict]], tell=print) -> list[Verdict]:
    """Try all, a line a group; the verdicts that are not good."""
    bad = []
    tell(f"{'fault':<28}{'tried':>7}{'lost':>7}{'false':>7}{'tracebacks':>12}")
    for name, verdicts in groups.items():
        found = list(verdicts)
        bad += [verdict for verdict in found if not verdict]
        lost = sum(bool(verdict.lost) for verdict in found)
        false = sum(bool(verdict.false) for verdict in found)
        raised = sum(bool(verdict.traceback) for verdict in found)
        tell(f"{name:<28}{len(found):>7}{lost:>7}{false:>7}{raised:>12}")
    return bad


def main() -> int:
    """The long form, or with --short that of the tests; 1 if any trial is not good."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--short", action="store_true")
    words.add_argument("--only", help="one kind of fault, by its first word")
    words.add_argument("--seed", type=int, default=0)
    args = words.parse_args()
    with tempfile.TemporaryDirectory() as name, short_teachers():
        folder = Path(name)
        whole, begun, reference, seconds = prepared(folder)
        total = writes(whole, folder)
        print(f"{total} writes, {seconds:.1f} s a study", flush=True)
        if args.short:
            points = [(at, HOW[at % 3]) for at in range(5, total + 1, 17)]
            full, killed, harmed, together = [total // 2], 3, len(KINDS), 1
        else:
            points = [(at, how) for at in range(1, total + 1) for how in HOW]
            full, killed, harmed, together = list(range(1, total, 5)), 80, 25 * len(KINDS), 8
        groups = {
            "crash at a write": crashes(whole, folder, points),
            "full disk": full_disks(whole, folder, full),
            "random kill": kills(whole, folder, killed, seconds, args.seed),
            "damage": damages(whole, begun, reference, folder, harmed, args.seed),
            "several at once": crowds(whole, folder, together),
        }
        if args.only:
            groups = {name: part for name, part in groups.items() if name.startswith(args.only)}
        bad = table(groups, lambda line: print(line, flush=True))
        for verdict in bad:
            print(verdict)
        return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
