"""Words that several sections use."""

from cygnet.page.markup import Html, html

_NAMES = {"sft": "SFT", "rl": "RL"}


def player_name(player: str) -> str:
    """sft and rl are abbreviations; everything else is a name already."""
    return _NAMES.get(player, player)


def not_run(stage: str) -> Html:
    """What a section says when there is nothing to show yet."""
    return html(
        '<p class="absent">The stage <code>{stage}</code> has not run yet in this run directory. '
        "Running the recipe again continues with it; this section then fills in.</p>",
        stage=stage,
    )
