import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cygnet.errors import ContextError, UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import Usage
from cygnet.lm.endpoint import EndpointModel
from cygnet.lm.ledger import Ledger, Prices
from cygnet.lm.taken import taken_beside

CHAT = [{"role": "user", "content": "What is it?"}]
PRICES = Prices(prompt=3.0, cached=1.0, completion=10.0)
KEY = "sk-secret-swan-1234"


def _texts(replies: list[list[Any]]) -> list[list[str]]:
    return [[reply.text for reply in several] for several in replies]


def test_texts_are_continued_and_messages_are_answered_each_in_its_place(server: Any) -> None:
    with EndpointModel(server.url) as model:
        found = model.generate(["A swan", CHAT], [Sampling(seed=3), Sampling(seed=4)], n=2)
    assert model.name == "swan"
    assert not model.local
    assert _texts(found) == [["A swan/3/0", "A swan/3/1"], ["What is it?/4/0", "What is it?/4/1"]]
    assert sorted(path for path, _ in server.requests) == ["/v1/chat/completions", "/v1/completions"]
    assert all(reply.finished for several in found for reply in several)


def test_usage_and_cost_add_up_to_what_the_server_counted(server: Any) -> None:
    with EndpointModel(server.url, prices=PRICES) as model:
        ((first, second, third),) = model.generate(["A"], n=3)
    assert (first.usage.prompt_tokens, first.usage.cached_tokens, first.usage.calls) == (10, 4, 1)
    assert (second.usage.prompt_tokens, second.usage.calls) == (0, 0)
    total = first.usage + second.usage + third.usage
    assert total.completion_tokens == 15
    assert total.cost == pytest.approx((6 * 3 + 4 * 1 + 15 * 10) / 1e6)
    assert total.seconds > 0
    assert model.ledger.usage.tokens == total.tokens
    assert model.ledger.usage.cost == pytest.approx(total.cost)


class _Gate:
    """Answers once `wanted` requests are there together (or five minutes are over); notes the most there were."""

    def __init__(self, server: Any, wanted: int) -> None:
        self._server, self._wanted = server, wanted
        self._lock, self._full = threading.Lock(), threading.Event()
        self.now = self.most = 0

    def __call__(self, path: str, body: dict[str, Any]) -> Any:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now >= self._wanted:
                self._full.set()
        self._full.wait(300)
        self._full.set()  # too few came: fail without keeping the others
        with self._lock:
            self.now -= 1
        return self._server.echo(path, body)


def test_prompts_of_one_call_are_all_in_flight_together(server: Any) -> None:
    server.answer = gate = _Gate(server, 32)
    with EndpointModel(server.url, "swan") as model:
        found = model.generate([f"p{i}" for i in range(32)], Sampling(seed=1))
    assert gate.most == 32
    assert _texts(found) == [[f"p{i}/1/0"] for i in range(32)]


def test_32_async_calls_keep_32_in_flight(server: Any) -> None:
    server.answer = gate = _Gate(server, 32)

    async def ask(model: EndpointModel) -> list[Any]:
        return await asyncio.gather(*(model.agenerate([f"p{i}"]) for i in range(32)))

    with EndpointModel(server.url, "swan") as model:
        found = asyncio.run(ask(model))
    assert gate.most == 32
    assert [several[0][0].text for several in found] == [f"p{i}/0/0" for i in range(32)]


def test_the_limit_holds_over_all_threads_that_call(server: Any) -> None:
    server.answer = gate = _Gate(server, 4)
    with EndpointModel(server.url, "swan", max_in_flight=4) as model:
        threads = [threading.Thread(target=model.generate, args=([f"{i}", f"{i}b"],)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.requests) == 16
    assert gate.most == 4


def test_no_thread_is_left_after_closing(server: Any) -> None:
    before = set(threading.enumerate())
    with EndpointModel(server.url) as model:
        model.generate(["a", "b"])
        asyncio.run(model.agenerate(["c"]))
        model.close()  # twice does no harm
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("endpoint")]


def _fails_first(server: Any, *failures: Any) -> Callable[[str, dict[str, Any]], Any]:
    left = list(failures)
    return lambda path, body: left.pop(0) if left else server.echo(path, body)


