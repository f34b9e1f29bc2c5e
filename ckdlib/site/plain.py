"""The report without Sphinx: a plain page of HTML each."""

import re
import shutil
from pathlib import Path

from ..files import replacing
from .contents import Book, read_notebook
from .html import page_html

PAGE_LINK = re.compile(r"(\]\((?!https?:)[^)\s#]+)\.(?:md|ipynb)(?=[)#])")


def build(book: Book, sources: Path, output: Path) -> None:
    """Every source as HTML, with what they show beside them."""
    shutil.copytree(sources / "figures", output / "figures", ignore=shutil.ignore_patterns("*.md"))
    index = Path("index.md")
    titles = {page.place: page.title for page in book.pages}
    for place in (index, *titles):
        made = _read(sources / place)
        for cell in made.cells:
            if cell.cell_type == "markdown":
                cell.source = PAGE_LINK.sub(r"\1.html", cell.source)
        title = titles.get(place, "Learning from few teacher calls")
        with replacing((output / place).with_suffix(".html")) as beside:
            beside.write_text(page_html(made, title))


def _read(path: Path):
    """A notebook; a document as one with a single cell."""
    if path.suffix == ".ipynb":
        return read_notebook(path)
    import nbformat

    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(path.read_text())])
