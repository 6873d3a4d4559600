import pytest

from cygnet.errors import UserError
from cygnet.lm.base import Token
from cygnet.techniques import ChainOfThought, Disagreement, LowMargin, Plain, Route, Vote, last_number


def sure(told, text: str):
    return told((text, -0.01), runner_up=-5.0)


def unsure(told, text: str):
    return told((text, -0.7), runner_up=-0.8)


def fast_and_slow(lm) -> tuple[Plain, Vote]:
    return Plain(lm, parse=last_number), Vote(ChainOfThought(lm), 3, first=3)


def thinking(fast):
    """A script: 8 when it thinks step by step, otherwise what is given."""
    return lambda prompt, seed: "8" if "step by step" in prompt else fast


def test_a_sure_answer_stays(scripted, told) -> None:
    lm = scripted(thinking(sure(told, "7")))
    answer = Route(*fast_and_slow(lm))("3 + 4?")
    assert (answer.value, answer.note) == (7, "fast: margin 4.99")
    assert lm.calls == 1
    assert lm.samplings[0].temperature == 0


def test_a_close_call_is_thought_over(scripted, told) -> None:
    lm = scripted(thinking(unsure(told, "7")))
    answer = Route(*fast_and_slow(lm))("3 + 4?")
    assert (answer.value, answer.note) == (8, "slow: margin 0.10; 3 of 3 votes")
    assert answer.usage.calls == lm.calls == 1 + 3 * 2


def test_the_smallest_margin_counts_and_a_less_likely_choice_is_the_closest_call(scripted, told) -> None:
    text = [*told(("1", -0.01)), *told(("7", -2.0), runner_up=-0.2)]
    text[1] = type(text[1])("7", -2.0, (("9", -0.2), ("7", -2.0)))
    answer = Route(*fast_and_slow(scripted(thinking(text))), LowMargin(below=0))("3 + 4?")
    assert answer.note.startswith("slow: margin -1.80")


def test_an_answer_that_cannot_be_read_is_doubted_however_sure(scripted, told) -> None:
    answer = Route(*fast_and_slow(scripted(thinking(sure(told, "dunno")))))("3 + 4?")
    assert answer.value == 8


def test_margins_need_a_model_that_tells_them(scripted) -> None:
    with pytest.raises(UserError, match="Disagreement"):
        Route(*fast_and_slow(scripted(thinking("7"))))("3 + 4?")


def test_what_a_tool_wrote_was_no_choice(scripted, told) -> None:
    certain, called = sure(told, "7")[0], Token("42", 0.0)
    answer = Route(*fast_and_slow(scripted(thinking([called, certain]))))("3 + 4?")
    assert (answer.value, answer.note) == (427, "fast: margin 4.99")


@pytest.mark.parametrize(
    ("texts", "value", "note"),
    [
        (["7", "6", "7", "7", "5"], 7, "fast: 3 of 5 agree"),
        (["7", "6", "7", "dunno", "5"], 8, "slow: 2 of 5 agree; 3 of 3 votes"),
        (["dunno"] * 5, 8, "slow: 0 of 5 agree; 3 of 3 votes"),
    ],
)
def test_a_majority_below_half_is_thought_over(scripted, in_turn, texts, value, note) -> None:
    quick = in_turn(*texts)
    lm = scripted(lambda prompt, seed: "8" if "step by step" in prompt else quick(prompt, seed))
    answer = Route(*fast_and_slow(lm), Disagreement(5))("3 + 4?")
    assert (answer.value, answer.note) == (value, note)
    assert len(lm.batches[0]) == 5


def test_exactly_half_is_a_majority_by_the_papers_rule(scripted, in_turn) -> None:
    lm = scripted(in_turn("7", "6", "7", "5"))
    assert Route(*fast_and_slow(lm), Disagreement(4))("3 + 4?").note == "fast: 2 of 4 agree"


def test_a_budget_breaks_the_slow_way_off_and_keeps_the_fast_answer(scripted, told) -> None:
    lm = scripted(thinking(unsure(told, "7")))
    slow = fast_and_slow(lm)[1]
    calls = set()
    for budget in range(1, 10_000, 300):
        answer = Route(*fast_and_slow(lm), budget=budget)("3 + 4?")
        fast = Plain(lm)("3 + 4?").usage.tokens
        assert answer.usage.tokens <= max(budget, fast)
        calls.add(answer.usage.calls)
        if answer.value == 7:
            assert answer.note.startswith("fast: margin 0.10; slow way broken off: ")
    assert calls == {1, 7}  # whatever has room for the thoughts at their worst has room for the answers
    assert (answer.value, answer.usage.calls) == (8, 1 + slow("3 + 4?").usage.calls)
    lm.batches.clear()
    assert Route(*fast_and_slow(lm), budget=1)("3 + 4?").value == 7
    assert lm.calls == 1


def test_a_budget_is_each_questions_own(scripted, told) -> None:
    lm = scripted(thinking(unsure(told, "7")))
    answers = Route(*fast_and_slow(lm), budget=10_000).run(["3 + 4?"] * 30)
    assert [answer.value for answer in answers] == [8] * 30


def test_routes_that_make_no_sense_are_refused(scripted) -> None:
    one, other = (scripted(lambda prompt, seed: "1", name=name) for name in ("one", "other"))
    with pytest.raises(UserError, match="one model, not one and other"):
        Route(Plain(one), Plain(other))
    with pytest.raises(UserError, match="budget"):
        Route(Plain(one), Plain(one), budget=0)
    with pytest.raises(UserError, match="3 or more"):
        Disagreement(2)
    with pytest.raises(UserError, match="agree"):
        Disagreement(5, temperature=0)
