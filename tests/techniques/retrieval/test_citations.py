import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.techniques.retrieval.citations import check_citations, cited_numbers, says, without_citations

PASSAGES = {1: "The Rhine is *1,233 km* long\nand ends in the sea.", 2: "Swans are white birds of lakes."}


@pytest.mark.parametrize(
    "text",
    [
        "It is 1233 km long [1].",
        "“the rhine is 1,233 km long” [1]",
        'It says "Swans are white birds" and more [2]; also “ends in the sea” [1, 2].',
        "«Swans … of lakes», says one of them.",
        "The “white bird” [2] is a name, no quotation.",
        "You asked “who sings this song”?",
        "",
    ],
)
def test_good_citations_pass(text: str) -> None:
    assert check_citations(text, PASSAGES, "who sings this song") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("It is long [3].", "[3] is no passage"),
        ("It is long [1; 7].", "[7] is no passage"),
        ("“The Rhine is 900 km long” [1]", "“The Rhine is 900 km long” does not stand in passage 1"),
        ("“Swans are white birds” [1]", "does not stand in passage 1"),
        ("“Swans are black birds”, I think.", "does not stand in any passage"),
        ("“white birds … Swans are black”", "does not stand in any passage"),
        ("“Swans are green birds” [9]", "does not stand in passage 9"),
    ],
)
def test_bad_citations_are_told(text: str, problem: str) -> None:
    assert any(problem in found for found in check_citations(text, PASSAGES))


def test_numbers_come_once_in_order_and_can_be_taken_out() -> None:
    assert cited_numbers("a [2]. b [1, 2], c[3]; x[i] [10 %]") == [2, 1, 3]
    assert without_citations("It is 7 km [2], or 8[1, 3].") == "It is 7 km, or 8."


@given(st.text(st.sampled_from('ab [1],;2“”"«»…\n'), max_size=60))
def test_any_text_can_be_checked(text: str) -> None:
    numbers = cited_numbers(text)
    assert len(numbers) == len(set(numbers))
    told = [problem for problem in check_citations(text, PASSAGES) if problem.endswith("is no passage")]
    assert told == [f"[{number}] is no passage" for number in numbers if number not in PASSAGES]


def test_says_compares_whole_words() -> None:
    assert says("He was born in 1823, in Rosaby.", "born in 1823")
    assert not says("He was born in 18234.", "1823")
    assert says("首都は東京です", "東京")
    assert says("a + b", "+")
    assert not says("a - b", "+")
