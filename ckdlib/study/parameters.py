"""What notebooks declare, and the values that are given to them.

The default in a notebook's cell tells the kind of a parameter; where it is None or an empty list,
the options of the command line do.
"""

import ast
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InputError, choose, not_installed
from .options import Options, whole

SOURCES = Path(__file__).parents[2] / "notebooks"
# parameters that are paths
PATHS = {"results", "save_to", "folders", "data", "cache", "teachers", "checkpoint", "plugins"}
# of which kind are those whose default does not tell it: None, or an empty list
KINDS: dict[str, type] = {one.name: one.metadata["kind"] for one in fields(Options)} | {
    "targets": float,
    "rivals": str,
    "recipe": str,
    **dict.fromkeys(PATHS, str),
}
WORDS = {
    bool: ("true or false", "switches"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
}


class Parameter(NamedTuple):
    """What a notebook declares: a name, its default, and the kind of it or of its elements."""

    notebook: str
    name: str
    default: Any
    kind: type | None  # None: any

    def check(self, value: Any) -> Any:
        """The value as declared: one where a list is, as a list of it; a path as text.

        Raises
        ------
        InputError
            If it is of another kind.
        """
        is_list = isinstance(self.default, list)
        if value in (None, "") and self.default is None:
            return None
        if self.kind is None:
            return value
        given = list(value) if isinstance(value, (list, tuple)) and is_list else [value]
        given = [str(one) if isinstance(one, Path) else one for one in given]
        if all(map(self._fits, given)):
            return given if is_list else given[0]
        word, words = WORDS[self.kind]
        declared = f"a list of {words}" if is_list else word
        own = "" if self.default in (None, []) else f", for instance {json.dumps(self.default)}"
        raise InputError(
            f"{self.notebook}: {self.name} = {json.dumps(value, default=str)}, where {declared} is "
            f"declared; give such{own}"
        )

    def _fits(self, one: Any) -> bool:
        if self.kind is bool or isinstance(one, bool):
            return self.kind is bool and isinstance(one, bool)
        if self.kind is str:
            return isinstance(one, str) and one != ""
        return isinstance(one, int) or self.kind is float and isinstance(one, float)

    def read(self, text: str) -> Any:
        """A word of the command line as such a value; a path is from the current folder."""
        found = _literal(text)
        if self.kind is str and isinstance(found, (bool, int, float)):
            found = text  # a folder that is named 2024
        value = self.check(found)
        if self.name in PATHS:
            if isinstance(value, list):
                return [str(Path(one).resolve()) for one in value]
            return value and str(Path(value).resolve())
        return whole(value) if self.name == "dataset" and value else value


def _literal(text: str) -> Any:
    """As JSON, else as Python writes it, else as text."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def declared(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook, by name.

    Raises
    ------
    InputError
        If there is no such notebook, or what notebooks need is not installed.
    """
    need_jupyter()
    import papermill
    from nbformat import ValidationError

    if not notebook.is_file():
        names = [path.name for path in sorted(SOURCES.glob("*.ipynb"))]
        there = ", ".join(names) or "none: an installed library has no notebooks, a clone has"
        raise InputError(f"no notebook {notebook}; there are {there}")
    if notebook.suffix != ".ipynb":
        raise InputError(f"{notebook} is no notebook; name an .ipynb file")
    try:
        found = papermill.inspect_notebook(str(notebook))
    except (ValueError, AttributeError, ValidationError) as error:
        why = str(error).splitlines()[0][:80]
        raise InputError(f"{notebook} cannot be read as a notebook ({why}); name another") from None
    return {
        name: Parameter(notebook.name, name, *_default(name, one["default"]))
        for name, one in found.items()
    }


def _default(name: str, source: str) -> tuple[Any, type | None]:
    """The default that a notebook's cell holds, and the kind it tells of."""
    try:
        default = ast.literal_eval(source)
    except (ValueError, SyntaxError):
        return source, None
    one = default[0] if isinstance(default, list) and default else default
    kind = KINDS.get(name) if one in (None, []) else type(one)
    kind = str if kind is Path else kind
    return default, kind if kind in WORDS else None


def read(notebook: Path, words: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Names and texts of the command line as the values that a notebook declares.

    Raises
    ------
    InputError
        For a name that it does not declare or that comes twice, and a value of another kind.
    """
    there, given = declared(notebook), {}
    for name, text in words:
        choose(f"parameter of {notebook.name}", name, there)
        if name in given:
            raise InputError(f"-p {name} is given twice; give a list, for instance '[40, 80]'")
        given[name] = there[name].read(text)
    return given


def need_jupyter() -> None:
    """Refuse in one line where what notebooks need is not installed."""
    for package in ("ipykernel", "nbconvert", "papermill", "matplotlib", "seaborn"):
        if find_spec(package) is None:
            raise not_installed(package, "notebooks", "notebooks")
