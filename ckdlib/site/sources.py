"""The report's pages as sources: beside each other as in the project, with links that lead on."""

import base64
import re
import shutil
from pathlib import Path

from .. import __version__
from ..files import replacing
from .contents import GALLERY, PROJECT, Book, Page, notebook

FENCE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\[\]]+)\]\(([^)\s]+)\)")
WIDGET = "application/vnd.jupyter.widget-view+json"


def lay_out(book: Book, results: Path | None, folder: Path) -> int:
    """Write every page of the book, its index and its gallery below `folder`.

    Returns
    -------
    int
        How many figures the gallery shows.
    """
    shown = PROJECT / "figures"
    shutil.copytree(shown, folder / "figures", ignore=lambda *_: ["README.md"])
    own = results / "figures" if results else shown
    if results and own.is_dir():
        shutil.copytree(own, folder / "figures", dirs_exist_ok=True)
    gallery = ["# Figures\n\nEvery figure, under the page that makes it."]
    count = 0
    for page in book.notebooks:
        figures = _notebook(page, folder)
        count += len(figures)
        if figures:
            gallery += [f"## [{page.title}](../{page.place})", " ".join(figures)]
    files = sorted(path.name for path in own.glob("*") if path.suffix in (".png", ".pdf", ".csv"))
    if files:
        gallery += ["## Files", ", ".join(f"[{name}]({name})" for name in files)]
    _write(folder / GALLERY, "\n\n".join(gallery))
    for page in book.pages:
        if page.place.suffix == ".md" and page.place != GALLERY:
            _write(folder / page.place, _relink(page.text, page.place, folder, book))
    _write(folder / "index.md", _relink(_index(book, results), Path("index.md"), folder, book))
    return count


def _write(path: Path, text: str) -> None:
    with replacing(path) as beside:
        beside.write_text(text)


def _index(book: Book, results: Path | None) -> str:
    """What the README says of the answer, for committed pages; then all pages."""
    if results is None:
        parts = (PROJECT / "README.md").read_text().split("\n## ")[:2]
        told = "\n## ".join(parts)
    else:
        told = (
            "# Learning from few teacher calls\n\n"
            f"Pages as they were run on the rows of `{results}`. The documents are the study's: "
            "their numbers are of its committed rows."
        )
    lines = [told.rstrip()]
    for title, pages in book.chapters.items():
        lines.append(f"## {title}")
        lines.append("\n".join(f"- [{page.title}]({page.place})" for page in pages))
    lines.append(f"*Made by `ckd report`, ckdlib {__version__}.*")
    return "\n\n".join(lines)


def _relink(text: str, place: Path, folder: Path, book: Book) -> str:
    """Links to what the report does not hold become words."""
    held = {page.place.as_posix() for page in book.pages}
    root = folder.resolve()

    def link(found: re.Match) -> str:
        words, target = found.groups()
        path = target.partition("#")[0]
        if not path or "://" in target or target.startswith("mailto:"):
            return found[0]
        there = (root / place.parent / path).resolve()
        inside = there.is_relative_to(root)
        kept = inside and (there.is_file() or there.relative_to(root).as_posix() in held)
        return found[0] if kept else words

    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(link, prose) for prose in parts[::2]]
    return "".join(parts)


def _notebook(page: Page, folder: Path) -> list[str]:
    """Write a page; its figures as Markdown, each a link to the page."""
    import nbformat

    made = notebook(page.source)
    made.metadata.pop("widgets", None)
    if not any(cell.source.startswith("# ") for cell in made.cells[:2]):
        made.cells.insert(0, nbformat.v4.new_markdown_cell(f"# {page.title}"))
    figures, heading = [], page.title
    for cell in made.cells:
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall("^##+ (.+)", cell.source, re.MULTILINE)[-1:]), heading)
            continue
        if cell.cell_type != "code":
            continue
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
        alt = re.sub(r"[\[\]`]", "", heading)
        cell.metadata |= {"alt": alt, "mystnb": {"image": {"alt": alt}}}
        for output in cell.outputs:
            data = output.get("data", {})
            data.pop(WIDGET, None)
            if "image/png" in data:
                name = f"{page.place.stem}-{len(figures) + 1}.png"
                (folder / GALLERY.parent / name).write_bytes(base64.b64decode(data["image/png"]))
                figures.append(f"[![{alt}]({name})](../{page.place})")
    _write(folder / page.place, nbformat.writes(made))
    return figures
