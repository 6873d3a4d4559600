"""One interface to language models: text or messages in, text out.

What asks a model is imported when it is first used: an endpoint doesn't need torch, nor a model folder httpx.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cygnet.lm.base import LanguageModel, Prompt, Reply, Token, Usage

if TYPE_CHECKING:
    from cygnet.lm.endpoint import EndpointModel
    from cygnet.lm.local import LocalModel, RewardModel, load, load_reward

_HOME = {
    "EndpointModel": "endpoint",
    "LocalModel": "local",
    "RewardModel": "local",
    "load": "local",
    "load_reward": "local",
}

__all__ = [
    "EndpointModel",
    "LanguageModel",
    "LocalModel",
    "Prompt",
    "Reply",
    "RewardModel",
    "Token",
    "Usage",
    "load",
    "load_reward",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cygnet.lm' has no attribute {name!r}")
    return getattr(importlib.import_module(f"cygnet.lm.{_HOME[name]}"), name)
