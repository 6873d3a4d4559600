from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.techniques import ChainOfThought, Plain, Vote, json_object, last_number


def numbers(lm) -> Plain:
    return Plain(lm, parse=last_number)


def test_the_majority_wins_and_the_note_counts_votes(scripted, in_turn) -> None:
    lm = scripted(in_turn("7", "8", "it is 7.0", "dunno", "7"))
    answer = Vote(numbers(lm), 5, first=5)("3 + 4?")
    assert answer.value == 7
    assert answer.text == "7"
    assert answer.note == "3 of 4 votes, 1 without an answer"
    assert len(lm.batches) == 1
    assert answer.usage.calls == 5


def test_a_vote_stops_when_it_is_decided(scripted) -> None:
    lm = scripted(lambda prompt, seed: "7")
    answer = Vote(numbers(lm), 8)("3 + 4?")
    assert [len(batch) for batch in lm.batches] == [5]
    assert answer.note == "5 of 5 votes, 3 not needed"


def test_a_vote_goes_on_while_the_leader_can_be_caught(scripted, in_turn) -> None:
    lm = scripted(in_turn("1", "2", "2", "1", "2", "2"))
    answer = Vote(numbers(lm), 6, first=2)("?")
    assert [len(batch) for batch in lm.batches] == [2, 3, 1]
    assert answer.value == 2


@given(st.lists(st.sampled_from(["1", "2", "3", "none"]), min_size=1, max_size=12), st.data())
def test_stopping_early_never_changes_a_clear_majority(scripted, in_turn, texts: list[str], data) -> None:
    first = data.draw(st.none() | st.integers(1, len(texts)))
    lm = scripted(in_turn(*texts))
    answer = Vote(numbers(lm), len(texts), first=first)("?")
    counts = Counter(int(text) for text in texts if text != "none").most_common()
    if not counts:
        assert answer.value is None
    elif len(counts) == 1 or counts[0][1] > counts[1][1]:
        assert answer.value == counts[0][0]
    else:
        assert lm.calls == len(texts)


def test_samples_are_not_greedy_and_differ_in_their_seeds(scripted) -> None:
    lm = scripted(lambda prompt, seed: str(seed))
    Vote(ChainOfThought(lm), 3, first=3, temperature=0.5)("?")
    assert {sampling.temperature for sampling in lm.samplings} == {0.5}
    assert len({sampling.seed for sampling in lm.samplings}) == 6
    Vote(Plain(lm, sampling=Sampling(temperature=0.9)), 1)("?")
    assert lm.samplings[-1].temperature == 0.9


def test_ties_go_to_the_likelier_answers_if_that_is_known_else_to_the_first(scripted, in_turn, told) -> None:
    texts = [told(("7", -2.0)), told(("8", -1.0))]
    known = Plain(scripted(in_turn(*texts)), parse=last_number, sampling=Sampling(temperature=1, logprobs=0))
    assert Vote(known, 2)("?").value == 8
    unknown = Plain(scripted(in_turn(*texts)), parse=last_number)
    assert Vote(unknown, 2)("?").value == 7


def test_no_votes_say_so(scripted) -> None:
    answer = Vote(numbers(scripted(lambda prompt, seed: "dunno")), 3)("?")
    assert (answer.value, answer.text) == (None, "dunno")
    assert answer.note == "no answer could be read in 3 samples"


def test_values_that_cannot_be_hashed_vote_too(scripted, in_turn) -> None:
    lm = scripted(in_turn('{"a": 1}', '{"a": 2}', 'So {"a":1.0}'))
    answer = Vote(Plain(lm, parse=json_object), 3)("?")
    assert answer.value == {"a": 1}
    assert answer.note == "2 of 3 votes"


def test_votes_on_many_questions_share_batches(scripted) -> None:
    lm = scripted(lambda prompt, seed: prompt)
    answers = Vote(numbers(lm), 3).run(["1", "2"])
    assert [answer.value for answer in answers] == [1, 2]
    assert [len(batch) for batch in lm.batches] == [4]


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 3, "first": 4}, {"k": 3, "first": 0}, {"temperature": 0}])
def test_votes_that_make_no_sense_are_refused(scripted, wrong: dict) -> None:
    with pytest.raises(UserError):
        Vote(numbers(scripted(lambda prompt, seed: "1")), **wrong)
