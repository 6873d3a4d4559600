from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.tasks import FAMILIES, Exercise, bare_reply, worked_reply
from cygnet.feedback.rubric import WEIGHTS, RubricJudge, gold, judge
from cygnet.stages.conversations import reply_messages
from cygnet.tokens.chat import render, response_text
from cygnet.tokens.tokenizer import Tokenizer

SUM = Exercise("addition", "addition 47 35", "What is 47 + 35?", "82", ("ones: 7 + 5 = 12", "tens: 4 + 3 + 1 = 8"))
GOOD = "ones: 7 + 5 = 12\ntens: 4 + 3 + 1 = 8\nAnswer: 82"
PRODUCT = Exercise("tool", "tool 123 45", "What is 123 * 45?", "5535", tool="123 * 45")
CALL = "<|python|>123 * 45<|end|><|tool|>5535<|end|><|assistant|>"
FACT = Exercise(
    "passage", "p", "What does Bob have?", "7 cups", ("Bob has 7 cups.",), "Bob has 7 cups. Ada has 2 hats."
)


def written(exercise: Exercise, tokenizer: Tokenizer, style: str = "careful") -> str:
    """All that an assistant of that style and its tool write."""
    ids = render(reply_messages(exercise, style, Random(0)), tokenizer).ids
    return response_text(ids[2:], tokenizer)  # without the marks at which the assistant begins


@pytest.mark.parametrize("family", FAMILIES)
@given(seed=st.integers(0, 10**6), in_json=st.booleans())
def test_a_careful_answer_has_full_marks_and_others_do_not(
    tokenizer: Tokenizer, family: str, seed: int, in_json: bool
) -> None:
    exercise = FAMILIES[family][0](Random(seed))
    if in_json and exercise.labeled and not exercise.tool:
        exercise = exercise.in_json()
    assert judge(exercise, written(exercise, tokenizer)).total == pytest.approx(1.0)
    bare = judge(exercise, bare_reply(exercise))
    assert bare.correct == 1
    assert (bare.total == pytest.approx(1.0)) == (not exercise.steps and not exercise.tool)
    wrong = judge(exercise, written(replace(exercise, answer=exercise.answer + "!"), tokenizer))
    assert wrong.correct == 0
    assert wrong.total <= 0.5 + 1e-9
    chatty = written(exercise, tokenizer, "chatty")
    assert judge(exercise, chatty).total < 1


@pytest.mark.parametrize("family", FAMILIES)
@given(seed=st.integers(0, 100), response=st.text() | st.sampled_from(["{}", '{"steps": 1}', "Answer: ", CALL, "\n"]))
def test_any_response_has_a_mark_from_0_to_1(family: str, seed: int, response: str) -> None:
    exercise = FAMILIES[family][0](Random(seed))
    for form in (exercise, exercise.in_json()):
        for finished in (True, False):
            verdict = judge(form, response, finished)
            assert all(0 <= mark <= 1 for mark in verdict)
            assert 0 <= verdict.total <= 1 + 1e-9


def test_the_weights_are_shares_and_being_right_counts_most() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    assert WEIGHTS["correct"] == max(WEIGHTS.values()) >= 0.5
    verdict = judge(SUM, "Answer: 82")
    assert verdict.total == pytest.approx(1 - WEIGHTS["steps"])


def test_an_answer_that_never_ends_is_not_right() -> None:
    cut = judge(SUM, GOOD, finished=False)
    assert (cut.correct, cut.well_formed) == (0, 0)
    assert cut.steps == 1


@pytest.mark.parametrize(
    ("response", "mark"),
    [
        (GOOD, 1),
        ("Answer: 82", 0),
        ("ones: 7 + 5 = 12\nAnswer: 82", 0.5),
        ("tens: 4 + 3 + 1 = 8\nAnswer: 82", 0),
        ("tens: 4 + 3 + 1 = 8\nones: 7 + 5 = 12\nAnswer: 82", 0.5),  # in the wrong order, the first counts
        ("ones: 7 + 5 = 13\ntens: 4 + 3 + 1 = 8\nAnswer: 82", 0),
        ("Let me see.\n" + GOOD, 1),
    ],
)
def test_steps_are_counted_in_order(response: str, mark: float) -> None:
    assert judge(SUM, response).steps == mark


