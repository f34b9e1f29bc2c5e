"""What holds the house together: lint, format, types, and floors that only look down."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import PROJECT

CHECKS = {
    "lint": ("ruff", "check", "ckdlib", "tests", "notebooks"),
    "format": ("ruff", "format", "--check", "ckdlib", "tests", "notebooks"),
    "types": ("mypy",),
    "floors": ("lint-imports", "--no-cache"),
}


@pytest.mark.parametrize("check", CHECKS)
def test_check(check):
    tool, *words = CHECKS[check]
    found = shutil.which(tool, path=str(Path(sys.executable).parent)) or tool
    done = subprocess.run([found, *words], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_no_file_is_longer_than_300_lines():
    lines = {
        path: len(path.read_text().splitlines()) for path in (PROJECT / "ckdlib").rglob("*.py")
    }
    assert not {str(path): count for path, count in lines.items() if count > 300}
