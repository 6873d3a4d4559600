"""Raise a GPT: from raw pages to a ranked assistant, on a laptop, in standard files.

The names below are imported when they are first used, so that `import cygnet` stays light.
"""

from typing import TYPE_CHECKING

from cygnet.errors import UserError
from cygnet.lazy import importer

if TYPE_CHECKING:
    from cygnet.generation.request import Sampling
    from cygnet.lm.base import LanguageModel
    from cygnet.lm.loading import load
    from cygnet.lm.local import RewardModel, load_reward
    from cygnet.recipe.load import load_recipe
    from cygnet.recipe.run import run_recipe
    from cygnet.recipe.schema import Recipe

__version__ = "0.1.0"

_HOME = {
    "LanguageModel": "cygnet.lm.base",
    "Recipe": "cygnet.recipe.schema",
    "RewardModel": "cygnet.lm.local",
    "Sampling": "cygnet.generation.request",
    "load": "cygnet.lm.loading",
    "load_recipe": "cygnet.recipe.load",
    "load_reward": "cygnet.lm.local",
    "run_recipe": "cygnet.recipe.run",
}

__all__ = [
    "LanguageModel",
    "Recipe",
    "RewardModel",
    "Sampling",
    "UserError",
    "__version__",
    "load",
    "load_recipe",
    "load_reward",
    "run_recipe",
]


__getattr__ = importer(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
