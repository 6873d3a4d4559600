"""`cygnet rank`."""

from pathlib import Path
from typing import Annotated

from cygnet.cli.out import OUT


def rank(prompts: Path, /, *players: str, out: Annotated[Path, OUT], reward: Path | None = None) -> None:
    """Rank models by blind pairwise games on the same prompts.

    Parameters
    ----------
    prompts:
        A .jsonl file of {"prompt": [messages]}; without --reward also "exercise", as conversations/ of a run has.
    players:
        NAME=MODEL for each player, and settings: rank.temperature=0.5, rank.prompts=100, seed=2, threads=4.
    out:
        The folder for matches.jsonl and ladder.json.
    reward:
        A reward model's folder to judge by; by default the rubric judges.
    """
    from cygnet.recipe.load import players_and_settings, stage_recipe
    from cygnet.recipe.single import rank_alone
    from cygnet.recipe.summary import stage_summary

    models, settings = players_and_settings(players)
    print(stage_summary(rank_alone(prompts, models, reward, out, stage_recipe("rank", settings)), out))
