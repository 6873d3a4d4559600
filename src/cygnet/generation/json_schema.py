"""JSON schemas as the grammar library takes them. What can't be enforced is refused by name and place, never ignored.

Drafts: https://json-schema.org/draft/2020-12. The library ignores keywords that it doesn't know, writes keys of its own
choice more than once, and takes a schema that contains itself without end; here that is refused.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from cygnet.errors import UserError

_CONTROL = re.compile(r"(?<!\\)(?:\\\\)*\\u00(?:0[0-7bef]|1[0-9a-f]|7f)")  # has no short escape in JSON

Places = Mapping[str, dict[str, Any] | bool]  # every schema in a schema, by its pointer from the root, "#"

# Enforced; benchmarks/json_schema_suite.py shows it, case by case.
ENFORCED = frozenset(
    """
    $ref additionalProperties allOf anyOf const enum exclusiveMaximum exclusiveMinimum format items maximum maxItems
    maxLength maxProperties minimum minItems minLength minProperties multipleOf oneOf pattern patternProperties
    prefixItems properties required type
    """.split()
)
# They say something about a value, but forbid none.
ANNOTATIONS = frozenset(
    """
    $anchor $comment $defs $id $schema contentEncoding contentMediaType contentSchema default definitions deprecated
    description discriminator examples readOnly title writeOnly
    """.split()
)
_DRAFTS = ("draft/2020-12/schema", "draft/2019-09/schema", "draft-07/schema", "draft-06/schema")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_SHAPES: dict[type | tuple[type, ...], tuple[str, ...]] = {
    dict: ("properties", "patternProperties", "$defs", "definitions"),
    list: ("allOf", "anyOf", "oneOf", "prefixItems", "required", "enum"),
    str: ("$ref", "format", "pattern"),
    (str, list): ("type",),
    (int, float): (*_COUNTS, *_BOUNDS, "multipleOf"),
}
_TYPES = ("null", "boolean", "number", "integer", "string", "array", "object")

# Proleptic Gregorian days from the year 1 on, and times of RFC 3339 without leap seconds: what Python's datetime reads.
_YEAR = r"(?:000[1-9]|00[1-9]\d|0[1-9]\d\d|[1-9]\d{3})"
_DAY = r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
_LEAP_YEAR = r"(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE = rf"(?:{_YEAR}-{_DAY}|{_LEAP_YEAR}-02-29)"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_TIME = rf"{_CLOCK}:[0-5]\d(?:\.\d+)?(?:Z|[+-]{_CLOCK})"
_OWN_FORMATS = {"date": _DATE, "time": _TIME, "date-time": f"{_DATE}T{_TIME}"}
FORMATS = frozenset({*_OWN_FORMATS, "duration", "email", "ipv4", "ipv6", "uri", "uuid"})

# Models read and write these separators; without white space they write less, and free white space they never end.
# One spelling of each character: with \uXXXX a key of the model's own choice could be one of the schema's in disguise.
_STYLE = {
    "item_separator": ", ",
    "key_separator": ": ",
    "whitespace_flexible": False,
    "json_allowed_escapes": 'nrbtf"\\',
}


def prepared(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `schema` that the grammar library enforces as it stands.

    Raises UserError for keywords, formats and references that can't be enforced, and for a schema that contains itself
    without end.
    """
    own: dict[str, Any] = json.loads(json.dumps(schema))
    places = dict(schemas_in(own))
    for place, node in places.items():
        if isinstance(node, dict):
            _check(place, node, places)
            _rewrite(node)
    if endless := _endless(places):
        raise UserError(f"no value can satisfy the JSON schema at {min(endless)}: it contains itself without end.")
    return {**own, "x-guidance": _STYLE}


def schemas_in(schema: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any] | bool]]:
    """A schema and all schemas in it, each after its place. Raises UserError for what is no schema."""
    if not isinstance(schema, dict | bool):
        raise UserError(f"the JSON schema at {place} is {schema!r}: it must be an object, true or false.")
    yield place, schema
    if isinstance(schema, dict):
        _check_shape(place, schema)
        for name, child in _children(schema):
            yield from schemas_in(child, f"{place}/{name}")


