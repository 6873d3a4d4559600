"""`cygnet reward`."""

from pathlib import Path
from typing import Annotated

from cygnet.cli.out import OUT
from cygnet.cli.restart import Restart


def reward(
    sft: Path,
    comparisons: Path,
    /,
    *settings: str,
    out: Annotated[Path, OUT],
    restart: Restart = False,
) -> None:
    """Train a reward model on ranked answers.

    Parameters
    ----------
    sft:
        The model folder to start from, the one that gave the answers if possible.
    comparisons:
        A .jsonl file of {"prompt": [messages], "responses": [...], "ranks": [...]}, rank 1 being the best, or a
        folder with train.jsonl and heldout.jsonl.
    settings:
        KEY=VALUE: of reward (lr=0.0005), or seed=2, threads=4.
    out:
        The reward model's folder.
    """
    from cygnet.recipe.load import stage_recipe
    from cygnet.recipe.single import reward_alone
    from cygnet.recipe.summary import stage_summary

    metrics = reward_alone(sft, comparisons, out, stage_recipe("reward", settings), restart)
    print(stage_summary(metrics, out))
