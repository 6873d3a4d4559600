"""What the real client of OpenAI gets is what the model itself gives."""

import json
from collections.abc import Iterator

import openai
import pytest

from cygnet import Sampling
from cygnet.errors import ContextError
from cygnet.generation import Constraint
from cygnet.lm import EndpointModel, LocalModel
from cygnet.model.folder import load_language_model, save_model

CHAT = [{"role": "user", "content": "What is it?"}]


@pytest.fixture(scope="module")
def model(build, tokenizer, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    folder = tmp_path_factory.mktemp("model") / "rl"
    save_model(folder, build(), tokenizer)
    return LocalModel(*load_language_model(folder), name="pocket/rl")


@pytest.fixture(scope="module")
def url(serve, model: LocalModel) -> Iterator[str]:
    with serve(model) as url:
        yield f"{url}/v1"


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def test_a_chat_is_the_models_answer(client: openai.OpenAI, model: LocalModel) -> None:
    ((reply,),) = model.generate([CHAT], Sampling(temperature=0.9, max_new_tokens=20, seed=5, logprobs=2))
    found = client.chat.completions.create(
        model="pocket/rl", messages=CHAT, temperature=0.9, max_tokens=20, seed=5, logprobs=True, top_logprobs=2
    )
    (choice,) = found.choices
    assert (choice.message.content, choice.finish_reason) == (reply.text, reply.finish_reason)
    assert found.usage.prompt_tokens == reply.usage.prompt_tokens
    assert found.usage.completion_tokens == reply.usage.completion_tokens
    for token, wanted in zip(choice.logprobs.content, reply.tokens, strict=False):
        assert token.token == wanted.text
        assert token.logprob == pytest.approx(wanted.logprob, abs=1e-4)
        assert [each.token for each in token.top_logprobs] == [text for text, _ in wanted.top]


def test_a_stream_is_the_same_answer_in_pieces(client: openai.OpenAI) -> None:
    asked = {"model": "pocket/rl", "messages": CHAT, "max_tokens": 20, "seed": 3, "logprobs": True}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    *told, last, usage = chunks
    assert "".join(chunk.choices[0].delta.content for chunk in told) == whole.choices[0].message.content
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason
    assert usage.usage.total_tokens == whole.usage.total_tokens
    assert len({chunk.id for chunk in chunks}) == 1
    found = [token.token for token in last.choices[0].logprobs.content]
    assert found == [token.token for token in whole.choices[0].logprobs.content]


def test_several_answers_are_different_and_come_back_with_the_seed(client: openai.OpenAI) -> None:
    def ask(**seed: int) -> list[str]:
        found = client.chat.completions.create(model="pocket/rl", messages=CHAT, n=4, max_tokens=12, **seed)
        return [choice.message.content for choice in found.choices]

    assert len(set(ask(seed=1))) == 4
    assert ask(seed=1) == ask(seed=1)
    assert ask() != ask()  # without a seed every answer is new


def test_texts_are_continued(client: openai.OpenAI, model: LocalModel) -> None:
    found = client.completions.create(model="pocket/rl", prompt=["It is", "What"], seed=7, logprobs=1)
    wanted = model.generate(["It is", "What"], [Sampling(max_new_tokens=16, seed=seed) for seed in (7, 8)])
    assert [choice.text for choice in found.choices] == [reply.text for (reply,) in wanted]
    streamed = client.completions.create(model="pocket/rl", prompt="It is", seed=7, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == wanted[0][0].text


def test_stop_strings_end_an_answer(client: openai.OpenAI) -> None:
    asked = {"model": "pocket/rl", "messages": CHAT, "max_tokens": 30, "seed": 2}
    text = client.chat.completions.create(**asked).choices[0].message.content
    stop = text[4:6]
    (choice,) = client.chat.completions.create(**asked, stop=[stop]).choices
    assert choice.finish_reason == "stop"
    assert text.startswith(choice.message.content)
    assert stop not in choice.message.content


def test_an_answer_is_held_to_a_schema(client: openai.OpenAI, url: str, model: LocalModel) -> None:
    schema = {"type": "object", "properties": {"swans": {"enum": [1, 2]}}, "required": ["swans"]}
    schema["additionalProperties"] = False
    answer = {"type": "json_schema", "json_schema": {"name": "swans", "schema": schema}}
    asked = {"model": "pocket/rl", "messages": CHAT, "max_tokens": 40, "response_format": answer}
    found = client.chat.completions.create(**asked, n=3)
    for text in [choice.message.content for choice in found.choices]:
        assert json.loads(text) in ({"swans": 1}, {"swans": 2})
    with EndpointModel(url) as endpoint:
        settings = Sampling(max_new_tokens=40, seed=4, constraint=Constraint.json(schema))
        ((found,),) = endpoint.generate([CHAT], settings)
        ((wanted,),) = model.generate([CHAT], settings)
        assert found.text == wanted.text
    answer["json_schema"]["schema"] = {"type": "object", "unevaluatedItems": 3}
    with pytest.raises(openai.BadRequestError, match="unevaluatedItems"):
        client.chat.completions.create(**asked)


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [each.id for each in client.models.list()] == ["pocket/rl"]
    assert client.models.retrieve("pocket/rl").id == "pocket/rl"
    with pytest.raises(openai.NotFoundError, match="there is no model 'swan' here, only 'pocket/rl'") as error:
        client.models.retrieve("swan")
    assert error.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="there is no model 'swan' here"):
        client.chat.completions.create(model="swan", messages=CHAT)


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_longer_than_the_context_is_refused(client: openai.OpenAI, stream: bool) -> None:
    messages = [{"role": "user", "content": "swan " * 100}]
    with pytest.raises(openai.BadRequestError, match="it must have between 1 and 63 for this model") as error:
        client.chat.completions.create(model="pocket/rl", messages=messages, stream=stream)
    assert error.value.code == "context_length_exceeded"


def test_a_text_too_long_to_be_scored_is_told_as_such(client: openai.OpenAI, url: str) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.completions.create(model="pocket/rl", prompt="swan " * 100, max_tokens=1, echo=True, logprobs=1)
    assert error.value.code == "context_length_exceeded"
    with EndpointModel(url) as endpoint, pytest.raises(ContextError):
        endpoint.score(["swan " * 100], [" swan"])


def test_our_own_client_finds_the_model_behind_it(url: str, model: LocalModel) -> None:
    settings = Sampling(max_new_tokens=12, seed=4, top_k=9, min_p=0.01, repetition_penalty=1.1, logprobs=1)
    with EndpointModel(url) as endpoint:
        assert endpoint.name == "pocket/rl"
        for prompt in ("It is", CHAT):
            ((found,),) = endpoint.generate([prompt], settings)
            ((wanted,),) = model.generate([prompt], settings)
            assert found.text == wanted.text
            assert "".join(endpoint.stream(prompt, settings)) == wanted.text
        (found,) = endpoint.score(["What is it?"], [" It is a swan."], top=3)
        (wanted,) = model.score(["What is it?"], [" It is a swan."], top=3)
        assert "".join(token.text for token in found.tokens) == " It is a swan."
        assert found.logprob == pytest.approx(wanted.logprob, abs=1e-3)
        best, likeliest = wanted.tokens[-1].top[0], found.tokens[-1].top[0]
        assert likeliest == (best[0], pytest.approx(best[1], abs=1e-3))


def test_a_model_behind_an_endpoint_can_be_served_on(serve, url: str, model: LocalModel) -> None:
    ((wanted,),) = model.generate([CHAT], Sampling(max_new_tokens=12, seed=4))
    with EndpointModel(url) as endpoint, serve(endpoint, name="swan") as proxy:
        client = openai.OpenAI(base_url=f"{proxy}/v1", api_key="none", max_retries=0)
        asked = {"model": "swan", "messages": CHAT, "max_tokens": 12, "seed": 4}
        assert client.chat.completions.create(**asked).choices[0].message.content == wanted.text
        streamed = client.chat.completions.create(**asked, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == wanted.text
