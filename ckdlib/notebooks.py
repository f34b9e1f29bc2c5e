"""Notebooks in batch: papermill with checked parameters, an executed copy and an HTML version of each."""
import sys
from pathlib import Path

from .errors import InputError, OutOfTime, choose
from .files import replacing

SOURCES = Path(__file__).parents[1] / "notebooks"
ANALYSES = {                             # notebook -> the experiment whose rows it needs
    "03_table1_figure2": "black_box", "04_table2_white_box": "white_box", "05_figure4_dimensionality": "dimensionality",
    "06_figure5_flatness": "black_box", "07_table3_correlations": "black_box", "08_figure3_cars": "cars",
    "09_large_n": "large_n", "11_fewer_calls": "fewer_calls", "12_protocol": "protocol"}
OF_TEACHERS = {"06_figure5_flatness", "07_table3_correlations"}  # those that need students who asked a teacher


def execute(notebook: Path, output: Path, **parameters) -> None:
    """Run a notebook with `parameters`, writing `output` (.ipynb) and its HTML version beside it.

    InputError for a parameter that the notebook does not declare, and for the user's mistakes met inside it; OutOfTime
    where its time budget ended.
    """
    import papermill
    from nbconvert import HTMLExporter
    from papermill.exceptions import PapermillExecutionError

    if not notebook.is_file():
        names = ", ".join(path.name for path in sorted(SOURCES.glob("*.ipynb")))
        raise InputError(f"no notebook {notebook}; there are {names}")
    declared = papermill.inspect_notebook(str(notebook))
    for name in parameters:
        choose(f"parameter of {notebook.name}", name, declared)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(str(notebook), str(output), parameters, cwd=str(notebook.parent),
                                   progress_bar=False, stdout_file=sys.stdout, stderr_file=sys.stderr,
                                   extra_arguments=["--IPKernelApp.log_level=ERROR"])
    except PapermillExecutionError as error:
        if error.ename == "OutOfTime":
            raise OutOfTime(error.evalue) from None
        if error.ename == "InputError":
            raise InputError(f"{notebook.name}: {error.evalue}") from None
        raise
    html, _ = HTMLExporter().from_filename(str(output))
    with replacing(output.with_suffix(".html")) as beside:
        beside.write_text(html)