@pytest.mark.parametrize(
    ("response", "mark"),
    [
        (CALL + "Answer: 5535", 1),
        ("Answer: 5535", 0),
        ("<|python|>123 * 54<|end|><|tool|>6642<|end|><|assistant|>Answer: 5535", 0),
    ],
)
def test_a_tool_must_be_asked_for_the_right_thing(response: str, mark: float) -> None:
    verdict = judge(PRODUCT, response)
    assert verdict.steps == mark
    assert verdict.correct == 1


def test_a_turn_that_the_assistant_made_up_earns_nothing() -> None:
    verdict = judge(PRODUCT, "bananas<|end|><|assistant|>Answer: 5535")
    assert (verdict.correct, verdict.well_formed, verdict.steps) == (0, 0, 0)


@pytest.mark.parametrize(
    ("response", "well_formed"),
    [
        (GOOD, True),
        ("Answer: 82", True),
        (GOOD + "\nI hope that helps!", False),
        ("Answer: 81\nAnswer: 82", False),
        ("82", False),
        ("", False),
    ],
)
def test_text_ends_in_one_labeled_answer(response: str, well_formed: bool) -> None:
    assert judge(SUM, response).well_formed == well_formed


@pytest.mark.parametrize(
    ("response", "well_formed"),
    [
        ('{"answer": "82"}', True),
        ('{"steps": ["ones"], "answer": "82"}', True),
        ('{"steps": ["ones"]}', False),
        ('{"answer": "82", "mood": "good"}', False),
        ('Sure! {"answer": "82"}', False),
        (GOOD, False),
    ],
)
def test_json_is_one_object_with_the_keys_asked_for(response: str, well_formed: bool) -> None:
    assert judge(SUM.in_json(), response).well_formed == well_formed


def test_steps_in_json_are_counted_too() -> None:
    exercise = SUM.in_json()
    assert judge(exercise, worked_reply(exercise)).steps == 1
    assert judge(exercise, '{"steps": ["ones: 7 + 5 = 12"], "answer": "82"}').steps == 0.5
    assert judge(exercise, '{"steps": "ones", "answer": "82"}').steps == 0


def test_conciseness_falls_with_length() -> None:
    marks = [judge(SUM, GOOD + " very" * words).concise for words in range(0, 60, 4)]
    assert marks[0] == 1
    assert marks[-1] == 0
    assert marks == sorted(marks, reverse=True)
    assert judge(PRODUCT, CALL + "Answer: 5535").concise == 1  # the tool's turn is allowed for


@pytest.mark.parametrize(
    ("reply", "grounded"),
    [
        ("Answer: 7 cups", True),
        ("Answer: 2 hats", True),  # wrong, but out of the passage
        ("Answer: 8 cups", False),
        ("7 cups", False),
        ("Answer: ", False),
    ],
)
def test_an_answer_to_a_passage_stands_in_it(reply: str, grounded: bool) -> None:
    verdict = judge(FACT, reply)
    assert verdict.grounded == grounded
    assert verdict.correct == (reply == "Answer: 7 cups")
    assert judge(SUM, reply).grounded == 1  # where there is no passage, there is nothing to stand in


def test_a_refusal_is_the_whole_reply() -> None:
    exercise = FAMILIES["untaught"][0](Random(1))
    assert judge(exercise, exercise.answer).total == pytest.approx(1)
    assert judge(exercise, "Sorry!\n" + exercise.answer).well_formed == 0
    assert judge(exercise, "Paris.").correct == 0


def test_gold_reads_the_exercise_out_of_a_row() -> None:
    row = {"exercise": SUM.to_json()}
    assert gold(row, GOOD) == pytest.approx(1)
    assert gold(row, GOOD, finished=False) == judge(SUM, GOOD, finished=False).total


def test_the_judge_prefers_the_higher_mark_whatever_the_order() -> None:
    row = {"exercise": SUM.to_json()}
    judges = RubricJudge()
    assert judges.compare(row, GOOD, "Answer: 82") == 1
    assert judges.compare(row, "Answer: 82", GOOD) == 0
    assert judges.compare(row, GOOD, GOOD) == 0.5
    assert judges.compare(row, "Answer: 81", "Answer: 80") == 0.5