def test_a_busy_or_broken_server_is_asked_again_later_and_later(server: Any, waits: list[float]) -> None:
    server.answer = _fails_first(server, (500, {}, {}), (429, {}, {}), None, (503, {}, {}))
    with EndpointModel(server.url, "swan") as model:
        assert _texts(model.generate(["a"])) == [["a/0/0"]]
    assert len(waits) == 4
    for attempt, seconds in enumerate(waits):
        assert 0.5 * 2**attempt * 0.5 <= seconds <= 0.5 * 2**attempt * 1.5


def test_a_server_that_says_how_long_to_wait_is_heeded(server: Any, waits: list[float]) -> None:
    server.answer = _fails_first(server, (429, {}, {"retry-after": "7"}), (503, {}, {"retry-after": "2.5"}))
    with EndpointModel(server.url, "swan") as model:
        model.generate(["a"])
    assert waits == [7.0, 2.5]


def test_a_wait_of_an_hour_is_told_instead_of_waited(server: Any, waits: list[float]) -> None:
    server.answer = lambda path, body: (429, {"error": {"message": "quota is used up"}}, {"retry-after": "3600"})
    with EndpointModel(server.url, "swan") as model, pytest.raises(UserError, match="3600 seconds .*quota is used up"):
        model.generate(["a"])
    assert waits == []


def test_attempts_end(server: Any, waits: list[float]) -> None:
    server.answer = lambda path, body: (503, {"error": "loading"}, {})
    with EndpointModel(server.url, "swan") as model, pytest.raises(UserError, match="failed in each of 6 .*loading"):
        model.generate(["a"])
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
def test_a_refusal_is_told_in_the_servers_words_and_never_tried_again(server: Any, status: int) -> None:
    server.answer = lambda path, body: (status, {"error": {"message": "no such swan"}}, {})
    with EndpointModel(server.url, "swan") as model, pytest.raises(UserError, match=f"{status}: no such swan"):
        model.generate(["a"])
    assert len(server.requests) == 1


def test_the_key_is_sent_and_shown_nowhere(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAN_KEY", f" {KEY}\n")
    server.answer = lambda path, body: (401, {"error": {"message": f"wrong key {KEY}"}}, {})
    with EndpointModel(server.url, "swan", key_variable="SWAN_KEY") as model:
        for ask in (lambda: model.generate(["a"]), lambda: list(model.stream("a"))):
            with pytest.raises(UserError, match=r"401: wrong key \(the key\) Check the key") as failure:
                ask()
            assert KEY not in str(failure.value)
        assert KEY not in repr(model)
        server.answer = lambda path, body: {"error": {"message": f"wrong key {KEY}"}}  # as gateways do
        with pytest.raises(UserError, match=r"refused the request: wrong key \(the key\)$"):
            model.generate(["a"])
    assert server.authorizations == [f"Bearer {KEY}"] * 3


def test_the_usual_variables_key_is_used_if_there_is_one(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with EndpointModel(server.url, "swan") as model:
        model.generate(["a"])
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with EndpointModel(server.url, "swan") as model:
        model.generate(["a"])
    assert server.authorizations == [None, f"Bearer {KEY}"]


def test_an_endpoint_that_dies_loses_nothing_and_only_the_rest_is_asked_later(
    server: Any, waits: list[float], tmp_path: Path
) -> None:
    prompts = [f"p{i}" for i in range(8)]
    server.answer = lambda path, body: server.echo(path, body) if body["prompt"] < "p5" else None
    with (
        EndpointModel(server.url, "swan", cache=tmp_path, max_in_flight=1) as model,
        pytest.raises(UserError, match=f"{server.url} failed .* 5 replies are in the cache"),
    ):
        model.generate(prompts)
    server.answer, server.requests = server.echo, []
    with EndpointModel(server.url, "swan", cache=tmp_path) as model:
        assert _texts(model.generate(prompts)) == [[f"{prompt}/0/0"] for prompt in prompts]
    assert sorted(body["prompt"] for body in server.bodies) == ["p5", "p6", "p7"]
    assert model.ledger.hits == 5


def test_a_kept_reply_says_what_it_took_once_and_costs_nothing_now(server: Any, tmp_path: Path) -> None:
    ask = Sampling(seed=2)
    with EndpointModel(server.url, "swan", cache=tmp_path, prices=PRICES) as model:
        first = model.generate([CHAT], ask, n=2)
        again = model.generate([CHAT], ask, n=2)
    assert _texts(again) == _texts(first)
    assert again[0][0].usage == Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4)
    assert len(server.requests) == model.ledger.usage.calls == 1
    assert model.ledger.hits == 2


def test_more_samples_later_are_only_the_new_ones(server: Any, tmp_path: Path) -> None:
    with EndpointModel(server.url, "swan", cache=tmp_path) as model:
        (first,) = model.generate(["a"], n=2)
        (second,) = model.generate(["a"], n=5)
    assert [body.get("n") for body in server.bodies] == [2, 3]
    assert [reply.text for reply in second[:2]] == [reply.text for reply in first]
    assert len({reply.text for reply in second}) == 5


def test_other_settings_or_another_model_are_other_requests(server: Any, tmp_path: Path) -> None:
    settings = [Sampling(), Sampling(seed=1), Sampling(temperature=0.5), Sampling(stop=("x",))]
    for name in ("swan", "goose"):
        with EndpointModel(server.url, name, cache=tmp_path) as model:
            model.generate(["a"] * 4, settings)
    assert len(server.requests) == 8


def test_a_server_that_ignores_n_is_asked_for_the_rest_with_other_seeds(server: Any) -> None:
    server.answer = lambda path, body: server.echo(path, {**body, "n": 1})
    with EndpointModel(server.url, "swan") as model:
        (replies,) = model.generate(["a"], Sampling(seed=9), n=4)
    assert replies[0].text == "a/9/0"
    assert len({reply.text for reply in replies}) == 4
    assert model.ledger.usage.calls == sum(reply.usage.calls for reply in replies) == 4


def _events(*objects: Any) -> bytes:
    return b"".join(b"data: " + json.dumps(item, ensure_ascii=False).encode() + b"\n\n" for item in objects)


def test_a_stream_cut_inside_characters_gives_whole_ones(server: Any) -> None:
    parts = ["A 🦢", " – \u2028 é"]
    said = _events(*({"choices": [{"delta": {"content": part}}]} for part in parts))
    said += b'data: {"choices": [{"delta": {"content": "\\ud83e"}}]}\r\n\r\n: a comment\n\n'
    said += b'data: {"choices": [{"delta": {"content": "\\udda2!"}}]}\n\n'
    said += _events({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 9}}) + b"data: [DONE]\n\n"
    server.answer = lambda path, body: [said[i : i + 1] for i in range(len(said))]
    with EndpointModel(server.url, "swan") as model:
        assert list(model.stream(CHAT)) == [*parts, "🦢!"]
    assert server.bodies[0]["stream"] is True
    assert (model.ledger.usage.prompt_tokens, model.ledger.usage.completion_tokens) == (7, 9)


