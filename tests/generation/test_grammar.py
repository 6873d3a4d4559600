import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.grammar import Grammar, Grammars
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer

# --- The oracle: a masker by Brzozowski's derivatives (1964). A pattern is "" (the empty text), a letter, None
# (nothing), ("|", a, b), (".", a, b) or ("*", a).
Pattern = Any


@cache
def nullable(p: Pattern) -> bool:
    match p:
        case "":
            return True
        case ("|", a, b):
            return nullable(a) or nullable(b)
        case (".", a, b):
            return nullable(a) and nullable(b)
        case ("*", _):
            return True
    return False


@cache
def derivative(p: Pattern, letter: str) -> Pattern:
    """What is left to write after a letter; None if nothing can come of it."""
    match p:
        case str() if p and p == letter:
            return ""
        case ("|", a, b):
            return either(derivative(a, letter), derivative(b, letter))
        case (".", a, b):
            first = both(derivative(a, letter), b)
            return either(first, derivative(b, letter)) if nullable(a) else first
        case ("*", a):
            return both(derivative(a, letter), p)
    return None


def either(a: Pattern, b: Pattern) -> Pattern:
    return b if a is None or a == b else a if b is None else ("|", a, b)


def both(a: Pattern, b: Pattern) -> Pattern:
    return None if a is None or b is None else b if a == "" else (".", a, b)


def after(p: Pattern, text: str) -> Pattern:
    for letter in text:
        p = derivative(p, letter)
    return p


def allowed(p: Pattern, words: list[str]) -> set[str]:
    """The words after which a match can still come about: no pattern made here matches nothing, but for None."""
    return {word for word in words if word and after(p, word) is not None}


def written(p: Pattern) -> str:
    """The pattern as a regular expression."""
    match p:
        case ("|", a, b):
            return f"(?:{written(a)}|{written(b)})"
        case (".", a, b):
            return written(a) + written(b)
        case ("*", a):
            return f"(?:{written(a)})*"
    return re.escape(p)


# ---


@dataclass
class Words:
    """A tokenizer of the given words; the end of turn is number 1. It takes the longest word that fits, and knows no
    other letters."""

    words: list[str]
    end_id: int = 1
    vocab_size: int = field(init=False)
    end_ids = frozenset({1})

    def __post_init__(self) -> None:
        self.words = ["<pad>", "<end>", *self.words]
        self.vocab_size = len(self.words)

    def decode_bytes(self, ids: list[int]) -> bytes:
        return "".join(self.words[i] for i in ids).encode()

    def byte_lengths(self) -> list[int]:
        return [0, 0, *(len(word.encode()) for word in self.words[2:])]

    def encode_bytes(self, data: bytes) -> list[int]:
        text, ids = data.decode(), []
        while text:
            word = max((word for word in self.words[2:] if text.startswith(word)), key=len, default="")
            ids.append(self.words.index(word) if word else 0)
            text = text[max(1, len(word)) :]
        return ids


letters = st.sampled_from("abc")
patterns = st.recursive(
    letters | st.just(""),
    lambda inner: st.one_of(
        st.tuples(st.just("|"), inner, inner), st.tuples(st.just("."), inner, inner), st.tuples(st.just("*"), inner)
    ),
    max_leaves=8,
)
vocabularies = st.lists(st.text("abc", min_size=2, max_size=3), unique=True, max_size=8).map(
    lambda more: [*"abc", *more]
)


def walk(start: Grammar, tokenizer: Words, data: st.DataObject) -> Iterator[tuple[Grammar, str]]:
    """States on the way of a random text, each with the text so far."""
    state, text = start, ""
    for _ in range(8):
        yield state, text
        choices = [i for i in np.flatnonzero(state.mask()).tolist() if i != tokenizer.end_id]
        if not choices:
            break
        token = data.draw(st.sampled_from(choices))
        state.take(token)
        text += tokenizer.words[token]


def check(pattern: Pattern, state: Grammar, tokenizer: Words) -> None:
    """The mask is the oracle's, or, where characters are forced, the one token of it that writes them canonically."""
    mask, forced = state.mask(), state.forced()
    assert mask.dtype == bool
    assert mask.shape == (tokenizer.vocab_size,)
    got = {tokenizer.words[i] for i in np.flatnonzero(mask)}
    assert ("<end>" in got) == nullable(pattern)
    assert state.finished <= ("<end>" in got)
    right = allowed(pattern, tokenizer.words[2:])
    if forced:
        assert got == {tokenizer.words[forced[0]]}
        assert got <= right
        assert after(pattern, "".join(tokenizer.words[i] for i in forced)) is not None
    else:
        assert got - {"<end>"} == right


@given(patterns, vocabularies, st.data())
def test_what_a_pattern_allows_is_what_the_oracle_allows(pattern: Any, words: list[str], data: st.DataObject) -> None:
    tokenizer = Words(words)
    start = Grammars(tokenizer).start(Constraint.regex(written(pattern)))
    for state, text in walk(start, tokenizer, data):
        check(after(pattern, text), state, tokenizer)


