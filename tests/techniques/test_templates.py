import re
import subprocess
import sys
from typing import Literal

import pytest
from pydantic import BaseModel, field_validator

from cygnet.errors import UserError
from cygnet.generation.grammar import Grammars
from cygnet.generation.request import Sampling
from cygnet.lm.base import Reply, Usage
from cygnet.techniques.templates import Template
from cygnet.tokens.tokenizer import train_tokenizer


class Flight(BaseModel):
    miles: int
    stops: list[str] = []

    @field_validator("miles")
    @classmethod
    def check(cls, miles: int) -> int:
        if miles > 1000:
            raise ValueError("too far for a swan")
        return miles


PROFILE = "About {question}.\nKind: {kind}\nRing: {ring}\nFlight: {flight} {end}\nA {kind} says: {words}\n"
HOLES = {
    "kind": Literal["swan", "goose"],
    "ring": re.compile("[A-Z]{2}[0-9]{2}"),
    "flight": Flight,
    "words": str,
}


def ends_as_constrained(lm) -> None:
    """Every text that the script gave is one that its constraint lets a model write."""
    tokenizer = train_tokenizer(["a swan"], 264)
    grammars = Grammars(tokenizer)
    for sampling, text in zip(lm.samplings, lm.given, strict=True):
        if sampling.constraint is not None:
            state = grammars.start(sampling.constraint)
            for token in tokenizer.encode(text):
                assert state.mask()[token], text
                state.take(token)
            assert state.mask()[tokenizer.end_id], text


@pytest.fixture
def writer(scripted, in_turn):
    def writer(*texts: str, local: bool = True):
        lm = scripted(in_turn(*texts), local=local)
        lm.given = texts
        return lm

    return writer


def test_holes_are_filled_in_order_between_the_fixed_words(writer) -> None:
    lm = writer(" swan", " AB12", ' {"miles": 300, "stops": ["Kiel"]}', " hiss")
    answer = Template(lm, PROFILE, HOLES)("a bird")
    assert answer.value == {
        "kind": "swan",
        "ring": "AB12",
        "flight": Flight(miles=300, stops=["Kiel"]),
        "words": "hiss",
    }
    assert answer.text == (
        'About a bird.\nKind: swan\nRing: AB12\nFlight: {"miles": 300, "stops": ["Kiel"]} {end}\nA swan says: hiss\n'
    )
    assert answer.note == ""
    ends_as_constrained(lm)
    assert lm.prompts[0] == "About a bird.\nKind:"  # the space is written with the word
    assert lm.prompts[1] == "About a bird.\nKind: swan\nRing:"
    assert lm.prompts[3].endswith("{end}\nA swan says:")
    assert [step.name for step in answer.trace] == ["kind", "ring", "flight", "words"]
    assert answer.usage.calls == 4


def test_free_text_ends_before_the_fixed_words_that_follow(writer) -> None:
    text = "A: {a}\nB: {b} kg.\nC: {c}\n\nD: {d}{e}. F: {f}"
    lm = writer("1", "2", "3", "4", "5", "6")
    sampling = Sampling(temperature=0.0, stop=("###",))
    answer = Template(lm, text, dict.fromkeys("abcdef", str), sampling)("")
    assert answer.text == "A: 1\nB: 2 kg.\nC: 3\n\nD: 45. F: 6"
    assert [s.stop[1:] for s in lm.samplings] == [("\n",), (" kg.\n",), ("\n\n",), (), (". F: ",), ()]
    assert all(s.stop[0] == "###" for s in lm.samplings)


def test_stop_strings_do_not_cut_what_is_constrained(writer) -> None:
    lm = writer(" 12")
    Template(lm, "Age: {age}", {"age": int}, Sampling(stop=("1",)))("")
    assert lm.samplings[0].stop == ()


def test_a_space_stays_where_the_tokenizer_is_not_known(writer) -> None:
    lm = writer('{"miles": 1}', local=False)
    answer = Template(lm, "Flight: {flight}", {"flight": Flight})("")
    assert lm.prompts == ["Flight: "]
    assert answer.text == 'Flight: {"miles": 1}'
    ends_as_constrained(lm)


def test_a_value_that_was_cut_off_ends_it_there(scripted, in_turn) -> None:
    lm = scripted(in_turn(" swan", Reply(" A", "length", Usage(1, 1))))
    answer = Template(lm, PROFILE, HOLES)("a bird")
    assert answer.value is None
    assert answer.text.endswith("Ring: A")
    assert answer.note == "{ring} cut off after 1 tokens"


def test_free_text_that_was_cut_off_is_kept_and_told(scripted, in_turn) -> None:
    lm = scripted(in_turn(Reply(" It is a", "length", Usage(1, 3))))
    answer = Template(lm, "What is it? {what}\n", {"what": str})("")
    assert answer.value == {"what": "It is a"}
    assert answer.note == "{what} cut off after 3 tokens"


def test_a_value_that_its_type_refuses_is_none(writer) -> None:
    answer = Template(writer(' {"miles": 5000}'), "Flight: {flight}", {"flight": Flight})("")
    assert answer.value is None
    assert "too far for a swan" in answer.note


def test_questions_may_have_braces(writer) -> None:
    answer = Template(writer(" 1"), "{question} {n}", {"n": int})("{n}")
    assert answer.text == "{n} 1"


@pytest.mark.parametrize(
    ("text", "holes", "words"),
    [
        ("Kind: {kind}", {"kind": str, "age": int}, "no hole {age}"),
        ("Kind:", {}, "needs holes"),
        ("{question}", {"question": str}, "{question} is none"),
        ("{a}", {"a": object()}, "no type"),
    ],
)
def test_a_template_that_can_not_be_filled_is_told_at_once(writer, text: str, holes: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Template(writer(), text, holes)


def test_torch_is_not_needed() -> None:
    program = "import cygnet.techniques.templates, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
