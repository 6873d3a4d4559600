"""The last stage: every model answers the same held-out prompts, the gold rubric compares, ratings make the ladder."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cygnet.arena.players import BestOf, Chat, FewShot, Player
from cygnet.arena.rank import rank
from cygnet.corpus.tasks import exercises, sheet
from cygnet.feedback.rubric import CUT_OFF, RubricJudge, judge_shown
from cygnet.files import read_jsonl, write_aside, write_json, write_jsonl
from cygnet.generation import Sampling
from cygnet.lm import LocalModel, Reply, load, load_reward
from cygnet.stages.config import RankConfig
from cygnet.training.loop import prepare_machine
from cygnet.training.work import Work

_EXAMPLES = ("addition", "lists", "which")
_SHOWN = 12


def rank_models(
    base: Path, sft: Path, reward: Path, rl: Path, prompts: Path, out: Path, config: RankConfig, work: Work
) -> dict[str, Any]:
    """Play base, SFT, best-of-n and RL against each other on the held-out prompts of a JSON Lines file.

    Writes matches.jsonl, ladder.json, stages.jsonl (the same prompts over all players) and probabilities.json (one
    answer token by token) to `out`. Returns the ladder and each player's mean mark and accuracy.
    """
    prepare_machine(work.threads)
    rows = read_jsonl(prompts)[: config.prompts]
    policy = load(rl)
    # each player draws its own numbers: best-of-n must not choose among the very answer that SFT gives
    base_draw, sft_draw, best_draw, rl_draw = (
        Sampling(temperature=config.temperature, seed=4 * work.seed + player) for player in range(4)
    )
    players: dict[str, Player] = {
        "base": FewShot(load(base), few_shot_examples(work.seed), base_draw),
        "sft": Chat(load(sft), sft_draw),
        f"best-of-{config.best_of}": BestOf(load(sft), load_reward(reward), config.best_of, best_draw),
        "rl": Chat(policy, rl_draw),
    }
    answers = {name: player.answers([row["prompt"] for row in rows]) for name, player in players.items()}
    texts = {name: [_shown(answer) for answer in found] for name, found in answers.items()}
    with write_aside(out) as temporary:
        ladder = rank(texts, rows, RubricJudge(), temporary, work.seed, bootstrap=config.bootstrap)
        write_jsonl(temporary / "stages.jsonl", _side_by_side(rows, texts))
        write_json(temporary / "probabilities.json", _token_by_token(policy, rows[0], answers["rl"][0]))
    return {"ladder": ladder["ladder"], **{name: marks(rows, found) for name, found in texts.items()}}


def few_shot_examples(seed: int) -> list[str]:
    """Worked training exercises of different families, for the base model to continue."""
    return [sheet([next(exercises("train", seed, (family,)))]) for family in _EXAMPLES]


def marks(rows: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> dict[str, float]:
    """Mean rubric mark and share of right answers, as they were shown."""
    verdicts = [judge_shown(row, text) for row, text in zip(rows, texts, strict=True)]
    return {
        "mark": sum(verdict.total for verdict in verdicts) / len(verdicts),
        "accuracy": sum(verdict.correct for verdict in verdicts) / len(verdicts),
    }


def _shown(answer: Reply) -> str:
    return answer.text if answer.finished else answer.text + CUT_OFF


def _side_by_side(rows: Sequence[dict[str, Any]], texts: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """A few prompts, one of each family as far as there are, with every player's answer and mark."""
    by_family: dict[str, int] = {}
    for number, row in enumerate(rows):
        by_family.setdefault(row["exercise"]["family"], number)
    chosen = list(islice(by_family.values(), _SHOWN))
    return [
        {
            "prompt": rows[number]["prompt"][-1]["content"],
            "reference": rows[number]["exercise"]["answer"],
            "family": rows[number]["exercise"]["family"],
            "answers": {name: found[number] for name, found in texts.items()},
            "scores": {name: judge_shown(rows[number], found[number]).total for name, found in texts.items()},
        }
        for number in chosen
    ]


def _token_by_token(model: LocalModel, row: Mapping[str, Any], answer: Reply) -> dict[str, Any]:
    return {"model": "rl", "prompt": row["prompt"][-1]["content"], "tokens": model.probabilities(row["prompt"], answer)}