@given(st.lists(st.text("abc", max_size=4), min_size=1, max_size=5), vocabularies, st.data())
def test_a_choice_allows_what_begins_one_of_its_texts(texts: list[str], words: list[str], data: st.DataObject) -> None:
    tokenizer = Words(words)
    pattern: Any = None
    for text in texts:
        spelled: Any = ""
        for letter in reversed(text):
            spelled = both(letter, spelled)
        pattern = either(pattern, spelled)
    for state, text in walk(Grammars(tokenizer).start(Constraint.choice(texts)), tokenizer, data):
        check(after(pattern, text), state, tokenizer)


@given(patterns, vocabularies, st.data())
def test_after_the_marker_the_pattern_holds_from_its_beginning(
    pattern: Any, words: list[str], data: st.DataObject
) -> None:
    tokenizer = Words([*words, "|", "a|", "|b", "a|b"])  # the marker's end may lie inside a token
    start = Grammars(tokenizer).start(Constraint.regex(written(pattern), after="a|"))
    for state, text in walk(start, tokenizer, data):
        free, _, constrained = text.partition("a|")
        if "a|" in text:
            check(after(pattern, constrained), state, tokenizer)
        else:
            got = {tokenizer.words[i] for i in np.flatnonzero(state.mask())}
            fitting = {word for word in tokenizer.words[2:] if _may_follow(pattern, free + word)}
            assert got == fitting


def _may_follow(pattern: Pattern, text: str) -> bool:
    _, marker, rest = text.partition("a|")
    return not marker or after(pattern, rest) is not None


@pytest.fixture(scope="module")
def words_and_braces() -> Tokenizer:
    return train_tokenizer(['{"name": "swan", "weight": 12, "white": true}, null, "goose" '] * 3, 320)


@pytest.fixture(scope="module")
def grammars(words_and_braces: Tokenizer) -> Grammars:
    return Grammars(words_and_braces)


def write(state: Grammar, tokenizer: Tokenizer, rng: random.Random, most: int = 400) -> str | None:
    """A random text under a constraint, ended where it may end; None if it doesn't come to an end."""
    tokens: list[int] = []
    while len(tokens) < most:
        mask = state.mask()
        if mask[tokenizer.end_id] and (state.finished or rng.random() < 0.5):
            return tokenizer.decode(tokens)
        mask[tokenizer.end_id] = False
        for token in state.forced() or [rng.choice(np.flatnonzero(mask).tolist())]:
            state.take(token)
            tokens.append(token)
    return None


SWAN = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "weight": {"type": "integer", "minimum": 3, "maximum": 15},
        "hatched": {"type": "string", "format": "date"},
        "kin": {"type": "array", "items": {"enum": ["Odette", "Odile"]}, "maxItems": 2},
    },
    "required": ["name", "weight", "hatched"],
    "additionalProperties": False,
}


def test_random_texts_are_valid_json_with_natural_separators(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    from datetime import date

    rng = random.Random(0)
    for _ in range(30):
        text = write(grammars.start(Constraint.json(SWAN)), words_and_braces, rng)
        assert text is not None
        value = json.loads(text)
        assert 3 <= value["weight"] <= 15
        assert len(value["name"]) <= 6
        date.fromisoformat(value["hatched"])
        assert set(value.get("kin", ())) <= {"Odette", "Odile"}
        outside = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
        assert not re.search(r"[,:](?! )|(?<![,:]) |\s\s", outside), text


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "multipleOf": 0.25, "exclusiveMinimum": -2, "maximum": 3},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "null"}},
        {"type": "object", "patternProperties": {"^a": {"type": "boolean"}}, "minProperties": 1, "maxProperties": 2},
        {"allOf": [{"type": "string", "minLength": 2}, {"pattern": r"^[a\S]*$"}, {"maxLength": 5}]},
        {"type": "array", "prefixItems": [{"const": "a"}], "items": {"enum": [1, None]}, "minItems": 2, "maxItems": 4},
        {"anyOf": [{"format": "time", "type": "string"}, {"format": "ipv4", "type": "string"}]},
        {
            "$ref": "#/$defs/tree",
            "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2}},
        },
    ],
)
def test_random_texts_are_valid_under_the_schema(schema: dict, grammars: Grammars, words_and_braces: Tokenizer) -> None:
    rng, judge = random.Random(0), Draft202012Validator(_exact(schema), format_checker=FormatChecker(["ipv4"]))
    texts = [write(grammars.start(Constraint.json(schema)), words_and_braces, rng) for _ in range(20)]
    assert any(texts)
    for text in filter(None, texts):
        judge.validate(json.loads(text, parse_float=Decimal))


def _exact(schema: dict) -> dict:
    return json.loads(json.dumps(schema), parse_float=Decimal)


