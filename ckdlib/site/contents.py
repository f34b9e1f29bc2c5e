"""Which pages a report has, in which order."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..study.parameters import SOURCES

PROJECT = SOURCES.parent
ANSWERS = ("10", "03", "15", "11", "12", "14", "16", "17", "18")  # the verdict, then what was found
DOCUMENTS = (
    "results",
    "methods",
    "departures",
    "own-teacher",
    "own-method",
    "cluster",
    "speed",
    "architecture",
)
GALLERY = Path("figures/README.md")  # where documents link to
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Page:
    """A page: its file, and its place in the report's folder."""

    source: Path
    place: Path

    @cached_property
    def title(self) -> str:
        """Its first heading; its name without one."""
        lines = self.text.splitlines()
        heads = (line.removeprefix("# ") for line in lines if line.startswith("# "))
        return next(heads, self.place.stem)

    @cached_property
    def text(self) -> str:
        """Its prose."""
        if self.source.suffix != ".ipynb":
            return self.source.read_text()
        cells = read_notebook(self.source).cells
        return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@dataclass(frozen=True)
class Book:
    """Chapters of pages: title -> pages."""

    chapters: dict[str, list[Page]]

    @property
    def pages(self) -> list[Page]:
        return [page for chapter in self.chapters.values() for page in chapter]

    @property
    def notebooks(self) -> list[Page]:
        return [page for page in self.pages if page.place.suffix == ".ipynb"]

    @property
    def documents(self) -> list[Page]:
        return [page for page in self.pages if page.place.suffix == ".md" and page.place != GALLERY]


def chapters(results: Path | None) -> Book:
    """The pages of a results folder, or the committed ones, and the documents.

    Raises
    ------
    InputError
        If there are no pages.
    """
    folder = results / "notebooks" if results else SOURCES
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise InputError(_nothing(results))
    pages = [Page(path, Path("notebooks", path.name)) for path in found]
    answers = [page for start in ANSWERS for page in pages if page.place.name.startswith(start)]
    documents = [PROJECT / "docs" / f"{name}.md" for name in DOCUMENTS]
    others = [page for page in pages if page not in answers]
    told = _there([*documents, PROJECT / "LOG.md"])
    every = {
        "The verdict and the answers": answers,
        "Further pages": others,
        "Documents": told,
        "Figures": [Page(PROJECT / GALLERY, GALLERY)],
    }
    return Book({title: pages for title, pages in every.items() if pages})


def _nothing(results: Path | None) -> str:
    if results is None:
        return f"no pages in {SOURCES}: an installed library has none; name folders with --results"
    return (
        f"no pages in {results / 'notebooks'}; make them with: ./run_all.sh --results {results}; "
        "without --results the report is of the committed pages"
    )


def _there(paths: Iterable[Path]) -> list[Page]:
    return [Page(path, path.relative_to(PROJECT)) for path in paths if path.exists()]


def read_notebook(path: Path) -> Any:
    """A notebook, without what would make its widgets live.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    import nbformat

    try:
        found = nbformat.read(path, as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError) as error:
        why = str(error).splitlines()[0][:80]
        raise InputError(f"{path} cannot be read as a notebook ({why}); run it again") from None
    found.metadata.pop("widgets", None)
    for cell in found.cells:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop(WIDGET, None)
    return found
