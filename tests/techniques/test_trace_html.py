import re
from html import escape, unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.lm.base import Usage
from cygnet.techniques import Answer, ChainOfThought, Step
from cygnet.techniques.trace_html import to_html


class Page(HTMLParser):
    """Which elements there are, whether they are closed in order, and their text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in {"meta", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def answer(text: str, note: str = "") -> Answer:
    steps = (
        Step("ask", f"Q: {text}", (text, "other"), Usage(10, 5, 4, 0.25, 0.003, 1)),
        Step(f"act {text}", "", (text,)),
        Step("ask", [{"role": "user", "content": text}], (text,), Usage(1000, 5)),
    )
    return Answer(text, text, Usage(1010, 10, 4, 0.25, 0.003, 1), steps, note)


def test_everything_asked_replied_and_done_is_on_the_page(scripted) -> None:
    lm = scripted(lambda prompt, seed: "so it is <b>7</b> & more")
    found = ChainOfThought(lm).run(["What is 3 + 4?", "And 5 < 6?"])
    page = Page(to_html(found, ["What is 3 + 4?", "And 5 < 6?"], "Two sums"))
    assert not page.open
    for text in (
        "Two sums",
        "2 answers:",
        "What is 3 + 4?",
        "And 5 < 6?",
        "so it is <b>7</b> & more",
        "think",
        "extract",
    ):
        assert text in page.text
    assert page.tags.count("section") == 2
    assert [value for name, value in page.attributes if name == "class"].count("step") == 4
    tokens = (
        sum(answer.usage.prompt_tokens for answer in found),
        sum(answer.usage.completion_tokens for answer in found),
    )
    assert "{} tokens read, {} written".format(*tokens) in page.text


def test_each_step_says_what_it_took(scripted) -> None:
    page = to_html([answer("seven", "2 of 3 votes")])
    assert "10 (4 cached) tokens read, 5 written · 0.25 s · 0.003 paid" in page
    assert "1,010 (4 cached) tokens read, 10 written" in page
    assert "2 of 3 votes" in page
    assert "1 answer:" in page
    act = page[page.index("act seven") : page.index("</details>", page.index("act seven"))]
    assert "tokens" not in act  # a step of a tool's takes none


@given(st.text(), st.text())
def test_no_text_breaks_out_of_its_place(text: str, note: str) -> None:
    plain, odd = Page(to_html([answer("x", "n")], ["q"], "t")), Page(to_html([answer(text, note)], [note], text))
    assert not odd.open
    assert [tag for tag in odd.tags if tag not in {"p", "details", "summary", "pre", "div"}] == [
        tag for tag in plain.tags if tag not in {"p", "details", "summary", "pre", "div"}
    ]
    assert {name for name, _ in odd.attributes} == {name for name, _ in plain.attributes}


@pytest.mark.parametrize("text", ["</pre><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "'\"><style>"])
def test_what_a_model_writes_is_text_and_nothing_is_loaded(text: str) -> None:
    source = to_html([answer(text)], [text], text)
    page = Page(source)
    assert not {"img", "iframe", "object"} & set(page.tags)
    assert (page.tags.count("style"), page.tags.count("script")) == (1, 1)  # the page's own
    assert text in page.text
    assert not re.search(r"https?:|@import|url\(|src=", source.replace(escape(text), ""))
    assert text not in source
    assert unescape(source).count(text) > 5


def test_of_a_prompt_that_goes_on_only_what_is_new_is_open(scripted) -> None:
    told = [{"role": "user", "content": "a long question"}, {"role": "assistant", "content": "hm"}]
    steps = [Step("one", told[:1], ("hm",)), Step("act", "", ("did",)), Step("two", [*told, told[0]], ("ah",))]
    lines = [Step("three", "first\nsecond\n", ("a",)), Step("four", "first\nthird\n", ("b",))]
    page = to_html([Answer(1, "1", trace=(*steps, *lines))])
    assert page.count("as before") == 2
    page = re.sub(r"</?div>|\n(?=<)", "", page)
    assert '<summary>as before: 23 characters</summary><pre class="">user: a long question' in page
    assert '</details><pre class="prompt">assistant: hm\n\nuser: a long question</pre>' in page
    assert '6 characters</summary><pre class="">first</pre></details><pre class="prompt">third</pre>' in page


def test_no_answer_and_odd_messages_and_half_characters_can_be_shown() -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"arguments": {"code": "1+1"}}}]}
    page = to_html([Answer(None, "", trace=(Step("ask", [call], ("\ud83e",)),))])
    assert "no answer" in page
    assert "1+1" in unescape(page)
    page.encode("utf-8")
    with pytest.raises(UserError, match="2 questions"):
        to_html([Answer(None, "")], ["one", "two"])
