"""What cygnet itself takes: of a call to a model that answers at once, and of keeping an endpoint busy.

python benchmarks/techniques/overhead.py

Times of calls are those of the processor, medians of seven rounds, so that a busy machine matters little. The endpoint
is on the loopback, in the same process, and holds every request for a while; how many it holds together is counted.
"""

import json
import statistics
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from common import HOME, publish

from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage
from cygnet.lm.endpoint import EndpointModel
from cygnet.techniques import (
    ChainOfThought,
    Example,
    FewShotChainOfThought,
    Plain,
    Reflect,
    Technique,
    Vote,
    last_number,
)

IN_FLIGHT = 32
Calls = Callable[[], int]  # makes some, and says how many


class Instant(LanguageModel):
    """Answers everything at once, with the same words."""

    name = "instant"

    def __init__(self, text: str) -> None:
        self.reply = Reply(text, "stop", Usage(8, 4, calls=1))

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling | Sequence[Sampling] = (),  # noqa: ARG002 - nothing depends on it
        n: int = 1,
    ) -> list[list[Reply]]:
        """The words."""
        return [[self.reply] * n for _ in prompts]

    def stream(self, *_: Any) -> Generator[str, None, Reply]:
        """The words in one piece."""
        yield self.reply.text
        return self.reply

    def score(self, prompts: Sequence[Prompt], *_: Any, **__: Any) -> list[Reply]:
        """The words, whatever is to be scored."""
        return [self.reply for _ in prompts]


class Busy(ThreadingHTTPServer):
    """Speaks OpenAI's interface, holds each request for `hold` seconds, and notes when one came or went."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hold: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hold, self.events, self.lock = hold, list[tuple[float, int]](), threading.Lock()

    def note(self, change: int) -> None:
        """A request came (1) or is answered (-1)."""
        with self.lock:
            self.events.append((time.perf_counter(), change))

    def load(self) -> tuple[int, float]:
        """The most requests that were held together, and how many on average from the first to the last."""
        now, most, area, before = 0, 0, 0.0, self.events[0][0]
        for at, change in self.events:
            area, before, now = area + now * (at - before), at, now + change
            most = max(most, now)
        return most, area / (before - self.events[0][0])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Busy

    def do_POST(self) -> None:
        """One completion."""
        self.server.note(1)
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.server.hold)
        usage = {"prompt_tokens": 8, "completion_tokens": 4}
        body = json.dumps({"choices": [{"index": 0, "finish_reason": "stop", "text": "42"}], "usage": usage}).encode()
        self.server.note(-1)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Nothing."""


def calls_of(several: int) -> dict[str, Calls]:
    """Ways of calling a model that answers at once; `several` questions each."""
    lm, questions = Instant("The answer is 42"), [f"What is {i} + 2?" for i in range(several)]
    plain = Plain(lm, parse=last_number)
    examples = [Example("What is 1 + 2?", "3", "1 and 2 are 3.")] * 3
    side_by_side: dict[str, Technique] = {
        "Plain": plain,
        "FewShotChainOfThought, three examples": FewShotChainOfThought(lm, examples),
        "ChainOfThought, two calls": ChainOfThought(lm),
        "Reflect, checked and revised once": Reflect(plain, lambda _, answer: f"{answer.value} is wrong"),
        "Vote of 16": Vote(plain, 16, first=16),
    }
    return {
        "generate, nothing around it": lambda: sum(lm.generate([q])[0][0].usage.calls for q in questions),
        "lm(prompt, int)": lambda: sum(bool(Instant("42")(q, int)) for q in questions),
        "Plain, one question after the other": lambda: sum(plain(q).usage.calls for q in questions),
        **{
            f"{name}; {several} questions side by side": partial(_run, t, questions) for name, t in side_by_side.items()
        },
    }


def _run(technique: Technique, questions: Sequence[str]) -> int:
    return sum(answer.usage.calls for answer in technique.run(questions))


def microseconds(calls: Calls, rounds: int) -> list[float]:
    """Of the processor for each call, in every round but the first."""
    found = []
    for _ in range(rounds + 1):
        began = time.process_time()
        made = calls()
        found.append(1e6 * (time.process_time() - began) / made)
    return found[1:]


@contextmanager
def serving(hold: float) -> Iterator[Busy]:
    """A server while the block runs."""
    with Busy(hold) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def in_flight(requests: int, hold: float) -> dict[str, Any]:
    """Prompts of one call to an endpoint model that allows 32 at a time."""
    with serving(hold) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        with EndpointModel(url, "busy", max_in_flight=IN_FLIGHT) as lm:
            began, worked = time.perf_counter(), time.process_time()
            lm.generate([f"prompt {i}" for i in range(requests)])
            seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    most, mean = server.load()
    least = hold * requests / IN_FLIGHT
    return {"most": most, "mean": mean, "seconds": seconds, "least": least, "microseconds": 1e6 * cpu / requests}


def main(
    home: Path = HOME, rounds: int = 7, several: int = 256, requests: int = 32 * IN_FLIGHT, hold: float = 0.25
) -> None:
    """Print the table."""
    cells, data = [["Call", "Microseconds a call", "from to"]], list[dict[str, Any]]()
    for name, calls in calls_of(several).items():
        found = microseconds(calls, rounds)
        cells.append([name, f"{statistics.median(found):.0f}", f"{min(found):.0f} to {max(found):.0f}"])
        data.append({"call": name, "microseconds": found})
    loopback = in_flight(requests, hold)
    name = f"an endpoint on the loopback, the server's own work included; {requests} requests"
    cells.append([name, f"{loopback['microseconds']:.0f}", ""])
    title = (
        f"What cygnet takes itself, of the processor. The endpoint held {loopback['most']} requests at most, "
        f"{loopback['mean']:.1f} on average; {requests} of {hold} s each took {loopback['seconds']:.2f} s, where "
        f"{loopback['least']:.2f} s are the least at {IN_FLIGHT} at a time."
    )
    publish(home, "overhead", title, cells, [*data, {"call": name, **loopback}])


if __name__ == "__main__":
    main()
