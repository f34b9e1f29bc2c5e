"""What a page shows: its answer first, and numbers folded below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from . import paper
from .rows import about, comparable
from .schedules import schedule
from .statistics import FEWEST_SEEDS

SMALLER = (
    "A smaller study than the paper's ({}), so directions at most: no number here is to be set "
    "beside the paper's."
)
OTHER_IMAGES = (
    "No table of the paper is of these images, so directions at most: no number here is to be set "
    "beside its."
)


@dataclass(frozen=True, repr=False)
class Answer:
    """The answer of a page, shown as Markdown.

    Attributes
    ----------
    found : str
        What was found, in a sentence or a few; Markdown.
    made_of : str
        What it was found on, what that cannot say, and what is missing; Markdown.
    methods : tuple of str
        Those it speaks of: what a figure beside it should make plain.
    """

    found: str
    made_of: str
    methods: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{self.found}\n\n{self.made_of}"

    def _repr_markdown_(self) -> str:
        return repr(self)


@dataclass(frozen=True, repr=False)
class Folded:
    """Tables and texts under a line that unfolds them; none is cut, however long."""

    title: str
    parts: tuple[pd.DataFrame | str, ...]

    def __repr__(self) -> str:
        return f"{self.title} (folded)"

    def _repr_html_(self) -> str:
        return _details(escape(self.title), "".join(map(_html, self.parts)))


def folded(title: str, *parts: pd.DataFrame | str) -> Folded:
    """Tables and texts to be shown folded, under a line that says what they are."""
    return Folded(title, parts)


def _html(part: pd.DataFrame | str) -> str:
    if isinstance(part, str):
        return f"<pre>{escape(part)}</pre>"
    with pd.option_context("display.max_colwidth", None):
        return part.to_html(na_rep="", border=0)


def made_of(table: pd.DataFrame, missing: Sequence[str] = ()) -> str:
    """What a frame is made of and what it cannot say, in Markdown.

    Parameters
    ----------
    table : DataFrame
        A frame, see `rows.frame`.
    missing : sequence of str
        Lines about runs that are not there, as `rows.frame` tells them; their list is folded.
    """
    said = [f"*Made of {about(table)}.*"]
    if not comparable(table):
        own_size = (table.profile == paper.PROFILE).all()
        said.append(OTHER_IMAGES if own_size else SMALLER.format(_smaller(table)))
    seeds = table.groupby("method", sort=False).seed.nunique()
    few = seeds.index[seeds < FEWEST_SEEDS]
    if len(few):
        whose = "" if len(few) == len(seeds) else f" of {', '.join(map('`{}`'.format, few))}"
        said.append(f"With fewer than {FEWEST_SEEDS} seeds nothing{whose} is decided.")
    return "\n\n".join([" ".join(said), *_unfold(missing)])


def _smaller(table: pd.DataFrame) -> str:
    """In what it is: images, networks, training."""
    first = table.iloc[0]
    images = f"{first.dataset} stand in for its images, " if "digits" in first.dataset else ""
    return f"{images}small networks, {schedule(first.recipe)}"


def _unfold(lines: Sequence[str]) -> list[str]:
    """A line, and below it what belongs to it, as HTML that Markdown holds."""
    if not lines:
        return []
    head, *rest = map(escape, lines)
    if not rest:
        return [head]
    return [_details(head.rstrip(":"), "<pre>" + "\n".join(rest) + "</pre>")]


def _details(head: str, body: str) -> str:
    return f"<details><summary>{head}</summary>{body}</details>"
