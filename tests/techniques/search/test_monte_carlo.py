import math
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from cygnet.errors import UserError
from cygnet.techniques import Answer
from cygnet.techniques.search import MonteCarloSearch, Problem, playouts

# A binary tree: states are strings of 0 and 1.
TREE = Problem(
    start=lambda question: "",
    propose=lambda state: [state + "0", state + "1"] if len(state) < 12 else [],
    value=lambda state: 0.5,
    done=lambda state: False,
    answer=lambda state: Answer(state, state),
)


def silent(scripted):
    return scripted(lambda prompt, seed: pytest.fail("the model was asked"))


def looked_at(scripted, value, states: int, **settings) -> Counter[str]:
    """How many states were looked at below each first step."""
    seen = []
    noted = replace(TREE, value=lambda state: seen.append(state) or value(state))
    MonteCarloSearch(silent(scripted), noted, states=states, **settings)("q")
    return Counter(state[:1] for state in seen)


def test_the_better_arm_gets_most_visits_and_the_other_is_not_forgotten(scripted) -> None:
    random = Random(1)
    found = looked_at(scripted, lambda state: float(random.random() < (0.8 if state[0] == "1" else 0.2)), 600)
    assert found["1"] > 4 * found["0"] > 40


def test_equal_arms_are_visited_equally(scripted) -> None:
    found = looked_at(scripted, lambda state: 0.5, 400)
    assert abs(found["0"] - found["1"]) <= 4


def test_without_exploration_the_first_impression_stays(scripted) -> None:
    value = {"0": 0.6, "1": 0.5}
    found = looked_at(scripted, lambda state: value[state[0]], 300, exploration=0)
    assert found["1"] == 1
    assert looked_at(scripted, lambda state: value[state[0]], 300)["1"] > 50


def test_regret_grows_slower_than_the_search(scripted) -> None:
    """UCB1 plays the worse arm of two about 8 ln n / gap² times at most, up to a constant (Auer et al. 2002)."""
    for states in (200, 800):
        found = looked_at(scripted, lambda state: 0.9 if state[0] == "1" else 0.1, states)
        assert found["0"] <= 8 * math.log(states) / 0.8**2 + 2


def test_dead_ends_are_not_gone_to_again_so_a_finite_tree_is_searched_whole(scripted) -> None:
    small = replace(TREE, propose=lambda state: [state + "0", state + "1"] if len(state) < 3 else [])
    found = MonteCarloSearch(silent(scripted), small)("q")
    assert found.note == "no solution among 15 states: no path left"


def test_what_leads_only_to_states_seen_elsewhere_says_nothing_against_its_way(scripted) -> None:
    """Below "1" all but one way come together in states seen before; it is the better arm all the same."""
    meets = {"": ["0", "1"], "1": [f"1{n}" for n in range(40)], "0": [f"0{n}" for n in range(40)]}
    same = [f"1{n}" for n in range(1, 40)]
    asked = []

    def propose(state):
        asked.append(state)
        return meets.get(state, ["10"] if state in same else [])

    small = replace(TREE, propose=propose, value=lambda state: 0.6 if state[:1] == "1" else 0.5)
    MonteCarloSearch(silent(scripted), small, exploration=0)("q")
    assert asked[2:42] == [f"1{n}" for n in range(40)]


def test_a_solution_far_down_is_found(scripted) -> None:
    hidden = replace(TREE, done=lambda state: state == "10110")
    assert MonteCarloSearch(silent(scripted), hidden)("q").value == "10110"


def test_values_outside_0_to_1_and_negative_exploration_are_refused(scripted) -> None:
    with pytest.raises(UserError, match="between 0 and 1, not 20"):
        MonteCarloSearch(silent(scripted), replace(TREE, value=lambda state: 20))("q")
    with pytest.raises(UserError, match="exploration"):
        MonteCarloSearch(silent(scripted), TREE, exploration=-1)


def drained(program):
    """The result of a program that asks nothing."""
    try:
        next(program)
    except StopIteration as finished:
        return finished.value
    pytest.fail("the program asked something")


def test_playouts_are_the_share_of_random_walks_that_end_well() -> None:
    half = replace(TREE, done=lambda state: len(state) == 12 and state[0] == "1")
    share = drained(playouts(half, count=400)(""))
    assert 0.4 < share < 0.6
    assert drained(playouts(half, count=5)("1")) == 1
    assert drained(playouts(half, count=5)("0")) == 0
    assert drained(playouts(half, count=5, depth=3)("1")) == 0  # lost after three steps
    assert drained(playouts(half, count=400)("")) == share != drained(playouts(half, count=400, seed=1)(""))


def test_playouts_guide_a_search(scripted) -> None:
    won = replace(TREE, done=lambda state: len(state) == 6 and state.startswith("110"))
    guided = MonteCarloSearch(silent(scripted), replace(won, value=playouts(won, 8)), states=400)("q")
    assert guided.value.startswith("110")
    with pytest.raises(UserError, match="count"):
        playouts(won, count=0)
