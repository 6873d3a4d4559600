from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.request import Sampling
from cygnet.lm.base import Usage
from cygnet.lm.ledger import Prices
from cygnet.lm.wire import pieces, question, read_replies, split_usage
from cygnet.tokens.chat import tool_call

CHAT = [{"role": "user", "content": "What is it?"}]


def test_every_setting_is_sent_under_the_servers_name_for_it() -> None:
    sampling = Sampling(0.5, 7, 0.9, 0.1, 1.2, {3: -5.0}, 20, ("\n",), 11, 2)
    expected = {
        "model": "swan",
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "repetition_penalty": 1.2,
        "repeat_penalty": 1.2,
        "logit_bias": {"3": -5.0},
        "max_tokens": 20,
        "stop": ["\n"],
        "seed": 11,
    }
    assert question("swan", "A", sampling).body == {**expected, "prompt": "A", "logprobs": 2}
    assert question("swan", CHAT, sampling).body == {
        **expected,
        "messages": CHAT,
        "logprobs": True,
        "top_logprobs": 2,
    }


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def test_a_json_schema_is_sent_as_the_format_of_the_response() -> None:
    for prompt in ("A", CHAT):
        body = question("swan", prompt, Sampling(constraint=Constraint.json(SCHEMA))).body
        json_schema = {"name": "answer", "strict": True, "schema": SCHEMA}
        assert body["response_format"] == {"type": "json_schema", "json_schema": json_schema}
    plain = question("swan", "A", Sampling())
    assert plain.key != question("swan", "A", Sampling(constraint=Constraint.json(SCHEMA))).key


@pytest.mark.parametrize(
    ("constraint", "name"),
    [
        (Constraint.regex("a"), "regex"),
        (Constraint.choice(["a"]), "choice"),
        (Constraint.lark('start: "a"'), "lark"),
        (Constraint.json(SCHEMA, after="so:"), "after"),
        (Constraint("json", "{}", lead=" "), "lead"),
    ],
)
def test_constraints_that_some_servers_would_ignore_are_refused(constraint: Constraint, name: str) -> None:
    with pytest.raises(UserError, match=f"not to '{name}'"):
        question("swan", "A", Sampling(constraint=constraint))


def test_fields_that_only_some_servers_know_are_not_sent_unless_they_are_set() -> None:
    body = question("swan", "A", Sampling()).body
    assert set(body) == {"model", "prompt", "temperature", "top_p", "max_tokens", "seed"}


def test_a_tool_call_and_its_answer_name_each_other() -> None:
    call = tool_call("2 + 2")
    sent = question("swan", [*CHAT, call, {"role": "tool", "content": "4"}], Sampling()).body["messages"]
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"code": "2 + 2"}'
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
    assert call == tool_call("2 + 2")  # the user's own messages are untouched


def test_messages_nobody_could_render_are_refused() -> None:
    with pytest.raises(UserError, match="unknown role 'swan'"):
        question("swan", [{"role": "swan", "content": "a"}], Sampling())


_OF_CHAT = {
    "content": [
        {"token": "A", "logprob": -0.5, "top_logprobs": [{"token": "A", "logprob": -0.5}]},
        {
            "token": " swan",
            "logprob": -2.0,
            "top_logprobs": [{"token": " goose", "logprob": -1.0}, {"token": " swan", "logprob": -2.0}],
        },
    ]
}
_OF_TEXT = {
    "tokens": ["A", " swan"],
    "token_logprobs": [-0.5, -2.0],
    "top_logprobs": [{"A": -0.5}, {" swan": -2.0, " goose": -1.0}],
}


@pytest.mark.parametrize(
    ("prompt", "said", "logprobs"),
    [
        (CHAT, {"message": {"content": "A swan"}}, _OF_CHAT),
        ("It is", {"text": "A swan"}, _OF_TEXT),
        ("It is", {"text": "A swan"}, _OF_CHAT),  # llama.cpp
    ],
)
def test_tokens_come_with_log_probabilities_and_the_likeliest(prompt: Any, said: Any, logprobs: Any) -> None:
    answer = {"choices": [{**said, "finish_reason": "length", "logprobs": logprobs}]}
    (reply,) = read_replies(question("swan", prompt, Sampling(logprobs=1)), answer)
    assert [(token.text, token.logprob) for token in reply.tokens] == [("A", -0.5), (" swan", -2.0)]
    assert [token.top for token in reply.tokens] == [(("A", -0.5),), ((" goose", -1.0),)]
    assert reply.logprob == -2.5
    assert reply.finish_reason == "length"
    (plain,) = read_replies(question("swan", prompt, Sampling(logprobs=0)), answer)
    assert [token.top for token in plain.tokens] == [(), ()]
    (without,) = read_replies(question("swan", prompt, Sampling()), answer)
    assert without.tokens == ()


def test_log_probabilities_that_do_not_come_are_told() -> None:
    asked = question("swan", "A", Sampling(logprobs=0))
    with pytest.raises(UserError, match="the endpoint gives none"):
        read_replies(asked, {"choices": [{"text": "b", "finish_reason": "stop", "logprobs": None}]})


@pytest.mark.parametrize(
    ("reason", "finished"), [("stop", True), ("tool_calls", True), ("length", False), ("content_filter", False)]
)
def test_only_what_the_model_ended_is_finished(reason: str, finished: bool) -> None:
    choice = {"message": {"content": None}, "finish_reason": reason}
    (reply,) = read_replies(question("swan", CHAT, Sampling()), {"choices": [choice]})
    assert (reply.text, reply.finished) == ("", finished)


@given(st.lists(st.text()), st.data())
def test_a_text_in_any_pieces_is_the_text(texts: list[str], data: st.DataObject) -> None:
    whole = "".join(texts)
    units = whole.encode("utf-16-le")
    cuts = sorted(data.draw(st.sets(st.integers(0, len(units) // 2))) | {0, len(units) // 2})
    parts = [units[2 * a : 2 * b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(cuts)]
    assert "".join(pieces({"choices": [{"text": part}]} for part in parts)) == whole


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 20))
def test_the_parts_of_a_usage_add_up(prompt: int, cached: int, completion: int, replies: int) -> None:
    prices = Prices(3.0, 1.0, 10.0)
    cached = min(cached, prompt)
    whole = Usage(prompt, completion, cached, 2.0, prices.cost(prompt, cached, completion), 1)
    total = sum(split_usage(whole, prices, replies), Usage())
    assert (total.prompt_tokens, total.completion_tokens, total.cached_tokens, total.calls) == (
        *(prompt, completion, cached),
        1,
    )
    assert total.seconds == pytest.approx(whole.seconds)
    assert total.cost == pytest.approx(whole.cost)


@given(st.integers(0, 2**48), st.integers(0, 5), st.integers(0, 5))
def test_samples_asked_apart_have_seeds_of_their_own(seed: int, first: int, second: int) -> None:
    asked = question("swan", "A", Sampling(seed=seed))
    assert asked.asked([0])["seed"] == seed
    assert (asked.asked([first])["seed"] == asked.asked([second])["seed"]) == (first == second)
    assert "n" not in asked.asked([first])
    assert asked.asked([1, 2, 3])["n"] == 3
