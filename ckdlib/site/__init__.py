"""A report to send: pages, documents and figures as one folder of HTML that needs no network."""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import InputError, not_installed
from ..files import HOST, remove_leftovers, write_json
from .contents import Book, chapters, read_notebook
from .html import page_html
from .sources import lay_out

__all__ = ["Written", "page_html", "read_notebook", "write"]

EXTRA = ("sphinx", "myst_nb", "furo", "latex2mathml")
CONTENTS = "contents.json"  # tells a report from a folder that holds other things


@dataclass(frozen=True)
class Written:
    """What was written, and how long that took."""

    index: Path
    pages: int
    figures: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.index}: {self.pages} pages, {self.figures} figures, "
            f"{self.bytes / 1e6:.1f} MB, in {self.seconds:.0f} s"
        )


def write(
    results: Path | None = None,
    output: Path | None = None,
    report: Callable[[str], None] = print,
) -> Written:
    """Write the report; an older one there is replaced.

    Parameters
    ----------
    results : Path, optional
        A results folder, whose executed pages are taken; the committed pages without.
    output : Path, optional
        Default `report` in the results folder, or `out/report`.
    report : callable
        Told a line where the extra `site` is missing: pages are then plain, without a search.

    Raises
    ------
    InputError
        If there are no pages, `output` holds other things, or nbconvert is missing.
    """
    started = time.monotonic()
    output = output or (results / "report" if results else Path("out/report"))
    _check_output(output)
    book = chapters(results)
    build = _builder(report)
    output.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(output.parent)
    mine = f".{HOST}.{os.getpid()}.tmp"
    with TemporaryDirectory(mine, f".{output.name}.", output.parent) as beside:
        sources, made = Path(beside, "sources"), Path(beside, "html")
        figures = lay_out(book, results, sources)
        build(book, sources, made)
        pages = ["index.html", *(str(page.place.with_suffix(".html")) for page in book.pages)]
        write_json(made / CONTENTS, {"pages": pages, "figures": figures})
        shutil.rmtree(output, ignore_errors=True)
        made.rename(output)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    seconds = time.monotonic() - started
    return Written(output / "index.html", len(pages), figures, size, seconds)


def _builder(report: Callable[[str], None]) -> Callable[[Book, Path, Path], None]:
    """Sphinx's where the extra is there, else the plain one."""
    missing = [name for name in EXTRA if find_spec(name) is None]
    if not missing:
        from .book import build

        return build
    if find_spec("nbconvert") is None:
        raise not_installed("nbconvert", "reports", "site")
    from .plain import build as build_plain

    report(
        f"{', '.join(missing)} not installed: plain pages, without search; for the whole report: "
        'pip install "ckdlib[site]"'
    )
    return build_plain


def _check_output(output: Path) -> None:
    """Nothing but a report is replaced."""
    if output.is_dir() and (not any(output.iterdir()) or (output / CONTENTS).exists()):
        return
    if output.exists():
        raise InputError(f"{output} holds something else; name another folder with --output")
