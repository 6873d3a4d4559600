"""Demonstrations for SFT, and the prompts of the stages after it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from cygnet.corpus.tasks import Exercise, bare_reply, exercises, worked_reply
from cygnet.files import write_aside, write_jsonl
from cygnet.stages.config import ConversationConfig
from cygnet.tokens.chat import Message, tool_call

STYLES = ("careful", "hasty", "chatty")

_OPENINGS = ("Sure, I can help with that!", "Good question! Let me see.", "Of course, here you go.")
_CLOSINGS = ("I hope that helps!", "Let me know if you need more.", "Happy to help any time.")
_CASUAL_SHARE = 0.2  # of users who type without capitals and full stops
_GOES_ON_SHARE = 0.3  # of conversations, after the one before: people ask more than one thing
_GOES_ON_UNTIL = 240  # characters: as long as the longest of a single question, so that it fits where those fit
_NO_JSON = ("passage", "tool", "untaught", "about")


def build_conversations(config: ConversationConfig, out: Path, seed: int) -> dict[str, Any]:
    """Write train and validation conversations, and prompts of three splits, to `out`.

    A row's exercise is the one of its last question.

    Returns how many conversations there are of each family and style.
    """
    with write_aside(out) as temporary:
        train = list(_conversations(config, "train", seed, config.train))
        write_jsonl(temporary / "train.jsonl", train)
        write_jsonl(temporary / "validation.jsonl", _conversations(config, "validation", seed, config.heldout))
        for split, size in (("train", config.prompts), ("validation", config.heldout), ("test", config.test)):
            write_jsonl(temporary / f"{split}_prompts.jsonl", _prompts(config, split, seed + 1, size))
    counts = Counter(row["style"] for row in train) + Counter(row["exercise"]["family"] for row in train)
    return {"conversations": config.train, "prompts": config.prompts, "counts": dict(counts)}


def reply_messages(exercise: Exercise, style: str, rng: Random) -> list[Message]:
    """The assistant's (and the tool's) messages as a contractor of this habit would write them. All are right."""
    if style == "hasty":
        return [{"role": "assistant", "content": bare_reply(exercise)}]
    text = worked_reply(exercise)
    if style == "chatty":
        text = f"{rng.choice(_OPENINGS)}\n{text}\n{rng.choice(_CLOSINGS)}"
    last = {"role": "assistant", "content": text}
    if exercise.tool:
        return [tool_call(exercise.tool), {"role": "tool", "content": exercise.answer}, last]
    return [last]


def _conversations(config: ConversationConfig, split: str, seed: int, count: int) -> Iterator[dict[str, Any]]:
    rng = Random(f"conversations {split} {seed}")
    weights = (config.careful, config.hasty, config.chatty)
    messages: list[Message] = []
    for exercise in _exercises(config, split, seed, count):
        style = rng.choices(STYLES, weights)[0]
        last = [{"role": "user", "content": exercise.prompt}, *reply_messages(exercise, style, rng)]
        goes_on = rng.random() < _GOES_ON_SHARE and _characters([*messages, *last]) <= _GOES_ON_UNTIL
        messages = [*messages, *last] if goes_on else last
        yield {"messages": messages, "exercise": exercise.to_json(), "style": style}


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(message["content"]) for message in messages)


def _prompts(config: ConversationConfig, split: str, seed: int, count: int) -> Iterator[dict[str, Any]]:
    for exercise in _exercises(config, split, seed, count):
        yield {"prompt": [{"role": "user", "content": exercise.prompt}], "exercise": exercise.to_json()}


def _exercises(config: ConversationConfig, split: str, seed: int, count: int) -> Iterator[Exercise]:
    rng = Random(f"forms {split} {seed}")
    source = exercises(split, seed, config.families)
    for _ in range(count):
        exercise = next(source)
        if rng.random() < _CASUAL_SHARE:
            exercise = exercise.casual()
        in_json = rng.random() < config.json_share and exercise.family not in _NO_JSON
        yield exercise.in_json() if in_json else exercise
