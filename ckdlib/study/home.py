"""Where the study keeps its files."""

import os
from pathlib import Path


def home() -> Path:
    """Where data, runs and published teachers are unless a path says otherwise.

    The project's folder; for an installed library, which has none, `ckdlib` in the user's data
    folder.
    """
    project = Path(__file__).parents[2]
    if (project / "pyproject.toml").exists():
        return project
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "ckdlib"
