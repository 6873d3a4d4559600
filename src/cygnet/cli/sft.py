"""`cygnet sft`."""

from pathlib import Path
from typing import Annotated

from cygnet.cli.out import OUT
from cygnet.cli.restart import Restart


def sft(
    base: Path,
    conversations: Path,
    /,
    *settings: str,
    out: Annotated[Path, OUT],
    restart: Restart = False,
) -> None:
    """Fine-tune a model on conversations: only the assistant's words are learned.

    Parameters
    ----------
    base:
        A model folder.
    conversations:
        A .jsonl file of {"messages": [{"role", "content"}, ...]}, or a folder with train.jsonl and validation.jsonl.
    settings:
        KEY=VALUE: of sft (epochs=2), or seed=2, threads=4.
    out:
        The new model's folder.
    """
    from cygnet.recipe.load import stage_recipe
    from cygnet.recipe.single import sft_alone
    from cygnet.recipe.summary import stage_summary

    metrics = sft_alone(base, conversations, out, stage_recipe("sft", settings), restart)
    print(stage_summary(metrics, out))
