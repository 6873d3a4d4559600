import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.generation.constraint import Constraint
from cygnet.generation.grammar import Grammars
from cygnet.techniques.actions import Action, action_grammar, read_action
from cygnet.techniques.tools.calculator import calculator
from cygnet.techniques.tools.tool import tool
from cygnet.tokens.tokenizer import train_tokenizer

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@tool
def weather(city: str, days: int = 1) -> str:
    """The weather."""
    return f"{city}: rain for {days} days"


@given(st.dictionaries(st.text(), json_values, max_size=3), st.sampled_from(["", "Thought: well {x}\n"]))
def test_what_is_written_is_what_is_read(arguments, thought) -> None:
    written = f"{thought}Action: weather {json.dumps(arguments)}"
    assert read_action(written) == Action("weather", arguments)
    assert read_action(f"Action: {Action('weather', arguments)}") == Action("weather", arguments)


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    assert isinstance(read_action(text), str | Action)
    assert isinstance(read_action(f"Action: {text}"), str | Action)


def test_arguments_in_another_order_are_the_same_action() -> None:
    assert str(read_action('Action: f {"a": 1, "b": 2}')) == str(read_action('Action: f {"b": 2, "a": 1}'))


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ('Action: weather {"city": "Rome"}', True),
        ('Action: weather {"city": "Rome", "days": 3}', True),
        ('Thought: Is it "sunny"?\nAction: calculator {"expression": "1 + 1"}', True),
        ('Thought: done\nAction: finish {"answer": "rain"}', True),
        ('Action: weather {"city":"Rome"}', False),
        ('Action: weather {"city": 5}', False),
        ('Action: weather {"town": "Rome"}', False),
        ('Action: finish {"answer": "rain", "sure": true}', False),
        ('Action: python {"code": "1"}', False),
        ("Action: weather Rome", False),
        ('Thought: nothing to do {"city": "Rome"}', False),
    ],
)
def test_the_grammar_allows_right_actions_after_free_thought_and_nothing_else(text: str, allowed: bool) -> None:
    assert accepts(action_grammar([weather, calculator()]), text) is allowed


def accepts(constraint: Constraint, text: str) -> bool:
    """Whether a whole text satisfies a constraint."""
    tokenizer = train_tokenizer(["a"], 300)  # hardly more than bytes
    state = Grammars(tokenizer).start(constraint)
    for token in tokenizer.encode(text):
        if not state.mask()[token]:
            return False
        state.take(token)
    return bool(state.finished or state.mask()[tokenizer.end_id])
