"""Rungs with something outside the model: a calculator, an index of documents."""

import json
import re
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.lab import ladder, load_technique
from cygnet.lab.climb import best_of
from cygnet.lab.ladder import Footing
from cygnet.lab.models import Model
from cygnet.lab.run import run_lab
from cygnet.lab.task import load_task
from cygnet.lab.verifiers import CheckError
from cygnet.lm.base import Reply, Usage
from cygnet.techniques.retrieval import build_index


@pytest.fixture
def actor(adder):
    """Can't add, but knows what a calculator is for."""

    class Actor(adder):
        def _reply(self, prompt, sampling, index):
            words = str(prompt)
            if "calculator(" not in words:
                return Reply("no idea", "stop", Usage(10, 2, calls=1))
            self.asked.append(words)
            seen = re.findall(r"Observation: (\d+)", words)
            a, b = re.findall(r"What is (\d+) \+ (\d+)", words)[-1]
            action = f'finish {{"answer": "{seen[-1]}"}}' if seen else f'calculator {{"expression": "{a} + {b}"}}'
            return Reply(f"Thought: so.\nAction: {action}", "stop", Usage(50, 10, calls=1))

    return Actor()


def test_an_agent_with_a_calculator_is_a_rung(task, actor, watch, tmp_path: Path) -> None:
    outcome = run_lab(task('asking.tools=["calculator"]'), Model(actor, "x", "x"), tmp_path / "out", watch)
    best = best_of(outcome.measured)
    assert (best.rung, best.accuracy) == ("tools", 1.0)
    assert "make_tool" in (tmp_path / "out/best.py").read_text()
    assert load_technique(tmp_path / "out/best.toml", actor)("What is 5 + 6?").value == "11"
    page = (tmp_path / "out/report.html").read_text()
    assert "calculator {&quot;expression&quot;: " in page, "what the tool was told is on the page"


def test_an_index_is_two_rungs(write, adder, watch, tmp_path: Path) -> None:
    class Reader(adder):
        def _reply(self, prompt, sampling, index):
            found = re.findall(r"lives in (\w+)", str(prompt))
            self.asked.append(str(prompt))
            return Reply(found[0] if found else "Paris", "stop", Usage(30, 1, calls=1))

    names = [f"Person{n}" for n in range(60)]
    (tmp_path / "lives").mkdir()
    for n, name in enumerate(names):
        (tmp_path / "lives" / f"{name}.txt").write_text(f"{name} lives in Town{n}. {name} likes cats.")
    build_index([tmp_path / "lives"], tmp_path / "lives.index")
    rows = [{"input": f"Where does {name} live?", "answer": f"Town{n}"} for n, name in enumerate(names)]
    text = 'examples = "sums.jsonl"\n[asking]\nindex = "lives.index"\npassages = 1\nsamples = 3\n'
    outcome = run_lab(load_task(write(rows, text)), Model(Reader(), "x", "x"), tmp_path / "out", watch)
    accuracy = {rung.rung: rung.accuracy for rung in outcome.measured}
    assert accuracy["plain"] == 0.0
    assert accuracy["retrieval"] == accuracy["retrieval, passages alone"] == 1.0
    assert load_technique(tmp_path / "out/best.toml", Reader())("Where does Person7 live?").value == "Town7"
    kept = {json.loads(line)["rung"] for line in (tmp_path / "out/answers.jsonl").read_text().splitlines()}
    assert "retrieval" in kept


def test_an_index_that_is_not_there_is_told_before_anything_is_asked(write, rows) -> None:
    with pytest.raises(UserError, match=r"no\.index") as error:
        load_task(write(rows(60)), ['asking.index="no.index"'])
    assert not isinstance(error.value, CheckError)


def test_who_reads_passages_is_told_the_instructions_too(write, adder, watch, tmp_path: Path) -> None:
    class Obedient(adder):
        def _reply(self, prompt, sampling, index):
            found = re.findall(r"lives in (\w+)", str(prompt))
            marker = "Answer: " if 'after "Answer:"' in str(prompt) else ""
            return Reply(f"{marker}{found[0] if found else 'Paris'}", "stop", Usage(30, 1, calls=1))

    (tmp_path / "lives").mkdir()
    for n in range(60):
        (tmp_path / "lives" / f"{n}.txt").write_text(f"Person{n} lives in Town{n}. Person{n} likes cats.")
    build_index([tmp_path / "lives"], tmp_path / "lives.index")
    rows = [{"input": f"Where does Person{n} live?", "answer": f"Town{n}"} for n in range(60)]
    text = 'examples = "sums.jsonl"\n[check]\nafter = "Answer:"\n[asking]\nindex = "lives.index"\n'
    text += """instructions = 'Write the town after "Answer:".'\npassages = 1\nsamples = 3\nshots = 0\n"""
    outcome = run_lab(load_task(write(rows, text)), Model(Obedient(), "x", "x"), tmp_path / "out", watch)
    accuracy = {rung.rung: rung.accuracy for rung in outcome.measured}
    assert accuracy["retrieval"] == accuracy["retrieval, passages alone"] == 1.0


def test_no_clock_decides_what_an_agent_answers(task, actor) -> None:
    built = ladder.tools(Footing(task('asking.tools=["calculator"]'), actor))
    assert built.seconds > 1e8
