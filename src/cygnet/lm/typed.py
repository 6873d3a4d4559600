"""Replies of a type: the constraint under which a model can write nothing else, and the reading of what it wrote."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, PydanticUserError, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.json_schema import schemas_in
from cygnet.generation.request import Sampling

if TYPE_CHECKING:
    from cygnet.lm.base import LanguageModel, Prompt

# The likeliest reply, and room for one.
PLAIN = Sampling(temperature=0.0, max_new_tokens=512)
_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s", re.VERBOSE: "x"}


@dataclass(frozen=True)
class Typed:
    """How a value of a type is written and read. constraint: None where any text is a value."""

    constraint: Constraint | None
    read: Callable[[str], Any]


def typed_reply(lm: "LanguageModel", prompt: "Prompt", kind: Any, sampling: Sampling) -> Any:
    """What `lm` writes after a prompt, as a value of the type `kind`.

    Raises UserError for a type that no constraint describes, when the tokens ran out before the value was whole, and
    when it is refused by a check of the type's own.
    """
    if sampling.constraint is not None:
        raise UserError("the type says what the text must be: leave the constraint out of the sampling.")
    typed = written_as(kind, boxed=not lm.local)
    [[reply]] = lm.generate([prompt], replace(sampling, constraint=typed.constraint))
    if typed.constraint is not None and not reply.finished:
        raise UserError(
            f"the reply was cut off before it was a whole {_name(kind)}: {reply.text[-60:]!r}. "
            f"Give it more than max_new_tokens={sampling.max_new_tokens}."
        )
    return typed.read(reply.text)


def written_as(kind: Any, boxed: bool = False) -> Typed:
    """How values of a type are written: `str` as any text, a compiled pattern as a match of it, a Literal or Enum of
    texts as one of them, everything else that pydantic knows (numbers, lists, models, dataclasses, dates) as JSON.

    boxed: all but `str` as a JSON object, the one thing that every endpoint can be held to. Keys that an object does
    not name are not written.

    Raises UserError for a type of which there is no JSON schema.
    """
    if kind is str:
        return Typed(None, str)
    if isinstance(kind, re.Pattern):
        if isinstance(kind.pattern, bytes):
            raise UserError(f"a model writes text, so the pattern {kind.pattern!r} must be text, not bytes.")
        letters = "".join(letter for flag, letter in _FLAGS.items() if kind.flags & flag)
        pattern = f"(?{letters}){kind.pattern}" if letters else kind.pattern
        if not boxed:
            return Typed(Constraint.regex(pattern), str)
        kind = Annotated[str, Field(pattern=f"^(?:{pattern})$")]
    texts = _texts(kind)
    if texts and not boxed:
        return Typed(Constraint.choice(list(texts)), texts.__getitem__)
    return _as_json(kind, boxed)


def _texts(kind: Any) -> dict[str, Any]:
    """The values of a Literal or Enum by their texts; empty for other types, and where a value is no text."""
    if get_origin(kind) is Literal:
        values = {value.value if isinstance(value, Enum) else value: value for value in get_args(kind)}
    elif isinstance(kind, type) and issubclass(kind, Enum):
        values = {member.value: member for member in kind}
    else:
        return {}
    return values if all(isinstance(text, str) for text in values) else {}


def _as_json(kind: Any, boxed: bool) -> Typed:
    try:
        adapter = TypeAdapter(kind)
        schema = adapter.json_schema()
        box = boxed and schema.get("type") != "object"
        if box:
            adapter = TypeAdapter(create_model("Boxed", answer=(kind, ...)))
            schema = adapter.json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{_name(kind)} is no type that can be written as JSON: {reason}") from error
    for _, node in schemas_in(schema):
        if isinstance(node, dict) and "properties" in node:
            node.setdefault("additionalProperties", False)
    return Typed(Constraint.json(schema), lambda text: _read(adapter, text, box))


def _read(adapter: TypeAdapter[Any], text: str, box: bool) -> Any:
    try:
        value = adapter.validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise UserError(
            f"the reply {text[:200]!r} is refused{f' at {where}' if where else ''}: {problem['msg']}"
        ) from error
    return value.answer if box else value


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)
