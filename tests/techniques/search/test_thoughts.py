import pytest

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.techniques import last_number
from cygnet.techniques.search import BeamSearch, Chain, as_lines, as_turns, thoughts


def counted_to_three(chain: Chain) -> bool:
    return chain.thoughts[-1:] == ("3",)


def problem(**settings):
    return thoughts(as_lines("Count to {question}.\n"), lambda chain: 0.5, counted_to_three, k=3, **settings)


def counting(prompt: str, seed: int) -> str:
    """Writes the next number, or sometimes the one after."""
    last = prompt.splitlines()[-1]
    return str((int(last) if last.isdigit() else 0) + 1 + seed % 2)


def test_thoughts_are_sampled_in_one_request_and_equal_ones_are_one(scripted) -> None:
    lm = scripted(counting)
    found = BeamSearch(lm, problem(parse=last_number))("three")
    assert found.value == 3
    assert found.text in {"1\n2\n3", "1\n3", "2\n3"}
    assert lm.batches[0] == ["Count to three.\n"]
    assert lm.samplings[0] == Sampling(temperature=0.7, max_new_tokens=64, stop=("\n",), seed=lm.samplings[0].seed)
    assert len(lm.prompts) == len(set(lm.prompts))


@pytest.mark.parametrize("show", [as_lines(), as_turns()])
def test_the_prompt_of_a_thought_begins_with_its_parents(show) -> None:
    chain = Chain("What?")
    for thought in ("one {question}", "two", "three"):
        before, chain = show(chain), Chain(chain.question, (*chain.thoughts, thought))
        after = show(chain)
        assert after[: len(before)] == before
        assert len(after) > len(before)


def test_only_what_passes_the_check_is_searched_and_the_rest_is_in_the_trace(scripted) -> None:
    def one_more(chain: Chain, thought: str) -> str | None:
        right = str(len(chain.thoughts) + 1)
        return None if thought == right else f"not {right}"

    found = BeamSearch(scripted(counting), problem(check=one_more))("three")
    assert found.text == "1\n2\n3"
    assert ("2\nnot 1",) in [entry.texts for entry in found.trace if entry.name == "reject"]


def test_chains_are_no_longer_than_the_depth(scripted) -> None:
    found = BeamSearch(scripted(lambda prompt, seed: "round and round"), problem(depth=4))("three")
    assert found.note == "no solution among 5 states: no path left"


def test_empty_thoughts_are_none(scripted) -> None:
    assert BeamSearch(scripted(lambda prompt, seed: " \n"), problem())("three").note.startswith(
        "no solution among 1 state"
    )


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="alike"):
        problem(sampling=Sampling(temperature=0))
    with pytest.raises(UserError, match="depth=0"):
        problem(depth=0)
    with pytest.raises(UserError, match="no hole"):
        as_lines("no hole")