def test_a_stream_ends_with_its_reply(server: Any) -> None:
    scored = [{"token": token, "logprob": -0.5, "top_logprobs": []} for token in ("A ", "swan")]
    last = {"delta": {}, "logprobs": {"content": scored}, "finish_reason": "stop"}
    said = _events({"choices": [{"delta": {"content": "A swan"}}]}, {"choices": [last]})
    server.answer = lambda path, body: [said + _events({"choices": [], "usage": {"completion_tokens": 2}})]
    with EndpointModel(server.url, "swan") as model:
        stream = model.stream(CHAT, Sampling(logprobs=0))
        assert next(stream) == "A swan"
        with pytest.raises(StopIteration) as end:
            next(stream)
        reply = end.value.value
        assert (reply.text, reply.finish_reason, reply.logprob) == ("A swan", "stop", -1.0)
        assert reply.usage.completion_tokens == 2
        server.answer = lambda path, body: [_events({"choices": [{"delta": {"content": "A"}}]})]
        with pytest.raises(UserError, match="the endpoint gives none"):
            list(model.stream(CHAT, Sampling(logprobs=0)))


def test_a_stream_of_a_text_can_be_read_asynchronously(server: Any) -> None:
    server.answer = lambda path, body: [_events({"choices": [{"text": text}]}) for text in "swan"]

    async def read(model: EndpointModel) -> list[str]:
        return [piece async for piece in model.astream("A ")]

    with EndpointModel(server.url, "swan") as model:
        assert asyncio.run(read(model)) == list("swan")


def test_a_stream_that_breaks_off_is_told(server: Any) -> None:
    broken = _events({"choices": [{"text": "A"}]}, {"error": {"message": "out of memory"}})
    server.answer = lambda path, body: [broken]
    with EndpointModel(server.url, "swan") as model:
        stream = model.stream("a")
        assert next(stream) == "A"
        with pytest.raises(UserError, match="broke off in the middle of its answer: out of memory"):
            next(stream)


