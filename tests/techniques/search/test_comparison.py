from dataclasses import replace
from random import Random

import pytest

from cygnet.errors import UserError
from cygnet.intervals import paired
from cygnet.lm.base import Reply, Usage
from cygnet.techniques import Answer, Ask, Plain, last_number
from cygnet.techniques.search import BeamSearch, Problem, Row, as_lines, compare, thoughts


def value(state: str):
    [[reply]] = yield [Ask(f"value {state}")]
    return float(reply.text)


# A digit at a time to the question's number; the model knows which ones are right.
NUMBERS = Problem(
    start=lambda question: f"{question}:",
    propose=lambda state: [state + digit for digit in "0123456789"] if len(state) < 7 else [],
    value=value,
    done=lambda state: state.split(":")[0] == state.split(":")[1],
    answer=lambda state: Answer(int(state.split(":")[1] or 0), state),
)
TOKENS_OF_AN_ANSWER = 7


def model(scripted):
    def script(prompt: str, seed: int) -> str | Reply:
        if prompt.startswith("value"):
            number, typed = prompt.removeprefix("value ").split(":")
            return "1" if number.startswith(typed) else "0"
        return Reply(str(seed % 1000), "stop", Usage(40, TOKENS_OF_AN_ANSWER, calls=1))

    return scripted(script)


def check(question: str, answer: Answer) -> str | None:
    return None if answer.value == int(question) else "wrong"


def rows(scripted, questions, **settings) -> list[Row]:
    lm = model(scripted)
    return compare(BeamSearch(lm, NUMBERS, width=1), Plain(lm, parse=last_number), check, questions, **settings)


QUESTIONS = [str(number) for number in range(100, 1000, 37)]


def test_three_rows_on_the_same_questions_with_the_same_checker(scripted) -> None:
    searched, control, sampled = rows(scripted, QUESTIONS)
    assert searched.accuracy == 1
    assert control.accuracy < 0.5
    assert sampled.accuracy < 0.5
    assert control.usage.tokens == 0  # random values ask nothing
    assert (searched.name, control.name) == ("search", "search with random values")


def test_best_of_k_gets_the_searchs_tokens_and_at_most_one_answer_to_each_more(scripted) -> None:
    searched, _, sampled = rows(scripted, QUESTIONS)
    assert searched.usage.tokens <= sampled.usage.tokens < searched.usage.tokens + TOKENS_OF_AN_ANSWER * len(QUESTIONS)
    assert sampled.usage.prompt_tokens == 40 * len(QUESTIONS)  # a prompt counts once, however often it was sent
    drawn = sampled.usage.calls / len(QUESTIONS)
    assert sampled.name == f"best of k, {drawn:.1f} drawn each"


def test_a_question_that_is_right_is_not_drawn_again(scripted) -> None:
    lm = model(scripted)
    everything = compare(BeamSearch(lm, NUMBERS), Plain(lm), lambda question, answer: None, QUESTIONS)[2]
    assert everything.accuracy == 1
    assert everything.usage.calls == len(QUESTIONS)


def test_greedy_samplers_are_warmed_and_draws_differ(scripted) -> None:
    lm = model(scripted)
    compare(BeamSearch(lm, NUMBERS), Plain(lm, parse=last_number), check, QUESTIONS[:1], temperature=0.9)
    drawn = [sampling for prompt, sampling in zip(lm.prompts, lm.samplings, strict=True) if prompt.startswith("user")]
    assert {sampling.temperature for sampling in drawn} == {0.9}
    assert len({sampling.seed for sampling in drawn}) == len(drawn) > 1


def test_a_search_that_spends_nothing_is_compared_with_one_answer_each(scripted) -> None:
    lm = model(scripted)
    free = BeamSearch(lm, replace(NUMBERS, value=lambda state: 0.0))
    assert compare(free, Plain(lm, parse=last_number), check, QUESTIONS[:3])[2].usage.calls == 3


@pytest.mark.parametrize("reads_again", [False, True])
def test_a_search_that_is_best_of_eight_is_worth_no_more_than_best_of_k(scripted, reads_again: bool) -> None:
    """The first of n replies reads their prompt; a server that must be asked singly reads it for each."""

    class Reader(scripted):
        def generate(self, prompts, sampling, n=1):
            replies = super().generate(prompts, sampling, n)
            return [
                [replace(r, usage=Usage(0 if i and not reads_again else 200, 5)) for i, r in enumerate(several)]
                for several in replies
            ]

    lm = Reader(lambda prompt, seed: str(Random(seed).randrange(50)))
    drawn = thoughts(
        as_lines(), value=lambda chain: 0.5, done=lambda chain: chain.thoughts[-1:] == ("7",), k=8, depth=1, parse=str
    )
    questions = [f"q{number}" for number in range(600)]
    seven = lambda question, answer: None if answer.value == "7" else "wrong"  # noqa: E731
    searched, control, sampled = compare(BeamSearch(lm, drawn), Plain(lm, parse=str), seven, questions)
    expected = 1 - 0.98**8
    assert searched.accuracy == control.accuracy == pytest.approx(expected, abs=0.045)  # 3 standard errors
    assert sampled.accuracy == pytest.approx(expected, abs=0.06)  # an answer to each more, at most
    assert searched.usage.tokens == 600 * (200 + 8 * 5)


def test_the_interval_is_wilsons() -> None:
    low, high = Row("", (True,) * 15 + (False,) * 5, Usage()).interval
    assert (low, high) == (pytest.approx(0.5313, abs=1e-4), pytest.approx(0.8881, abs=1e-4))
    none = Row("", (False,) * 10, Usage()).interval
    assert none[0] == pytest.approx(0)
    assert none[1] == pytest.approx(0.2775, abs=1e-4)


def test_a_row_tells_how_far_the_search_is_ahead_on_the_same_questions(scripted) -> None:
    searched, control, sampled = rows(scripted, QUESTIONS)
    assert searched.lead is None
    low, high = sampled.lead
    assert 0.5 < low < high <= 1
    assert control.lead == paired(searched.right, control.right, seed=0)
    rivals = [
        Row("", (True, False) * 40, Usage(), (True, False) * 40),
        Row("", (False, True) * 40, Usage(), (True, False) * 40),
    ]
    (alike_low, alike_high), (apart_low, apart_high) = (row.lead for row in rivals)  # as accurate, both
    assert -0.1 < alike_low < 0 < alike_high < 0.1
    assert apart_low < -0.15 < 0.15 < apart_high


def test_a_row_can_be_printed() -> None:
    text = str(Row("best of k", (True, False) * 50, Usage(), (True, True) * 50))
    assert text.startswith("best of k: 50.0% [40.4%, 59.6%]")
    assert "; the search leads it by +50.0 points [+3" in text
    assert str(Row("search", (True, False), Usage(20, 10))) == (
        "search: 50.0% [9.5%, 90.5%], 10 tokens read and 5 written each"
    )


def test_what_cannot_be_compared_is_refused(scripted) -> None:
    lm, other = model(scripted), model(scripted)
    with pytest.raises(UserError, match="no questions"):
        compare(BeamSearch(lm, NUMBERS), Plain(lm), check, [])
    with pytest.raises(UserError, match="one model"):
        compare(BeamSearch(lm, NUMBERS), Plain(other), check, ["1"])
    free = scripted(lambda prompt, seed: Reply("1", "stop"))
    with pytest.raises(UserError, match="no tokens"):
        compare(BeamSearch(free, replace(NUMBERS, value=lambda state: 0.0)), Plain(free), lambda q, a: "wrong", ["1"])
