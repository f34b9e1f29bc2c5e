"""Comparative Knowledge Distillation: small image classifiers from few teacher calls.

Data flows one way: images -> teacher calls -> students -> rows -> tables and figures; each has its
folder (docs/architecture.md). The names below are what most users need; they are looked up when
they are first used, so that importing this package costs nothing.
"""

from .lazy import face

__version__ = "0.2.0"

_PLACES = {
    "Ledger": "teachers",
    "Recipe": "recipes",
    "Row": "records",
    "Store": "study",
    "Views": "images",
    "Workspace": "study",
    "check": "study",
    "distill": "distilling",
    "fit": "training",
    "load_dataset": "images",
    "load_student": "distilling",
    "load_teacher": "teachers",
    "load_plugins": "study",
    "make_teacher": "study",
    "method": "methods",
    "model": "models",
    "open_workspace": "study",
    "pixels": "images",
    "predict": "training",
    "run": "study",
    "select": "study",
    "split": "images",
    "status": "study",
    "teacher_view": "images",
    "validate": "training",
}
__all__ = [*_PLACES, "__version__"]
__getattr__, __dir__ = face(__name__, _PLACES)
