"""`cygnet rl`."""

from pathlib import Path
from typing import Annotated

from cygnet.cli.out import OUT
from cygnet.cli.restart import Restart


def rl(
    sft: Path,
    prompts: Path,
    /,
    *settings: str,
    reward: Path,
    out: Annotated[Path, OUT],
    restart: Restart = False,
) -> None:
    """Tune a model by PPO against a reward model, held near where it started.

    Parameters
    ----------
    sft:
        The model folder to start from.
    prompts:
        A .jsonl file of {"prompt": [messages]}, or a folder with train.jsonl and heldout.jsonl.
    settings:
        KEY=VALUE: of rl (iterations=20, kl_target=4.0), or seed=2, threads=4.
    reward:
        The reward model's folder.
    out:
        The new model's folder.
    """
    from cygnet.recipe.load import stage_recipe
    from cygnet.recipe.single import rl_alone
    from cygnet.recipe.summary import stage_summary

    metrics = rl_alone(sft, reward, prompts, out, stage_recipe("rl", settings), restart)
    print(stage_summary(metrics, out))
