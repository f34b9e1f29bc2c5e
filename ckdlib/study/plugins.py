"""Files of one's own that define methods and models."""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import cloudpickle

from ..errors import InputError
from ..origins import place
from ..reproducibility import sha256

_LOADED: dict[Path, tuple[str, ModuleType]] = {}  # file -> SHA-256 of it, what it became


def load_plugins(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """Run files that define methods and models, each once as long as it stays the same.

    Worker processes get what they define as it is. Files beside them can be imported by them.

    Returns
    -------
    list of Path
        Their whole paths.

    Raises
    ------
    InputError
        If one is not there or raises: file, line, and what it was.
    """
    given = [files] if isinstance(files, str | Path) else files
    paths = [Path(file).expanduser().resolve() for file in given]
    for path in paths:
        _load(path)
    return paths


def _load(path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"no plugin {path} ({error.strerror}); name a file of Python that defines methods or "
            "models"
        ) from None
    digest = sha256(content)
    if path in _LOADED and _LOADED[path][0] == digest:
        return
    name = f"ckdlib_plugin_{path.stem}_{sha256(str(path))[:8]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # where pickling and `inspect` look for it
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    cloudpickle.register_pickle_by_value(module)
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        why = place(error)
        where = "" if str(path) in why else f"{path}: "
        raise InputError(f"plugin {where}{why}") from None
    _LOADED[path] = digest, module
