"""The run in a few plain sentences and a handful of numbers."""

from collections.abc import Iterator
from itertools import pairwise

from cygnet.page.formats import duration, number, percent, signed
from cygnet.recipe.report.summary import Summary
from cygnet.recipe.report.words import player_name

_TRAINED = ("base", "sft", "rl")


def verdict(summary: Summary) -> str:
    """What came out, without jargon where possible; says so when the run is not finished."""
    sentences = [*_ladder(summary), *_stages(summary)]
    return " ".join(sentences) if sentences else "This run has not produced a model yet."


def headline(summary: Summary) -> list[tuple[str, str, str]]:
    """(label, value, note) of the numbers worth a second look, for the stages that have run."""
    return list(_tiles(summary["stages"], summary))


def _ladder(summary: Summary) -> Iterator[str]:
    ladder = summary["ladder"]
    if not ladder:
        return
    rungs = ", ".join(f"{player_name(row['player'])} {row['elo']:,.0f}" for row in ladder)
    yield f"{player_name(ladder[0]['player'])} leads the ladder ({rungs})."
    place = {row["player"]: row for row in ladder}
    steps = list(pairwise(player for player in _TRAINED if player in place))
    unclear = [
        f"{player_name(low)} to {player_name(high)}"
        for low, high in steps
        if place[low]["ci95"][1] >= place[high]["ci95"][0]
    ]
    if unclear:
        yield f"The step from {' and from '.join(unclear)} is not clear: the 95 % intervals do not show a rise."
    elif steps:
        chain = " < ".join(player_name(player) for player in _TRAINED if player in place)
        yield f"Each step of {chain} is clear: the 95 % intervals lie apart."


def _stages(summary: Summary) -> Iterator[str]:
    stages = summary["stages"]
    if (pretrain := stages["pretrain"]) and pretrain["heldout_bits_per_byte"] and pretrain["xz_bits_per_byte"]:
        ours, xz = pretrain["heldout_bits_per_byte"], pretrain["xz_bits_per_byte"]
        against = f"{percent(abs(1 - ours / xz))} {'below' if ours < xz else 'above'} xz"
        yield f"The base model needs {ours:.2f} bits for a byte of unseen text, {against}."
    if (sft := stages["sft"]) and sft["heldout_task_accuracy"] is not None:
        yield f"After SFT the assistant answers {percent(sft['heldout_task_accuracy'])} of unseen exercises correctly."
    if (rl := stages["rl"]) and rl["gold_before"] is not None and rl["gold_after"] is not None:
        change = rl["gold_after"] - rl["gold_before"]
        yield f"RL moved the gold score from {rl['gold_before']:.2f} to {rl['gold_after']:.2f} ({signed(change)})."


def _tiles(stages: Summary, summary: Summary) -> Iterator[tuple[str, str, str]]:
    if pretrain := stages["pretrain"]:
        note = f"{number(pretrain['tokens'])} tokens at {number(pretrain['tokens_per_second'])} a second"
        yield "Parameters", number(pretrain["parameters"]), note
        yield (
            "Bits per byte",
            number(pretrain["heldout_bits_per_byte"], 2),
            f"xz needs {number(pretrain['xz_bits_per_byte'], 2)}",
        )
    if sft := stages["sft"]:
        families = sft["by_family"] or {}
        yield "Exercises right", percent(sft["heldout_task_accuracy"]), f"after SFT, over {len(families)} families"
    if reward := stages["reward"]:
        bounds = reward["ci95"] or [None, None]
        note = f"of pairs; 95 % interval {percent(bounds[0])} to {percent(bounds[1])}"
        yield "Reward model agrees", percent(reward["heldout_pair_accuracy"]), note
    if (rl := stages["rl"]) and rl["gold_after"] is not None and rl["gold_before"] is not None:
        bounds = rl["gain_ci95"]
        note = f"95 % interval {signed(bounds[0])} to {signed(bounds[1])}" if bounds else "no interval"
        yield "Gold score gained by RL", signed(rl["gold_after"] - rl["gold_before"]), note
    if summary["seconds"] is not None:
        yield "Time", duration(summary["seconds"]), "all stages together"
