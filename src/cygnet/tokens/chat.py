"""Conversations as token ids, with a mask that says which tokens the assistant wrote.

Models from elsewhere write them by their own templates (`tokens/template.py`); what follows here is the format of ours.
A message is OpenAI's: {"role": "system" | "user" | "assistant" | "tool", "content": str}. A tool call is an
assistant message whose `tool_calls[0].function.arguments` is {"code": expression}.
"""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cygnet.errors import UserError

if TYPE_CHECKING:
    from cygnet.tokens.tokenizer import Tokenizer

Message = dict[str, Any]
ROLES = ("system", "user", "assistant", "tool")

CHAT_TEMPLATE = (
    "{{ '<|bos|>' }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message.get('tool_calls') %}"
    "{{ '<|python|>' + message['tool_calls'][0]['function']['arguments']['code'] }}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{{ '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


class Rendered(NamedTuple):
    """Token ids of a conversation and, of the same length, True where the assistant wrote the token."""

    ids: list[int]
    mask: list[bool]


def tool_call(code: str) -> Message:
    """An assistant message that asks the Python tool for the value of `code`."""
    call = {"type": "function", "function": {"name": "python", "arguments": {"code": code}}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def read_messages(value: Any) -> list[Message]:
    """What a file gives as messages, if it is a list of what `render` can render; otherwise raises UserError."""
    if not isinstance(value, list) or not value or not all(isinstance(message, dict) for message in value):
        raise UserError('expected a list of messages, each {"role": ..., "content": ...}.')
    for message in value:
        _words(message)
    return value


def render(messages: Sequence[Message], tokenizer: "Tokenizer") -> Rendered:
    """Ids and assistant mask of whole messages. The end-of-turn token after the assistant's words is theirs too.

    Raises UserError for an unknown role, content that is not text, or a tool call of another shape than `tool_call`'s.
    """
    if not tokenizer.is_own:
        from cygnet.tokens.template import render_with_template  # a model of ours needs no jinja2

        return render_with_template(messages, tokenizer)
    ids, mask = [tokenizer.bos_id], [False]
    for message in messages:
        words = tokenizer.encode(_words(message))
        body = [tokenizer.id_of("<|python|>"), *words] if message.get("tool_calls") else words
        role = message["role"]
        ids += [tokenizer.id_of(f"<|{role}|>"), *body, tokenizer.end_id]
        mask += [False] + [role == "assistant"] * (len(body) + 1)
    return Rendered(ids, mask)


def render_prompt(messages: Sequence[Message], tokenizer: "Tokenizer") -> list[int]:
    """Ids of a conversation that now waits for the assistant: an exact prefix of the finished conversation's ids."""
    if not tokenizer.is_own:
        from cygnet.tokens.template import render_prompt_with_template

        return render_prompt_with_template(messages, tokenizer)
    return [*render(messages, tokenizer).ids, tokenizer.id_of("<|assistant|>")]


def prompt_key(messages: Sequence[Message]) -> str:
    """Text that two prompts share exactly when they ask the same."""
    return json.dumps(list(messages), sort_keys=True, ensure_ascii=False)


_TOOL_TURN = re.compile(r"<\|python\|>.*?<\|end\|><\|tool\|>.*?<\|end\|><\|assistant\|>", re.DOTALL)


def last_turn(response: str) -> str:
    """What the assistant says after its tool calls; a turn it made up itself is part of what it says."""
    while call := _TOOL_TURN.match(response):
        response = response[call.end() :]
    return response


def response_text(ids: Sequence[int], tokenizer: "Tokenizer", tail: bytes = b"") -> str:
    """What the assistant (and its tool) wrote after the prompt: special tokens by name, less the last end-of-turn.

    tail: bytes of text that follow.
    """
    kept = ids[:-1] if ids and ids[-1] in tokenizer.end_ids else ids
    return (tokenizer.decode_bytes(kept) + tail).decode("utf-8", errors="replace") if tail else tokenizer.decode(kept)


def _words(message: Message) -> str:
    """The content of a message, or the expression that it gives the tool."""
    role = message.get("role")
    if role not in ROLES:
        raise UserError(f"unknown role {role!r} in a conversation: use one of {', '.join(ROLES)}.")
    if message.get("tool_calls"):
        return _code(message)
    content = message.get("content")
    if not isinstance(content, str):
        raise UserError(f"the content of a {role} message must be text, not {type(content).__name__}.")
    return content


def _code(message: Message) -> str:
    """The expression of the one tool call an assistant message makes in place of words."""
    try:
        (call,) = message["tool_calls"]
        code = call["function"]["arguments"]["code"]
    except (TypeError, ValueError, LookupError):
        code = None
    if message["role"] != "assistant" or message.get("content") or not isinstance(code, str):
        raise UserError(
            "a tool call must stand alone in an assistant message without content, "
            'with function.arguments {"code": expression}.'
        )
    return code
