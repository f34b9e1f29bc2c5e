"""What a budget buys, on a page: controls, a figure and sentences that follow them."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import pandas as pd

from ..errors import InputError, not_installed
from ..progress import on_page
from .budget import Budget, budget

LOG_CALLS = (1.0, 5.0)  # of the slider: 10 to 100,000


def explore(
    tables: Mapping[str, pd.DataFrame],
    calls: float = 1000,
    price: float = 0.002,
    has_labels: bool = True,
    controls: bool | None = None,
) -> None:
    """Show what calls buy, below controls where a person can move them.

    Parameters
    ----------
    tables : mapping
        Kind of images -> rows of them, as of `budget_table`; the first is shown first.
    calls, price, has_labels
        To begin with, as of `budget`.
    controls : bool, optional
        Show them; without, in JupyterLab and its kind alone, not on a page that runs in batch: what
        that leaves can be read without a kernel.

    Raises
    ------
    InputError
        Where controls are to be shown and ipywidgets is not installed; of what `budget` refuses.
    """
    kind = next(iter(tables))
    first = budget(tables[kind], calls, price, has_labels)
    if on_page() if controls is None else controls:
        panel, chosen = _controls(list(tables), calls, price, has_labels)
        show = _view(first, tables[kind], panel)

        def follow(change: Any) -> None:
            where, *asked = chosen()
            try:
                show(budget(tables[where], *asked), tables[where])
            except InputError as error:
                show(str(error), tables[where])

        for control in panel.children:
            control.observe(follow, "value")
    else:
        _view(first, tables[kind])


def _controls(kinds: list[str], calls: float, price: float, has_labels: bool) -> tuple:
    """A box of controls, and a function that reads them in the order of `follow`."""
    try:
        import ipywidgets as widgets
    except ImportError as error:
        raise not_installed(error.name, "controls", "notebooks") from None
    wide = {"style": {"description_width": "9em"}, "layout": widgets.Layout(width="36em")}
    low, high = LOG_CALLS
    box = [
        widgets.Dropdown(options=kinds, description="images", **wide),
        widgets.FloatLogSlider(
            value=calls,
            min=low,
            max=high,
            step=0.02,
            readout_format=",.0f",
            description="calls",
            continuous_update=False,
            **wide,
        ),
        widgets.FloatText(value=price, step=0.001, description="price of a call", **wide),
        widgets.Checkbox(value=has_labels, description="the images have labels", **wide),
    ]
    return widgets.VBox(box), lambda: [control.value for control in box]


def _view(
    first: Budget, table: pd.DataFrame, panel: Any = None
) -> Callable[[Budget | str, pd.DataFrame], None]:
    """Show controls, figure and sentences; a function that shows others in their place.

    A string is a refusal, and stands in the place of the sentences.
    """
    from IPython.display import Markdown, display

    if panel is not None:
        display(panel)
    picture = display(_picture(first, table), display_id=True)
    words = display(Markdown(_listed(first.sentences)), display_id=True)

    def show(found: Budget | str, table: pd.DataFrame) -> None:
        if isinstance(found, str):
            words.update(Markdown(f"**{found}**"))
            return
        picture.update(_picture(found, table))
        words.update(Markdown(_listed(found.sentences)))

    return show


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _picture(found: Budget, table: pd.DataFrame) -> Any:
    from IPython.display import Image
    from matplotlib.pyplot import close

    from . import figures

    drawn, png = figures.budget(found, table), BytesIO()
    drawn.savefig(png, format="png", dpi=drawn.dpi)
    close(drawn)
    return Image(png.getvalue(), alt="accuracy over teacher calls; what it shows is written below")
