"""Games are blind, fairly sided, complete, and survive a round trip through their file."""

import json
from itertools import combinations

import pytest

from cygnet.arena.matches import play, prompt_id, read_matches, write_matches
from cygnet.errors import UserError

PROMPTS = [{"prompt": [{"role": "user", "content": f"question {i}"}], "best": "long"} for i in range(60)]
ANSWERS = {name: [f"{name} says {'o' * length}" for _ in PROMPTS] for name, length in [("x", 1), ("y", 5), ("z", 9)]}


class Longest:
    """Prefers the longer answer and remembers what it was shown."""

    name = "longest"

    def __init__(self):
        self.seen = []

    def compare(self, row, left, right):
        self.seen.append((row, left, right))
        return 0.5 if len(left) == len(right) else float(len(left) > len(right))


class AlwaysLeft:
    name = "left"

    def compare(self, row, left, right):
        return 1.0


def test_every_pair_meets_once_on_every_prompt_and_the_better_answer_wins():
    matches = play(ANSWERS, PROMPTS, Longest(), seed=0)
    assert len(matches) == 3 * len(PROMPTS)
    met = {(match.prompt_id, frozenset((match.model_a, match.model_b))) for match in matches}
    assert met == {(prompt_id(row), frozenset(pair)) for row in PROMPTS for pair in combinations("xyz", 2)}
    for match in matches:
        winner = match.model_a if match.outcome == 1.0 else match.model_b
        assert winner == max(match.model_a, match.model_b)
        assert match.answer_a.startswith(match.model_a)


def test_the_judge_sees_the_prompt_row_and_two_answers_and_sides_are_mixed():
    judge = Longest()
    play({"x": ANSWERS["x"], "z": ANSWERS["z"]}, PROMPTS, judge, seed=0)
    assert [row for row, _, _ in judge.seen] == PROMPTS
    x_left = sum(left.startswith("x") for _, left, _ in judge.seen)
    assert 15 <= x_left <= 45


def test_sides_follow_the_seed():
    def sides(seed):
        return [match.model_a for match in play(ANSWERS, PROMPTS, Longest(), seed)]

    assert sides(1) == sides(1)
    assert sides(1) != sides(2)


def test_both_orders_turn_a_position_habit_into_ties_and_keep_real_wins():
    once = play(ANSWERS, PROMPTS, AlwaysLeft(), seed=0)
    twice = play(ANSWERS, PROMPTS, AlwaysLeft(), seed=0, both_orders=True)
    assert {match.outcome for match in once} == {1.0}
    assert {match.outcome for match in twice} == {0.5}
    assert {match.order for match in twice} == {"both"}
    honest = play(ANSWERS, PROMPTS, Longest(), seed=0, both_orders=True)
    assert [m.outcome for m in honest] == [m.outcome for m in play(ANSWERS, PROMPTS, Longest(), seed=0)]


def test_matches_round_trip_with_the_arena_columns(tmp_path):
    matches = play(ANSWERS, PROMPTS, Longest(), seed=3)
    write_matches(tmp_path / "matches.jsonl", matches)
    assert read_matches(tmp_path / "matches.jsonl") == matches
    row = json.loads((tmp_path / "matches.jsonl").read_text().splitlines()[0])
    assert row["winner"] in ("model_a", "model_b", "tie")
    assert row["answer_a"].startswith(row["model_a"])


def test_the_same_prompt_has_the_same_id_whatever_else_the_row_holds():
    assert prompt_id({"prompt": "hi", "exercise": 1}) == prompt_id({"prompt": "hi", "exercise": 2})
    assert prompt_id({"prompt": "hi"}) != prompt_id({"prompt": "hi!"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt_id": "q", "model_a": "x", "model_b": "y", "winner": "x", "judge": "j"}, "row 1: winner is 'x'"),
        ({"model_a": "x", "model_b": "y", "winner": "tie", "judge": "j"}, "row 1: prompt_id missing"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    path = tmp_path / "matches.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match=message):
        read_matches(path)


@pytest.mark.parametrize(
    ("answers", "prompts", "message"),
    [
        ({"x": ["1"]}, [{"prompt": "q"}], "at least two players"),
        ({"x": [], "y": []}, [], "at least one prompt"),
        ({"x": ["1"], "y": []}, [{"prompt": "q"}], "'y' has 0 answers for 1 prompts"),
    ],
)
def test_games_that_cannot_be_played_are_refused(answers, prompts, message):
    with pytest.raises(UserError, match=message):
        play(answers, prompts, Longest(), seed=0)


def test_a_judge_that_answers_in_between_is_an_error():
    class Unsure(AlwaysLeft):
        def compare(self, row, left, right):
            return 0.7

    with pytest.raises(ValueError, match=r"returned 0\.7"):
        play(ANSWERS, PROMPTS, Unsure(), seed=0)
