import re
from datetime import date, time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.generation import json_schema
from cygnet.generation.json_schema import ANNOTATIONS, ENFORCED, FORMATS, prepared

LIST = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"not": {}}, "'not' at # can't"),
        ({"properties": {"a/b": {"items": {"uniqueItems": True}}}}, "'uniqueItems' at #/properties/a~1b/items can't"),
        ({"requird": ["a"]}, "'requird' at #"),
        ({"anyOf": [{}, {"if": {}}]}, "'if' at #/anyOf/1"),
        ({"$defs": {"a": {"format": "hostname"}}}, "the format 'hostname' at #/\\$defs/a can't .* Known: date"),
        ({"$ref": "#/$defs/a"}, "leads to no schema"),
        ({"$ref": "https://example.org/schema"}, "leads to no schema"),
        ({"items": {"$id": "a"}}, "'\\$id' at #/items"),
        ({"$schema": "https://example.org/mine"}, "'\\$schema'"),
        ({"minProperties": 2}, "'minProperties' at #"),
        ({"maximum": 2**64}, "'maximum' at # can't be enforced: it is not below 2\\^63"),
        ({"properties": {"a\x00": {}}}, r"the character \\u0000"),
        ({"items": {"enum": ["\x7f"]}}, r"at #/items has the character \\u007f"),
        ({"type": 3}, "'type' at # is 3"),
        ({"type": ["string", {}]}, "'type' at # is"),
        ({"required": [1]}, "'required' at # is"),
        ({"properties": [1]}, "'properties' at # is \\[1\\]"),
        ({"items": [{}]}, "at #/items is"),
        ({"properties": {"a": 3}}, "at #/properties/a is 3"),
    ],
)
def test_what_can_not_be_enforced_is_named_with_its_place(schema: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        prepared(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"not": {"const": {"if": 1}}, "uniqueItems": {"default": {"not": 1}}}},
        {"enum": [{"format": "hostname"}], "examples": [{"not": {}}], "title": "if"},
        {"required": ["a", "b"], "minProperties": 3},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": True}, "$ref": "#/definitions/a"},
        {"$ref": "#/$defs/a~1b%25", "$defs": {"a/b%": {"type": "null"}}},
        {"type": "string", "x-order": 1},
        {"const": r"\u0000 and \n"},
        LIST,
    ],
)
def test_data_in_a_schema_is_not_taken_for_keywords(schema: dict) -> None:
    prepared(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"], "type": "object"},
        {"type": "array", "minItems": 2, "prefixItems": [{"type": "null"}], "items": {"$ref": "#"}},
        {"type": "array", "minItems": 1e9, "items": {"$ref": "#"}},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#/$defs/b"}], "$defs": {"b": {"allOf": [{"$ref": "#"}]}}},
        {"type": "object", "additionalProperties": {"$ref": "#"}, "required": ["a"]},
        # Somewhere inside, where a model could get lost.
        {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"$ref": "#/$defs/b"}}},
    ],
)
def test_a_schema_that_contains_itself_without_end_is_an_error(schema: dict) -> None:
    with pytest.raises(UserError, match="without end"):
        prepared(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"$ref": "#"}},
        {"type": ["object", "null"], "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "array", "minItems": 1, "prefixItems": [{"type": "null"}], "items": {"$ref": "#"}},
        {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}], "$defs": {"a": {"type": "array", "items": {"$ref": "#"}}}},
    ],
)
def test_recursion_that_may_end_is_none(schema: dict) -> None:
    prepared(schema)


def chain(last: dict) -> dict:
    """Three thousand definitions, each with all that follow the next one in it."""
    links = {f"link{i}": {"allOf": [{"$ref": f"#/$defs/link{i + 1}"}]} for i in range(3000)}
    names = [f"key{i}" for i in range(3000)]
    wide = {"type": "object", "properties": {name: {"$ref": "#/$defs/link0"} for name in names}, "required": names}
    return {"anyOf": [wide, {"type": "null"}], "$defs": {**links, "link3000": last}}


def test_thousands_of_definitions_are_no_trouble() -> None:
    prepared(chain({"type": "array", "items": {"$ref": "#"}}))
    with pytest.raises(UserError, match="at #/\\$defs/link0: it contains itself without end"):
        prepared(chain({"type": "array", "items": {"$ref": "#/$defs/link0"}, "minItems": 1}))


