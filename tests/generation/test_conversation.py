from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

from cygnet.errors import ContextError
from cygnet.generation import Sampling
from cygnet.generation.conversation import Conversation
from cygnet.tokens.chat import render, tool_call
from cygnet.tokens.tokenizer import ASSISTANT, PYTHON, TOOL, Tokenizer, train_tokenizer

TOKENIZER = train_tokenizer(["what is it? it is a swan. "], 280)


class Script:
    """An engine that says what it is told to, and remembers what it was asked."""

    def __init__(self, *replies: list[int], context_length: int = 1000) -> None:
        self.tokenizer: Tokenizer = TOKENIZER
        self.model = SimpleNamespace(config=SimpleNamespace(context_length=context_length))
        self.replies = iter(replies)
        self.prompts: list[list[int]] = []
        self.seeds: list[int] = []

    def stream(self, prompt: Sequence[int], sampling: Sampling) -> Iterator[int]:
        self.prompts.append(list(prompt))
        self.seeds.append(sampling.seed)
        yield from next(self.replies)


def said(text: str) -> list[int]:
    return [*TOKENIZER.encode(text), TOKENIZER.end_id]


def test_the_second_prompt_is_the_whole_conversation() -> None:
    engine = Script(said("a swan"), said("two"))
    conversation = Conversation(engine, Sampling(seed=5), system="be brief")
    assert "".join(conversation.reply("what is it?")) == "a swan"
    assert "".join(conversation.reply("and now?")) == "two"
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is it?"},
        {"role": "assistant", "content": "a swan"},
        {"role": "user", "content": "and now?"},
    ]
    assert engine.prompts[1] == [*render(messages, TOKENIZER).ids, TOKENIZER.id_of(ASSISTANT)]
    assert engine.seeds == [6, 7]


def test_a_reply_that_was_cut_off_still_ends_its_turn() -> None:
    engine = Script(TOKENIZER.encode("a sw"), said("two"))
    conversation = Conversation(engine, Sampling())
    list(conversation.reply("what?"))
    list(conversation.reply("and?"))
    messages = [("user", "what?"), ("assistant", "a sw"), ("user", "and?")]
    rendered = render([{"role": role, "content": text} for role, text in messages], TOKENIZER)
    assert engine.prompts[1][:-1] == rendered.ids


def test_characters_of_several_tokens_come_whole() -> None:
    pieces = list(Conversation(Script(said("é 🦢")), Sampling()).reply("?"))
    assert "".join(pieces) == "é 🦢"
    assert not any("\ufffd" in piece for piece in pieces)
    assert "🦢" in pieces


def test_half_a_character_at_the_end_is_shown_as_such() -> None:
    engine = Script(TOKENIZER.encode("🦢")[:2])
    assert "".join(Conversation(engine, Sampling()).reply("?")) == "\ufffd"


def test_a_tool_call_reads_as_a_sum() -> None:
    call = [TOKENIZER.id_of(PYTHON), *said("6*7"), TOKENIZER.id_of(TOOL), *said("42"), TOKENIZER.id_of(ASSISTANT)]
    engine = Script([*call, *said("It is 42.")], said("Yes."))
    conversation = Conversation(engine, Sampling())
    assert "".join(conversation.reply("6*7?")) == "[python] 6*7 = 42\nIt is 42."
    list(conversation.reply("sure?"))
    messages = [
        {"role": "user", "content": "6*7?"},
        tool_call("6*7"),
        {"role": "tool", "content": "42"},
        {"role": "assistant", "content": "It is 42."},
        {"role": "user", "content": "sure?"},
    ]
    assert engine.prompts[1][:-1] == render(messages, TOKENIZER).ids


def test_what_outgrows_the_context_is_refused_and_can_start_over() -> None:
    engine = Script(said("one"), said("two"), context_length=24)
    conversation = Conversation(engine, Sampling())
    list(conversation.reply("what is it?"))
    with pytest.raises(ContextError, match="but this model reads 24"):
        list(conversation.reply("what is it? what is it? what is it?"))
    conversation.start_over()
    assert "".join(conversation.reply("what is it?")) == "two"
