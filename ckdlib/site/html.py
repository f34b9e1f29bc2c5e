"""A notebook as one file of HTML that fetches nothing: no scripts, formulas as MathML."""

from typing import Any

from .formulas import mathml

# nbconvert's own, without the scripts that it would fetch
TEMPLATE = """{% extends 'lab/index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}"""


def page_html(page: Any, title: str) -> str:
    """A notebook as HTML.

    Parameters
    ----------
    page : NotebookNode
    title : str
    """
    html, _ = _exporter().from_notebook_node(page, {"metadata": {"name": title}})
    return html


def _exporter() -> Any:
    from jinja2 import pass_context
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def block_math(self, body: str) -> str:
            return mathml(body, "block")

        def inline_math(self, body: str) -> str:
            return mathml(body)

        def latex_environment(self, name: str, body: str) -> str:
            return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", "block")

    class Exporter(HTMLExporter):
        @pass_context
        def markdown2html(self, context, source):
            attachments = context.get("cell", {}).get("attachments", {})
            renderer = Renderer(escape=False, attachments=attachments)
            return MarkdownWithMath(renderer=renderer).render(source)

    return Exporter(raw_template=TEMPLATE)
