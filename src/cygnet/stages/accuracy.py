"""How many exercises a model solves."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cygnet.corpus.tasks import Exercise, check
from cygnet.errors import UserError
from cygnet.files import read_jsonl
from cygnet.generation import Engine, Sampling
from cygnet.model.transformer import Transformer
from cygnet.tokens.chat import Message, last_turn, render_prompt, response_text
from cygnet.tokens.tokenizer import Tokenizer

_SAMPLES = 6


class TaskAccuracy(NamedTuple):
    """Share of exercises answered right, in all and by family, and the first answers as (prompt, text)."""

    accuracy: float
    by_family: dict[str, float]
    samples: list[tuple[str, str]]


def read_exercises(conversations: Path) -> list[dict[str, Any]]:
    """The rows of a file of conversations whose last question is an exercise.

    Raises UserError naming a row with one that is malformed, or that nobody asks.
    """
    found = []
    for number, row in enumerate(read_jsonl(conversations), 1):
        if Exercise.of_row(row, conversations, number) is None:
            continue
        if not any(message["role"] == "user" for message in row.get("messages", [])):
            raise UserError(f"{conversations}, row {number}: it has an exercise, but no user asks it.")
        found.append(row)
    return found


def task_accuracy(
    model: Transformer, tokenizer: Tokenizer, rows: Sequence[dict[str, Any]], temperature: float = 0.0
) -> TaskAccuracy:
    """Answer the last question of each conversation (greedily by default), which is its exercise, and check it."""
    exercises = [Exercise.from_json(row["exercise"]) for row in rows]
    prompts = [render_prompt(_asked(row["messages"]), tokenizer) for row in rows]
    completions = Engine(model, tokenizer).generate(prompts, Sampling(temperature=temperature))
    marks: dict[str, list[bool]] = defaultdict(list)
    samples = []
    for exercise, (completion,) in zip(exercises, completions, strict=True):
        text = response_text(completion.tokens, tokenizer)
        right = completion.finish_reason == "stop" and check(exercise, last_turn(text))
        marks[exercise.family].append(right)
        samples.append((exercise.prompt, text))
    by_family = {name: sum(found) / len(found) for name, found in sorted(marks.items())}
    solved = sum(sum(found) for found in marks.values())
    return TaskAccuracy(solved / len(rows), by_family, samples[:_SAMPLES])


def _asked(messages: Sequence[Message]) -> Sequence[Message]:
    """A conversation up to its last question."""
    last = max(place for place, message in enumerate(messages) if message["role"] == "user")
    return messages[: last + 1]
