"""The study: what is run (`grid`, `runs`), where (`workspace`), and how (`batch`).

The names below are looked up when they are first used, so that who only reads the grid or rows
loads no code that trains.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "BLACK_BOX": "grid",
    "CONTROLS": "grid",
    "OURS": "grid",
    "PROFILES": "grid",
    "PROTOCOL": "grid",
    "WHITE_BOX": "grid",
    "Experiment": "grid",
    "Profile": "grid",
    "Run": "runs",
    "Store": "store",
    "Workspace": "workspace",
    "make_teacher": "teachers",
    "open_workspace": "workspace",
    "profile": "grid",
    "run": "batch",
    "select": "runs",
    "status": "batch",
}
__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
