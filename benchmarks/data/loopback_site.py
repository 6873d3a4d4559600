"""A web site on loopback that a function answers for, and that writes down when it was asked for what."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """What it sends. A body that is an iterator is sent as it comes, without a length."""

    body: bytes | Iterator[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/html; charset=utf-8"})


@dataclass
class Asked:
    """One request: when it came and, later, when it had been answered (monotonic seconds), and what it said."""

    began: float
    ended: float
    path: str
    status: int
    headers: Mapping[str, str]


class Site:
    """A site that is running."""

    def __init__(self, answer: Callable[[str, Mapping[str, str]], Answer]) -> None:
        self.log: list[Asked] = []
        self._answer = answer
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"

    @contextmanager
    def running(self) -> Iterator["Site"]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(each.path == path for each in self.log)

    def _handler(site) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler inside
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                began = time.monotonic()
                answer = site._answer(self.path, self.headers)
                asked = Asked(began, began, self.path, answer.status, dict(self.headers))
                site.log.append(asked)  # before anybody can have the answer, and look whether it is here
                try:
                    self._send(answer)
                except OSError:
                    self.close_connection = True
                finally:
                    asked.ended = time.monotonic()

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if isinstance(answer.body, bytes):
                    if "Content-Length" not in answer.headers:
                        self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(b"" if answer.status == 304 else answer.body)
                    return
                self.close_connection = True
                self.send_header("Connection", "close")
                self.end_headers()
                for part in answer.body:
                    self.wfile.write(part)

            def handle(self) -> None:
                with suppress(ConnectionError):  # a client that is killed says no goodbye
                    super().handle()

            def log_message(self, *_: object) -> None:
                """Nothing on standard error: the log is kept."""

        return Handler
