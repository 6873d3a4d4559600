"""What goes wrong in a conversation, with a model that is told what to do."""

import io
from collections.abc import Iterator

import pytest

from cygnet import lm
from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel, Reply
from cygnet.lm.connection import TooLongError


class Told(LanguageModel):
    """Says or raises one thing after the other, and remembers what it read."""

    name = "told"

    def __init__(self, *acts: str | BaseException, room: int = 1000) -> None:
        self.acts, self.room = iter(acts), room
        self.read: list[list[str]] = []

    def stream(self, prompt, sampling=None) -> Iterator[str]:
        self.read.append([message["content"] for message in prompt])
        act = next(self.acts)
        if isinstance(act, BaseException):
            raise act
        yield from act
        return Reply(act, "stop")

    def room_after(self, prompt) -> int:
        return self.room - sum(len(message["content"]) for message in prompt)

    def generate(self, prompts, sampling=None, n=1):
        raise NotImplementedError

    def score(self, prompts, continuations, top=0):
        raise NotImplementedError


@pytest.fixture
def typed(cygnet, monkeypatch: pytest.MonkeyPatch):
    def run(model: Told, *lines: str):
        monkeypatch.setattr(lm, "load", lambda where: model)
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return cygnet("chat", "told")

    return run


def test_a_failure_keeps_the_conversation(typed) -> None:
    model = Told("Hello.", UserError("the endpoint is gone."), "Ada.")
    outcome = typed(model, "I am Ada.", "Who am I?", "Who am I?")
    assert "(the endpoint is gone. What was said before is remembered: say it again.)" in outcome.out
    assert model.read[-1] == ["I am Ada.", "Hello.", "Who am I?"]


def test_a_conversation_that_outgrew_the_context_starts_over(typed) -> None:
    model = Told("a" * 30, "b", room=50)
    outcome = typed(model, "c" * 10, "d" * 20, "e")
    assert "context. It starts over.)" in outcome.out
    assert model.read == [["c" * 10], ["e"]]
    refused = TooLongError("http://host refused the request: the maximum context length is 50 tokens.")
    model = Told("Hello.", refused, "Hello again.")
    assert "50 tokens. It starts over.)" in typed(model, "a", "b", "c").out
    assert model.read[-1] == ["c"]


def test_what_a_terminal_would_obey_is_not_printed(typed) -> None:
    outcome = typed(Told("\x1b]0;owned\x07a\tb\nc\r\x9b2J"), "hi")
    assert outcome.out.startswith(" ]0;owned a\tb\nc  2J\n")


def test_ctrl_c_ends_a_single_question_but_only_a_reply_of_a_conversation(cygnet, typed, monkeypatch) -> None:
    model = Told(KeyboardInterrupt(), "Yes.")
    assert (typed(model, "a", "b").code, len(model.read)) == (0, 2)
    monkeypatch.setattr(lm, "load", lambda where: Told(KeyboardInterrupt()))
    assert cygnet("chat", "told", "--prompt", "a").code == 130
