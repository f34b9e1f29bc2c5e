"""Notebooks in batch: papermill with checked parameters, an executed copy and an HTML of each."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import site
from .errors import InputError, OutOfTime, choose
from .files import replacing
from .progress import PAGE, silent
from .report import check_target, rows_of_experiment
from .study.options import Options
from .study.parameters import SOURCES, declared, need_jupyter
from .study.store import Store

# notebook -> the experiment whose rows it needs
ANALYSES = {
    "03_table1_figure2": "black_box",
    "04_table2_white_box": "white_box",
    "05_figure4_dimensionality": "dimensionality",
    "06_figure5_flatness": "black_box",
    "07_table3_correlations": "black_box",
    "08_figure3_cars": "cars",
    "09_large_n": "large_n",
    "11_fewer_calls": "fewer_calls",
    "12_protocol": "protocol",
    "14_learning_curve": "fewer_calls",
    "15_equal_tuning": "fair",
    "16_which_images": "select",
    "17_spare_labels": "spare_labels",
    "18_without_labels": "no_labels",
    "19_long_schedule": "long_schedule",
}
VERDICT = "10_verdict"
# those that need students who asked a teacher
OF_TEACHERS = {"06_figure5_flatness", "07_table3_correlations"}


def execute(notebook: Path, output: Path, **parameters: Any) -> None:
    """Run a notebook, writing `output` (.ipynb) and its HTML version beside it.

    Raises
    ------
    InputError
        For a parameter that the notebook does not declare or declares of another kind, folders
        without rows, and the user's mistakes met inside.
    OutOfTime
        Where its time budget ended.
    """
    parameters = _checked(notebook, parameters)
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters,
            cwd=str(notebook.parent),
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            kernel_name="python3",
            kernel_manager_class=_own_kernel(),
        )
    except PapermillExecutionError as error:
        if error.ename == "OutOfTime":
            raise OutOfTime(error.evalue) from None
        if error.ename == "InputError":
            raise InputError(f"{notebook.name}: {error.evalue}") from None
        raise
    html = site.page_html(site.read_notebook(output), output.stem)
    with replacing(output.with_suffix(".html")) as beside:
        beside.write_text(html)


def _checked(notebook: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The values as the notebook declares them; that there are rows where it reads them."""
    there = declared(notebook)
    for name in given:
        choose(f"parameter of {notebook.name}", name, there)
    checked = {name: there[name].check(value) for name, value in given.items()}
    used = {name: one.default for name, one in there.items()} | checked
    if notebook.stem in ANALYSES and "results" in used:
        _check_rows(notebook, used["results"], ANALYSES[notebook.stem])
    elif notebook.stem == VERDICT and "folders" in used:
        _check_folders(notebook, used["folders"], any if "folders" not in checked else all)
    return checked


def _check_rows(notebook: Path, folder: str, experiment: str) -> None:
    if not _has_rows(notebook.parent / folder):
        raise InputError(
            f"{folder} holds no rows, so no rows of experiment {experiment!r}; make them with: "
            f"python -m ckdlib run --experiment {experiment} --results {folder}"
        )


def _check_folders(notebook: Path, folders: list[str], how_many: Callable) -> None:
    """Those that were named must hold rows, and one of the notebook's own."""
    empty = [folder for folder in folders if not _has_rows(notebook.parent / folder)]
    if not folders or not how_many(folder not in empty for folder in folders):
        raise InputError(
            f"no rows in {', '.join(empty) or 'no folder'}; name folders that hold a rows.jsonl, "
            "as `python -m ckdlib run` writes it"
        )


def _has_rows(folder: Path) -> bool:
    return bool(Store(folder).rows(silent))


def _own_kernel() -> type:
    """Kernels of the running interpreter, whatever kernelspecs are installed, and nobody's page."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[])  # ipykernel's own is left

        def start_kernel(self, **kw: Any) -> Any:
            env = {name: value for name, value in os.environ.items() if name != PAGE}
            return super().start_kernel(**kw | {"env": env})

    return OwnKernel


def batch(options: Options, targets: Sequence[float] = ()) -> None:
    """The notebooks of these runs in order; options and images are checked before the first.

    Parameters
    ----------
    options : Options
    targets : sequence of float
        Accuracies in per cent for Table 1; the profile's own without.
    """
    need_jupyter()
    from .study.runs import needing_teacher
    from .study.tasks import prepare

    workspace = options.workspace()
    runs = prepare(options.runs(), workspace, workspace.store).runs
    for target in targets:
        check_target(target)
    pages = _Pages(options, workspace)
    for dataset, model in dict.fromkeys(
        (one.dataset, one.teacher) for one in needing_teacher(runs)
    ):
        name = f"01_teacher-{Path(dataset).name}-{model}"
        pages.execute("01_teacher", name, model=model, dataset=dataset, **pages.where())
    if options.profile == "quick":
        pages.execute("00_tour")
    pages.execute("02_experiments", **pages.experiments(runs[0].dataset))
    rows = workspace.store.rows()
    if not rows:
        raise OutOfTime("no student was finished in time: no table yet; the same command goes on")
    asked = {one.experiment for one in runs}
    figures = str(workspace.results / "figures")
    for source, experiment in ANALYSES.items():
        own = rows_of_experiment(rows, experiment) if experiment in asked else []
        if any(row["teacher_sha256"] or source not in OF_TEACHERS for row in own):
            more: dict[str, Any] = (
                {"targets": list(targets)} if source == "03_table1_figure2" else {}
            )
            pages.execute(source, results=str(workspace.results), save_to=figures, **more)
    pages.execute(VERDICT, folders=[str(workspace.results)], save_to=figures)
    print(f"tables and figures: {figures}, notebooks to read: {pages.folder}/*.html")
    print(f"to read and to send: {site.write(workspace.results)}")


class _Pages:
    """The notebooks of one batch, and what they are told."""

    def __init__(self, options: Options, workspace: Any):
        self.options, self.workspace = options, workspace
        self.folder = workspace.results / "notebooks"
        self.started = time.monotonic()

    def execute(self, source: str, name: str | None = None, **parameters: Any) -> None:
        print(f"== {name or source}", flush=True)
        output = self.folder / f"{name or source}.ipynb"
        execute(SOURCES / f"{source}.ipynb", output, **parameters)

    def where(self) -> dict[str, Any]:
        """Parameters of the notebooks that train."""
        workspace = self.workspace
        return {
            "plugins": list(self.options.plugins),
            "profile": self.options.profile,
            "results": str(workspace.results),
            "data": str(workspace.data),
            "cache": str(workspace.cache),
            "image_size": workspace.image_size,
            "flip": workspace.flip,
            "device": workspace.device,
            "precision": workspace.precision,
            "time_budget": self.minutes_left(),
        }

    def experiments(self, dataset: str) -> dict[str, Any]:
        """Parameters of notebook 02: all options, with their lists as lists."""
        given = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self.options).items()
        }
        return given | self.where() | {"dataset": self.options.dataset and dataset}

    def minutes_left(self) -> float | None:
        budget = self.options.time_budget
        if budget is None:
            return None
        return max(0.01, budget - (time.monotonic() - self.started) / 60)
