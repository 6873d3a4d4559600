"""What is wrong with an answer, told without knowing the right one: a technique may use it at work."""

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from cygnet.errors import UserError
from cygnet.files import sha256_of
from cygnet.techniques.base import Answer


class CheckError(UserError):
    """The user's own function failed: no answer can be judged until it is mended."""


@dataclass(frozen=True)
class FitsSchema:
    """The answer must be a JSON object that is valid under a JSON schema, given as JSON."""

    schema: str

    def __call__(self, question: str, answer: Answer) -> str | None:  # noqa: ARG002 - a `Check` of techniques
        """What is wrong, or None."""
        if answer.value is None:
            return "There is no complete JSON object in it."
        from referencing.exceptions import Unresolvable

        try:
            errors = list(_validator(self.schema).iter_errors(answer.value))
        except Unresolvable as error:
            raise CheckError(f"the schema refers to {error.ref!r}, which is not in it. Write it into $defs.") from error
        worst = min(errors, key=lambda error: list(map(str, error.path)), default=None)
        return None if worst is None else f"{_place(worst.path)}{worst.message}"


@dataclass(frozen=True)
class MatchesPattern:
    """The answer must have a match of a regular expression."""

    pattern: str

    def __call__(self, question: str, answer: Answer) -> str | None:  # noqa: ARG002 - a `Check` of techniques
        """What is wrong, or None."""
        found = answer.value is not None or re.search(self.pattern, answer.text)
        return None if found else f"It doesn't have the form {self.pattern}"


@dataclass(frozen=True)
class PythonCheck:
    """A function of one's own, "module:function", called with question and answer; it must not need the right one.

    folder: where the module is looked for first. version: of the module, so that answers which an older one had a say
    in can be told from those of this one.
    """

    function: str
    folder: str = ""
    version: str = ""

    def __call__(self, question: str, answer: Answer) -> str | None:
        """What is wrong, or None. Raises CheckError when the function fails."""
        if answer.value is None:
            return "There is no answer in it."
        return verdict(self.function, self.folder, question, str(answer.value))


def verdict(name: str, folder: str, *arguments: str | None) -> str | None:
    """What a function says: None when it returns True or None, else what is wrong in its words.

    Raises CheckError when it can't be found, raises, or returns anything but a bool, None or a string.
    """
    try:
        said = find(name, folder)(*arguments)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise CheckError(
            f"the checker {name} raised {type(error).__name__}: {error}, for the question {arguments[0]!r} and the "
            f"answer {arguments[1]!r}. Mend it and run again."
        ) from error
    if said is None or said is True:
        return None
    if said is False:
        return "It is not right."
    if isinstance(said, str):
        return said
    raise CheckError(f"the checker {name} returned {said!r}: it must return True, False, None or what is wrong.")


@cache
def find(name: str, folder: str) -> Callable[..., Any]:
    """The function "module:function". Raises CheckError when it isn't there or its module can't be imported."""
    module, _, function = name.partition(":")
    if not module or not function:
        raise CheckError(f'the checker {name!r} is not of the form "module:function".')
    try:
        found = getattr(_module(module, Path(folder)), function, None)
    except (Exception, SystemExit) as error:
        raise CheckError(f"the checker's module {module} can't be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise CheckError(f"the module {module} has no function {function}.")
    checker: Callable[..., Any] = found
    return checker


def version_of(name: str, folder: str) -> str:
    """Of the file that the function "module:function" is in; empty where it is in none."""
    module = name.partition(":")[0]
    path = _file(module, Path(folder))
    if not path.is_file():
        spec = importlib.util.find_spec(module)
        path = Path(spec.origin or "") if spec else path
    return sha256_of(path)[:16] if path.is_file() else ""


def _file(module: str, folder: Path) -> Path:
    return folder / f"{module.replace('.', '/')}.py"


def _module(name: str, folder: Path) -> ModuleType:
    path = _file(name, folder)
    if not folder.name or not path.is_file():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))  # so that it finds what lies beside it
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


@cache
def _validator(schema: str) -> Any:
    import jsonschema
    from referencing import Registry

    parsed = json.loads(schema)
    kind = jsonschema.validators.validator_for(parsed, jsonschema.Draft202012Validator)
    return kind(parsed, registry=Registry())  # one that fetches nothing


def _place(path: Any) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""
