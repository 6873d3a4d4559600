import json
import re
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import cygnet
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "techniques"
Script = Callable[[str], ModuleType]

_DEFAULT = Sampling()


class Scripted(LanguageModel):
    """Answers what a function of the prompt's text and of the sampling says."""

    name = "scripted"

    def __init__(self, says: Callable[[str, Sampling], str]) -> None:
        self.says = says

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        samplings = [sampling] * len(prompts) if isinstance(sampling, Sampling) else sampling
        texts = [prompt if isinstance(prompt, str) else str(prompt[-1]["content"]) for prompt in prompts]
        pairs = zip(texts, samplings, strict=True)
        return [[Reply(self.says(*pair), "stop", Usage(10, 2, 4, calls=1))] * n for pair in pairs]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        raise NotImplementedError

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        raise NotImplementedError


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__


@pytest.fixture
def measured(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """The rows that a task comes to with a scripted model."""

    def measured(task: str, says: Callable[[str, Sampling], str], items: int = 6) -> list[dict[str, Any]]:
        smollm2 = script("smollm2")
        monkeypatch.setattr(smollm2, "HOME", tmp_path)
        monkeypatch.setattr(script("reading"), "find_spec", lambda _: None)  # search by words alone
        monkeypatch.setattr(cygnet, "load", lambda name, precision: Scripted(says))
        smollm2.main(task, items, [1, 2])
        rows = json.loads((tmp_path / f"smollm2-{task}.json").read_text())["rows"]
        assert all(row["items"] == 2 * items and len(row["by_seed"]) == 2 for row in rows)
        return list(rows)

    return measured


def test_whoever_calls_the_calculator_rightly_is_right(
    measured: Callable[..., list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    def says(prompt: str, _: Sampling) -> str:
        if seen := re.search(r"Observation: (\d+)\n$", prompt):
            return f'Thought: so.\nAction: finish {{"answer": "{seen[1]}"}}'
        n, m = re.findall(r"\d+", prompt.rpartition("Question:")[2])
        if "Action:" in prompt:
            return f'Thought: so.\nAction: calculator {{"expression": "{n} * {m}"}}'
        return f" Calculator: {n} * {m}" if "Calculator:" in prompt else " 7"

    rows = measured("tool", says)
    assert [row["right"] for row in rows] == [0, 1, 1, 1]
    assert rows[1]["gains"]["2-shot, the answer at once"][0] == 1
    printed = capsys.readouterr().out
    assert "| 2-shot, a calculator line that is run | 100.0% |" in printed
    assert re.search(r"\+0.0 \[.*\] over 2-shot, a calculator line that is run: \*\*no gain\*\*", printed)


def test_json_counts_as_alone_valid_and_right(
    script: Script, measured: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    extraction = script("extraction").extraction
    right = {item.question: item.answer for seed in (1, 2) for item in extraction(Scripted(str), 6, seed, tmp_path)[1]}

    def says(prompt: str, sampling: Sampling) -> str:
        found = right[prompt.rpartition("Text: ")[2].partition("\n")[0]]
        if sampling.constraint is None:
            return f"Here it is: {json.dumps({**found, 'job': found['job'].title()})}."
        if sampling.constraint.kind == "json":
            allowed = json.loads(sampling.constraint.source)["properties"]
            assert all(found[key] in allowed[key].get("enum", [found[key]]) for key in ("name", "city"))
        return json.dumps(found if sampling.constraint.kind == "json" else {**found, "age": 1})

    rows = measured("json", says)
    counts = [(row["right"], row["counts"]["JSON alone"], row["counts"]["valid"]) for row in rows]
    free, held, wrong = (0, 0, 0), (1, 12, 12), (0, 12, 12)
    assert counts == [free, held, held, free, held, wrong]


def test_what_is_lost_is_lost_in_search_or_in_reading(measured: Callable[..., list[dict[str, Any]]]) -> None:
    def says(prompt: str, _: Sampling) -> str:
        asked = prompt.rpartition("Text:")[2] if "Text:" in prompt else prompt
        town = re.search(r"(?:lived in|home of .* was in|most of life in) (\w+)", asked)
        return f"It was {town[1]}." if town and "town" in asked else "I don't know."

    rows = measured("retrieval", says)
    memory, plain, best, three, gold, no_model = (row["right"] for row in rows)
    assert memory == 0
    assert plain == best == three == gold == pytest.approx(1 / 3)  # it reads towns alone
    assert no_model == 1
    assert rows[2]["counts"] == {"lost in search": 0, "lost in reading": 8}
    assert rows[-1]["usage"]["calls"] == 0


def test_reasoning_is_read_where_it_ends(measured: Callable[..., list[dict[str, Any]]]) -> None:
    def says(prompt: str, sampling: Sampling) -> str:
        a, b, c = map(int, re.findall(r"\d+", prompt.rpartition("Question:")[2]))
        if "Calculator:" in prompt:
            return f" Calculator: {a} + {b} - {c}"
        if "started with" not in prompt:
            return f" {a}"
        return f" Then there are {a + b}. The answer is {a + b - c if sampling.temperature else a + b}."

    assert [row["right"] for row in measured("cot", says)] == [pytest.approx(0, abs=0.5), 0, 1, 1]