def _children(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in ("properties", "patternProperties", "$defs", "definitions"):
        yield from ((f"{keyword}/{_escaped(name)}", child) for name, child in node.get(keyword, {}).items())
    for keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
        yield from ((f"{keyword}/{index}", child) for index, child in enumerate(node.get(keyword, ())))
    for keyword in ("items", "additionalProperties"):
        if keyword in node:
            yield keyword, node[keyword]


def _check_shape(place: str, node: Mapping[str, Any]) -> None:
    for shape, keywords in _SHAPES.items():
        if wrong := [keyword for keyword in keywords if keyword in node and not isinstance(node[keyword], shape)]:
            raise UserError(f"{wrong[0]!r} at {place} is {node[wrong[0]]!r}: no JSON schema has that there.")
    for keyword in ("type", "required"):
        if not all(isinstance(name, str) for name in node.get(keyword, ())):
            raise UserError(f"{keyword!r} at {place} is {node[keyword]!r}: it names something in words.")


def _check(place: str, node: Mapping[str, Any], places: Places) -> None:
    unknown = [name for name in node if name not in ENFORCED | ANNOTATIONS and not name.startswith("x-")]
    if unknown:
        raise UserError(f"the JSON Schema keyword {unknown[0]!r} at {place} can't be enforced: leave it out.")
    if (name := node.get("format")) is not None and name not in FORMATS:
        raise UserError(f"the format {name!r} at {place} can't be enforced. Known: {', '.join(sorted(FORMATS))}.")
    if (target := node.get("$ref")) is not None and _target(target) not in places:
        raise UserError(f'the $ref {target!r} at {place} leads to no schema here: write "#/$defs/…", and define it.')
    texts = json.dumps([node.get(key, ()) for key in ("const", "enum", "required")] + [*node.get("properties", ())])
    if found := _CONTROL.search(texts):
        raise UserError(
            f"a text in the JSON schema at {place} has the character {found[0][-6:]}, which can't be written."
        )
    if beyond := [name for name in _BOUNDS if abs(node.get(name, 0)) >= 2**63]:
        raise UserError(f"{beyond[0]!r} at {place} can't be enforced: it is not below 2^63.")
    if place != "#" and "$id" in node:
        raise UserError(f"'$id' at {place} can't be enforced: only the whole schema may have one.")
    if (draft := node.get("$schema")) is not None and not str(draft).rstrip("#").endswith(_DRAFTS):
        raise UserError(f"'$schema' at {place} is {draft!r}: schemas of draft 2020-12 are understood.")
    if node.get("minProperties", 0) > len(node.get("required", ())) + 1:
        raise UserError(
            f"'minProperties' at {place} can't be enforced: a model may write a key of its own choice twice. "
            "List the keys that must be there in `required`."
        )


def _rewrite(node: dict[str, Any]) -> None:
    """Put what the library takes otherwise, or not strictly enough, into its words. `node` is changed."""
    for name in _COUNTS:
        if isinstance(node.get(name), float) and node[name].is_integer():
            node[name] = int(node[name])
    if pattern := _OWN_FORMATS.get(node.get("format", "")):
        del node["format"]
        node.setdefault("allOf", []).append({"pattern": f"^{pattern}$"})
    if r"\S" in node.get("pattern", ""):  # a byte order mark is white space to ECMA-262, whose patterns these are
        node.setdefault("allOf", []).append({"pattern": "^[^\ufeff]*$"})
    node.pop("$schema", None)


# A place, or a part of what a schema there says. It is ended when its parts are: all of them, or any one.
_Fact = str | tuple[str, str]
_Rule = tuple[_Fact, list[_Fact], bool]


def _endless(places: Places) -> set[str]:
    """The schemas without a value of finite size, as far as references alone decide.

    What is known to end is followed to what waited for it, so each rule is looked at once for each of its parts
    (Dowling & Gallier 1984, Horn formulae in linear time).
    """
    missing: dict[_Fact, int] = {}
    waiting: defaultdict[_Fact, list[_Fact]] = defaultdict(list)
    for place, node in places.items():
        for fact, parts, any_one in _rules(place, node, places):
            missing[fact] = 1 if any_one else len(parts)
            for part in parts:
                waiting[part].append(fact)
    ended = [fact for fact, parts in missing.items() if not parts]
    while ended:
        for fact in waiting[ended.pop()]:
            missing[fact] -= 1
            if not missing[fact]:
                ended.append(fact)
    return {place for place in places if missing[place] > 0}


def _rules(place: str, node: dict[str, Any] | bool, places: Places) -> Iterator[_Rule]:
    """What must have ended before a schema has: a fact, its parts, and whether any one of them is enough."""
    parts: list[_Fact] = []
    if isinstance(node, dict):
        if "$ref" in node:
            parts.append(_target(node["$ref"]))
        conjuncts = [f"{place}/allOf/{index}" for index in range(len(node.get("allOf", ())))]
        parts += [part for part in conjuncts if part in places]  # not those that `_rewrite` has put there
        for keyword in ("anyOf", "oneOf"):
            if options := node.get(keyword):
                parts.append((place, keyword))
                yield (place, keyword), [f"{place}/{keyword}/{index}" for index in range(len(options))], True
        types = node.get("type", _TYPES)
        kinds = {types} if isinstance(types, str) else set(types)
        if kinds <= {"array", "object"} and not {"const", "enum"} & set(node):
            parts.append((place, "type"))
            yield (place, "type"), [(place, kind) for kind in kinds], True
            for kind in kinds:
                yield (place, kind), [part for part in _needed(place, node, kind) if part in places], False
    yield place, parts, False


def _needed(place: str, node: Mapping[str, Any], kind: str) -> Iterator[str]:
    """The schemas of the values that every array or object under a schema has."""
    if kind == "object":
        own = node.get("properties", {})
        for name in node.get("required", ()):
            yield f"{place}/properties/{_escaped(name)}" if name in own else f"{place}/additionalProperties"
    else:
        first = len(node.get("prefixItems", ()))
        for index in range(int(min(node.get("minItems", 0), first + 1))):  # all later ones are `items`
            yield f"{place}/prefixItems/{index}" if index < first else f"{place}/items"


def _target(reference: Any) -> str:
    return unquote(str(reference))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
