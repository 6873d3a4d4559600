from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.techniques.retrieval.chunks import Size, count_words, cut
from cygnet.techniques.retrieval.documents import Document, read_documents
from cygnet.techniques.retrieval.sections import markdown, plain


def pieces(text: str, words: int = 10, overlap: int = 0, suffix: str = ".txt") -> list[str]:
    [document] = read_documents(Path(f"a{suffix}"), text.encode())
    return [piece.text for piece in cut(document, Size(words, overlap))]


def test_a_short_section_is_one_chunk_under_its_titles() -> None:
    [document] = read_documents(Path("a.md"), b"# Rivers\n\nThe Rhine is long.\n\n## Lakes\n\nDeep.\n")
    assert [(piece.titles, piece.text) for piece in cut(document, Size())] == [
        (("Rivers",), "# Rivers\n\nThe Rhine is long."),
        (("Rivers", "Lakes"), "## Lakes\n\nDeep."),
    ]


def test_a_long_section_is_cut_between_paragraphs_then_sentences() -> None:
    text = "One two three four five six.\n\nAnd here we have one more.\n\nSmall."
    assert pieces(text) == ["One two three four five six.", "And here we have one more.\n\nSmall."]
    assert pieces("A b c d e f. G h i j k l. M n.") == ["A b c d e f.", "G h i j k l. M n."]


def test_neighbors_share_whole_sentences_within_the_overlap() -> None:
    assert pieces("A b c d. E f g. H i j k. L m.", words=10, overlap=4) == [
        "A b c d. E f g.",
        "E f g. H i j k.",
        "L m.",
    ]


def test_what_has_no_sentences_is_cut_at_lines_then_words() -> None:
    assert pieces("a b c d\ne f g h\ni j k l", words=8) == ["a b c d\ne f g h", "i j k l"]
    assert pieces("a b c d e f g", words=3) == ["a b c", "d e f", "g"]
    assert pieces("x" * 40, words=2) == ["x" * 24, "x" * 16]


def test_a_heading_alone_begins_the_section_below_it() -> None:
    assert pieces("# Rivers\n\n## The Rhine\n\nLong.\n\n# End\n", suffix=".md") == [
        "# Rivers\n\n## The Rhine\n\nLong.",
        "# End",
    ]


def test_code_keeps_its_indentation() -> None:
    text = "class Swan:\n    wings = 2\n\n    def swim(self):\n        return self.wings\n"
    assert pieces(text, words=30, suffix=".py") == [
        "class Swan:\n    wings = 2",
        "    def swim(self):\n        return self.wings",
    ]


@given(
    st.text(st.sampled_from("ab . \n\r#=漢。…\u2028\"'-"), max_size=200),
    st.integers(1, 12),
    st.integers(0, 11),
    st.booleans(),
)
def test_chunks_are_where_they_say_hold_everything_and_are_no_longer_than_said(
    text: str, words: int, overlap: int, headed: bool
) -> None:
    document = Document(text, tuple(markdown(text) if headed else plain(text)))
    size = Size(words, min(overlap, words - 1))
    found = list(cut(document, size))
    covered = [False] * len(text)
    for piece in found:
        assert text[piece.start : piece.end] == piece.text
        assert piece.text.strip()
        assert count_words(piece.text) <= words
        covered[piece.start : piece.end] = [True] * len(piece.text)
    assert not "".join(sign for sign, inside in zip(text, covered, strict=True) if not inside).strip()
    for one, other in pairwise(found):
        assert one.start < other.start
        assert one.end < other.end
        assert count_words(text[other.start : one.end]) <= size.overlap


@pytest.mark.parametrize(("words", "overlap"), [(0, 0), (5, 5), (5, -1)])
def test_sizes_that_cannot_be_are_refused(words: int, overlap: int) -> None:
    with pytest.raises(UserError, match="can't be made"):
        Size(words, overlap)
