import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cygnet.evaluation import game_of_24 as game
from cygnet.lm.base import Usage
from cygnet.techniques import Answer

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "techniques"
Script = Callable[[str], ModuleType]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return __import__


def _table(printed: str) -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] not in {"---", "Way", "Call"}]


def test_it_compares_models_that_write_steps_with_models_that_do_not_and_keeps_them(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell_game = script("shell_game")
    shell_game.main(tmp_path, tokens=4_000, items=4, seeds=1)
    first = capsys.readouterr().out
    assert first.count("raising") == 2
    assert [row[0] for row in _table(first)] == ["answer alone", "steps, then answer"]
    shell_game.main(tmp_path, tokens=4_000, items=4, seeds=1)
    again = capsys.readouterr().out
    assert "raising" not in again
    assert _table(again) == _table(first)
    rows = json.loads((tmp_path / "shell_game.json").read_text())["rows"]
    assert [row["items"] for row in rows] == [4] * 2


def test_the_steps_lead_to_the_ball(script: Script) -> None:
    shell_game = script("shell_game")
    assert shell_game.follow("3a12b35c15") == (["a123", "b355", "c151"], 1)
    for item in shell_game.draw_items(20):
        cups = [place == int(item.question[0]) for place in range(6)]
        for first, second in re.findall(r"(\d)(\d)", item.question):
            one, other = int(first), int(second)
            cups[one], cups[other] = cups[other], cups[one]
        assert cups.index(True) == item.answer


def test_it_votes_with_a_model_stopped_early(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("voting").main(tmp_path, budgets=(4_000,), wanted=[(0.0, 1.0)], items=3, seeds=2)
    rows = _table(capsys.readouterr().out)
    assert len(rows) == 7
    written = {row[0]: int(row[5]) for row in rows}
    assert written["4k tokens: vote of 16"] > written["4k tokens: vote of 4"] > written["4k tokens: one sample"] > 0


def test_it_searches_with_a_model_raised_to_play(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script("game_of_24").main(tmp_path, tokens=4_000, items=2, seeds=1)
    rows = _table(capsys.readouterr().out)
    assert rows[0][0] == "moves written, greedy"
    assert rows[-1][0].startswith("beam of 5")


def test_what_it_teaches_of_the_game_is_true(script: Script) -> None:
    taught, rng = script("game_of_24"), Random(1)
    said = [taught.write("3 3 8 8", rng) for _ in range(200)]
    games = [text for text in said if text.startswith("Q")]
    verdicts = [text for text in said if text.startswith("V")]
    assert games
    assert {verdict[-1] for verdict in verdicts} == {"Y", "N"}
    for text in games:
        question, _, moves = text[1:].partition("\n")
        assert game.check_moves(question, Answer(moves, moves)) is None
    for text in verdicts:
        numbers = [game.Fraction(number) for number in text[1:-2].split()]
        assert game.can_win(numbers) == (text[-1] == "Y")


def test_it_counts_what_cygnet_takes_itself(script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script("overhead").main(tmp_path, rounds=1, several=2, requests=64, hold=0.01)
    assert all(float(row[1]) >= 0 for row in _table(capsys.readouterr().out))
    loopback = json.loads((tmp_path / "overhead.json").read_text())["rows"][-1]
    assert 1 <= loopback["most"] <= 32
    assert 0 < loopback["mean"] <= 32


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [([1.0] * 40, [0.0] * 40, ""), ([0.0] * 40, [1.0] * 40, "loss"), ([1.0, 0.0] * 20, [0.0, 1.0] * 20, "no gain")],
)
def test_a_difference_says_when_it_is_none(
    script: Script, capsys: pytest.CaptureFixture[str], tmp_path: Path, first: Any, second: Any, verdict: str
) -> None:
    common = script("common")
    base = common.Row("base", np.array([second]), Usage())
    common.report(tmp_path, "x", "A title.", [common.Row("new", np.array([first]), Usage()).above(base)])
    printed = capsys.readouterr().out
    assert "over base" in printed
    assert [word for word in ("no gain", "loss") if f"**{word}**" in printed] == [word for word in [verdict] if word]
