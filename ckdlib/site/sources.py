"""The report's pages as sources: beside each other as in the project, with links that lead on."""

import base64
import io
import re
import shutil
from pathlib import Path
from typing import Any

from .. import __version__
from ..files import replacing
from .contents import GALLERY, PROJECT, Book, Page, read_notebook

FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\(([^)\s]+)\)")
HEADING = re.compile(r"^##+ (.+)", re.MULTILINE)
THUMBNAIL = (560, 560)  # pixels, of the gallery
FILES = (".png", ".pdf", ".csv")


def lay_out(book: Book, results: Path | None, folder: Path) -> int:
    """Write every page of the book, its index and its gallery below `folder`.

    Returns
    -------
    int
        How many figures the gallery shows.
    """
    shown = PROJECT / "figures"
    own = results / "figures" if results else shown
    (folder / "figures").mkdir(parents=True)
    for one in dict.fromkeys((shown, own)):  # documents show the committed ones
        if one.is_dir():
            shutil.copytree(one, folder / "figures", dirs_exist_ok=True)
    figures = {page: _notebook(page, book, folder) for page in book.notebooks}
    for page in book.documents:
        _write(folder / page.place, _relink(page.text, page.place, book, folder))
    _write(folder / GALLERY, _gallery(figures, own))
    _write(folder / "index.md", _relink(_index(book, results), Path("index.md"), book, folder))
    return sum(map(len, figures.values()))


def _write(path: Path, text: str) -> None:
    with replacing(path) as beside:
        beside.write_text(text)


def _index(book: Book, results: Path | None) -> str:
    """What the README says of the answer, for committed pages; then all pages."""
    if results is None:
        told = "\n## ".join((PROJECT / "README.md").read_text().split("\n## ")[:2])
    else:
        told = (
            "# Learning from few teacher calls\n\n"
            f"Pages as they were run on the rows of `{results.resolve().name}`. The documents are "
            "the study's: their numbers are of its committed rows."
        )
    lines = [told.rstrip()]
    for title, pages in book.chapters.items():
        lines.append(f"## {title}")
        lines.append("\n".join(f"- [{page.title}]({page.place}){_answer(page)}" for page in pages))
    return "\n\n".join([*lines, f"*Made by `ckd report`, ckdlib {__version__}.*"])


def _answer(page: Page) -> str:
    """The first paragraph of a page's answer."""
    if page.place.suffix != ".ipynb":
        return ""
    for cell in read_notebook(page.source).cells:
        for output in cell.get("outputs", ()):
            if told := output.get("data", {}).get("text/markdown"):
                return "\\\n  " + told.partition("\n")[0]
    return ""


def _gallery(figures: dict[Page, list[str]], folder: Path) -> str:
    """Every figure below the page that makes it; the files that pages saved."""
    lines = ["# Figures", "Every figure, below the page that makes it."]
    for page, images in figures.items():
        if images:
            lines += [f"## [{page.title}](../{page.place})", " ".join(images)]
    files = sorted(path.name for path in folder.glob("*") if path.suffix in FILES)
    if files:
        lines += ["## Files", ", ".join(f"[{name}]({name})" for name in files)]
    return "\n\n".join(lines)


def _relink(text: str, place: Path, book: Book, folder: Path) -> str:
    """Links to what the report does not hold become words."""
    root = folder.resolve()
    held = {root / page.place for page in book.pages}

    def link(found: re.Match) -> str:
        words, target = found.groups()
        path = target.partition("#")[0]
        there = (root / place.parent / path).resolve()
        kept = not path or "://" in target or there in held
        return found[0] if kept or there.is_relative_to(root) and there.is_file() else words

    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(link, prose) for prose in parts[::2]]
    return "".join(parts)


def _notebook(page: Page, book: Book, folder: Path) -> list[str]:
    """Write a page, its code to be folded; its figures as Markdown, each a link to the page."""
    import nbformat

    made = read_notebook(page.source)
    if not any(cell.source.startswith("# ") for cell in made.cells[:2]):
        made.cells.insert(0, nbformat.v4.new_markdown_cell(f"# {page.title}"))
    figures: list[str] = []
    heading = page.title
    for cell in made.cells:
        if cell.cell_type == "markdown":
            heading = next(iter(HEADING.findall(cell.source)[-1:]), heading)
            cell.source = _relink(cell.source, page.place, book, folder)
        elif cell.cell_type == "code":
            words = re.sub(r"[\[\]`]", "", heading)
            tag = "hide-input" if cell.outputs else "remove-cell"
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), tag]
            cell.metadata["mystnb"] = {"image": {"alt": words}}
            for image in _images(cell):
                place = GALLERY.with_name(f"{page.place.stem}-{len(figures) + 1}.png")
                _thumbnail(image, folder / place)
                figures.append(f"[![{words}]({place.name})](../{page.place})")
    _write(folder / page.place, nbformat.writes(made))
    return figures


def _thumbnail(image: bytes, path: Path) -> None:
    """A picture for the gallery, which links to the page that shows it whole."""
    from PIL import Image

    small = Image.open(io.BytesIO(image))
    small.thumbnail(THUMBNAIL)
    small.save(path)


def _images(cell: Any) -> list[bytes]:
    found = [output.get("data", {}).get("image/png") for output in cell.outputs]
    return [base64.b64decode(one) for one in found if one]
