import threading
from typing import Annotated, Literal

import pytest
from pydantic import Field

from cygnet.errors import UserError
from cygnet.techniques.tools.tool import Tool, describe, tool


def _add(a: int, b: int = 1) -> int:
    """Add two whole numbers."""
    return a + b


add = tool(_add)


def test_a_function_becomes_a_tool_with_a_schema():
    assert (add.name, add.description) == ("_add", "Add two whole numbers.")
    assert add.parameters["type"] == "object"
    assert add.parameters["properties"]["a"]["type"] == "integer"
    assert add.parameters["properties"]["b"]["default"] == 1
    assert add.parameters["required"] == ["a"]
    assert add.parameters["additionalProperties"] is False


def test_a_call_answers_in_text():
    assert add.call({"a": 2, "b": 3}) == "5"
    assert add.call({"a": 2}) == "3"
    assert add.call({"a": "2"}) == "3"  # a model writes numbers as strings now and then


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "a: Missing"),
        ({"a": "two"}, "a: Input should be a valid integer"),
        ({"a": 1, "c": 2}, "c: Unexpected"),
        ([1, 2], "must be a JSON object"),
        (None, "must be a JSON object"),
        ({1: 2}, "must be a JSON object"),
    ],
)
def test_wrong_arguments_come_back_in_words_with_an_example(arguments, words):
    result = add.call(arguments)
    assert result.startswith("error: ")
    assert words in result
    assert '{"a": "<integer>", "b": "<integer>"}' in result
    assert "http" not in result  # no links to a library's manual


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such city"), "error: broken failed: ValueError: no such city"),
        (KeyError(), "error: broken failed: KeyError"),
        (UserError("the index is empty."), "error: the index is empty."),
        (SystemExit(3), "error: broken failed: SystemExit: 3"),
        (TimeoutError("slow"), "error: broken failed: TimeoutError: slow"),
    ],
)
def test_a_tool_that_raises_answers_in_words(error, words):
    @tool
    def broken() -> str:
        """Fail."""
        raise error

    assert broken.call({}) == words


def test_a_tool_that_hangs_is_given_up():
    release = threading.Event()

    @tool(seconds=0.05)
    def hang() -> str:
        """Wait."""
        release.wait(60)
        return "late"

    assert hang.call({}) == "error: hang took longer than 0.05 s"
    release.set()


def test_results_are_text_or_json_and_long_ones_are_cut():
    @tool
    def give(what: Literal["text", "record", "much", "odd"]) -> object:
        """Give something."""
        return {"text": "grün", "record": {"a": [1, None]}, "much": "x" * 30_000, "odd": {1, 2}.__class__}[what]

    assert give.call({"what": "text"}) == "grün"
    assert give.call({"what": "record"}) == '{"a": [1, null]}'
    assert give.call({"what": "much"}).endswith("x\n(cut: 10000 more characters)")
    assert give.call({"what": "odd"}) == "\"<class 'set'>\""


def test_the_description_says_name_types_defaults_and_weakness():
    @tool(weakness="You don't know today's weather.")
    def weather(
        city: Annotated[str, Field(description="name of the city")],
        days: list[int] | None = None,
        kind: Literal["rain", "sun"] = "rain",
    ) -> str:
        """Weather of
        a city."""
        return city + str(days) + kind

    assert describe([weather, add]) == (
        'weather(city: string, days: list of integer or null = null, kind: "rain" or "sun" = "rain"): '
        "Weather of a city.\n"
        "  You don't know today's weather.\n"
        "  city: name of the city\n"
        "_add(a: integer, b: integer = 1): Add two whole numbers."
    )


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(UserError, match="two tools are called _add"):
        describe([add, add])


def _undocumented(a: int) -> int:
    return a


def _untyped(a) -> int:
    """Do."""
    return a


def _many(*a: int) -> int:
    """Do."""
    return sum(a)


def _by_place(a: int, /) -> int:
    """Do."""
    return a


def _strange(a: threading.Event) -> str:
    """Do."""
    return str(a)


async def _later(a: int) -> int:
    """Do."""
    return a


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_undocumented, "needs a docstring"),
        (_untyped, "parameter a needs a type"),
        (_many, "can't be given by name"),
        (_by_place, "can't be given by name"),
        (_strange, "JSON can't express"),
        (_later, "not async"),
        (lambda a: a, "with a name"),
    ],
)
def test_functions_that_make_no_tool_are_refused_with_a_reason(function, words):
    with pytest.raises(UserError, match=words):
        tool(function)


def test_a_time_limit_must_be_positive():
    with pytest.raises(UserError, match="positive"):
        tool(_add, seconds=0)


def test_a_method_can_be_a_tool():
    class Shelf:
        def take(self, book: str) -> str:
            """Take a book."""
            return f"took {book}"

    assert isinstance(made := tool(Shelf().take), Tool)
    assert made.call({"book": "Ulysses"}) == "took Ulysses"
