import pytest

from cygnet.errors import UserError
from cygnet.lm.base import Reply
from cygnet.techniques import ChainOfThought, Document, Example, FewShotChainOfThought, Plain, one_of

REASONED = [Example("2 + 3?", "5", "2 and 3 more are 5.")]


def test_zero_shot_reasons_and_then_extracts(scripted, in_turn) -> None:
    lm = scripted(in_turn("3 and 4 more are 7, not 6.", "7."))
    answer = ChainOfThought(lm)("3 + 4?")
    extract = "Therefore, the answer (arabic numerals) is"
    assert lm.prompts == [
        "user: 3 + 4?\nLet's think step by step.",
        "user: 3 + 4?\nLet's think step by step.\nassistant: 3 and 4 more are 7, not 6.\nuser: " + extract,
    ]
    assert answer.value == 7
    assert answer.text == f"3 and 4 more are 7, not 6.\n{extract} 7."
    assert [entry.name for entry in answer.trace] == ["think", "extract"]


def test_a_base_model_has_the_words_put_into_its_mouth(scripted, in_turn) -> None:
    lm = scripted(in_turn(" It is 3 + 4 = 7.", " 7.\nNext: 8"))
    assert ChainOfThought(lm, Document())("3 + 4?").value == 7
    assert lm.prompts == [
        "Q: 3 + 4?\nA: Let's think step by step.",
        "Q: 3 + 4?\nA: Let's think step by step. It is 3 + 4 = 7. Therefore, the answer (arabic numerals) is",
    ]


def test_other_kinds_of_answer_replace_extract_and_parse(scripted, in_turn) -> None:
    lm = scripted(in_turn("A is wrong.", "(B)"))
    technique = ChainOfThought(lm, extract="Therefore, among A and B, the answer is", parse=one_of("AB"))
    assert technique("Which?").value == "B"
    assert lm.prompts[1].endswith("user: Therefore, among A and B, the answer is")


def test_reasoning_that_was_cut_off_is_noted(scripted) -> None:
    lm = scripted(lambda prompt, seed: "7" if "Therefore" in prompt else Reply("First", "length"))
    assert "cut off" in ChainOfThought(lm)("3 + 4?").note


def test_examples_reason_before_they_answer(scripted) -> None:
    lm = scripted(lambda prompt, seed: "3 and 4 more are 7. The answer is 7.")
    answer = FewShotChainOfThought(lm, REASONED)("3 + 4?")
    assert lm.prompts == ["user: 2 + 3?\nassistant: 2 and 3 more are 5. The answer is 5.\nuser: 3 + 4?"]
    assert answer.value == 7
    assert answer.usage.calls == 1


def test_an_answer_without_the_words_of_the_examples_has_no_value(scripted) -> None:
    assert FewShotChainOfThought(scripted(lambda prompt, seed: "I counted 9."), REASONED)("3 + 4?").value is None


def test_examples_that_cannot_teach_the_form_are_refused(scripted) -> None:
    lm = scripted(lambda prompt, seed: "")
    with pytest.raises(UserError, match="example 2 has no reasoning"):
        FewShotChainOfThought(lm, [*REASONED, Example("1 + 1?", "2")])
    with pytest.raises(UserError, match="can't read the answer of example 1"):
        FewShotChainOfThought(lm, [Example("Who?", "Ann", "She did.")])
    with pytest.raises(UserError, match="no hole"):
        FewShotChainOfThought(lm, REASONED, shown="The answer is {answer}.")
    assert Plain(lm)("x").value is None