def test_a_spent_budget_ends_the_calls_and_keeps_what_was_paid(server: Any, tmp_path: Path) -> None:
    one = PRICES.cost(10, 4, 5)
    ledger = Ledger(tmp_path / "ledger.jsonl", budget=2.5 * one)
    with EndpointModel(server.url, "swan", prices=PRICES, cache=tmp_path, ledger=ledger, max_in_flight=1) as model:
        with pytest.raises(UserError, match="budget of .* is spent .*in 3 calls.* 3 replies are in the cache"):
            model.generate([f"p{i}" for i in range(8)])
        assert _texts(model.generate(["p0", "p1", "p2"])) == [["p0/0/0"], ["p1/0/0"], ["p2/0/0"]]
        with pytest.raises(UserError, match="budget"):
            next(model.stream("a"))
    assert len(server.requests) == 3
    rows = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [row["spent"] for row in rows] == pytest.approx([one, 2 * one, 3 * one])


def test_a_budget_without_prices_is_refused(server: Any) -> None:
    with pytest.raises(UserError, match="needs prices"):
        EndpointModel(server.url, "swan", ledger=Ledger(budget=1.0))


def test_prices_need_a_server_that_counts(server: Any) -> None:
    server.answer = lambda path, body: {"choices": [{"text": "a", "finish_reason": "stop"}]}
    with EndpointModel(server.url, "swan", prices=PRICES) as model, pytest.raises(UserError, match="cost is unknown"):
        model.generate(["a"])
    with EndpointModel(server.url, "swan") as model:
        assert model.generate(["a"])[0][0].usage.tokens == 0


@pytest.mark.parametrize(("models", "told"), [(["a", "b"], "2 models: a, b"), ([], "0 models")])
def test_without_a_name_the_server_must_have_one_model(server: Any, models: list[str], told: str) -> None:
    server.models = models
    with pytest.raises(UserError, match=told):
        EndpointModel(server.url)
    with EndpointModel(f"{server.url}#b") as model:
        assert model.name == "b"


def test_a_page_in_place_of_an_answer_is_told(server: Any) -> None:
    server.answer = lambda path, body: (200, b"<html>swans</html>", {})
    with EndpointModel(server.url, "swan") as model, pytest.raises(UserError, match="no JSON object: <html>swans"):
        model.generate(["a"])
    server.answer = lambda path, body: {"swans": 2}
    with EndpointModel(server.url, "swan") as model, pytest.raises(UserError, match="OpenAI's form. Its fields: swans"):
        model.generate(["a"])


def _scores(server: Any, texts: list[str], values: list[float | None]) -> Callable[[str, dict[str, Any]], Any]:
    logprobs = {"tokens": texts, "token_logprobs": values, "top_logprobs": [{} for _ in texts]}
    return lambda path, body: server.completion(path, ["".join(texts)], logprobs=logprobs)


def test_a_continuation_is_scored_by_the_servers_echo(server: Any, tmp_path: Path) -> None:
    server.answer = _scores(server, ["<s>", "2 +", " 2 =", " 4", ".", " And"], [None, -3.0, -2.0, -0.5, -0.25, -7.0])
    with EndpointModel(server.url, "swan", cache=tmp_path) as model:
        (reply,) = model.score(["2 + 2 ="], [" 4."])
        (again,) = model.score(["2 + 2 ="], [" 4."])
        (longer,) = model.score(["2 +"], [" 2 = 4."])
    assert [(token.text, token.logprob) for token in reply.tokens] == [(" 4", -0.5), (".", -0.25)]
    assert reply.text == " 4."
    assert again.logprob == reply.logprob == -0.75
    assert longer.logprob == -2.75
    assert len(server.requests) == 2
    assert server.bodies[0]["echo"] is True


def test_the_likeliest_tokens_of_a_given_text_are_asked_for(server: Any) -> None:
    likeliest = [None, {" 4": -0.5, " 5": -1.0, " four": -2.0}, {".": -0.25, "!": -1.5}, {" And": -1.0}]
    logprobs = {"tokens": ["2 + 2 =", " 4", ".", " And"], "token_logprobs": [None, -0.5, -0.25, -7.0]}
    server.answer = lambda path, body: server.completion(
        path, ["2 + 2 = 4. And"], logprobs={**logprobs, "top_logprobs": likeliest}
    )
    with EndpointModel(server.url, "swan") as model:
        (reply,) = model.score(["2 + 2 ="], [" 4."], top=2)
        assert [token.top for token in reply.tokens] == [((" 4", -0.5), (" 5", -1.0)), ((".", -0.25), ("!", -1.5))]
        assert server.bodies[0]["logprobs"] == 2
        server.answer = lambda path, body: server.completion(path, ["2 + 2 = 4. And"], logprobs=logprobs)
        assert model.score(["2 + 2 ="], [" 4."])[0].logprob == -0.75
        with pytest.raises(UserError, match="does not tell the likeliest tokens in a text that it is given"):
            model.score(["2 + 2 ="], [" 4."], top=2)
        with pytest.raises(UserError, match="top is -1"):
            model.score(["2 + 2 ="], [" 4."], top=-1)


