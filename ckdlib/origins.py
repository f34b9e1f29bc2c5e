"""What a definition of one's own (a function, a class) is: where it stands, and a digest of it.

The digest is of its source as Python parses it, so that comments and formatting do not matter, and
of whatever of one's own it reaches by name: functions, classes and values, of its file or another,
of other cells of a notebook. Where no source can be had it is of the compiled code.
"""

import ast
import functools
import inspect
import linecache
import sys
import sysconfig
import textwrap
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import torch

from .reproducibility import sha256, tensor_bytes

PLACES = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
PLACES.append(Path(__file__).parent)
PLAIN = (type(None), bool, int, float, complex, str, bytes)
# of what was defined, as it was when first looked at: a file may change after it was run
_SOURCES: dict[type | CodeType, list[str]] = {}


def origin(thing: Any) -> str:
    """The file that a function or class stands in; its module's name where that is none."""
    if isinstance(thing, functools.partial):
        return origin(thing.func)
    file = _file(thing) or _file(type(thing))
    if file and Path(file).is_file():
        return str(Path(file).resolve())
    return getattr(thing, "__module__", None) or "__main__"


def caller() -> str:
    """The file of whoever called this library; its module's name where that is none."""
    frame = sys._getframe(1)
    while PLACES[-1] in Path(frame.f_code.co_filename).parents and frame.f_back:
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    return str(file.resolve()) if file.is_file() else frame.f_globals.get("__name__", "__main__")


def digest(*things: Any) -> str:
    """SHA-256 of definitions: their source, and what of one's own they reach."""
    seen: dict[int, Any] = {}
    return sha256("\n".join(line for thing in things for line in _told(thing, seen, root=True)))


def place(error: BaseException) -> str:
    """What was raised, in a line, and where: the last line of one's own that led there."""
    said = str(error).strip().splitlines() or [""]
    why = f"{type(error).__name__}: {said[0]}".removeprefix("InputError: ").rstrip(": ")
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: SyntaxError: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename)]
    return f"{own[-1].filename}, line {own[-1].lineno}: {why}" if own else why


def _told(thing: Any, seen: dict[int, Any], root: bool = False) -> Iterator[str]:
    """Lines that tell a definition or a value from another."""
    if isinstance(thing, PLAIN):
        yield repr(thing)
        return
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if callable(thing) and hasattr(
        thing, "__wrapped__"
    ):  # by a decorator that is not one's own, as torch.no_grad
        yield from _told(thing.__wrapped__, seen, root)
    if isinstance(thing, Mapping | list | tuple):
        yield f"{len(thing)} {type(thing).__name__}"
    if isinstance(thing, Mapping):
        yield from _each((part for item in thing.items() for part in item), seen)
    elif isinstance(thing, list | tuple):
        yield from _each(thing, seen)
    elif isinstance(thing, set | frozenset):
        yield repr(sorted(map(repr, thing)))
    elif isinstance(thing, functools.partial):
        yield from _each((thing.func, thing.args, thing.keywords), seen)
    elif inspect.ismethod(thing):
        yield from _each((thing.__func__, thing.__self__), seen)
    elif isinstance(thing, ModuleType):
        yield from _module(thing, seen)
    elif isinstance(thing, FunctionType | type):
        yield thing.__qualname__
        if root or _own(thing):
            yield from _definition(thing, seen)
    else:
        yield from _object(thing, seen)


def _each(things: Iterable[Any], seen: dict[int, Any]) -> Iterator[str]:
    for thing in things:
        yield from _told(thing, seen)


def _object(thing: Any, seen: dict[int, Any]) -> Iterator[str]:
    """A tensor, a module, an object of a class of one's own; others as far as they tell."""
    yield type(thing).__qualname__
    if isinstance(thing, torch.Tensor):
        yield sha256(tensor_bytes(thing.detach().cpu()))
    elif isinstance(thing, torch.nn.Module) or _own(type(thing)):
        yield from _each((type(thing), getattr(thing, "__dict__", None)), seen)
    elif hasattr(thing, "tobytes"):
        yield sha256(thing.tobytes())
    elif " at 0x" not in repr(thing):
        yield repr(thing)


