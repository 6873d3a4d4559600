import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import Reply, Usage
from cygnet.techniques.base import Answer, Ask, run_programs, together
from cygnet.techniques.budget import Budget, SpentError

_PROMPT = "12345678"
_WORST = 8 + 64 + 10  # the prompt's bytes, what a template may add, max_new_tokens


def asks(count: int, n: int = 1):
    """A program of several requests, one after the other; its result is how many were answered."""
    for _ in range(count):
        yield [Ask(_PROMPT, Sampling(max_new_tokens=10), n)]
    return count


def taking(tokens: int):
    return lambda prompt, seed: Reply("x", "stop", Usage(prompt_tokens=tokens, calls=1))


def run(lm, budget: Budget, *programs) -> list:
    def attempt(program):
        try:
            return (yield from budget.charge(program))
        except SpentError as spent:
            return str(spent)

    def whole():
        results = yield from together([attempt(program) for program in programs])
        return Answer(results, "")

    return run_programs(lm, [whole()])[0].value


def test_what_fits_at_its_worst_is_asked_and_what_does_not_is_not(scripted) -> None:
    lm = scripted(taking(5))
    assert run(lm, Budget(lm, _WORST), asks(1)) == [1]
    assert lm.calls == 1
    assert run(lm, Budget(lm, _WORST - 1), asks(1)) == [
        f"0 of {_WORST - 1} tokens spent, and the next request may take {_WORST}"
    ]
    assert lm.calls == 1


def test_what_was_not_taken_is_there_for_the_next(scripted) -> None:
    lm = scripted(taking(5))
    budget = Budget(lm, _WORST + 5)
    assert run(lm, budget, asks(2)) == [2]
    assert budget.spent == 10
    assert "spent" in run(lm, budget, asks(1))[0]


def test_programs_side_by_side_wait_for_what_others_leave(scripted) -> None:
    lm = scripted(taking(5))
    assert run(lm, Budget(lm, _WORST + 10), asks(1), asks(1), asks(1)) == [1, 1, 1]
    assert [len(batch) for batch in lm.batches] == [1, 1, 1]  # at their worst only one fits at a time
    lm.batches.clear()
    assert run(lm, Budget(lm, 3 * _WORST), asks(1), asks(1), asks(1)) == [1, 1, 1]
    assert [len(batch) for batch in lm.batches] == [3]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(1, 1000), st.integers(0, _WORST))
def test_the_cap_is_never_exceeded_and_never_stands_in_the_way_of_what_fits(scripted, lengths, tokens, taken) -> None:
    lm = scripted(taking(taken))
    budget = Budget(lm, tokens)
    results = run(lm, budget, *map(asks, lengths))
    assert budget.spent == lm.calls * taken <= tokens
    if any(isinstance(result, str) for result in results):
        assert tokens - budget.spent < _WORST
    else:
        assert results == lengths


def test_a_prompt_counts_in_bytes_and_many_replies_of_a_server_with_a_prompt_each(scripted) -> None:
    def worst(lm, **ask) -> int:
        [refused] = run(lm, Budget(lm, 1), iter_once(Ask(**ask)))
        return int(refused.split()[-1])

    def iter_once(ask):
        yield [ask]

    here, there = (scripted(taking(1), local=local) for local in (True, False))
    assert worst(here, prompt="é") == 2 + 64 + 128
    assert worst(here, prompt="é", n=3) == 2 + 64 + 3 * 128
    assert worst(there, prompt="é", n=3) == 3 * (2 + 64 + 128)
    assert worst(here, prompt="é", continuation="ab") == 2 + 64 + 2
    assert worst(here, prompt=[{"role": "user", "content": "x" * 500}]) > 500 + 128


def test_no_budget_means_no_limit_and_a_budget_of_nothing_is_refused(scripted) -> None:
    lm = scripted(taking(10**9))
    assert run(lm, Budget(lm, None), asks(3)) == [3]
    with pytest.raises(UserError, match="a budget of 0 tokens"):
        Budget(lm, 0)
