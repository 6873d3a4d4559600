"""Requests over HTTP: sent again when a server is busy or gone for a moment, refusals told in its own words."""

import email.utils
import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep, time
from typing import Any

import httpx

from cygnet.errors import ContextError, UserError

ATTEMPTS = 6
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_LONGEST_ASKED_WAIT = 120.0  # a server that asks for more patience than this is told of instead
_CONNECT_SECONDS = 20.0
_LATER = {408, 425, 429}
_NEVER = 501  # "not implemented" stays so
_WORDS = 500  # characters of a server's answer in a message
_TOO_LONG = re.compile(  # OpenAI, vLLM; llama.cpp, SGLang, Ollama; Anthropic; Gemini
    r"context_length_exceeded|maximum context length|prompt is too long|input token count|"
    r"(exceed\w*|longer than)[^.]{0,40} context (length|size|window|limit)",
    re.IGNORECASE,
)


class RefusedError(UserError):
    """The server refused a request, and would again."""


class TooLongError(RefusedError, ContextError):
    """The prompt leaves no room in the context of the server's model."""


class NotAdmittedError(RefusedError):
    """The server takes no request at all with this key: it is wrong, or nothing is paid."""


class DeadEndpointError(UserError):
    """The server did not answer, or was busy, in every attempt."""


class Connection:
    """A server that speaks JSON. Threads may share it. The key goes into requests and nowhere else.

    timeout: seconds without a byte after which an attempt is given up.
    """

    def __init__(self, url: str, key: str | None, timeout: float, connections: int) -> None:
        self.url, self._key = url, key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=connections),
        )

    def get(self, path: str) -> dict[str, Any]:
        """The answer to a GET. Raises RefusedError and DeadEndpointError, both UserErrors."""
        return self._object(self._persistent(lambda: self._client.get(self.url + path)))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a POST. Raises as `get` does."""
        return self._object(self._persistent(lambda: self._client.post(self.url + path, json=body)))

    @contextmanager
    def events(self, path: str, body: dict[str, Any]) -> Iterator[Iterator[dict[str, Any]]]:
        """The server-sent events of a POST. Raises as `get` does, before the first of them; a break later is told."""
        request = self._client.build_request("POST", self.url + path, json=body)
        response = self._persistent(lambda: self._client.send(request, stream=True))
        try:
            yield self._parsed(response)
        finally:
            response.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _persistent(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send until there is an answer: exponential backoff with jitter, or what the server asks for."""
        for attempt in range(ATTEMPTS):
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt) * random.uniform(0.5, 1.5)
            try:
                response = send()
            except httpx.RequestError as error:
                failure = f"{type(error).__name__}: {self._shown(str(error))}"
            else:
                if response.status_code == httpx.codes.OK:
                    return response
                failure = self._refusal(response)
                wait = _asked_wait(response) or wait
            if wait > _LONGEST_ASKED_WAIT:
                raise DeadEndpointError(f"{self.url} asks to wait {wait:.0f} seconds ({failure}). Try again then.")
            if attempt < ATTEMPTS - 1:
                sleep(wait)
        raise DeadEndpointError(f"{self.url} failed in each of {ATTEMPTS} attempts, at last with {failure}.")

    def _refusal(self, response: httpx.Response) -> str:
        """Why a request failed. Raises RefusedError when it would fail again."""
        status = response.status_code
        try:
            body = response.read()
            words = self._shown(_words(body))
        except httpx.RequestError:
            body, words = b"", "no words"
        finally:
            response.close()
        if status in _LATER or (status >= 500 and status != _NEVER):
            return f"status {status}, {words}"
        if status == 400 and _TOO_LONG.search(body.decode(errors="replace")):
            raise TooLongError(f"{self.url} refused the request as too long: {words}")
        advice = "Check the key." if status in {401, 403} else "Check the address and the settings."
        kind = NotAdmittedError if status in {401, 402} else RefusedError
        raise kind(f"{self.url} refused the request with status {status}: {words} {advice}")

    def _object(self, response: httpx.Response) -> dict[str, Any]:
        value = self._parse(response.content)
        if value.get("error"):  # some gateways say so with status 200
            raise RefusedError(f"{self.url} refused the request: {self._shown(_words(response.content))}")
        return value

    def _parsed(self, response: httpx.Response) -> Iterator[dict[str, Any]]:
        """Each event's object. Lines are cut as bytes: a chunk may end inside a character."""
        try:
            for line in _lines(response.iter_bytes()):
                if line.startswith(b"data:"):
                    data = line[5:].strip()
                    if data == b"[DONE]":
                        return
                    yield self._event(data)
        except httpx.RequestError as error:
            raise DeadEndpointError(f"{self.url} broke off in the middle of its answer: {error}.") from error

    def _event(self, data: bytes) -> dict[str, Any]:
        event = self._parse(data)
        if event.get("error"):
            raise DeadEndpointError(f"{self.url} broke off in the middle of its answer: {self._shown(_words(data))}.")
        return event

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data)
        except ValueError as error:
            raise self._no_json(data) from error
        if not isinstance(value, dict):
            raise self._no_json(data)
        return value

    def _no_json(self, data: bytes) -> UserError:
        return UserError(
            f"{self.url} answered with what is no JSON object: {self._shown(data.decode(errors='replace'))} "
            'Check the address: it mostly ends in "/v1".'
        )

    def _shown(self, text: str) -> str:
        """Words for a message: short, and never with the key in them."""
        hidden = text.replace(self._key, "(the key)") if self._key else text
        return hidden if len(hidden) <= _WORDS else hidden[:_WORDS] + "…"


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest


def _words(data: bytes) -> str:
    """What a server says about an error: OpenAI's, FastAPI's and llama.cpp's forms, or the text as it is."""
    text = data.decode(errors="replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        return text or "no words"
    while isinstance(value, dict):
        value = next((value[name] for name in ("error", "message", "detail") if value.get(name)), str(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _asked_wait(response: httpx.Response) -> float | None:
    """Seconds in Retry-After, which is a number or a date; None where there is none that can be read."""
    asked = response.headers.get("retry-after", "")
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(asked).timestamp() - time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds)
