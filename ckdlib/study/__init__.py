"""The study: what is run (`grid`, `runs`), where (`workspace`), and how (`batch`).

The names below are looked up when they are first used, so that who only reads the grid or rows
loads no code that trains.
"""

from ..lazy import face

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
    "check": "checks",
    "load_plugins": "plugins",
    "make_teacher": "teachers",
    "open_workspace": "workspace",
    "profile": "grid",
    "run": "batch",
    "select": "runs",
    "status": "progress",
}
__all__ = list(_PLACES)
__getattr__, __dir__ = face(__name__, _PLACES)
