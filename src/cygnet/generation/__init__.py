"""The decoding engine: prompts in, sampled tokens and their log-probabilities out.

The engine is imported when it is first used: a request and its settings don't need torch.
"""

from typing import TYPE_CHECKING

from cygnet.generation.constraint import Constraint
from cygnet.generation.request import Completion, Sampling
from cygnet.lazy import importer

if TYPE_CHECKING:
    from cygnet.generation.engine import Engine

__all__ = ["Completion", "Constraint", "Engine", "Sampling"]

__getattr__ = importer(__name__, {"Engine": "cygnet.generation.engine"})
