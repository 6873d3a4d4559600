"""Raise a GPT: from raw pages to a ranked assistant, on a laptop, in standard files.

The names below are imported when they are first used, so that `import cygnet` stays light.
"""

import importlib
from typing import Any

from cygnet.errors import UserError

__version__ = "0.1.0"

_HOME = {
    "Recipe": "cygnet.recipe.schema",
    "load_recipe": "cygnet.recipe.load",
    "run_recipe": "cygnet.recipe.run",
}

__all__ = ["Recipe", "UserError", "__version__", "load_recipe", "run_recipe"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cygnet' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
