"""A model that adds with a known accuracy, here or behind a loopback endpoint, and tasks of sums for it."""

import json
import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lab.climb import Climb, Comparison, LeftOut, climb
from cygnet.lab.measure import Measured
from cygnet.lab.models import Model
from cygnet.lab.task import Task, load_task
from cygnet.lm.base import LanguageModel, Prompt, Reply, Token, Usage

_DEFAULT = Sampling()
_SUM = re.compile(r"What is (\d+) \+ (\d+)\?")


def chance(*of: object) -> float:
    """A number in [0, 1) that depends on its arguments alone."""
    return int.from_bytes(blake2b(repr(of).encode(), digest_size=8).digest()) / 2**64


class Adder(LanguageModel):
    """Adds rightly with a probability that depends on how it is asked; the same request gets the same reply.

    skill: the probability by kind of request: "plain", "told", "shown". fail_after: the call that raises `failure`.
    """

    name = "adder"

    def __init__(self, local: bool = True, salt: int = 0, **skill: float) -> None:
        self.local, self.salt = local, salt
        self.skill = {"plain": 0.3, "told": 0.5, "shown": 0.7, **skill}
        self.asked: list[str] = []
        self.fail_after: int | None = None
        self.failure: BaseException = UserError("the adder is out of order.")
        self._lock = threading.Lock()

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        samplings = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        return [
            [self._reply(prompt, settings, i) for i in range(n)]
            for prompt, settings in zip(prompts, samplings, strict=True)
        ]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        reply = self.generate([prompt], sampling)[0][0]
        yield reply.text
        return reply

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        raise UserError("the adder can't score.")

    def _reply(self, prompt: Prompt, sampling: Sampling, index: int) -> Reply:
        text = prompt if isinstance(prompt, str) else "\n".join(f"{m['role']}: {m['content']}" for m in prompt)
        with self._lock:
            if self.fail_after is not None and len(self.asked) >= self.fail_after:
                raise self.failure
            self.asked.append(text)
        one, other = map(int, _SUM.findall(text)[-1])
        kind = "shown" if text.count("What is") > 1 else "told" if "sum" in text else "plain"
        luck = chance(self.salt, text, sampling.seed + index if sampling.temperature else 0)
        answer = one + other + (0 if luck < self.skill[kind] else 1 + int(97 * luck))
        tokens = (
            (Token(str(answer), -0.1, ((str(answer), -0.1), ("?", -2.0))),) if sampling.logprobs is not None else ()
        )
        return Reply(str(answer), "stop", Usage(len(text) // 4 if index == 0 else 0, 3, calls=int(index == 0)), tokens)


class Quiet:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.answers = 0

    def begin(self, rung: str, items: int) -> None:
        self.begun.append(rung)

    def answered(self) -> None:
        self.answers += 1

    def done(self, rung: Measured | LeftOut, comparison: Comparison | None) -> None:
        pass


TASK = """\
examples = "sums.jsonl"
[check]
kind = "number"
[asking]
instructions = "Say the sum alone."
samples = 3
shots = 3
"""


def _rows(count: int, start: int = 10) -> list[dict[str, object]]:
    return [{"input": f"What is {n} + {3 * n + 1}?", "answer": 4 * n + 1} for n in range(start, start + count)]


@pytest.fixture
def adder() -> type[Adder]:
    return Adder


@pytest.fixture
def rows() -> Callable[..., list[dict[str, object]]]:
    """Rows of examples."""
    return _rows


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a task and its examples, and gives the task's path."""

    def write(examples: Sequence[object], text: str = TASK) -> Path:
        lines = (example if isinstance(example, str) else json.dumps(example) for example in examples)
        (tmp_path / "sums.jsonl").write_text("".join(f"{line}\n" for line in lines))
        (tmp_path / "sums.toml").write_text(text)
        return tmp_path / "sums.toml"

    return write


@pytest.fixture
def task(write: Callable[..., Path]) -> Callable[..., Task]:
    """A task of sums; its arguments are `key=value` settings."""
    return lambda *settings, count=44: load_task(write(_rows(count)), settings)


@pytest.fixture
def up(tmp_path: Path) -> Callable[..., Climb]:
    """Climbs with a model, always in the same folder."""

    def up(task: Task, lm: LanguageModel, folder: Path = tmp_path / "out") -> Climb:
        outcome = Climb(task, Model(lm, "adder", "adder"))
        climb(task, outcome.model, folder, Quiet(), outcome)
        return outcome

    return up


@pytest.fixture
def watch() -> Quiet:
    return Quiet()


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # as many ask at once


@pytest.fixture
def endpoint() -> Iterator[Callable[[Adder], str]]:
    """Serves an adder on loopback; gives the address."""
    servers = []

    def serve(lm: Adder) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                sampling = Sampling(temperature=body["temperature"], seed=body["seed"])
                try:
                    [[reply]] = lm.generate([body["messages"]], sampling)
                except UserError as error:
                    self.send(400, {"error": {"message": str(error)}})
                    return
                usage = {"prompt_tokens": reply.usage.prompt_tokens, "completion_tokens": 3}
                choice = {"message": {"content": reply.text}, "finish_reason": "stop"}
                self.send(200, {"choices": [choice], "usage": usage})

            def send(self, status: int, answer: object) -> None:
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = Server(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1#adder"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
