"""One interface to language models: text or messages in, text out.

What runs a model on this machine is imported when it is first used: asking an endpoint doesn't need torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cygnet.lm.base import LanguageModel, Prompt, Reply, Token, Usage

if TYPE_CHECKING:
    from cygnet.lm.local import LocalModel, RewardModel, load, load_reward

_LOCAL = ("LocalModel", "RewardModel", "load", "load_reward")

__all__ = ["LanguageModel", "LocalModel", "Prompt", "Reply", "RewardModel", "Token", "Usage", "load", "load_reward"]


def __getattr__(name: str) -> Any:
    if name not in _LOCAL:
        raise AttributeError(f"module 'cygnet.lm' has no attribute {name!r}")
    return getattr(importlib.import_module("cygnet.lm.local"), name)
