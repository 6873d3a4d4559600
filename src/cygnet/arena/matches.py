"""Blind pairwise games: who plays whom, what the judge sees, and how games are kept in a file."""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

from cygnet.arena.ratings import Match
from cygnet.errors import UserError
from cygnet.files import read_jsonl, write_jsonl

Row = Mapping[str, Any]
"""One prompt: {"prompt": messages or text, ...}. The other keys, such as the exercise, are for the judge."""

_WINNERS = {1.0: "model_a", 0.0: "model_b", 0.5: "tie"}
_OUTCOMES = {winner: outcome for outcome, winner in _WINNERS.items()}
_REQUIRED = ("prompt_id", "model_a", "model_b", "winner", "judge")


class Judge(Protocol):
    """Says which of two answers to a prompt is better. It is told neither who wrote them nor any history."""

    @property
    def name(self) -> str:
        """Kept with every verdict."""
        ...

    def compare(self, row: Row, left: str, right: str) -> float:
        """Return 1 when `left` is better, 0 when `right` is, 0.5 when neither."""
        ...


def prompt_id(row: Row) -> str:
    """Twelve hex digits of the prompt's SHA-256: the same prompt asked twice is one unit of the bootstrap."""
    text = json.dumps(row["prompt"], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def play(
    answers: Mapping[str, Sequence[str]], prompts: Sequence[Row], judge: Judge, seed: int, *, both_orders: bool = False
) -> list[Match]:
    """Let every pair of players meet on every prompt.

    Args:
        answers: player -> one answer for each prompt, in the order of `prompts`.
        prompts: rows that `judge` understands.
        judge: sees the row and the two answers, nothing else.
        seed: of the coin that decides, game by game, whose answer is shown first (that player is model_a).
        both_orders: play each game twice with sides swapped and count a win only when both verdicts agree,
            otherwise a tie: for judges whose verdict may depend on position, such as people and models.

    Raises:
        UserError: fewer than two players, no prompts, or a player without exactly one answer a prompt.
        ValueError: the judge returned something other than 1, 0.5 or 0.
    """
    _check_answers(answers, len(prompts))
    coin = random.Random(seed)
    matches = []
    for number, row in enumerate(prompts):
        for pair in combinations(sorted(answers), 2):
            first, second = pair if coin.random() < 0.5 else pair[::-1]
            left, right = answers[first][number], answers[second][number]
            outcome = _verdict(judge, row, left, right)
            if both_orders and _verdict(judge, row, right, left) != 1.0 - outcome:
                outcome = 0.5
            order = "both" if both_orders else "a_first"
            matches.append(Match(prompt_id(row), first, second, outcome, judge.name, order, left, right))
    return matches


def _check_answers(answers: Mapping[str, Sequence[str]], prompts: int) -> None:
    if len(answers) < 2:
        raise UserError(f"A ranking needs at least two players, got {len(answers)}: {', '.join(answers) or 'none'}.")
    if prompts == 0:
        raise UserError("A ranking needs at least one prompt.")
    for player, given in answers.items():
        if len(given) != prompts:
            raise UserError(f"Player {player!r} has {len(given)} answers for {prompts} prompts; it needs one each.")


def _verdict(judge: Judge, row: Row, left: str, right: str) -> float:
    outcome = judge.compare(row, left, right)
    if outcome not in _WINNERS:
        raise ValueError(f"Judge {judge.name!r} returned {outcome!r}; a verdict is 1, 0.5 or 0.")
    return outcome


def write_matches(path: Path, matches: Sequence[Match]) -> None:
    """Write games as JSON Lines with the arena columns model_a, model_b, winner ("model_a", "model_b" or "tie")."""
    write_jsonl(path, map(_as_row, matches))


def _as_row(match: Match) -> dict[str, Any]:
    return {
        "prompt_id": match.prompt_id,
        "model_a": match.model_a,
        "model_b": match.model_b,
        "winner": _WINNERS[match.outcome],
        "judge": match.judge,
        "order": match.order,
        "answer_a": match.answer_a,
        "answer_b": match.answer_b,
    }


def read_matches(path: Path) -> list[Match]:
    """Read games that `write_matches`, or any tool with the same columns, wrote.

    `order` and the answers may be missing. Raises UserError naming file, row and key for anything else.
    """
    return [_as_match(path, number, row) for number, row in enumerate(read_jsonl(path), 1)]


def _as_match(path: Path, number: int, row: dict[str, Any]) -> Match:
    missing = [key for key in _REQUIRED if key not in row]
    if missing:
        raise UserError(f"{path}, row {number}: {', '.join(missing)} missing; a match needs {', '.join(_REQUIRED)}.")
    if row["winner"] not in _OUTCOMES:
        raise UserError(f"{path}, row {number}: winner is {row['winner']!r}; it must be one of {', '.join(_OUTCOMES)}.")
    return Match(
        prompt_id=str(row["prompt_id"]),
        model_a=str(row["model_a"]),
        model_b=str(row["model_b"]),
        outcome=_OUTCOMES[row["winner"]],
        judge=str(row["judge"]),
        order=str(row.get("order", "a_first")),
        answer_a=str(row.get("answer_a", "")),
        answer_b=str(row.get("answer_b", "")),
    )
