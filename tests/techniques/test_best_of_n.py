import pytest

from cygnet.errors import UserError
from cygnet.techniques import BestOf, Plain, last_number


def numbers(lm) -> Plain:
    return Plain(lm, parse=last_number)


def test_a_checker_picks_the_first_it_accepts(scripted, in_turn) -> None:
    lm = scripted(in_turn("6", "7", "I say 7", "8"))
    answer = BestOf(numbers(lm), 4, lambda q, a: None if a.value == 7 else "wrong")("3 + 4?")
    assert (answer.text, answer.note) == ("7", "2 of 4 accepted")
    assert [len(batch) for batch in lm.batches] == [4]
    assert [entry.texts[0] for entry in answer.trace if entry.name == "judge"] == [
        "wrong",
        "accepted",
        "accepted",
        "wrong",
    ]


def test_when_a_checker_accepts_none_the_note_says_why(scripted) -> None:
    answer = BestOf(numbers(scripted(lambda p, s: "6")), 2, lambda q, a: f"{a.value} is wrong")("3 + 4?")
    assert (answer.value, answer.note) == (6, "none of 2 accepted: 6 is wrong")


def test_a_scorer_picks_the_highest_and_sees_question_and_answer(scripted, in_turn) -> None:
    lm = scripted(in_turn("5", "9", "6"))
    answer = BestOf(numbers(lm), 3, lambda question, answer: -abs(answer.value - int(question)))("7")
    assert (answer.value, answer.note) == (6, "best of 3 by score: -1.000")


def test_sum_and_mean_of_log_probabilities(scripted, in_turn, told) -> None:
    texts = [told(("4", -1.0)), told(("1", -0.6), ("2", -0.6), ("3", -0.6)), told(("9", -3.0))]
    by_sum = BestOf(numbers(scripted(in_turn(*texts))), 3, "sum")("?")
    assert (by_sum.value, by_sum.note) == (4, "best of 3 by sum log-probability: -1.000")
    by_mean = BestOf(numbers(scripted(in_turn(*texts))), 3, "mean")("?")
    assert (by_mean.value, by_mean.note) == (123, "best of 3 by mean log-probability: -0.600")


def test_by_score_an_answer_that_cannot_be_read_loses(scripted, in_turn, told) -> None:
    texts = [told(("dunno", -0.1)), told(("4", -5.0))]
    assert BestOf(numbers(scripted(in_turn(*texts))), 2, "sum")("?").value == 4


def test_samples_differ(scripted) -> None:
    lm = scripted(lambda prompt, seed: str(seed))
    BestOf(numbers(lm), 3, lambda q, a: 0.0)("?")
    assert len({sampling.seed for sampling in lm.samplings}) == 3
    assert {sampling.temperature for sampling in lm.samplings} == {0.7}


def test_errors_are_the_users_words(scripted) -> None:
    inner = numbers(scripted(lambda prompt, seed: "1"))
    with pytest.raises(UserError, match="scripted gives no log-probabilities"):
        BestOf(inner, 2, "sum")("?")
    with pytest.raises(UserError, match="nan"):
        BestOf(inner, 2, lambda q, a: float("nan"))("?")
    with pytest.raises(UserError, match="unknown judge"):
        BestOf(inner, 2, "median")
    with pytest.raises(UserError, match="at least 1"):
        BestOf(inner, 0, "sum")
    with pytest.raises(UserError, match="alike"):
        BestOf(inner, 2, "sum", temperature=0)
