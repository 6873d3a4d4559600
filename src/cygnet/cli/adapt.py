"""`cygnet adapt`."""

from pathlib import Path
from typing import Annotated

from cygnet.cli.out import OUT
from cygnet.cli.restart import Restart


def adapt(
    model: str,
    examples: Path,
    /,
    *settings: str,
    out: Annotated[Path, OUT],
    restart: Restart = False,
) -> None:
    """Teach a model from a few examples (LoRA): a small adapter learns, the model stays as it is.

    Parameters
    ----------
    model:
        A model folder, a .gguf file, or "smollm2".
    examples:
        A .jsonl file of {"messages": [{"role", "content"}, ...]} or {"prompt", "completion"}, or a folder with
        train.jsonl and validation.jsonl.
    settings:
        KEY=VALUE: rank, targets, epochs, lr and others, or seed=2, threads=4.
    out:
        The adapter's folder, which opens wherever a model's does.
    """
    from cygnet.recipe.load import adapt_settings

    chosen = adapt_settings(settings)  # mistakes are told before anything heavy is imported

    from cygnet.lm.loading import find_folder
    from cygnet.recipe.single import adapt_alone
    from cygnet.recipe.summary import stage_summary

    print(stage_summary(adapt_alone(find_folder(model), examples, out, chosen, restart), out))
