"""Replies as OpenAI writes them, whole and in pieces."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cygnet.lm.base import Reply, Token, Usage
from cygnet.server.requests import TextRequest
from cygnet.tokens.chat import last_turn

Json = dict[str, Any]

_CALL = "<|python|>"


@dataclass(frozen=True)
class Answer:
    """What the parts of one answer have in common."""

    model: str
    name: str
    prefix: str
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, choices: list[Json], usage: Usage | None, chunk: str = "") -> Json:
        """One JSON object; `chunk` is added to its kind."""
        own = {"id": f"{self.prefix}-{self.id}", "object": f"{self.name}{chunk}", "created": self.created}
        counts = {} if usage is None else {"usage": _usage(usage)}
        return {**own, "model": self.model, "choices": choices, **counts}


class ChatAnswer(Answer):
    """Of /v1/chat/completions."""

    def __init__(self, model: str) -> None:
        super().__init__(model, "chat.completion", "chatcmpl")

    def whole(self, replies: Sequence[Reply]) -> Json:
        """All replies at once."""
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": last_turn(reply.text), "refusal": None},
                "logprobs": _chat_logprobs(reply),
                "finish_reason": reply.finish_reason,
            }
            for index, reply in enumerate(replies)
        ]
        return self.body(choices, sum((reply.usage for reply in replies), Usage()))

    def first(self) -> Json:
        """What begins a stream."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> Json:
        """Some text of a stream."""
        return self._chunk({"content": text})

    def last(self, reply: Reply) -> Json:
        """What ends a stream: the log-probabilities, which are read off when all is written, and why it ended."""
        return self._chunk({}, reply.finish_reason, _chat_logprobs(reply))

    def _chunk(self, delta: Json, finish: str | None = None, logprobs: Json | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return self.body([choice], None, ".chunk")

    def count(self, reply: Reply) -> Json:
        """What a stream took."""
        return self.body([], reply.usage, ".chunk")


class TextAnswer(Answer):
    """Of /v1/completions."""

    def __init__(self, model: str) -> None:
        super().__init__(model, "text_completion", "cmpl")

    def whole(self, replies: Sequence[Reply]) -> Json:
        """All replies at once."""
        choices = [_text_choice(reply.text, reply, index) for index, reply in enumerate(replies)]
        return self.body(choices, sum((reply.usage for reply in replies), Usage()))

    def first(self) -> Json:
        """What begins a stream."""
        return self.piece("")

    def piece(self, text: str) -> Json:
        """Some text of a stream."""
        return self.body([{"index": 0, "text": text, "logprobs": None, "finish_reason": None}], None)

    def last(self, reply: Reply) -> Json:
        """What ends a stream."""
        return self.body([_text_choice("", reply, 0)], None)

    def count(self, reply: Reply) -> Json:
        """What a stream took."""
        return self.body([], reply.usage)


class LastTurn:
    """Lets through what an assistant says after its tool calls; `last_turn`, for text that comes in pieces."""

    def __init__(self) -> None:
        self._held, self._decided = "", False

    def write(self, piece: str) -> str:
        """What can be shown after `piece`."""
        self._held = last_turn(self._held + piece) if not self._decided else piece
        if not self._decided and (self._held.startswith(_CALL) or _CALL.startswith(self._held)):
            return ""
        return self._let_go()

    def finish(self) -> str:
        """What was held back."""
        return "" if self._decided else self._let_go()

    def _let_go(self) -> str:
        self._decided = True
        return self._held


def without_scores(asked: TextRequest) -> list[list[Reply]]:
    """The texts that were asked about, as they are."""
    return [[Reply(str(prompt), "length")] for prompt in asked.prompts()]


def echoed(echoes: Sequence[Sequence[Reply]], replies: Sequence[Sequence[Reply]]) -> list[list[Reply]]:
    """The replies to each prompt with its echo before them; where there are none, the echo alone."""
    return [
        [replace(reply, text=echo.text + reply.text, tokens=echo.tokens + reply.tokens) for reply in several]
        or [replace(echo, finish_reason="length")]
        for (echo,), several in zip(echoes, replies, strict=True)
    ]


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def _chat_logprobs(reply: Reply) -> Json | None:
    if not reply.tokens:
        return None
    shown = _shown(reply.tokens, len(reply.text) - len(last_turn(reply.text)), reply)
    return {
        "content": [
            {**_scored(token.text, token.logprob), "top_logprobs": [_scored(*each) for each in token.top]}
            for token in shown
        ]
    }


def _shown(tokens: Sequence[Token], skipped: int, reply: Reply) -> Sequence[Token]:
    """The tokens after the first `skipped` characters, without the one that only ends the turn."""
    while skipped > 0 and tokens:
        skipped -= len(tokens[0].text)
        tokens = tokens[1:]
    ends = reply.finished and tokens and not reply.text.endswith(tokens[-1].text)
    return tokens[:-1] if ends else tokens


def _scored(text: str, logprob: float) -> Json:
    whole = "\ufffd" not in text  # a part of a character has bytes of its own, which its text doesn't tell
    return {"token": text, "logprob": logprob, "bytes": list(text.encode()) if whole else None}


def _text_choice(text: str, reply: Reply, index: int) -> Json:
    found = {"index": index, "text": text, "finish_reason": reply.finish_reason}
    if not reply.tokens:
        return {**found, "logprobs": None}
    tokens = _shown(reply.tokens, 0, reply)
    offsets = [0]
    for token in tokens:
        offsets.append(offsets[-1] + len(token.text))
    logprobs = {
        "tokens": [token.text for token in tokens],
        # the first token of a text may have none
        "token_logprobs": [None if token.logprob != token.logprob else token.logprob for token in tokens],
        "top_logprobs": [dict(token.top) or None for token in tokens],
        "text_offset": offsets[:-1],
    }
    return {**found, "logprobs": logprobs}
