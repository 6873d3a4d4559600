"""When an answer is right."""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import read_json
from cygnet.lab.config import CheckConfig
from cygnet.lab.readers import ReadChoice, Reader, ReadJson, ReadNumber, ReadPattern, ReadText
from cygnet.lab.verifiers import CheckError, FitsSchema, MatchesPattern, PythonCheck, find, verdict, version_of
from cygnet.techniques.base import Answer

Verifier = FitsSchema | MatchesPattern | PythonCheck


@dataclass(frozen=True)
class Check:
    """Reads answers and judges them.

    verifier: judges without the right answer, so that a technique may use it too; None where only the right answer
    tells. function: of a "python" check that does see the right answer, with the folder of its module.
    """

    reader: Reader
    verifier: Verifier | None = None
    function: tuple[str, str] | None = None

    def expected(self, answer: str) -> Any:
        """The right answer as a value. Raises ValueError, saying what an answer must be, when it can't be read."""
        if self.function or isinstance(self.verifier, PythonCheck):
            return answer
        value: Any = answer.strip() or None if isinstance(self.reader, ReadPattern) else self.reader.read(answer)
        if value is None:
            raise ValueError(f"can't be read as {_WANTED[type(self.reader)]}")
        if isinstance(self.verifier, FitsSchema) and (wrong := self.verifier("", Answer(value, answer))):
            raise ValueError(f"doesn't fit the schema: {wrong}")
        return value

    def wrong(self, question: str, expected: str | None, answer: Answer) -> str | None:
        """What is wrong with an answer, or None. Raises CheckError when the user's function fails."""
        if self.verifier and (wrong := self.verifier(question, answer)):
            return wrong
        if expected is None or isinstance(self.verifier, PythonCheck):
            return None
        if answer.value is None:
            return f"no answer: {_WANTED[type(self.reader)]} is not there"
        if self.function:
            return verdict(*self.function, question, str(answer.value), expected)
        return None if answer.value == self.expected(expected) else f"{_shown(answer.value)} instead of {expected}"

    @property
    def needs_answers(self) -> bool:
        """Whether every example must have its right answer."""
        return self.function is None and self.verifier is None


_WANTED: dict[type[Reader], str] = {
    ReadText: "text",
    ReadNumber: "a number",
    ReadChoice: "one of the choices",
    ReadPattern: "a match of the pattern",
    ReadJson: "a JSON object",
}


def make_check(config: CheckConfig, folder: Path) -> Check:
    """The check of a task whose file lies in `folder`. Raises UserError for a schema or function that can't be used."""
    match config.kind:
        case "number":
            return Check(ReadNumber(after=config.after))
        case "choice":
            reader = ReadChoice(after=config.after, choices=config.choices)
            reader.read("")  # choices that can't be told apart are refused
            return Check(reader)
        case "regex":
            return Check(ReadPattern(after=config.after, pattern=config.pattern), MatchesPattern(config.pattern))
        case "json-schema":
            return Check(ReadJson(after=config.after), FitsSchema(_schema(folder / config.schema_file)))
        case "python":
            return _python(config, str(folder.resolve()))
        case _:
            return Check(ReadText(after=config.after))


def _python(config: CheckConfig, folder: str) -> Check:
    reader = ReadText(after=config.after)
    count = _parameters(config.function, find(config.function, folder))
    if count == 2:
        return Check(reader, PythonCheck(config.function, folder, version_of(config.function, folder)))
    return Check(reader, function=(config.function, folder))


def _parameters(name: str, function: Callable[..., Any]) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some built-in ones don't tell
        parameters = {}.values()
    places = [p for p in parameters if p.kind in kinds]
    needed = sum(place.default is inspect.Parameter.empty for place in places)
    if needed > 3 or len(places) < 2:
        raise CheckError(f"the checker {name} must take question and text, and the right answer if it wants it.")
    return min(len(places), 3)


def _schema(path: Path) -> str:
    import jsonschema

    schema = read_json(path)
    try:
        jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator).check_schema(schema)
    except jsonschema.SchemaError as error:
        raise UserError(f"{path} is no JSON schema: {error.message}") from error
    except (AttributeError, TypeError) as error:
        raise UserError(f"{path} is no JSON schema: it must be an object.") from error
    return json.dumps(schema, ensure_ascii=False)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:80] + "…"
