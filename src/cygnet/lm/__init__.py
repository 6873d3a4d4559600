"""One interface to language models: text or messages in, text out.

What asks a model is imported when it is first used: an endpoint doesn't need torch, nor a model folder httpx.
"""

from typing import TYPE_CHECKING

from cygnet.lazy import importer
from cygnet.lm.base import LanguageModel, Prompt, Reply, Token, Usage

if TYPE_CHECKING:
    from cygnet.lm.endpoint import EndpointModel
    from cygnet.lm.loading import load
    from cygnet.lm.local import LocalModel, RewardModel, load_reward

_HOME = {
    "EndpointModel": "cygnet.lm.endpoint",
    "LocalModel": "cygnet.lm.local",
    "RewardModel": "cygnet.lm.local",
    "load": "cygnet.lm.loading",
    "load_reward": "cygnet.lm.local",
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

__getattr__ = importer(__name__, _HOME)
