import re
from collections.abc import Generator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from cygnet.files import read_json
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply, Usage

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "techniques"
_DEFAULT = Sampling()


class Obedient(LanguageModel):
    """Calls the calculator where it is told that it is bad at arithmetic, and else guesses."""

    name = "obedient"

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        return [[Reply(self._say(str(prompt)), "stop", Usage(1, 1, calls=1))] * n for prompt in prompts]

    def _say(self, prompt: str) -> str:
        *_, sum_, after = re.split(r"Question: What is (.*)\?\n", prompt)
        if seen := re.search(r"Observation: (\d+)", after):
            return f'Action: finish {{"answer": "{seen[1]}"}}'
        if "bad at arithmetic" in prompt:
            return f'Action: calculator {{"expression": "{sum_}"}}'
        return 'Action: finish {"answer": "0"}'

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Generator[str, None, Reply]:
        raise NotImplementedError

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        raise NotImplementedError


@pytest.fixture
def weakness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__("weakness")


def test_the_note_reaches_the_model_and_can_be_left_out(
    weakness: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weakness.main(tmp_path, Obedient(), 80)
    rows = read_json(tmp_path / "weakness.json")["rows"]
    assert [row["Sums"] for row in rows] == [*weakness.KINDS, "all"]
    assert rows[-1]["Called without"].startswith("0.0%")
    assert rows[-1]["Called with"].startswith("100.0%")
    assert rows[-1]["Right with"].startswith("100.0%")
    assert rows[-1]["Gain"].startswith("+100.0 [")
    assert "no gain" not in capsys.readouterr().out


def test_no_gain_is_said(weakness: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Stubborn(Obedient):
        def _say(self, prompt: str) -> str:
            return super()._say(prompt.replace("bad at arithmetic", ""))

    weakness.main(tmp_path, Stubborn(), 8)
    assert "+0.0 [" in capsys.readouterr().out
    assert "**no gain**" in read_json(tmp_path / "weakness.json")["rows"][-1]["Gain"]


def test_the_sums_are_not_the_examples_and_have_their_answers(weakness: ModuleType) -> None:
    items = weakness.sums(200)
    shown = " ".join(turn.text for turn in weakness.EXAMPLES)
    assert not any(f"is {item.expression}?" in shown for item in items)
    assert all(eval(item.expression) == item.answer for item in items)  # noqa: S307
    assert items == weakness.sums(200)
