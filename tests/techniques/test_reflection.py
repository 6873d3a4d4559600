import pytest

from cygnet.errors import UserError
from cygnet.techniques import Answer, BestOf, ChainOfThought, Plain, Reflect, Vote, last_number


def seven(question: str, answer: Answer) -> str | None:
    return None if answer.value == 7 else f"{answer.value} is not the sum"


def test_what_the_checker_accepts_is_left_alone(scripted) -> None:
    lm = scripted(lambda prompt, seed: "7")
    answer = Reflect(Plain(lm, parse=last_number), seven)("3 + 4?")
    assert (answer.value, answer.note) == (7, "accepted after no revisions")
    assert lm.calls == 1


def test_what_it_rejects_is_revised_and_told_why(scripted, in_turn) -> None:
    lm = scripted(in_turn("It is 6", "Then it is 7"))
    answer = Reflect(Plain(lm, parse=last_number), seven, rounds=3)("3 + 4?")
    assert (answer.value, answer.note) == (7, "accepted after 1 revision")
    assert lm.prompts[1] == (
        "user: 3 + 4?\nassistant: It is 6\n"
        "user: That is not right: 6 is not the sum\nCorrect it, and give the whole answer again."
    )
    named = [(entry.name, entry.texts[0]) for entry in answer.trace]
    assert named[1:] == [("check", "6 is not the sum"), ("revise", "Then it is 7"), ("check", "accepted")]
    assert answer.usage.calls == 2


def test_the_instructions_that_came_with_the_question_are_repeated(scripted, in_turn) -> None:
    lm = scripted(in_turn("6", "7"))
    Reflect(Plain(lm, template="Add.\n{question}", parse=last_number), seven)("3 + 4?")
    assert lm.prompts[1].startswith("user: Add.\n3 + 4?\nassistant: 6\n")


def test_an_answer_rejected_to_the_end_says_so(scripted, in_turn) -> None:
    lm = scripted(in_turn("5", "6", "8"))
    answer = Reflect(Plain(lm, parse=last_number), seven, rounds=2)("3 + 4?")
    assert (answer.value, answer.note) == (8, "rejected after 2 revisions: 8 is not the sum")


def test_without_a_checker_the_model_is_asked_and_nothing_is_verified(scripted, in_turn) -> None:
    lm = scripted(in_turn("6", "No, I miscounted.", "7"))
    answer = Reflect(Plain(lm, parse=last_number))("3 + 4?")
    assert answer.value == 7
    assert answer.note == "no checker: unverified after 1 revision"
    assert lm.prompts[2] == (
        "user: 3 + 4?\nassistant: 6\nuser: Did you meet the assignment? Begin with Yes or No. If No, say what is wrong."
        "\nassistant: No, I miscounted.\nuser: Correct it, and give the whole answer again."
    )


def test_a_model_that_is_content_keeps_its_answer(scripted, in_turn) -> None:
    lm = scripted(in_turn("6", "**Yes**, I did."))
    answer = Reflect(Plain(lm, parse=last_number), rounds=3)("3 + 4?")
    assert (answer.value, lm.calls) == (6, 2)
    assert answer.note == "no checker: unverified after no revisions"


def test_the_model_reflects_on_its_reasoning(scripted, in_turn) -> None:
    lm = scripted(in_turn("3 and 4 are 6.", "6", "3 and 4 are 7."))
    assert Reflect(ChainOfThought(lm), seven)("3 + 4?").value == 7
    assert "assistant: 3 and 4 are 6." in lm.prompts[2]


def test_reflection_composes(scripted) -> None:
    lm = scripted(lambda prompt, seed: "7" if "not right" in prompt else "6")
    answer = BestOf(Reflect(Plain(lm, parse=last_number), seven), 2, seven)("3 + 4?")
    assert answer.value == 7
    assert answer.note == "accepted after 1 revision; 2 of 2 accepted"
    assert [len(batch) for batch in lm.batches] == [2, 2]
    assert answer.usage.calls == 4


def test_an_inner_technique_that_does_not_say_how_to_parse_needs_a_parser(scripted, in_turn) -> None:
    vote = Vote(Plain(scripted(in_turn("6", "7")), parse=last_number), 1)
    with pytest.raises(UserError, match="give Reflect a `parse`"):
        Reflect(vote, seven)
    assert Reflect(vote, seven, parse=last_number)("3 + 4?").value == 7


@pytest.mark.parametrize("wrong", [{"rounds": 0}, {"rejected": "No!"}])
def test_reflections_that_make_no_sense_are_refused(scripted, wrong: dict) -> None:
    with pytest.raises(UserError):
        Reflect(Plain(scripted(lambda prompt, seed: "1")), **wrong)
