"""The report as a book, by Sphinx: contents at the side, search, code folded."""

import sys
from pathlib import Path

from .contents import Book

CSS = """
.content { width: min(64rem, 100%); }
.cell { margin: .5rem 0; }
.cell_output table { border: none; border-collapse: collapse; font-size: .8125rem;
  font-variant-numeric: tabular-nums; }
.cell_output .output, .cell_output .cell-output-html { overflow-x: auto; }
.cell_output th, .cell_output td { border: none; padding: .15rem .6rem; text-align: right; }
.cell_output tbody tr:nth-child(even) { background: var(--color-background-secondary); }
.cell_output .stream pre { white-space: pre-wrap; }
div.cell details.admonition, div.cell details.admonition > summary { background: none;
  border: none; box-shadow: none; }
div.cell details.admonition > summary { padding: 0; color: var(--color-foreground-muted);
  font-size: .75rem; }
div.cell details.admonition > summary > p { background: none; padding: 0; }
div.cell details.admonition > summary > p::before { display: none; }
math { font-family: "Cambria Math", "STIX Two Math", "Latin Modern Math",
  "DejaVu Math TeX Gyre", math; }
math[display=block] { margin: 1rem 0; }
p:has(> a > .std-doc > img) { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
"""
SETTINGS = {
    "project": "Learning from few teacher calls",
    "html_title": "Learning from few teacher calls",
    "extensions": ["myst_nb", "ckdlib.site.formulas"],
    "html_theme": "furo",
    "html_static_path": ["_static"],
    "html_css_files": ["tables.css"],
    "html_copy_source": False,
    "html_show_sourcelink": False,
    "html_show_search_summary": False,  # it would be fetched, which file:// forbids
    "html_show_copyright": False,
    "html_use_index": False,
    "nb_execution_mode": "off",
    "nb_render_markdown_format": "gfm",  # tables in outputs
    "nb_ipywidgets_js": {},
    "nb_code_prompt_show": "Code",
    "nb_code_prompt_hide": "Code",
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 4,
    "smartquotes": False,
}


def build(book: Book, sources: Path, output: Path) -> None:
    """Build HTML in `output`; warnings go to stderr."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    (sources / "_static").mkdir()
    (sources / "_static" / "tables.css").write_text(CSS)
    with open(sources / "index.md", "a") as index:
        for title, pages in book.chapters.items():
            names = "\n".join(page.place.with_suffix("").as_posix() for page in pages)
            index.write(f"\n\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{names}\n```\n")
    trees = sources.with_name("trees")
    with docutils_namespace():
        app = Sphinx(sources, None, output, trees, "html", SETTINGS, None, sys.stderr)
        app.build()
