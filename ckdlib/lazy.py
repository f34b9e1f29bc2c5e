"""A package's public names, looked up when they are first used, so that importing it costs
nothing.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def face(package: str, places: Mapping[str, str]) -> tuple[Callable, Callable]:
    """`__getattr__` and `__dir__` of a package.

    Parameters
    ----------
    package : str
        Its `__name__`.
    places : mapping
        Public name -> module of the package that holds it.
    """

    def getattribute(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{places[name]}", package), name)

    def listing() -> list[str]:
        return sorted({*places, *vars(sys.modules[package])})

    return getattribute, listing
