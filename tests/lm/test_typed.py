"""Types against a model that can write whatever its constraint allows: here, what the test wants it to write."""

import re
import subprocess
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.grammar import Grammars
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage
from cygnet.lm.endpoint import EndpointModel
from cygnet.lm.typed import written_as
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer

_DEFAULT = Sampling()


class Obedient(LanguageModel):
    """Writes a given text as far as the constraint and max_new_tokens allow; it is told which tokens it may not."""

    name = "obedient"

    def __init__(self, text: str, local: bool = True) -> None:
        self.text, self.local = text, local
        self.tokenizer = train_tokenizer(["What is it? A swan."], 264)  # bytes, so that texts are free of boundaries
        self.samplings: list[Sampling] = []

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        assert isinstance(sampling, Sampling)
        self.samplings.append(sampling)
        tokens = self.tokenizer.encode(self.text)[: sampling.max_new_tokens]
        if sampling.constraint is not None:
            _check(sampling.constraint, tokens, self.tokenizer, whole=len(tokens) < sampling.max_new_tokens)
        finish = "stop" if len(tokens) < sampling.max_new_tokens else "length"
        return [[Reply(self.tokenizer.decode(tokens), finish, Usage(1, len(tokens)))] for _ in prompts]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        raise NotImplementedError

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        raise NotImplementedError


def _check(constraint: Constraint, tokens: list[int], tokenizer: Tokenizer, whole: bool) -> None:
    state = Grammars(tokenizer).start(constraint)
    for token in tokens:
        assert state.mask()[token], f"{tokenizer.decode([token])!r} is not allowed"
        state.take(token)
    assert state.mask()[tokenizer.end_id] or not whole, "the text is not allowed to end"


class Colour(Enum):
    WHITE = "white"
    BLACK = "black"


class Mark(IntEnum):
    GOOD = 1
    BAD = 2


@dataclass
class Point:
    x: int
    y: float = 0.5


class Swan(BaseModel):
    name: str
    hatched: date
    colour: Colour = Colour.WHITE
    weight: Annotated[float, Field(gt=0, lt=20)] | None = None
    cygnets: list["Swan"] = []


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (str, "Any text\nat all: {", "Any text\nat all: {"),
        (int, "-12", -12),
        (float, "2.5", 2.5),
        (bool, "true", True),
        (Literal["swan", "goose"], "goose", "goose"),
        (Literal[1, "a"], '"a"', "a"),
        (Literal[Colour.WHITE], "white", Colour.WHITE),
        (Colour, "black", Colour.BLACK),
        (Mark, "2", Mark.BAD),
        (list[int], "[1, 2, 3]", [1, 2, 3]),
        (list[Colour], '["white", "black"]', [Colour.WHITE, Colour.BLACK]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (tuple[int, str], '[1, "a"]', (1, "a")),
        (int | None, "null", None),
        (date, '"2024-02-29"', date(2024, 2, 29)),
        (Point, '{"x": 3, "y": 1.5}', Point(3, 1.5)),
        (Point, '{"x": 3}', Point(3)),
        (
            Swan,
            '{"name": "Odette", "hatched": "1895-01-27", "cygnets": [{"name": "a", "hatched": "1896-01-01"}]}',
            Swan(name="Odette", hatched=date(1895, 1, 27), cygnets=[Swan(name="a", hatched=date(1896, 1, 1))]),
        ),
        (re.compile("[A-Z]{2}[0-9]+"), "AB12", "AB12"),
        (re.compile("ab", re.IGNORECASE), "aB", "aB"),
    ],
)
def test_a_reply_is_a_value_of_the_type(kind: Any, text: str, value: Any) -> None:
    got = Obedient(text)("What?", kind)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, '{"answer": 4}', 4),
        (Literal["swan", "goose"], '{"answer": "swan"}', "swan"),
        (Colour, '{"answer": "black"}', Colour.BLACK),
        (list[bool], '{"answer": [true]}', [True]),
        (re.compile("[a-c]+"), '{"answer": "abc"}', "abc"),
        (Point, '{"x": 1}', Point(1)),
        (str, "as it is", "as it is"),
    ],
)
def test_endpoints_are_asked_for_objects(kind: Any, text: str, value: Any) -> None:
    lm = Obedient(text, local=False)
    assert lm("What?", kind) == value
    constraint = lm.samplings[0].constraint
    assert constraint is None or constraint.kind == "json"


@pytest.mark.parametrize(("kind", "text"), [(int, "four"), (Colour, "red"), (Point, '{"x": 1, "z": 2}'), (Swan, "{}")])
def test_nothing_else_can_be_written(kind: Any, text: str) -> None:
    with pytest.raises(AssertionError, match="not allowed"):
        Obedient(text)("What?", kind)


def test_without_a_type_the_reply_is_text() -> None:
    lm = Obedient("It is a swan.")
    assert lm("What is it?") == "It is a swan."
    assert lm.samplings == [Sampling(temperature=0.0, max_new_tokens=512)]


def test_a_reply_that_was_cut_off_is_told() -> None:
    with pytest.raises(UserError, match=r"cut off before it was a whole list\[int\].*more than max_new_tokens=4"):
        Obedient("[1, 2, 3]")("What?", list[int], Sampling(max_new_tokens=4))


def test_the_types_own_checks_are_told() -> None:
    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def check(cls, value: int) -> int:
            if value % 2:
                raise ValueError("odd")
            return value

    with pytest.raises(UserError, match="refused at number: Value error, odd"):
        Obedient('{"number": 3}')("What?", Even)


@pytest.mark.parametrize("kind", [object(), type("Plain", (), {})])
def test_what_is_no_type_is_told(kind: Any) -> None:
    with pytest.raises(UserError, match="no type that can be written as JSON"):
        written_as(kind)


def test_a_pattern_of_bytes_is_refused() -> None:
    with pytest.raises(UserError, match="must be text, not bytes"):
        written_as(re.compile(b"a"))


def test_an_endpoint_is_sent_the_types_schema(server: Any) -> None:
    server.answer = lambda path, body: server.completion(path, ['{"answer": 4}'])
    with EndpointModel(server.url) as lm:
        assert lm([{"role": "user", "content": "2 + 2?"}], int) == 4
    (body,) = server.bodies
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"]["type"] == "integer"
    assert (schema["required"], schema["additionalProperties"]) == (["answer"], False)


def test_two_constraints_are_one_too_many() -> None:
    with pytest.raises(UserError, match="leave the constraint out"):
        Obedient("1")("What?", int, Sampling(constraint=Constraint.regex("1")))


def test_torch_is_not_needed() -> None:
    program = "import cygnet.lm.typed, sys; assert 'torch' not in sys.modules; assert 'llguidance' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
