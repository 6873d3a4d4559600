"""Conversations as a model from elsewhere wants them: written by its own Jinja template.

A template's tokens are told from the same characters in what people say: those are marked before the template sees
them, and cut there, so a prompt can't forge a turn here either. That holds for all tokens that were added to the
vocabulary, since some models' turns begin with one that is not declared special.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cygnet.errors import UserError
from cygnet.tokens.chat import Message, Rendered, read_messages

if TYPE_CHECKING:
    from cygnet.tokens.tokenizer import Tokenizer

# What a model writes in its own turn, and its template looks for there: <think>, </tool_call>.
_TAG = re.compile(r"</?\w+>")
_NONCHARACTERS = [chr(code) for code in range(0xFDD0, 0xFDF0)]  # Unicode keeps them free for such uses
_NOT_ASCII = re.compile("[^\\x00-\\x7f\ufdd0-\ufdef]")  # the marks stay marks


def render_with_template(messages: Sequence[Message], tokenizer: "Tokenizer") -> Rendered:
    """Ids and assistant mask of whole messages; the token that ends the assistant's turn is theirs too.

    Raises UserError when the template refuses the messages, or writes a turn otherwise once others follow it.
    """
    writer = _Writer(messages, tokenizer)
    ids: list[int] = []
    mask: list[bool] = []
    written = ""
    for number, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, after = writer.text(number, waiting=True), writer.text(number + 1)
        if not (before.startswith(written) and after.startswith(before)):
            raise UserError("the model's chat template rewrites earlier turns, so they can't be told apart.")
        context, turn = writer.ids(before[len(written) :]), writer.ids(after[len(before) :])
        own = 1 + max((at for at, token in enumerate(turn) if token in tokenizer.end_ids), default=len(turn) - 1)
        ids += context + turn
        mask += [False] * len(context) + [True] * own + [False] * (len(turn) - own)
        written = after
    whole = writer.text(len(messages))
    if not whole.startswith(written):
        raise UserError("the model's chat template rewrites earlier turns, so they can't be told apart.")
    rest = writer.ids(whole[len(written) :])
    return Rendered(ids + rest, mask + [False] * len(rest))


def render_prompt_with_template(messages: Sequence[Message], tokenizer: "Tokenizer") -> list[int]:
    """Ids of a conversation that now waits for the assistant. Raises UserError when the template refuses it."""
    writer = _Writer(messages, tokenizer)
    return writer.ids(writer.text(len(messages), waiting=True))


class _Writer:
    """Writes the first few of some messages, and turns what it wrote into ids."""

    def __init__(self, messages: Sequence[Message], tokenizer: "Tokenizer") -> None:
        conventions = tokenizer.conventions
        assert conventions is not None
        if conventions.template is None:
            raise UserError("this model has no chat template: it continues texts. Give it a text, not messages.")
        said = json.dumps(read_messages(list(messages)), ensure_ascii=False)
        unused = next((mark for mark in _NONCHARACTERS if mark not in said), None)
        if unused is None:
            raise UserError("the messages hold all of Unicode's noncharacters U+FDD0 to U+FDEF: leave one out.")
        self._mark = unused
        self._tokenizer, self._names = tokenizer, conventions.names
        self._begins = True  # what is turned into ids next is where text begins
        specials, added = tokenizer.special_tokens, tokenizer.added_tokens
        self._specials = re.compile(f"({_any_of(specials)})")
        own = [token for token in added if token in specials or not _TAG.fullmatch(token)]
        self._guarded, self._guarded_own = _starts(added), _starts(own)
        self._template = _compile(conventions.template)
        self._messages = [self._marked_message(message) for message in messages]

    def text(self, count: int, waiting: bool = False) -> str:
        """The first `count` messages as the template writes them, marks included."""
        try:
            return self._template.render(
                messages=self._messages[:count], add_generation_prompt=waiting, tools=None, **self._names
            )
        except (RecursionError, MemoryError) as error:
            raise UserError("the model's chat template takes these messages without end.") from error
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            raise UserError(f"the model's chat template refuses these messages: {error}") from error

    def ids(self, text: str) -> list[int]:
        """Token ids: specials by their names where the template wrote them, anything else as text, cut at the marks.

        `text` goes on where the one before ended.
        """
        ids: list[int] = []
        for place, piece in enumerate(self._specials.split(text)):
            if place % 2:
                ids.append(self._tokenizer.id_of(piece))
                self._begins = self._tokenizer.spelling.opens == "each"
                continue
            for part in filter(None, piece.split(self._mark)):
                ids += self._tokenizer.encode(part, self._begins)
                self._begins = False
        return ids

    def _marked_message(self, message: Message) -> Message:
        """A copy in which no text holds an added token, but for the tags in what the assistant says."""
        marked: Message = {name: self._marked(value, self._guarded) for name, value in message.items()}
        if message["role"] == "assistant" and "content" in message:
            marked["content"] = self._marked(message["content"], self._guarded_own)
        return marked

    def _marked(self, value: Any, starts: re.Pattern[str]) -> Any:
        """A copy with a mark after the first character of every token, in keys too."""
        if isinstance(value, str):
            return starts.sub(lambda found: found[0] + self._mark, value)
        if isinstance(value, dict):
            return {self._marked(key, starts): self._marked(item, starts) for key, item in value.items()}
        return [self._marked(item, starts) for item in value] if isinstance(value, list) else value


def _any_of(tokens: Sequence[str]) -> str:
    """The pattern of any of some tokens, the longest first; of nothing if there are none."""
    return "|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)"


def _starts(tokens: Sequence[str]) -> re.Pattern[str]:
    """The first characters of tokens, of those within others too."""
    return re.compile(f"(?=(?:{_any_of(tokens)})).", re.DOTALL)


@lru_cache(maxsize=8)
def _compile(source: str) -> Template:
    """The template in a sandbox, with what transformers gives to templates."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.update(raise_exception=_refuse, strftime_now=_now)
    try:
        return environment.from_string(source)
    except (TemplateError, SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        why = str(error) or type(error).__name__
        raise UserError(f"the model's chat template can't be read: {why}") from error


class _Generation(Extension):
    """{% generation %}, with which templates show what the assistant says: here that is known without."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """What stands inside, as it stands."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON, with the arguments that transformers gives to templates."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
    return _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text) if ensure_ascii else text


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
