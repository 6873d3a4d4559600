import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.extraction.charset import decode
from cygnet.corpus.extraction.page import HTML, PDF, ExtractionOptions, Page, Unreadable, extract_html, read_page
from cygnet.corpus.extraction.whitespace import tidy

PAGE = """<html><head><title>Swans
 &amp; geese</title></head><body><nav>Home About</nav><main><h1>Head</h1><p>One   two
three</p><pre>def f(x):
    if x:
        return 1

    return\t2
</pre><p>a&nbsp;b&#8203;c<br>d</p><script>var hidden</script></main><footer>Imprint</footer></body></html>"""


def test_text_is_whole_paragraphs_and_code_keeps_its_indentation() -> None:
    text = "Head\n\nOne two three\n\ndef f(x):\n    if x:\n        return 1\n\n    return\t2\n\na bc\nd"
    assert extract_html(PAGE) == text
    assert read_page(PAGE.encode(), HTML, None, ExtractionOptions()) == Page(text, "Swans & geese", "utf-8")


def test_lists_of_words_are_text_and_lists_of_links_are_not() -> None:
    words = "<ul><li>Swans swim. <ul><li>Far.</li></ul></li><li>See <a>geese</a> for what is else to know.</li></ul>"
    links = "<ul><li><a>Home</a></li><li><a>About us</a></li></ul>"
    for deep in ("{}", "<main>{}</main>", "<div><div>{}</div></div>", "<div><div><div>{}</div></div></div>"):
        text = extract_html(f"<body>{deep.format(links + '<p>Some text.</p>' + words)}</body>")
        assert [line.strip() for line in text.split("\n") if line][-3:] == [
            "• Swans swim.",
            "• Far.",
            "• See geese for what is else to know.",
        ]
        if deep.count("div") < 6:  # deeper, every list is text
            assert "About us" not in text


def test_navigation_can_be_kept() -> None:
    text = extract_html(PAGE, options=ExtractionOptions(main_content=False))
    assert "Home About" in text
    assert "Imprint" in text


def test_trafilatura_is_the_other_extractor() -> None:
    article = "<p>" + "A sentence about swans on a lake, long enough to be content. " * 10 + "</p>"
    html = f"<html><head><title>T</title></head><body><nav>Menu</nav><article>{article}</article></body></html>"
    text = extract_html(html, options=ExtractionOptions("trafilatura"))
    assert text.startswith("A sentence about swans")
    assert "Menu" not in text


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [(b"", HTML, "no_text"), (b"<nav>x</nav>", HTML, "no_text"), (b"%PDF-1.4", PDF, "parser_error")],
)
def test_a_page_without_text_says_why(data: bytes, kind: str, reason: str) -> None:
    found = read_page(data, kind, None, ExtractionOptions())
    assert isinstance(found, Unreadable)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("data", "declared", "wanted"),
    [
        ("naïve €".encode(), None, ("naïve €", "utf-8")),
        ("naïve €".encode("cp1252"), "ISO-8859-1", ("naïve €", "cp1252")),
        (b"\xff\xfe" + "naïve".encode("utf-16-le"), "utf-8", ("naïve", "utf-16-le")),
        (b"\xef\xbb\xbfna\xc3\xafve", "latin1", ("naïve", "utf-8")),
        (
            b'<meta charset="shift_jis">' + "日本".encode("shift_jis"),
            None,
            ('<meta charset="shift_jis">日本', "shift_jis"),
        ),
        (
            b'<meta charset="shift_jis">' + "日本".encode("euc-jp"),
            "EUC-JP",
            ('<meta charset="shift_jis">日本', "euc_jp"),
        ),
        ("naïve".encode(), "iso-8859-1", ("naïve", "utf-8")),  # a server that says so of everything
        ("联通".encode("gbk"), "gbk", ("联通", "gbk")),  # bytes that happen to be UTF-8 too
        (b"na\xc3\xafve \xff", "utf-8", ("naïve \ufffd", "utf-8")),
        (b"plain", "no-such-charset", ("plain", "utf-8")),
        (("Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5).encode("cp1251"), None, None),
    ],
)
def test_charsets(data: bytes, declared: str | None, wanted: tuple[str, str] | None) -> None:
    text, name = decode(data, declared)
    if wanted is None:
        assert text.startswith("Съешь же ещё")
    else:
        assert (text, name.replace("gb18030", "gbk")) == wanted


@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "shift_jis", "iso-2022-jp", "utf-16", "koi8-r", "x"]))
def test_any_bytes_become_text_that_can_be_written(data: bytes, declared: str | None) -> None:
    decode(data, declared)[0].encode()


@given(st.text(st.characters(categories=["L", "N", "Z", "C", "P"]), max_size=100))
def test_tidying_twice_changes_nothing_more(text: str) -> None:
    once = tidy(text)
    assert tidy(once) == once
    once.encode()
    assert "\r" not in once
    assert "\n\n\n" not in once
    assert not any(line.endswith((" ", "\t")) for line in once.split("\n"))


def test_indentation_stays_and_joiners_of_scripts_and_emoji() -> None:
    assert (
        tidy("\n\n    a \r\n\r\n\r\n\r\nb\x00\u00adc می\u200cخواهم 👩\u200d💻\n")
        == "    a\n\nbc می\u200cخواهم 👩\u200d💻"
    )
