"""Images, a teacher and n calls -> the best small student that these calls buy, and its file."""

from ..lazy import face

_PLACES = {
    "Pictures": "material",
    "Student": "student",
    "distill": "one_call",
    "load_student": "student",
    "open_pictures": "material",
}
__all__ = list(_PLACES)
__getattr__, __dir__ = face(__name__, _PLACES)
