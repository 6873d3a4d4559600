"""A lock opened by a word of four letters; values say how much of it is right so far."""

import re
from dataclasses import replace

import pytest

from cygnet.errors import UserError
from cygnet.techniques import Answer, Ask, Route
from cygnet.techniques.prompting import Plain
from cygnet.techniques.routing import Disagreement
from cygnet.techniques.search import BeamSearch, DepthFirstSearch, MonteCarloSearch, Problem, random_values

SEARCHES = [BeamSearch, DepthFirstSearch, MonteCarloSearch]


def letters(state: str) -> list[str]:
    word, _, typed = state.partition(":")
    return [f"{word}:{typed}{letter}" for letter in "abc"] if len(typed) < len(word) else []


def right_so_far(state: str) -> float:
    word, _, typed = state.partition(":")
    return 1.0 if word.startswith(typed) else 0.1


def opened(state: str) -> bool:
    word, _, typed = state.partition(":")
    return word == typed


def answer(state: str) -> Answer:
    return Answer(state.partition(":")[2], state)


LOCK = Problem(lambda question: f"{question}:", letters, right_so_far, opened, answer)


def looked_at(found: Answer) -> int:
    return int(re.search(r"among (\d+) state", found.note)[1])


def silent(scripted):
    return scripted(lambda prompt, seed: pytest.fail("the model was asked"))


@pytest.mark.parametrize("search", SEARCHES)
def test_plain_functions_are_searched_without_asking_the_model(scripted, search) -> None:
    answers = search(silent(scripted), LOCK).run(["cab", "bb", "accb"])
    assert [found.value for found in answers] == ["cab", "bb", "accb"]
    assert all(found.usage.tokens == 0 for found in answers)
    assert all(found.note.startswith("found among") for found in answers)


@pytest.mark.parametrize("search", SEARCHES)
def test_good_values_lead_straight_there(scripted, search) -> None:
    guided, misled = (
        search(silent(scripted), replace(LOCK, value=value))("cabc")
        for value in (right_so_far, lambda state: 1 - right_so_far(state))
    )
    assert guided.value == "cabc"
    assert looked_at(guided) <= 43  # of 121
    assert misled.value is None or looked_at(misled) > 43


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_that_finds_nothing_says_so_and_shows_the_most_promising_state(scripted, search) -> None:
    never = replace(LOCK, done=lambda state: False)
    found = search(silent(scripted), never)("cb")
    assert found.value is None
    assert found.note.startswith("no solution among")
    assert found.text in {"cb:c", "cb:cb"}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("most", [1, 2, 5, 12])
def test_no_more_states_are_looked_at_than_the_cap_allows(scripted, search, most: int) -> None:
    looked = set()

    def value(state: str) -> float:
        looked.add(state)
        return right_so_far(state)

    found = search(silent(scripted), replace(LOCK, value=value), states=most)("cabc")
    assert len(looked) <= most - 1  # the start is looked at and needs no value
    assert found.value is None
    assert found.note == f"no solution among {most} state{'s' * (most > 1)}: stopped by the cap of {most} states"


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("tokens", [1, 200, 500, 900, 2000])
def test_no_more_tokens_are_taken_than_the_cap_allows(scripted, search, tokens: int) -> None:
    def value(state: str):
        [[reply]] = yield [Ask(f"how good is {state}")]
        return float(reply.text)

    lm = scripted(lambda prompt, seed: str(right_so_far(prompt.split()[-1])))
    found = search(lm, replace(LOCK, value=value), tokens=tokens)("cabcab")
    assert found.usage.tokens <= tokens
    if found.value is None:
        assert f"{found.usage.tokens} of {tokens} tokens spent" in found.note
    else:
        assert found.value == "cabcab"
    assert found.value is None or tokens > 200
    assert found.value is not None or tokens < 2000


@pytest.mark.parametrize("search", SEARCHES)
def test_a_state_that_can_be_reached_in_many_ways_is_proposed_from_once(scripted, search) -> None:
    asked = []

    def propose(state: frozenset) -> list[frozenset]:
        asked.append(state)
        return [state | {letter} for letter in "abc" if letter not in state]

    boxes = Problem(
        lambda question: frozenset(), propose, lambda state: 0.5, lambda state: False, lambda state: Answer("", "")
    )
    search(silent(scripted), boxes)("q") if search is not BeamSearch else BeamSearch(silent(scripted), boxes, None)("q")
    assert len(asked) == len(set(asked)) == 8