def test_no_key_is_another_in_disguise(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(Constraint.json({"type": "object", "properties": {"a": {"type": "integer"}}}))
    with pytest.raises(UserError, match="can't go on"):
        for token in words_and_braces.encode('{"\\u0061": "x"}'):
            state.take(token)


def test_what_is_forced_is_written_as_the_tokenizer_writes_it(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(Constraint.json(SWAN))
    text = '{"name": "swan", "weight": 12, "hatched": "2024-02-29"}'
    for token in words_and_braces.encode(text):
        if forced := state.forced():
            assert forced[0] == token
        assert state.mask()[token]
        state.take(token)
    assert state.finished
    assert np.flatnonzero(state.mask()).tolist() == [words_and_braces.end_id]
    assert state.forced() == []


def test_special_tokens_are_never_part_of_a_text(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(Constraint.regex(r"(?s:.*)"))
    special = [i for i, length in enumerate(words_and_braces.byte_lengths()) if not length]
    assert state.mask()[special].sum() == 1
    assert state.mask()[words_and_braces.end_id]
    spelled = grammars.start(Constraint.choice(["<|end|>"])).forced()
    assert words_and_braces.end_id not in spelled
    assert words_and_braces.decode(spelled) == "<|end|>"


def test_a_copy_goes_its_own_way(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(Constraint.regex("[0-9]{2}"))
    digit = words_and_braces.encode("7")[0]
    state.take(digit)
    fork = state.copy()
    fork.take(digit)
    assert fork.finished
    assert not state.finished
    again = grammars.start(Constraint.regex("[0-9]{2}"))
    assert not again.mask()[words_and_braces.end_id]


def test_a_marker_may_straddle_tokens(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(Constraint.json(SWAN, after="So: "))
    thought = 'A "name"? {"weight": 1} or so.\nSo: {"name": "'
    for token in words_and_braces.encode(thought):
        assert state.mask()[token]
        state.take(token)
    assert not state.mask()[words_and_braces.end_id]
    assert not state.mask()[words_and_braces.encode("\n")[0]]


def test_the_end_of_turn_waits_for_the_marker(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(Constraint.choice(["yes", "no"], after="\n"))
    assert not state.mask()[words_and_braces.end_id]
    for token in words_and_braces.encode("hm\nyes"):
        state.take(token)
    assert state.finished


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("regex", "[0-9]+", lead=" "),
        Constraint("choice", '["12", "13"]', lead=" "),
        Constraint("json", '{"type": "integer"}', lead=" "),
        Constraint("lark", 'start: "1" /[0-9]/', lead=" "),
        Constraint("json", '{"type": "integer"}', after="so:", lead=" "),
    ],
)
def test_the_lead_comes_first(constraint: Constraint, grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(constraint)
    for token in words_and_braces.encode((f"hm, {constraint.after}" if constraint.after else "") + " 12"):
        assert state.mask()[token]
        state.take(token)
    assert state.mask()[words_and_braces.end_id]


def test_lark_grammars(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    sums = 'start: product ("+" product)*\nproduct: NUMBER | "(" start ")"\nNUMBER: /[0-9]+/'
    state = grammars.start(Constraint.lark(sums, after="= "))
    for token in words_and_braces.encode("x = (1+2)"):
        state.take(token)
    assert state.mask()[words_and_braces.end_id]
    assert not state.mask()[words_and_braces.encode(")")[0]]


def test_a_backslash_d_is_a_digit_of_ascii(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    allowed = np.flatnonzero(grammars.start(Constraint.regex(r"\d")).mask())
    assert {words_and_braces.decode([i]) for i in allowed} == set("0123456789")


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (Constraint.regex("(?=a)b"), "look-around"),
        (Constraint.regex(r"(a)\1"), "backreferences are not supported"),
        (Constraint.regex("a("), r"unclosed group, in the regular expression 'a\('"),
        (Constraint.regex("[a&&b]"), "contradicts itself"),
        (Constraint.regex("c[a&&b]", after="so: "), "contradicts itself"),
        (Constraint.choice([]), "at least one"),
        (Constraint.lark("start: swan"), 'unknown name: "swan"'),
        (Constraint.lark('swan: "a"'), "no start rule"),
        (Constraint.json({"type": "string", "pattern": "(?=a)"}), "look-around"),
        (Constraint.json({"oneOf": [{"type": "integer"}, {"minimum": 2}]}), "'oneOf'.*write 'anyOf'"),
        (Constraint.json({"type": "integer", "minimum": 3, "maximum": 2}), "Unsatisfiable.*minimum"),
        (Constraint.json({"enum": []}), "Unsatisfiable"),
    ],
)
def test_what_can_not_be_enforced_is_refused_in_words(constraint: Constraint, words: str, grammars: Grammars) -> None:
    with pytest.raises(UserError, match=words) as refusal:
        grammars.start(constraint)
    assert "\n" not in str(refusal.value)


def test_a_token_that_is_not_allowed_is_refused(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    state = grammars.start(Constraint.regex("[0-9]"))
    with pytest.raises(UserError, match="can't go on"):
        state.take(words_and_braces.encode("a")[0])


def test_as_many_constraints_as_one_likes(grammars: Grammars, words_and_braces: Tokenizer) -> None:
    for number in range(300):
        state = grammars.start(Constraint.choice([str(number)]))
        assert words_and_braces.decode(state.forced()) == str(number)
