"""The page's programs that need a better model than a test has run with a scripted one."""

import json
import re
import sys
from pathlib import Path

import pytest

import cygnet

PAGE = Path(__file__).parents[2] / "docs/how-to/search-and-act.md"
PROGRAMS = dict(re.findall(r'^```python title="(\w+\.py)"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def run(scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a program of the page with a scripted model; what it prints."""

    def run(name: str, script) -> str:
        lm = scripted(script)
        monkeypatch.setattr(cygnet, "load", lambda where: lm, raising=False)
        exec(compile((tmp_path / name).read_text(), name, "exec"), {"__name__": name})  # noqa: S102
        return capsys.readouterr().out

    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield run
    sys.modules.pop("agent", None)


def act(name: str, **arguments: str) -> str:
    return f"Thought: next\nAction: {name} {json.dumps(arguments)}"


WORK = [act("stock", bird="swans"), act("stock", bird="geese"), act("calculator", expression="17 + 23")]


def test_every_program_is_run_here() -> None:
    assert set(PROGRAMS) == {"chain.py", "agent.py", "fallback.py", "plan.py"}


def test_the_chain(run) -> None:
    def script(prompt: str, seed: int) -> str:
        return f"<{prompt.partition(chr(10))[2]}>"

    assert run("chain.py", script) == "<<Swans swim.>\n<Geese walk.>> 2 paragraphs 3\n"


def test_the_agent(run, in_turn) -> None:
    replies = in_turn(*WORK, act("finish", answer="-40"), act("finish", answer="There are 40."))
    seen = []

    def script(prompt: str, seed: int) -> str:
        seen.append(prompt)
        return replies(prompt, seed)

    assert run("agent.py", script) == "40 \n"
    observed = [line.rpartition("Observation: ")[2] for line in seen[-1].splitlines() if "Observation" in line]
    assert observed == ["17", "23", "40", "error: this answer is not accepted: a number of birds is positive"]


def test_both_fallbacks(run, in_turn) -> None:
    first = in_turn(*WORK, act("finish", answer="40"))  # agent.py itself runs when it is imported

    def script(prompt: str, seed: int) -> str:
        if "Action: tool" not in prompt:
            return str(seed % 17)
        try:
            return first(prompt, seed)
        except StopIteration:
            return "Thought: I am lost."

    act_then_vote, think_then_act = run("fallback.py", script).splitlines()[1:]
    assert re.fullmatch(r"\d+ slow: no answer; \d of 21 votes", act_then_vote)
    assert re.fullmatch(r"None slow: \d of 21 agree; no answer, stopped by going in circles: .*", think_then_act)


def test_the_plan(run, in_turn) -> None:
    finish = [act("finish", answer="40"), act("finish", answer="27")]
    work = in_turn(*WORK, finish[0], "1. Count all.\n2. Take two thirds.", *finish, "27 are left, nearly.")
    assert run("plan.py", work) == "40 \n27 \n"
