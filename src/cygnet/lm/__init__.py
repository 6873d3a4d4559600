"""One interface to language models: text or messages in, text out."""

from cygnet.lm.local import Answer, LanguageModel, RewardModel, load, load_reward

__all__ = ["Answer", "LanguageModel", "RewardModel", "load", "load_reward"]
