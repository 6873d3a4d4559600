from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.techniques.retrieval import documents
from cygnet.techniques.retrieval.documents import Document, LeftOutError, find_files, read_bytes, read_documents

MARKDOWN = """\
---
title: not a heading
---
Before.

# Rivers

Water.

## The `Rhine`

```python
# not a heading
```

The Elbe
--------
North.

# Lakes
> # quoted
"""

RST = """\
======
Rivers
======

Water.

The Rhine
---------
West::

    Not one
    -------

Lakes
=====
Deep.
"""

PYTHON = '''\
"""Doc."""
import os

# About the swan.
@dataclass
class Swan:
    """White."""

    wings = 2

    def swim(self):
        pass

    # How it flies.
    async def fly(self):
        pass

    color = "white"

LAKE = 1

def feed(): return 2
'''

HTML = """<!doctype html><html><head><title>Birds &amp; more</title><style>p {}</style></head><body>
<nav>Home</nav><script>var x = "<h1>No</h1>";</script>
<p>Some <b>bold</b>
text.</p><h2>The <i>swan</i></h2><p>It swims.<br>It flies.</p>
<pre>a = 1
  b = 2</pre><table><tr><td>one</td><td>two</td></tr></table></body></html>"""


def read(name: str, text: str) -> list[Document]:
    return read_documents(Path(name), text.encode())


def outline(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(s.titles, document.text[s.start : s.end].strip().split("\n")[0]) for s in document.sections]


def test_markdown_is_cut_at_its_headings_and_only_there() -> None:
    [document] = read("a.md", MARKDOWN)
    assert document.text == MARKDOWN
    assert outline(document) == [
        ((), "---"),
        (("Rivers",), "# Rivers"),
        (("Rivers", "The Rhine"), "## The `Rhine`"),
        (("Rivers", "The Elbe"), "The Elbe"),
        (("Lakes",), "# Lakes"),
    ]


def test_restructured_text_levels_come_in_the_order_of_their_use() -> None:
    [document] = read("a.rst", RST)
    assert outline(document) == [
        (("Rivers",), "======"),
        (("Rivers", "The Rhine"), "The Rhine"),
        (("Rivers", "The Rhine", "Lakes"), "Lakes"),
    ]


def test_python_is_cut_at_functions_classes_and_methods_with_their_comments() -> None:
    [document] = read("a.py", PYTHON)
    assert outline(document) == [
        ((), '"""Doc."""'),
        (("Swan",), "# About the swan."),
        (("Swan", "swim"), "def swim(self):"),
        (("Swan", "fly"), "# How it flies."),
        (("Swan",), 'color = "white"'),
        ((), "LAKE = 1"),
        (("feed",), "def feed(): return 2"),
    ]


def test_python_that_does_not_parse_is_plain_text() -> None:
    [document] = read("old.py", "print 'hello'\n")
    assert [section.titles for section in document.sections] == [()]


def test_html_is_what_a_reader_sees() -> None:
    [document] = read("a.html", HTML)
    assert document.text == ("Some bold text.\n\nThe swan\n\nIt swims.\nIt flies.\n\na = 1\n  b = 2\n\none two")
    assert outline(document) == [
        (("Birds & more",), "Some bold text."),
        (("Birds & more", "The swan"), "The swan"),
    ]


def test_an_h1_is_the_title_of_its_page() -> None:
    [document] = read("a.htm", "<title>Site</title><h1>Swans</h1><p>White.")
    assert outline(document) == [(("Swans",), "Swans")]


def test_each_row_of_json_lines_is_a_document_with_its_number() -> None:
    rows = '{"text": "one", "title": "First"}\n\n{"text": "two"}\n'
    assert [(each.text, each.row, each.sections[0].titles) for each in read("a.jsonl", rows)] == [
        ("one", 1, ("First",)),
        ("two", 3, ()),
    ]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"a\0b", "binary: it has zero bytes"),
        ("a.txt", b"\xff\xfeab", "not UTF-8 text"),
        ("a.md", b" \n", "empty"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 1}', 'row 2 has no "text"'),
        ("a.jsonl", b'{"text": "a"}\n{"te', "row 2 is not valid JSON"),
        ("a.jsonl", b'{"text": "\\ud800"}', "row 1 has half of a surrogate pair"),
        ("a.html", b"<![odd[ x ]]>", "HTML that can't be parsed"),
    ],
)
def test_what_cannot_be_read_has_a_reason(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(LeftOutError) as failure:
        read_documents(Path(name), data)
    assert str(failure.value) == reason


def test_files_of_other_kinds_broken_links_and_huge_ones_have_a_reason(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "link.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "large.txt").write_text("12345")
    monkeypatch.setattr(documents, "LARGEST", 4)
    for name, reason in (("a.PNG", "another kind of file"), ("link.txt", "not a file"), ("large.txt", "larger than")):
        with pytest.raises(LeftOutError, match=reason):
            read_bytes(tmp_path / name)


def test_hidden_folders_and_installed_packages_are_passed_by(tmp_path: Path) -> None:
    for name in (".git/a.txt", "node_modules/b.md", "in/c.txt", "in/.venv/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [path.name for path in find_files(tmp_path)] == ["c.txt"]


LINES = st.lists(
    st.sampled_from(["# A", "## B", "text here", "", "===", "---", "def f():", "    pass", "\t<h1>x", "…"])
)


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([".md", ".rst", ".py", ".txt", ".html"]))
def test_sections_cover_a_document_without_gaps(lines: list[str], end: str, suffix: str) -> None:
    text = "x" + end + end.join(lines)
    [document] = read(f"a{suffix}", text)
    edges = [0, *(section.end for section in document.sections)]
    assert [section.start for section in document.sections] == edges[:-1]
    assert edges[-1] == len(document.text)
    if suffix != ".html":
        assert document.text == text
