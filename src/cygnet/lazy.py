"""Names of a package that are imported when they are first used, so that importing the package stays light."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def importer(package: str, home: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) that finds each name of `home` in the module given for it."""

    def find(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(home[name]), name)

    return find
