"""What an installation without extras can do."""

import subprocess
import sys

from tests import PROJECT

EXTRAS = ["matplotlib", "seaborn", "IPython", "ipykernel", "jupyter_client", "nbformat"]
EXTRAS += ["nbconvert", "papermill", "ipywidgets", "onnx", "onnxscript", "pyarrow", "pytest"]
EXTRAS += ["docutils", "myst_nb", "furo", "latex2mathml", "dask", "distributed"]

ALONE = f"""
import sys
from importlib import import_module
from pathlib import Path

sys.modules |= dict.fromkeys({EXTRAS})
from ckdlib.__main__ import main

for path in sorted(Path("ckdlib").rglob("*.py")):
    if "figures" not in path.parts and path.name != "page.py":
        import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
status = main(["status", "--results", "results/quick", "--experiment", "black_box"])
assert status + main(["headline", "--results", "results/quick"]) == 0
from ckdlib.report import figures
"""


def test_the_library_alone_needs_no_extra_and_figures_name_theirs():
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=PROJECT, capture_output=True, text=True
    )
    assert "120/120 runs done" in done.stdout and "| `ckd_calibrated` |" in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "ckdlib.errors.InputError: matplotlib is not installed, and figures need it; install what "
        'they need with: pip install "ckdlib[report]"'
    )
