"""The decoding engine: prompts in, sampled tokens and their log-probabilities out."""

from cygnet.generation.engine import Engine
from cygnet.generation.sampling import Completion, Sampling

__all__ = ["Completion", "Engine", "Sampling"]
