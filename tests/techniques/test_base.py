import threading
from dataclasses import dataclass

import pytest

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.techniques import Answer, Ask, BestOf, ChainOfThought, Plain, Program, Technique, Vote, step, together


@dataclass
class Chain(Technique):
    """Asks as often as the question has words, one after the other."""

    lm: LanguageModel

    def program(self, question: str) -> Program:
        said = []
        for word in question.split():
            [[reply]] = yield [Ask(word)]
            said.append(reply.text)
        return Answer(tuple(said), said[-1])


@dataclass
class Both(Technique):
    """Two programs side by side inside a third."""

    lm: LanguageModel

    def program(self, question: str) -> Program:
        answers = yield from together([Chain(self.lm).solve(half) for half in question.split("|")])
        return Answer([answer.value for answer in answers], answers[-1].text)


@dataclass
class Once(Technique):
    """Yields the asks it is given and returns the replies."""

    lm: LanguageModel
    asks: list

    def program(self, question: str) -> Program:
        replies = yield self.asks
        return Answer([[reply.text for reply in several] for several in replies], "")


def seeds(prompt: str, seed: int) -> str:
    return f"{prompt}{seed}"


def test_programs_of_unequal_length_share_batches_and_answer_in_order(scripted) -> None:
    lm = scripted(lambda prompt, seed: prompt.upper())
    answers = Chain(lm).run(["a b c", "d", "e f"])
    assert [answer.value for answer in answers] == [("A", "B", "C"), ("D",), ("E", "F")]
    assert lm.batches == [["a", "d", "e"], ["b", "f"], ["c"]]


def test_an_answer_does_not_depend_on_what_else_is_in_the_batch(scripted) -> None:
    technique = Chain(scripted(seeds))
    alone = technique.run(["a b"], seed=3)[0]
    assert technique.run(["a b", "c", "d e f"], seed=3)[0].value == alone.value
    assert technique.run(["c d e f", "a b"], seed=3)[1].value == technique.run(["x", "a b"], seed=3)[1].value


def test_seeds_differ_by_run_place_round_and_own_seed(scripted) -> None:
    technique = Chain(scripted(lambda prompt, seed: str(seed)))
    runs = [technique.run(["a a", "a a"], seed) for seed in (0, 1)]
    found = [value for run in runs for answer in run for value in answer.value]
    assert len(set(found)) == 8
    assert [answer.value for answer in technique.run(["a a", "a a"], 1)] == [answer.value for answer in runs[1]]
    asks = [[Ask("a", Sampling(seed=seed))] for seed in (0, 1)]
    first, second = (Once(technique.lm, ask)("q").value for ask in asks)
    assert first != second


def test_samples_drawn_together_have_seeds_of_their_own(scripted) -> None:
    lm = scripted(lambda prompt, seed: str(seed))
    values = Both(lm)("a a|a a|a a").value
    assert len({value for several in values for value in several}) == 6


def test_asks_of_one_round_go_out_by_how_many_replies_they_want_and_come_back_in_order(scripted) -> None:
    lm = scripted(lambda prompt, seed: prompt)
    asks = [Ask("two", n=2), Ask("one"), step("note", "seen"), Ask("text", continuation=" more"), Ask("uno")]
    answer = Once(lm, asks)("q")
    assert answer.value == [["two", "two"], ["one"], [], [" more"], ["uno"]]
    assert lm.batches == [["text"], ["one", "uno"], ["two"]]
    assert [(entry.name, entry.texts) for entry in answer.trace][2:4] == [("note", ("seen",)), ("ask", (" more",))]


def test_usage_is_counted_once_however_deep_the_nesting(scripted) -> None:
    lm = scripted(lambda prompt, seed: "so 7")
    answer = BestOf(Vote(ChainOfThought(lm), 2, first=2), 3, lambda question, answer: 1.0)("what is it")
    assert lm.calls == 3 * 2 * 2
    assert answer.usage.calls == lm.calls
    assert answer.usage.prompt_tokens == sum(len(prompt.split()) for prompt in lm.prompts)
    assert answer.usage.completion_tokens == 2 * lm.calls
    assert sum(entry.usage.calls for entry in answer.trace) == lm.calls
    assert [entry.name for entry in answer.trace] == ["think"] * 6 + ["extract"] * 6 + ["judge"] * 3


def test_an_inner_answer_has_its_own_usage_and_trace(scripted) -> None:
    seen = []

    @dataclass
    class Outer(Technique):
        lm: LanguageModel

        def program(self, question: str) -> Program:
            answers = yield from together([Plain(self.lm).solve(q) for q in ("one", "two words")])
            seen.extend(answers)
            [[last]] = yield [Ask("end")]
            return Answer(None, last.text)

    whole = Outer(scripted(lambda prompt, seed: "x"))("q")
    assert [answer.usage.calls for answer in seen] == [1, 1]
    assert [answer.usage.prompt_tokens for answer in seen] == [2, 3]  # "user: ..."
    assert [entry.prompt for answer in seen for entry in answer.trace] == [entry.prompt for entry in whole.trace[:2]]
    assert whole.usage.calls == 3


@pytest.mark.parametrize("local", [True, False])
def test_an_error_of_the_model_reaches_the_caller(scripted, local: bool) -> None:
    def script(prompt: str, seed: int) -> str:
        if "long" in prompt:
            raise UserError("the prompt is too long")
        return "fine"

    with pytest.raises(UserError, match="too long"):
        Vote(Plain(scripted(script, local=local)), 3).run(["short", "long"])


def test_programs_on_an_endpoint_run_in_parallel_threads_and_do_not_wait_for_each_other(scripted) -> None:
    meeting = threading.Barrier(4, timeout=600)

    def script(prompt: str, seed: int) -> str:
        meeting.wait()  # passes only when four programs are in the model at once
        return prompt

    lm = scripted(script, local=False)
    answers = Plain(lm).run(["a", "b", "c", "d"])
    assert [answer.value for answer in answers] == [f"user: {letter}" for letter in "abcd"]
    assert len(lm.threads) == 4
    assert all(len(batch) == 1 for batch in lm.batches)


def test_no_questions_ask_nothing(scripted) -> None:
    lm = scripted(seeds)
    assert Plain(lm).run([]) == []
    assert lm.calls == 0


def test_equal_asks_of_one_round_are_answered_each_on_its_own(scripted) -> None:
    lm = scripted(lambda prompt, seed: str(seed))
    [first], [second] = Once(lm, [Ask("a"), Ask("a")])("q").value
    assert first != second


def test_on_an_endpoint_too_an_answer_depends_on_seed_and_place_alone(scripted) -> None:
    there, here = (Chain(scripted(seeds, local=local)) for local in (False, True))
    alone = there.run(["a b"], seed=3)[0].value
    assert there.run(["a b", "c"], seed=3)[0].value == alone
    assert here.run(["a b"], seed=3)[0].value == alone


def test_many_questions_do_not_start_as_many_threads(scripted) -> None:
    lm = scripted(lambda prompt, seed: prompt, local=False)
    answers = Chain(lm).run([str(number) for number in range(300)])
    assert [answer.text for answer in answers] == [str(number) for number in range(300)]
    assert len(lm.threads) <= 64


def test_once_an_endpoint_fails_what_waits_is_not_begun(scripted) -> None:
    def fails(prompt: str, seed: int) -> str:
        raise UserError("the endpoint is gone")

    lm = scripted(fails, local=False)
    with pytest.raises(UserError, match="gone"):
        Plain(lm).run([f"{i}?" for i in range(5_000)])
    assert lm.calls < 5_000
