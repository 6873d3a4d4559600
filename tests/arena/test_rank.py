"""The ladder that is written says the same as the games it was made from."""

import json

import pytest

from cygnet.arena.matches import read_matches
from cygnet.arena.rank import ladder, rank
from cygnet.arena.ratings import rate

PROMPTS = [{"prompt": f"question {i}", "key": i} for i in range(40)]


class Higher:
    """Answers are numbers; the higher wins."""

    name = "higher"

    def compare(self, row, left, right):
        return 0.5 if left == right else float(int(left) > int(right))


ANSWERS = {
    "base": ["0" for _ in PROMPTS],
    "sft": [str(i % 3) for i, _ in enumerate(PROMPTS)],
    "rl": [str(1 + i % 2) for i, _ in enumerate(PROMPTS)],
}


def test_rank_writes_games_and_ladder_that_agree(tmp_path):
    result = rank(ANSWERS, PROMPTS, Higher(), tmp_path / "arena", seed=0)
    assert json.loads((tmp_path / "arena/ladder.json").read_text()) == result
    matches = read_matches(tmp_path / "arena/matches.jsonl")
    assert ladder(matches, rate(matches, seed=0)) == result
    assert [row["player"] for row in result["ladder"]] == ["rl", "sft", "base"]
    assert result["games"] == 3 * len(PROMPTS)
    assert result["judges"] == ["higher"]
    assert result["win_matrix"]["rl"]["base"] == 1.0
    assert result["win_matrix"]["rl"]["rl"] is None
    assert sorted(path.name for path in (tmp_path / "arena").iterdir()) == ["ladder.json", "matches.jsonl"]


def test_differences_name_the_better_player_first_with_an_interval_around_its_lead(tmp_path):
    result = rank(ANSWERS, PROMPTS, Higher(), tmp_path, seed=0)
    elo = {row["player"]: row["elo"] for row in result["ladder"]}
    assert len(result["differences"]) == 3
    for row in result["differences"]:
        assert row["elo"] == pytest.approx(elo[row["player"]] - elo[row["over"]], abs=0.11)
        assert row["ci95"][0] <= row["elo"] <= row["ci95"][1]


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        rank(ANSWERS, PROMPTS, Higher(), tmp_path / name, seed=5)
    for file in ("matches.jsonl", "ladder.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_judge_with_a_favorite_side_shows(tmp_path):
    class First(Higher):
        def compare(self, row, left, right):
            return 1.0

    assert rank(ANSWERS, PROMPTS, First(), tmp_path, seed=0)["first_shown_score"] == 1.0
    both = rank(ANSWERS, PROMPTS, First(), tmp_path, seed=0, both_orders=True)
    assert both["first_shown_score"] is None
    assert both["tie_rate"] == 1.0
