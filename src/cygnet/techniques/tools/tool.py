"""A tool: a typed function with a docstring, called by name with JSON arguments, that answers in text.

A call never raises: wrong arguments, an exception and a hanging function all come back as "error: ...", for the model
to read. The idea of telling a model what it is bad at, so that it reaches for the tool, is from Karpathy's "State of
GPT" (2023).
"""

import inspect
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, cast, overload

from pydantic import TypeAdapter, ValidationError, validate_call
from pydantic.errors import PydanticUserError

from cygnet.errors import UserError

_SECONDS = 30.0
_LONGEST_RESULT = 20_000


@dataclass(frozen=True)
class Tool:
    """A function that a model may call.

    name, description: the function's name and docstring. parameters: JSON Schema of the arguments, an object.
    function: the function, which checks its arguments against its types.
    weakness: a sentence on what the model is bad at, which sends it to this tool ("You are bad at multiplication.").
    seconds: time limit of a call. A Python function can't be stopped: one that hangs is left behind in its thread, so
    whatever can hang for long should run in a process of its own, as the sandbox does.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    function: Callable[..., Any]
    weakness: str = ""
    seconds: float = _SECONDS

    def call(self, arguments: Any) -> str:
        """What the function returns for these arguments (an object, as JSON has it), in text; or "error: ..." in words.

        Strings are returned as they are, everything else as JSON. Results beyond 20,000 characters are cut, and say so.
        """
        if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
            return f"error: the arguments of {self.name} must be a JSON object, such as {self._example()}"
        done: Future[str] = Future()
        threading.Thread(target=self._work, args=(done, dict(arguments)), daemon=True, name=self.name).start()
        wait([done], self.seconds)
        if not done.done():
            return f"error: {self.name} took longer than {self.seconds:g} s"
        error = done.exception()
        return _cut(done.result() if error is None else f"error: {self._words(error)}")

    def _work(self, done: Future[str], arguments: dict[str, Any]) -> None:
        try:
            done.set_result(_text(self.function(**arguments)))
        except BaseException as error:  # noqa: BLE001 - whatever a tool raises, the model reads it
            done.set_exception(error)

    def _words(self, error: BaseException) -> str:
        if isinstance(error, UserError):
            return str(error)
        if isinstance(error, ValidationError):
            faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            return f"wrong arguments of {self.name}: {'; '.join(faults)}. Expected {self._example()}"
        return f"{self.name} failed: {type(error).__name__}: {error}".removesuffix(": ")

    def _example(self) -> str:
        return json.dumps({name: f"<{_kind(schema)}>" for name, schema in self.parameters["properties"].items()})


@overload
def tool(function: Callable[..., Any], *, weakness: str = "", seconds: float = _SECONDS) -> Tool: ...
@overload
def tool(*, weakness: str = "", seconds: float = _SECONDS) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None, *, weakness: str = "", seconds: float = _SECONDS
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a `Tool` of a function: `tool(function)`, or `@tool` or `@tool(weakness="...")` above it.

    Raises:
        UserError: when the function has no name or docstring, or a parameter without a type or that can't be given by
            name.
    """
    if function is None:
        return lambda decorated: tool(decorated, weakness=weakness, seconds=seconds)
    name, description = getattr(function, "__name__", ""), inspect.getdoc(function)
    if not name.isidentifier():
        raise UserError(f"a tool must be a function with a name; {name or function!r} has none: write it with def.")
    if inspect.iscoroutinefunction(function):
        raise UserError(f"the tool {name} must be an ordinary function, not async.")
    if not description:
        raise UserError(f"the tool {name} needs a docstring: it tells the model what the tool does.")
    if not seconds > 0:
        raise UserError(f"the time limit of the tool {name} must be positive, not {seconds!r} s.")
    return Tool(name, description, _parameters(name, function), validate_call(function), weakness, seconds)


def describe(tools: Sequence[Tool]) -> str:
    """The block of text that tells a model which tools there are; one tool after the other.

    Raises UserError when two tools have the same name.
    """
    names = [item.name for item in tools]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two tools are called {', '.join(twice)}: rename one.")
    return "\n".join(_described(item) for item in tools)


def _described(item: Tool) -> str:
    properties = item.parameters["properties"]
    arguments = ", ".join(f"{name}: {_kind(schema)}{_default(schema)}" for name, schema in properties.items())
    lines = [f"{item.name}({arguments}): {' '.join(item.description.split())}"]
    if item.weakness:
        lines.append(f"  {item.weakness}")
    told = {name: " ".join(str(schema.get("description", "")).split()) for name, schema in properties.items()}
    lines += [f"  {name}: {words}" for name, words in told.items() if words]
    return "\n".join(lines)


def _parameters(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise UserError(f"the tool {name}: {parameter} can't be given by name, which is how a model calls it.")
        if parameter.annotation is parameter.empty:
            raise UserError(f"the tool {name}: the parameter {parameter.name} needs a type, such as `: str`.")
    try:
        return {"properties": {}, **TypeAdapter(cast(Any, function)).json_schema()}
    except (PydanticUserError, NameError) as error:
        raise UserError(f"the tool {name} has a parameter whose type JSON can't express: {error}") from error


def _kind(schema: Mapping[str, Any]) -> str:
    """A type in words: "integer", "list of string", "string or null"."""
    if "enum" in schema or "const" in schema:
        return " or ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if isinstance(kinds := schema.get("type"), list):
        return " or ".join(map(str, kinds))
    if kinds == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    return str(kinds or "any")


def _default(schema: Mapping[str, Any]) -> str:
    return f" = {json.dumps(schema['default'])}" if "default" in schema else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str) -> str:
    more = len(text) - _LONGEST_RESULT
    return text if more <= 0 else f"{text[:_LONGEST_RESULT]}\n(cut: {more} more characters)"