def test_a_failure_tells_what_was_taken_beside_it(server: Any) -> None:
    gate = _Gate(server, 5)

    def answer(path: str, body: dict[str, Any]) -> Any:
        answered = gate(path, body)
        return (400, {"error": "no swans"}, {}) if body["prompt"] == "p2" else answered

    server.answer = answer
    with EndpointModel(server.url, "swan", prices=PRICES) as model:
        with pytest.raises(UserError, match="no swans") as failure:
            model.generate([f"p{i}" for i in range(5)])
        taken = taken_beside(failure.value)
        assert (taken.calls, taken.prompt_tokens, taken.completion_tokens) == (4, 40, 20)
        assert taken.cost == pytest.approx(model.ledger.usage.cost)


@pytest.mark.parametrize(
    ("change", "message", "tokens"),
    [
        ({"choices": [{"no": "text"}]}, "not in OpenAI's form", 15),
        ({"choices": []}, "answered without a single reply", 15),
        ({"usage": ["many"]}, r"count of tokens is \['many'\], not in OpenAI's form", 0),
    ],
)
def test_an_answer_that_can_not_be_read_is_paid(server: Any, change: dict[str, Any], message: str, tokens: int) -> None:
    server.answer = lambda path, body: server.completion(path, ["one"]) | change
    with EndpointModel(server.url, "swan", prices=PRICES) as model:
        with pytest.raises(UserError, match=message) as failure:
            model.generate(["a"])
        assert (model.ledger.usage.calls, model.ledger.usage.tokens) == (1, tokens)
        assert taken_beside(failure.value) == model.ledger.usage


def test_a_failure_of_what_a_short_answer_left_out_tells_the_short_answer_too(server: Any) -> None:
    def answer(path: str, body: dict[str, Any]) -> Any:
        return server.completion(path, ["one"]) if body.get("n") == 2 else (400, {"error": "no swans"}, {})

    server.answer = answer
    with EndpointModel(server.url, "swan") as model, pytest.raises(UserError, match="no swans") as failure:
        model.generate(["p"], n=2)
    assert taken_beside(failure.value).calls == 1


def test_scoring_tells_a_text_that_is_too_long_and_what_was_taken_beside_it(server: Any) -> None:
    scores = _scores(server, ["a", "b"], [None, -1.0])
    refusals = ["the maximum context length is 50", "no swans"]

    def answer(path: str, body: dict[str, Any]) -> Any:
        refused = (400, {"error": refusals[0]}, {})
        return refused if body["prompt"].startswith("long") else scores(path, body)

    server.answer = answer
    with EndpointModel(server.url, "swan", max_in_flight=1) as model:
        for kind in (ContextError, UserError):
            with pytest.raises(kind, match=refusals[0]) as failure:
                model.score(["a", "long"], ["b", "b"])
            assert isinstance(failure.value, ContextError) == (kind is ContextError)
            assert taken_beside(failure.value).calls == 1
            refusals.pop(0)


def test_what_cannot_be_scored_is_told(server: Any) -> None:
    with EndpointModel(server.url, "swan") as model:
        with pytest.raises(UserError, match="texts, not messages"):
            model.score([CHAT], ["a"])
        server.answer = _scores(server, ["b"], [-1.0])  # only what was written, as llama.cpp does
        with pytest.raises(UserError, match="add up to the text. Scoring needs a server"):
            model.score(["A swan"], [" is"])
        server.answer = _scores(server, ["a", "b"], [None, -1.0])
        with pytest.raises(UserError, match="give a prompt that is not empty"):
            model.score([""], ["a"])
        server.answer = lambda path, body: (400, {"error": {"message": "Only no echo is supported"}}, {})
        with pytest.raises(UserError, match="Only no echo is supported .* Scoring needs a server"):
            model.score(["a"], ["b"])
