"""Formulas as MathML, which browsers draw by themselves; a renderer of them for Sphinx."""

from html import escape

NORM = "<mo>&#x02016;</mo>"  # which browsers would stretch at the left alone


def mathml(tex: str, display: str = "inline") -> str:
    """A formula as MathML; as its TeX where that cannot be had.

    Parameters
    ----------
    tex : str
        Without dollars.
    display : str
        `inline` or `block`.
    """
    try:
        from latex2mathml.converter import convert

        made = convert(tex.strip(), display=display)
        return made.replace(NORM, NORM.replace("<mo", '<mo stretchy="false"'))
    except Exception:  # it is not installed, or does not know this TeX: each has its own kind
        return f"<code>{escape(tex)}</code>"


def setup(app) -> dict[str, bool]:
    """Make `mathml` known to Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator, node) -> None:
    _visit(translator, mathml(node.astext()))


def _block(translator, node) -> None:
    _visit(translator, f"<div>{mathml(node.astext(), 'block')}</div>")


def _visit(translator, html: str) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(html)
    raise SkipNode
