"""Whatever is not markup already is escaped."""

from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from cygnet.page.markup import Html, html, join, markup, table


@given(st.text())
def test_values_cannot_become_markup(text):
    for filled in (html("<p title='{v}'>{v}</p>", v=text), join([text]), table(["a"], [[text]])):
        assert markup(text) in filled
        assert unescape(markup(text)) == text
        assert not any(character in markup(text) for character in "<>\"'")


def test_markup_is_kept_and_escaped_only_once():
    assert html("<p>{v}</p>", v=html("<b>{v}</b>", v="a<b")) == "<p><b>a&lt;b</b></p>"
    assert join([Html("<i>"), "<i>"]) == "<i>\n&lt;i&gt;"


def test_a_table_has_scoped_headers_and_right_aligned_numbers():
    made = table(["name", "count"], [["x", 3]], numbers=[1])
    assert made.count('scope="col"') == 2
    assert '<td class="n">3</td>' in made
