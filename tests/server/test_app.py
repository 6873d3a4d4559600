import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from cygnet.lm import EndpointModel
from cygnet.server.desk import Desk

CHAT = [{"role": "user", "content": "What is it?"}]
CHATS, TEXTS = "/v1/chat/completions", "/v1/completions"


def error_of(response: httpx.Response) -> dict[str, Any]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize(
    ("path", "body", "param", "message"),
    [
        (CHATS, {}, "messages", "Field required"),
        (CHATS, {"messages": []}, "messages", "at least 1 item"),
        (CHATS, {"messages": "hello"}, "messages", "valid list"),
        (CHATS, {"messages": [{"role": "god", "content": "hello"}]}, None, "unknown role 'god'"),
        (
            CHATS,
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages.0",
            "only parts of text",
        ),
        (CHATS, {"messages": CHAT, "temperature": -1}, "temperature", "greater than or equal to 0"),
        (CHATS, {"messages": CHAT, "top_p": 0}, "top_p", "greater than 0"),
        (CHATS, {"messages": CHAT, "n": 0}, "n", "greater than or equal to 1"),
        (CHATS, {"messages": CHAT, "n": 2, "stream": True}, None, "a stream has one answer"),
        (CHATS, {"messages": CHAT, "max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        (CHATS, {"messages": CHAT, "stop": ""}, "stop", "at least 1 character"),
        (CHATS, {"messages": CHAT, "logit_bias": {"swan": 1}}, "logit_bias", "valid integer"),
        (CHATS, {"messages": CHAT, "frequency_penalty": 0.5}, "frequency_penalty", "is not supported here"),
        (CHATS, {"messages": CHAT, "response_format": {"type": "json_schema"}}, "response_format", "Field required"),
        (CHATS, {"messages": CHAT, "response_format": {"type": "xml"}}, "response_format", "expected tags"),
        (CHATS, {"messages": CHAT, "tools": [{"type": "function"}]}, "tools", "not supported here"),
        (CHATS, {"messages": CHAT, "swan": True}, "swan", "swan is not supported here"),
        (TEXTS, {"prompt": [1, 2]}, "prompt", "token ids are not read here. Send the text itself"),
        (TEXTS, {"prompt": [[1, 2]]}, "prompt", "token ids are not read here. Send the text itself"),
        (TEXTS, {"prompt": {"text": "It"}}, "prompt", "valid list"),
        (TEXTS, {"prompt": "It", "max_tokens": 0}, None, "nothing is asked for"),
        (TEXTS, {"prompt": "It", "echo": True, "stream": True}, None, "an echo can't be streamed"),
        (TEXTS, [], None, "must be a JSON object"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    scripted, path: str, body: Any, param: str | None, message: str
) -> None:
    _, client = scripted
    response = client.post(path, json=body)
    assert response.status_code == 400
    error = error_of(response)
    assert message in error["message"]
    assert (error["param"] or "").startswith(param or "")
    assert bool(error["param"]) == bool(param)


@pytest.mark.parametrize("body", [b"", b"{", b'{"messages": NaN}', b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_refused(scripted, body: bytes) -> None:
    _, client = scripted
    assert "not valid JSON" in error_of(client.post(CHATS, content=body))["message"] or body.endswith(b"NaN}")
    assert client.post(CHATS, content=body).status_code == 400


def test_a_request_without_end_is_cut_off(scripted) -> None:
    _, client = scripted
    assert client.post(CHATS, content=b" " * (17 * 2**20)).status_code == 413


def test_fields_that_change_nothing_are_taken(scripted) -> None:
    _, client = scripted
    nothing = {"user": "me", "frequency_penalty": 0, "presence_penalty": None, "response_format": {"type": "text"}}
    parts = [{"role": "developer", "content": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}]}]
    response = client.post(CHATS, json={"messages": parts + CHAT, **nothing, "tools": []})
    assert response.json()["choices"][0]["message"]["content"] == "It is a swan."


def test_paths_that_are_not_there_are_told_as_json(scripted) -> None:
    _, client = scripted
    assert client.get("/health").json() == {"status": "ok"}
    response = client.get("/v1/embeddings")
    assert (response.status_code, error_of(response)["message"]) == (404, "Not Found")
    assert client.post("/swan", json={}).status_code == 405


def test_what_the_server_does_wrong_is_logged_not_told(scripted, caplog: pytest.LogCaptureFixture) -> None:
    model, client = scripted
    model.said = "raise"
    response = client.post(CHATS, json={"messages": CHAT})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "a secret" in caplog.text
    model.said = "It is."
    assert client.post(CHATS, json={"messages": CHAT}).status_code == 200  # the next one is answered


def test_only_what_follows_the_tool_is_said(scripted) -> None:
    model, client = scripted
    model.said = "<|python|>2 + 2<|end|><|tool|>4<|end|><|assistant|>It is 4, they say."
    body = {"messages": CHAT}
    assert client.post(CHATS, json=body).json()["choices"][0]["message"]["content"] == "It is 4, they say."
    events = client.post(CHATS, json={**body, "stream": True}).text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    pieces = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"].get("content") for event in events[:-2]]
    assert [piece for piece in pieces if piece] == ["It", " is", " 4,", " they", " say."]
    assert client.post(TEXTS, json={"prompt": "2 + 2"}).json()["choices"][0]["text"] == model.said


class Paced(threading.Event):
    """Lets a model go on after a hundredth of a second."""

    def wait(self, timeout: float | None = None) -> bool:
        time.sleep(0.01)
        return True


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_written_for_a_client_that_left(scripted, stream: bool) -> None:
    model, client = scripted
    model.said = "swan " * 10_000  # which take it more than the minute below
    model.go.clear()
    leaving = HTTPConnection(client.base_url.host, client.base_url.port)
    leaving.request("POST", CHATS, json.dumps({"messages": CHAT, "stream": stream}))
    if stream:
        assert leaving.getresponse().readline().startswith(b"data: ")
    assert model.began.wait(60)
    leaving.close()
    held, model.go = model.go, Paced()
    held.set()
    assert model.closed.wait(60)
    assert model.wrote < 10_000
    model.said, model.go = "It is.", held
    assert client.post(CHATS, json={"messages": CHAT}).status_code == 200


def test_what_waits_is_answered_together(scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    model, client = scripted
    waiting, submit = [], Desk.submit
    monkeypatch.setattr(Desk, "submit", lambda desk, job: waiting.append(submit(desk, job)))
    model.go.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(client.post, TEXTS, json={"prompt": "first", "n": 2})
        assert model.began.wait(60)
        prompts = ["a", "b", "too long", "c"]
        others = [pool.submit(client.post, TEXTS, json={"prompt": prompt, "temperature": 0}) for prompt in prompts]
        hot = pool.submit(client.post, TEXTS, json={"prompt": "hot", "temperature": 1.5})
        while len(waiting) < 6 and not any(future.done() for future in [first, *others, hot]):
            time.sleep(0.01)
        model.go.set()  # the first one ends when all others wait
        answers = [future.result() for future in others]
        assert first.result().json()["choices"][1]["text"] == "It is a swan. (first)"
        assert hot.result().json()["choices"][0]["text"] == "It is a swan."
    assert sorted(model.batches[1]) == ["a", "b", "c", "too long"]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 200]  # one does not spoil the others
    assert "too many tokens" in error_of(answers[2])["message"]


@pytest.mark.parametrize("n", [1, 2])
def test_a_dead_endpoint_is_no_mistake_of_the_client(serve, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cygnet.lm.connection.sleep", lambda _: None)
    with EndpointModel("http://127.0.0.1:9/v1", "swan") as endpoint, serve(endpoint) as url:
        response = httpx.post(f"{url}{CHATS}", json={"messages": CHAT, "n": n}, timeout=60)
    assert response.status_code == 502
    assert error_of(response)["code"] == "model_unavailable"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234"}, 200),
        ({"Host": "[::1]:1234"}, 200),
        ({"Host": "swan.example"}, 403),
        ({"Host": "127.0.0.1.swan.example"}, 403),
        ({"Host": "["}, 403),
        ({"Host": "localhost:80", "Origin": "http://localhost:80"}, 200),
        ({"Host": "localhost:80", "Origin": "http://localhost:81"}, 403),
        ({"Origin": "https://swan.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/"])
def test_only_pages_and_names_of_this_machine_are_answered(
    scripted, headers: dict[str, str], status: int, path: str
) -> None:
    _, client = scripted
    assert client.get(path, headers=headers).status_code == status


def test_a_key_is_asked_for(serve, scripted) -> None:
    model, _ = scripted
    with serve(model, key="swan é") as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/").status_code == client.get("/health").status_code == 200
        for given in ({}, {"Authorization": "Bearer goose"}, {"Authorization": "swan"}):
            response = client.get("/v1/models", headers=given)
            assert (response.status_code, error_of(response)["code"]) == (401, "invalid_api_key")
    with serve(model, key="swan") as url:
        found = httpx.get(f"{url}/v1/models", headers={"Authorization": "Bearer swan"}, timeout=60)
        assert found.json()["data"][0]["id"] == "scripted"


def test_the_page_is_whole_and_fetches_nothing_from_elsewhere(scripted) -> None:
    _, client = scripted
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name in ("chat.js", "style.css", "swan.svg"):
        assert f'"{name}"' in page.text
        found = client.get(f"/{name}")
        assert found.status_code == 200
        assert "//" not in found.text.replace("http://www.w3.org/2000/svg", "").replace("// ", "")
    assert client.get("/../app.py").status_code == client.get("/%2e%2e/app.py").status_code == 404
