"""A server with OpenAI's interface on the loopback, whose behaviour each test decides."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Body = dict[str, Any]
# An object; or a status, an object and headers; or the chunks of a stream; or None to hang up without a word.
Answer = Body | tuple[int, Any, dict[str, str]] | list[bytes] | None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self._send((200, {"data": [{"id": name} for name in self.server.models]}, {}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with self.server.lock:
            self.server.requests.append((self.path, body))
            self.server.authorizations.append(self.headers.get("authorization"))
        answer = self.server.answer(self.path, body)
        if answer is None:
            self.close_connection = True
        elif isinstance(answer, list):
            self._stream(answer)
        else:
            self._send(answer if isinstance(answer, tuple) else (200, answer, {}))

    def _send(self, answer: tuple[int, Any, dict[str, str]]) -> None:
        status, body, headers = answer
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, chunks: list[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for chunk in [*chunks, b""]:
            self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.lock = threading.Lock()
        self.models = ["swan"]
        self.requests: list[tuple[str, Body]] = []
        self.authorizations: list[str | None] = []
        self.answer: Callable[[str, Body], Answer] = self.echo

    @property
    def bodies(self) -> list[Body]:
        return [body for _, body in self.requests]

    def echo(self, path: str, body: Body) -> Body:
        """Says the prompt, the seed and the number of the choice again."""
        said = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        return self.completion(path, [f"{said}/{body['seed']}/{index}" for index in range(body.get("n", 1))])

    def completion(self, path: str, texts: list[str], **more: Any) -> Body:
        """Choices with these texts. 10 tokens are read, 4 of them out of a cache, and 5 written for each text."""
        counts = {"prompt_tokens": 10, "completion_tokens": 5 * len(texts)}
        usage = {**counts, "prompt_tokens_details": {"cached_tokens": 4}}
        said = [{"message": {"content": text}} if "chat" in path else {"text": text} for text in texts]
        choices = [{"index": i, "finish_reason": "stop", **each, **more} for i, each in enumerate(said)]
        return {"choices": choices, "usage": usage}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts; nothing waits."""
    seconds: list[float] = []
    monkeypatch.setattr("cygnet.lm.connection.sleep", seconds.append)
    return seconds
