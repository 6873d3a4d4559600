"""How a conversation is put before a model: as chat messages, or as a document that a base model goes on writing.

A technique says what is said in turns; a form makes a prompt of them. Templates are plain text with holes in braces.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import Prompt, Reply
from cygnet.techniques.base import Ask

# The likeliest token everywhere: what a technique takes when it isn't told otherwise.
GREEDY = Sampling(temperature=0.0)
GREEDY_LONG = Sampling(temperature=0.0, max_new_tokens=512)


class Turn(NamedTuple):
    """What one side says. A "lead" is words we put into the model's mouth: the beginning of what it says next."""

    role: Literal["system", "user", "assistant", "lead"]
    text: str


class Form(Protocol):
    """Turns to prompt."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that show that the model has begun to write somebody else's turn."""

    def __call__(self, turns: Sequence[Turn]) -> Prompt:
        """The prompt after which the model's turn comes."""


@dataclass(frozen=True)
class Chat:
    """Messages, for a model that was taught to answer them. `system`: a message before all others, if not empty.

    Words can't be put into the mouth of most chat models, so a lead is said by the user instead.
    """

    system: str = ""

    @property
    def stop(self) -> tuple[str, ...]:
        """Nothing: the model ends its turn itself."""
        return ()

    def __call__(self, turns: Sequence[Turn]) -> Prompt:
        """OpenAI's messages; what one side says in several turns on end is one message."""
        messages: list[dict[str, str]] = [{"role": "system", "content": self.system}] if self.system else []
        for turn in turns:
            role = "user" if turn.role == "lead" else turn.role
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += "\n" + turn.text
            else:
                messages.append({"role": role, "content": turn.text})
        return messages


@dataclass(frozen=True)
class Document:
    """Questions and answers one below the other, for a base model: it continues the document and so answers.

    template: has the hole {question} between the words that begin a question and those that begin an answer. The
    model's text ends where it begins a question of its own. preface: text before all others, if not empty.

    Raises UserError when the template has no hole, or no words before it.
    """

    template: str = "Q: {question}\nA:"
    preface: str = ""

    def __post_init__(self) -> None:
        require_holes("the template of a document", self.template, "question")
        if not self._beginning:
            raise UserError(
                f'the template of a document, {self.template!r}, needs words before {{question}}, such as "Q:": '
                "they show where the model begins a question of its own."
            )

    @property
    def stop(self) -> tuple[str, ...]:
        """The beginning of the next question."""
        return ("\n" + self._beginning,)

    def __call__(self, turns: Sequence[Turn]) -> Prompt:
        """The document up to where the model's words belong."""
        document = self.preface.strip()
        for turn in turns:
            if turn.role in {"user", "system"}:
                words = fill(self.template, question=turn.text) if turn.role == "user" else turn.text
                document = f"{document}\n\n{words}" if document else words
            else:
                document = f"{document} {turn.text.strip()}"
        return document

    @property
    def _beginning(self) -> str:
        return self.template.partition("{question}")[0].strip()


def ask(form: Form, turns: Sequence[Turn], sampling: Sampling, name: str = "ask") -> Ask:
    """A request for the model's next turn, which ends where the form says so at the latest."""
    return Ask(form(turns), replace(sampling, stop=(*sampling.stop, *form.stop)), name=name)


def fill(template: str, **values: str) -> str:
    """Put values into a template's holes. Other braces, and those in the values, stay as they are."""
    holes = "|".join(re.escape(name) for name in values)
    return re.sub(rf"\{{({holes})\}}", lambda found: values[found[1]], template)


def require_holes(what: str, template: str, *holes: str) -> None:
    """Raise UserError when a template lacks one of its holes."""
    for hole in holes:
        if f"{{{hole}}}" not in template:
            raise UserError(f"{what}, {template!r}, has no hole {{{hole}}}: write it where the {hole} belongs.")


def cut_off(reply: Reply) -> str:
    """A note when the model was interrupted; else empty."""
    return "" if reply.finished else f"cut off after {reply.usage.completion_tokens} tokens"


def joined(*notes: str) -> str:
    """Notes in one line, without the empty ones."""
    return "; ".join(note for note in notes if note)
