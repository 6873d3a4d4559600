"""The version of the code that a step runs: edit a step's code and it is done again, edit another's and it is not."""

import cygnet
from cygnet.code import code_hash

_STEPS = ("files.py", "recipe/steps.py")
_DATA = (*_STEPS, "corpus", "tokens")
_TRAINING = (*_STEPS, "tokens", "model", "training", "generation", "stages", "feedback", "corpus/tasks")

# What decides the outputs of each step. Left out is what only talks to the user: cli, errors, how runs are kept.
_ROOMS = {
    "pages": _DATA,
    "corpus": _DATA,
    "tokenizer": _DATA,
    "tokens": _DATA,
    "split": (*_STEPS, "recipe/splitting.py"),
    "pretrain": (*_TRAINING, "evaluation"),
    "conversations": _TRAINING,
    "sft": _TRAINING,
    "adapt": _TRAINING,
    "comparisons": _TRAINING,
    "reward": _TRAINING,
    "rl": (*_TRAINING, "recipe/gold.py"),
    "rank": (*_TRAINING, "lm", "arena", "recipe/gold.py", "recipe/ranking.py", "recipe/contest.py"),
    "report": ("files.py", "page", "recipe/report"),
}


def code_version(step: str) -> str:
    """The package's version and a hash of the code that `step` uses; of the whole package for a step unknown here."""
    return f"{cygnet.__version__}+{code_hash(_ROOMS.get(step, ('.',)))}"
