from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.pieces import pack, split_text

TEXTS = st.text(alphabet="ab \n", max_size=80)


@given(st.lists(TEXTS), st.integers(1, 30))
def test_nothing_is_lost_and_only_single_lines_exceed_the_limit(parts: list[str], limit: int) -> None:
    pieces = pack(parts, limit)
    assert "".join(pieces) == "".join(parts)
    assert all(len(piece) <= limit or "\n" not in piece.rstrip("\n") for piece in pieces)


def test_cuts_fall_on_blank_lines_before_line_ends() -> None:
    assert split_text("one\ntwo\n\nthree\nfour", 10) == ["one\ntwo", "three\nfour"]
    assert split_text("one\ntwo\nthree", 8) == ["one\ntwo", "three"]


def test_the_remains_of_a_cut_part_are_not_joined_with_its_neighbor() -> None:
    assert pack(["aaaa\n\nb\n", "c\n"], 6) == ["aaaa\n\n", "b\n", "c\n"]