@pytest.mark.parametrize("search", SEARCHES)
def test_a_start_that_is_solved_needs_no_search(scripted, search) -> None:
    assert search(silent(scripted), replace(LOCK, done=lambda state: True))("cab").note == "found among 1 state"


def test_states_of_a_level_and_questions_share_batches(scripted) -> None:
    def propose(state: str):
        [[reply]] = yield [Ask(f"next of {state}")]
        return [child for child in letters(state) if child[-1] in reply.text]

    def value(state: str):
        [[reply]] = yield [Ask(f"value of {state}")]
        return float(reply.text)

    lm = scripted(lambda prompt, seed: "abc" if prompt.startswith("next") else str(right_so_far(prompt.split()[-1])))
    found = BeamSearch(lm, replace(LOCK, propose=propose, value=value), width=2).run(["cab", "abc"])
    assert [answer.value for answer in found] == ["cab", "abc"]
    # one batch of proposals and one of values a level; the last level is solved before it is valued
    assert [len(batch) for batch in lm.batches if batch] == [2, 6, 4, 12, 4]


def test_a_beam_keeps_the_best_and_without_a_width_everything(scripted) -> None:
    misled = replace(LOCK, value=lambda state: -right_so_far(state))
    assert BeamSearch(silent(scripted), misled, width=2)("cab").value is None
    assert BeamSearch(silent(scripted), misled, width=None)("cab").value == "cab"


def test_depth_first_goes_back_from_dead_ends_and_prunes(scripted) -> None:
    order = []

    def value(state: str) -> float:
        order.append(state.partition(":")[2])
        return 0.5

    DepthFirstSearch(silent(scripted), replace(LOCK, value=value))("bb")
    assert order == ["a", "b", "c", "aa", "ab", "ac"]  # all below a, then b, whose children hold the solution
    pruned = DepthFirstSearch(silent(scripted), LOCK, prune=1.0)("ccc")
    assert pruned.value == "ccc"
    nothing = DepthFirstSearch(silent(scripted), replace(LOCK, value=lambda state: 0.2), prune=0.3)("ccc")
    assert nothing.note == "no solution among 4 states: no path left"


def test_of_several_solutions_the_most_valued_is_chosen(scripted) -> None:
    any_word = replace(LOCK, done=lambda state: len(state) == 5, value=lambda state: "acb".index(state[-1]))
    assert BeamSearch(silent(scripted), any_word)("xx").value == "bb"


def test_the_trace_tells_what_was_kept(scripted) -> None:
    found = BeamSearch(silent(scripted), LOCK, width=1)("ca")
    assert [(entry.name, entry.texts) for entry in found.trace] == [
        ("keep 1 of 3", ("1  ca:c",)),
        ("keep 0 of 0", ("",)),
    ]


def test_random_values_are_the_same_for_a_state_and_differ_by_seed() -> None:
    value, other = random_values(1), random_values(2)
    assert value("a") == random_values(1)("a") != value("b")
    assert value("a") != other("a")
    assert all(0 <= value(i) < 1 for i in range(100))


def test_a_search_is_a_technique_like_others(scripted) -> None:
    lm = scripted(lambda prompt, seed: str(seed))
    route = Route(Plain(lm), BeamSearch(lm, LOCK), when=Disagreement(3))
    assert route("cab").value == "cab"


def test_values_that_are_no_numbers_and_settings_that_make_no_sense_are_refused(scripted) -> None:
    lm = silent(scripted)
    with pytest.raises(UserError, match=r"state 'ca:a' is not a number"):
        BeamSearch(lm, replace(LOCK, value=lambda state: float("nan")))("ca")
    with pytest.raises(UserError, match="width 0"):
        BeamSearch(lm, LOCK, width=0)
    with pytest.raises(UserError, match="one state at least, not 0"):
        DepthFirstSearch(lm, LOCK, states=0)
    with pytest.raises(UserError, match="0 tokens"):
        DepthFirstSearch(lm, LOCK, tokens=0)("ca")
