"""Constraints, types and templates on a model of this machine: an untrained one, which obeys nothing else."""

import json
import re
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from cygnet.errors import UserError
from cygnet.generation import Constraint, Sampling
from cygnet.lm.local import LocalModel
from cygnet.techniques.templates import Template


class Swan(BaseModel):
    name: Annotated[str, Field(max_length=5)]
    weight: Annotated[int, Field(ge=3, le=15)]
    kin: Annotated[list[Literal["Odette", "Odile"]], Field(max_length=2)] = []


@pytest.fixture(scope="module")
def lm(build, tokenizer) -> LocalModel:
    return LocalModel(build(context_length=256), tokenizer)


def test_an_untrained_model_writes_values_of_a_type(lm: LocalModel) -> None:
    for seed in range(10):
        swan = lm("A swan:", Swan, Sampling(seed=seed, max_new_tokens=150))
        assert 3 <= swan.weight <= 15
        assert len(swan.name) <= 5
    assert lm([{"role": "user", "content": "What is it?"}], Literal["a swan", "a goose"]) in {"a swan", "a goose"}


def test_each_request_of_a_batch_has_a_constraint_of_its_own(lm: LocalModel) -> None:
    patterns = ["[0-9]{3}", "[a-c]{5}", "(?:swan|goose)!", "[0-9]{3}"]
    samplings = [Sampling(seed=2, constraint=Constraint.regex(pattern)) for pattern in patterns]
    found = lm.generate(["What is it?"] * 5, [*samplings, Sampling(seed=2, max_new_tokens=9)], n=3)
    for pattern, several in zip(patterns, found, strict=False):
        assert all(reply.finished and re.fullmatch(pattern, reply.text) for reply in several)
    assert len({reply.text for reply in found[0]}) > 1
    alone = lm.generate(["What is it?"], [samplings[1]], n=3)
    assert [reply.text for reply in alone[0]] == [reply.text for reply in found[1]]


def test_it_thinks_freely_until_the_marker(lm: LocalModel) -> None:
    sampling = Sampling(max_new_tokens=200, constraint=Constraint.choice(["yes", "no"], after="e"))
    finished = [reply for reply in lm.generate(["Is it?"], sampling, n=20)[0] if reply.finished]
    assert finished
    for reply in finished:
        assert reply.text.partition("e")[2] in {"yes", "no"}
    assert len({reply.text.partition("e")[0] for reply in finished}) > 1


def test_what_runs_out_of_tokens_is_not_whole(lm: LocalModel) -> None:
    sampling = Sampling(max_new_tokens=5, constraint=Constraint.json(Swan.model_json_schema()))
    [[reply]] = lm.generate(["A swan:"], sampling)
    assert reply.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.text)
    with pytest.raises(UserError, match="cut off"):
        lm("A swan:", Swan, Sampling(max_new_tokens=5))


def test_templates_are_filled(lm: LocalModel) -> None:
    holes = {"kind": Literal["swan", "goose"], "weight": Annotated[int, Field(ge=3, le=15)], "bird": Swan}
    template = Template(lm, "{question}\nA {kind} of {weight} kg. {bird}\n", holes, Sampling(max_new_tokens=150))
    for answer in template.run(["What is it?"] * 4, seed=1):
        value = answer.value
        assert (
            answer.text == f"What is it?\nA {value['kind']} of {value['weight']} kg. {answer.trace[2].texts[0][1:]}\n"
        )
        assert isinstance(value["bird"], Swan)


def test_what_can_not_be_enforced_is_told_before_anything_is_written(lm: LocalModel) -> None:
    with pytest.raises(UserError, match="'uniqueItems'"):
        lm("Primes:", set[int])