def _module(module: ModuleType, seen: dict[int, Any]) -> Iterator[str]:
    """One of one's own: all that it holds."""
    yield module.__name__
    if _own(module):
        held = [one for one in sorted(vars(module).items()) if not one[0].startswith("__")]
        yield from _told(dict(held), seen)


def _is_plain(name: str, value: Any) -> bool:
    return isinstance(value, PLAIN) and not name.startswith("__")


def _definition(thing: FunctionType | type, seen: dict[int, Any]) -> Iterator[str]:
    """A function or class: its source and what it reaches."""
    functions = list(_functions(thing))
    key = thing if isinstance(thing, type) else thing.__code__
    if key not in _SOURCES:
        _SOURCES[key] = list(_source(key, functions))
    yield from _SOURCES[key]
    if isinstance(thing, type):
        yield repr(sorted(f"{n} {v!r}" for n, v in vars(thing).items() if _is_plain(n, v)))
        yield from _each((*thing.__bases__, *functions), seen)
        return
    yield from _each((thing.__defaults__, thing.__kwdefaults__), seen)
    for cell in thing.__closure__ or ():
        try:
            yield from _told(cell.cell_contents, seen)
        except ValueError:  # nothing in it yet
            continue
    names = sorted({name for code in _codes(thing) for name in code.co_names})
    yield from _each((thing.__globals__.get(name) for name in names), seen)


def _source(key: type | CodeType, functions: Iterable[FunctionType]) -> Iterator[str]:
    try:
        yield _parsed(textwrap.dedent(inspect.getsource(key)), bare=True)
    except (OSError, TypeError, SyntaxError):  # no file, a class of a notebook, part of a line
        for function in functions:
            if lines := linecache.getlines(function.__code__.co_filename):
                yield _parsed("".join(lines))
                continue
            for code in _codes(function):
                plain = [one for one in code.co_consts if not isinstance(one, CodeType)]
                parts = (code.co_code, plain, code.co_names, code.co_varnames)
                yield from _each(parts, {})


def _parsed(source: str, bare: bool = False) -> str:
    """bare: without the decorators of the one definition, whose work is in what it became."""
    parsed = ast.parse(source)
    if bare and isinstance(parsed.body[0], ast.FunctionDef | ast.ClassDef):
        parsed.body[0].decorator_list = []
    return repr(_plain(parsed))


def _plain(node: Any) -> Any:
    """A parsed source as tuples, the same under every version of Python: no empty fields."""
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, _plain(value)) for name, value in ast.iter_fields(node) if name != "kind"]
    return type(node).__name__, *(field for field in fields if field[1] not in (None, ()))


def _codes(function: FunctionType) -> Iterator[CodeType]:
    """The compiled code of a function, and of what is defined inside."""
    left = [function.__code__]
    while left:
        code = left.pop(0)
        yield code
        left += [one for one in code.co_consts if isinstance(one, CodeType)]


def _functions(thing: FunctionType | type) -> Iterator[FunctionType]:
    """A function itself, or those of a class."""
    if isinstance(thing, FunctionType):
        yield thing
        return
    for value in vars(thing).values():
        inner = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if isinstance(inner, FunctionType):
            yield inner


def _file(thing: Any) -> str | None:
    """Where it was written; of what a notebook's cell defines, a file that is not there."""
    if isinstance(thing, ModuleType):
        return next(iter(_file_of(thing)), None)
    if isinstance(thing, FunctionType):
        return thing.__code__.co_filename
    functions = _functions(thing) if isinstance(thing, type) else ()
    files = [function.__code__.co_filename for function in functions]
    written = [file for file in files if not file.startswith("<")]  # others are generated
    name = getattr(thing, "__module__", "")
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        files.append("")
    return next(iter((*written, *_file_of(module), *files)), None)


def _file_of(module: ModuleType | None) -> list[str]:
    file = getattr(module, "__file__", None)
    return [file] if file else []


def _own(thing: Any) -> bool:
    """Is it neither of Python, nor of an installed package, nor of this library?"""
    file = _file(thing)
    return file is not None and _is_own(file)


@functools.cache
def _is_own(file: str) -> bool:
    path = Path(file)
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    library = any(place in path.parents for place in PLACES)
    return not (installed or library or file.startswith("<frozen"))