DEFINITIONS = st.recursive(
    st.sampled_from([{"$ref": f"#/$defs/{name}"} for name in "abc"] + [{"type": "null"}, {"const": []}, True]),
    lambda inner: st.one_of(
        st.fixed_dictionaries({}, optional={key: st.lists(inner, max_size=2) for key in ("allOf", "anyOf", "oneOf")}),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["array", "object", ["array", "object"], ["object", "null"], []])},
            optional={
                "items": inner,
                "prefixItems": st.lists(inner, max_size=2),
                "minItems": st.integers(0, 3),
                "properties": st.dictionaries(st.sampled_from("xy"), inner),
                "required": st.lists(st.sampled_from("xyz")),
                "additionalProperties": inner,
            },
        ),
    ),
    max_leaves=6,
)


@given(st.fixed_dictionaries(dict.fromkeys("abc", DEFINITIONS)))
def test_without_end_is_what_no_value_of_any_depth_satisfies(definitions: dict) -> None:
    places = dict(json_schema.schemas_in({"$defs": definitions}))

    @cache
    def has_value(place: str, depth: int) -> bool:
        """Whether it has a value for which at most `depth` schemas within each other are looked at."""
        schema = places.get(place, True)
        if isinstance(schema, bool) or depth == 0:
            return depth > 0
        kinds = schema.get("type", "null")
        first, count = len(schema.get("prefixItems", [])), schema.get("minItems", 0)
        known, named = schema.get("properties", {}), schema.get("required", [])
        needed = {
            "object": [f"properties/{name}" if name in known else "additionalProperties" for name in named],
            "array": [f"prefixItems/{i}" if i < first else "items" for i in range(count)],
        }
        every = [f"allOf/{i}" for i in range(len(schema.get("allOf", [])))]
        some = [[f"{key}/{i}" for i in range(len(schema.get(key, [])))] for key in ("anyOf", "oneOf")]
        has = [has_value(schema["$ref"], depth - 1)] if "$ref" in schema else []
        has += [has_value(f"{place}/{name}", depth - 1) for name in every]
        has += [any(has_value(f"{place}/{name}", depth - 1) for name in names) for names in some if names]
        ways = [needed.get(kind, []) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        has += ["const" in schema or any(all(has_value(f"{place}/{name}", depth - 1) for name in way) for way in ways)]
        return all(has)

    endless = json_schema._endless(places)
    assert endless == {place for place in places if not has_value(place, len(places) + 1)}


def test_the_users_own_schema_stays_as_it_was() -> None:
    schema = {"format": "date", "minLength": 2.0}
    assert prepared(schema)["minLength"] == 2
    assert schema == {"format": "date", "minLength": 2.0}


def test_the_reference_names_what_is_enforced_and_what_is_let_through() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/constraints.md").read_text()
    enforced, _, rest = page.partition("Enforced: ")[2].partition("Without meaning")
    assert {name for name in ENFORCED if f"`{name}`" in enforced} == ENFORCED
    through = rest.partition("Every other keyword")[0]
    assert {name for name in ANNOTATIONS if f"`{name}`" in through} == ANNOTATIONS
    assert ", ".join(sorted(FORMATS)) in page


_DATE = re.compile(json_schema._DATE, re.ASCII)
_TIME = re.compile(json_schema._TIME, re.ASCII)


@given(st.dates())
def test_every_date_is_a_date(day: date) -> None:
    assert _DATE.fullmatch(day.isoformat())


@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
def test_no_other_day_is_a_date(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}"
    try:
        date.fromisoformat(text)
    except ValueError:
        assert not _DATE.fullmatch(text)
    else:
        assert _DATE.fullmatch(text)


@given(st.integers(0, 25), st.integers(0, 61), st.integers(0, 61))
def test_times_are_what_python_reads(hour: int, minute: int, second: int) -> None:
    text = f"{hour:02}:{minute:02}:{second:02}Z"
    try:
        time.fromisoformat(text)
    except ValueError:
        assert not _TIME.fullmatch(text)
    else:
        assert _TIME.fullmatch(text)
