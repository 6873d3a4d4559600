import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

TASK = 'examples = "x.jsonl"\n[check]\nkind = "number"\n[asking]\nsamples = 3\n'


@pytest.fixture
def task(tmp_path: Path) -> Path:
    rows = [{"input": f"What follows {n}?", "answer": n + 1} for n in range(40)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "counting.toml").write_text(TASK)
    return tmp_path / "counting.toml"


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # as many ask at once


@pytest.fixture(params=[False])
def address(request: pytest.FixtureRequest) -> str:
    """A loopback endpoint that always says 7; or, where the parameter says so, what follows."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["content-length"])).decode()
            said = int(re.findall(r"What follows (\d+)", asked)[-1]) + 1 if request.param else 7
            choice = {"message": {"content": str(said)}, "finish_reason": "stop"}
            data = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1#seven"
    server.shutdown()
    server.server_close()


def test_a_dry_run_says_what_each_rung_would_take_and_asks_nobody(cygnet, task: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    outcome = cygnet("lab", task, "--model", "nowhere", "--dry-run")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("at most")
    assert "chain of thought, few-shot  left out: no example to show has reasoning" in outcome.out
    assert "in all" in outcome.out
    assert sorted(tmp_path.iterdir()) == before


def test_a_lab_prints_a_line_for_each_rung_and_the_picks(cygnet, task: Path, address: str, tmp_path: Path) -> None:
    outcome = cygnet("lab", task, "--model", address, "-o", tmp_path / "out", "margin=3")
    assert outcome.code == 0, outcome.err
    for words in ("15 items to choose by, 15 held out, 10 examples to show", "plain  ", "best      ", "cheapest  "):
        assert words in outcome.out
    assert json.loads((tmp_path / "out/lab.json").read_text())["task"]["margin"] == 3
    for name in ("best.py", "best.toml", "cheapest.py", "cheapest.toml", "report.html"):
        assert (tmp_path / "out" / name).exists()
    assert "Nothing tried here solves the task" in outcome.out
    assert "Use it:" not in outcome.out


@pytest.mark.parametrize("address", [True], indirect=True)
def test_a_lab_that_found_something_says_how_to_use_it(cygnet, task: Path, address: str, tmp_path: Path) -> None:
    outcome = cygnet("lab", task, "--model", address, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert outcome.out.rstrip().endswith(f'Use it:   python {tmp_path / "out/cheapest.py"} "a question"')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere"], "nowhere"),
        (["--model", "x", "asking.sample=3"], "asking.sample: there is no such key. Did you mean asking.samples?"),
        ([], "requires an argument"),
    ],
)
def test_what_the_user_can_mend(cygnet, task: Path, arguments: list[str], message: str, tmp_path: Path) -> None:
    outcome = cygnet("lab", task, *arguments, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()
