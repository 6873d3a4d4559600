import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.quality import C4_LINES, FINEWEB_LINES, LineRules, c4_lines
from cygnet.corpus.quality.lines import edit, edit_both

PAGE = """
    The swan is a large bird [1].
    Home
    It lives on rivers and lakes
    Please enable JavaScript to see this.
    This site uses cookies, read on.
    And so it goes on...
    It eats what grows there.[citation needed]
"""


def test_lines_go_by_named_reason() -> None:
    text, counts = c4_lines(PAGE)
    assert text == "The swan is a large bird .\nIt eats what grows there."
    blank = 1  # before the first line
    assert counts == {
        "too_few_words": 1 + blank,
        "no_terminal_punctuation": 2,
        "javascript": 1,
        "policy": 1,
        "citation": 2,
    }


def test_fineweb_keeps_lines_without_an_end() -> None:
    assert "It lives on rivers and lakes\n" in c4_lines(PAGE, FINEWEB_LINES)[0]


def test_each_rule_can_be_turned_off() -> None:
    everything = LineRules(False, 0, 10_000, javascript=False, policy=False, citations=False)
    text, counts = c4_lines(PAGE, everything)
    assert text.split("\n") == [line.strip() for line in PAGE.strip().split("\n")]
    assert not counts


def test_a_long_word_takes_its_line_along() -> None:
    text = f"It was {'x' * 1_000} long.\nIt was {'x' * 1_001} long."
    assert c4_lines(text)[1] == {"too_long_word": 1}


@given(st.text(alphabet="a .\n[]1{") | st.lists(st.sampled_from([*PAGE.split("\n"), "a {b c."])).map("\n".join))
def test_every_line_stays_or_is_accounted_for(text: str) -> None:
    for rules in (C4_LINES, FINEWEB_LINES):
        edited = edit(text, rules)
        assert len(edited.lines) + len(edited.removed) == len(text.splitlines())
    assert edit_both(text) == (edit(text, C4_LINES), edit(text, FINEWEB_LINES))


@pytest.mark.parametrize(("line", "brackets"), [("javascript {is here} now.", 0), ("privacy policy {is here}.", 1)])
def test_brackets_are_looked_for_between_javascript_and_policy(line: str, brackets: int) -> None:
    assert edit(line, C4_LINES).curly_brackets == brackets
