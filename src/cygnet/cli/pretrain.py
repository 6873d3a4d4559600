"""`cygnet pretrain`."""

from pathlib import Path
from typing import Annotated

from cygnet.cli.out import OUT
from cygnet.cli.restart import Restart


def pretrain(
    texts: Path,
    /,
    *settings: str,
    out: Annotated[Path, OUT],
    tokenizer: Path | None = None,
    restart: Restart = False,
) -> None:
    """Train a base model from nothing on your own texts.

    Working files (corpus, tokenizer, tokens, checkpoints, metrics) lie beside the model in <out>.work.

    Parameters
    ----------
    texts:
        A folder of .txt, .md, .rst and .py files.
    settings:
        KEY=VALUE: of pretrain (depth=4), or with its section (tokens.train_tokens=2_000_000, seed=2).
    out:
        The model's folder.
    tokenizer:
        A tokenizer or model folder; by default one is trained on the texts.
    """
    from cygnet.recipe.load import stage_recipe
    from cygnet.recipe.single import pretrain_alone
    from cygnet.recipe.summary import stage_summary

    metrics = pretrain_alone(texts, tokenizer, out, stage_recipe("pretrain", settings), restart)
    print(stage_summary(metrics, out))
