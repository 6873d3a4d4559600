"""What may be asked over HTTP, and what it means to a model. Anything that would be ignored is refused by name.

Fields: platform.openai.com/docs/api-reference; `top_k`, `min_p` and `repetition_penalty` are vLLM's.
"""

import json
import secrets
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.request import Sampling
from cygnet.lm.base import Prompt
from cygnet.server.errors import ApiError
from cygnet.tokens.chat import Message, read_messages

MOST_ANSWERS = 256  # to one request
CHAT_TOKENS, TEXT_TOKENS = 1024, 16  # written at most when nothing else is said; the second is OpenAI's own

# They say who asks and how it is filed, and change no answer.
_NO_MATTER = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"}
# With these values they change nothing.
_NEUTRAL: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "tools": [],
    "best_of": 1,
    "suffix": "",
}

Stop = Annotated[str, Field(min_length=1, max_length=1000)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    """The texts to continue. Which ids a text has is the model's affair: ids are refused in words."""
    several = _listed(value)
    if isinstance(several, list) and any(isinstance(item, int | list) for item in several):
        raise ValueError("token ids are not read here. Send the text itself, or a list of texts")
    return several


class _Said(BaseModel):
    """One message as OpenAI writes it."""

    model_config = ConfigDict(extra="forbid")
    role: str
    content: str = ""
    tool_calls: list[dict[str, Any]] = []
    tool_call_id: str = ""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value

    @field_validator("content", mode="before")
    @classmethod
    def _text_of_parts(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if not all(isinstance(part, dict) and set(part) == {"type", "text"} for part in value):
            raise ValueError('only parts of text are read here, {"type": "text", "text": ...}')
        return "".join(str(part["text"]) for part in value)

    def message(self) -> Message:
        """The message as ours. Raises UserError for a call whose arguments are no JSON."""
        message: Message = {"role": "system" if self.role == "developer" else self.role, "content": self.content}
        return message | ({"tool_calls": [_call(call) for call in self.tool_calls]} if self.tool_calls else {})


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")
    include_usage: bool = False
    include_obfuscation: bool = False  # padding against listeners; what is not asked for is not sent


class TextFormat(BaseModel):
    """Anything."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["text"] = "text"

    def constraint(self) -> Constraint | None:
        """Nothing that holds the answer."""
        return None


class ObjectFormat(BaseModel):
    """Some JSON object."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["json_object"]

    def constraint(self) -> Constraint | None:
        """What holds the answer to it."""
        return Constraint.json({"type": "object"})


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = ""
    description: str = ""
    strict: bool = True  # it always is
    schema_: dict[str, Any] = Field(alias="schema")


class SchemaFormat(BaseModel):
    """JSON of a schema."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["json_schema"]
    json_schema: _Schema

    def constraint(self) -> Constraint | None:
        """What holds the answer to it."""
        return Constraint.json(self.json_schema.schema_)


ResponseFormat = Annotated[TextFormat | ObjectFormat | SchemaFormat, Field(discriminator="type")]


class Request(BaseModel):
    """What both kinds of question share."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: str | None = None
    n: int = Field(1, ge=1, le=128)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(1.0, ge=0, le=100)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    min_p: float = Field(0.0, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0, le=100)
    repeat_penalty: float | None = Field(None, gt=0, le=100)
    logit_bias: dict[int, float] = Field(default={}, max_length=1024)
    stop: Annotated[list[Stop], BeforeValidator(_listed), Field(max_length=16)] = []
    seed: int = Field(default_factory=lambda: secrets.randbits(31), ge=0, lt=2**63)
    response_format: ResponseFormat = TextFormat()
    stream: bool = False
    stream_options: _StreamOptions = _StreamOptions()

    @model_validator(mode="after")
    def _one_answer_in_a_stream(self) -> Self:
        if self.stream and self.n > 1:
            raise ValueError("a stream has one answer: n must be 1")
        return self

    def _sampling(self, most: int, logprobs: int | None) -> Sampling:
        penalty = self.repetition_penalty if self.repeat_penalty is None else self.repeat_penalty
        return Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=penalty,
            logit_bias=self.logit_bias,
            max_new_tokens=most,
            stop=tuple(self.stop),
            seed=self.seed,
            logprobs=logprobs,
            constraint=self.response_format.constraint(),
        )


class ChatRequest(Request):
    """/v1/chat/completions."""

    messages: list[_Said] = Field(min_length=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)

    def prompts(self) -> list[Prompt]:
        """The one conversation. Raises UserError for messages that no model takes."""
        return [read_messages([said.message() for said in self.messages])]

    def sampling(self) -> Sampling:
        """How it is to be answered."""
        most = self.max_completion_tokens or self.max_tokens or CHAT_TOKENS
        return self._sampling(most, self.top_logprobs if self.logprobs else None)


class TextRequest(Request):
    """/v1/completions."""

    prompt: Annotated[list[str], BeforeValidator(_texts), Field(min_length=1, max_length=256)]
    max_tokens: int | None = Field(None, ge=0)
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool = False

    @model_validator(mode="after")
    def _whole_echo(self) -> Self:
        if self.echo and self.stream:
            raise ValueError("an echo can't be streamed")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens is 0, and there is no echo: nothing is asked for")
        if self.n * len(self.prompt) > MOST_ANSWERS:
            raise ValueError(f"{self.n} answers to each of {len(self.prompt)} prompts: {MOST_ANSWERS} are the most")
        return self

    def prompts(self) -> list[Prompt]:
        """The texts to continue."""
        return list(self.prompt)

    def sampling(self) -> Sampling:
        """How they are to be continued."""
        return self._sampling(TEXT_TOKENS if self.max_tokens is None else self.max_tokens, self.logprobs)


Kind = TypeVar("Kind", bound=Request)


def parse(kind: type[Kind], body: Any) -> Kind:
    """Read a request's JSON. Raises ApiError for what is wrong with it, or can't be done here."""
    if not isinstance(body, dict):
        raise ApiError(400, "the request's body must be a JSON object.")
    for name, neutral in _NEUTRAL.items():
        if body.get(name, neutral) not in (None, neutral):
            raise ApiError(400, f"{name} is not supported here.", name, "unsupported_parameter")
    known = {name: value for name, value in body.items() if name not in _NO_MATTER and name not in _NEUTRAL}
    try:
        return kind.model_validate({name: value for name, value in known.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ApiError(400, f"{where} is not supported here.", where, "unsupported_parameter") from error
        why = first["msg"].removeprefix("Value error, ")
        raise ApiError(400, f"{where}: {why}." if where else f"{why}.", where or None) from error


def _call(call: dict[str, Any]) -> dict[str, Any]:
    """A tool call with its arguments as an object: OpenAI has them as JSON in a string."""
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(arguments, str):
        raise UserError("a tool call needs a function with arguments, which are JSON in a string.")
    try:
        return {"type": "function", "function": {**function, "arguments": json.loads(arguments)}}
    except (ValueError, RecursionError) as error:
        raise UserError(f"a tool call's arguments are not valid JSON: {error}") from error
