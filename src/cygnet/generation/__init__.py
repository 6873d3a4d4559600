"""The decoding engine: prompts in, sampled tokens and their log-probabilities out.

The engine is imported when it is first used: a request and its settings don't need torch.
"""

from typing import TYPE_CHECKING, Any

from cygnet.generation.request import Completion, Sampling

if TYPE_CHECKING:
    from cygnet.generation.engine import Engine

__all__ = ["Completion", "Engine", "Sampling"]


def __getattr__(name: str) -> Any:
    if name != "Engine":
        raise AttributeError(f"module 'cygnet.generation' has no attribute {name!r}")
    from cygnet.generation.engine import Engine

    return Engine
