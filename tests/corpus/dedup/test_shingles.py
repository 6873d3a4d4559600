"""Runs of words as hashes: equal runs have equal hashes wherever they stand, unequal ones don't."""

from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.dedup.shingles import WordHashes, finish, hashes_of, longer, runs, words


def hashed(text: str, length: int) -> list[int]:
    return finish(runs(hashes_of(words(text), WordHashes()), length), length).tolist()


def test_words_are_lower_case_and_without_punctuation() -> None:
    assert words('Don\'t "STOP" me-now, 3.5 times!') == b"don t stop me now 3 5 times".split()
    assert words("Ça va? «Très» bien… Straße") == "ça va très bien straße".encode().split()


def test_composed_and_decomposed_letters_are_the_same_word() -> None:
    assert words("cafe\u0301") == words("caf\u00e9")


def test_scripts_without_spaces_have_a_word_a_character() -> None:
    assert words("今天天气很好。") == [character.encode() for character in "今天天气很好"]
    assert len(words("ภาษาไทย")) == 7
    assert words("한국어 문장") == ["한국어".encode(), "문장".encode()]


def test_half_a_surrogate_pair_is_no_obstacle() -> None:
    assert len(words("odd \ud800 one")) == 3


@given(st.lists(st.sampled_from("a b c d".split()), max_size=12), st.integers(1, 6))
def test_hashes_are_equal_exactly_where_runs_are(found: list[str], length: int) -> None:
    expected = [tuple(found[i : i + length]) for i in range(len(found) - length + 1)]
    hashes = hashed(" ".join(found), length)
    assert len(hashes) == len(expected)
    assert len(set(zip(expected, hashes, strict=True))) == len(set(expected)) == len(set(hashes))


@given(st.lists(st.sampled_from("a b c".split()), max_size=10), st.integers(1, 5))
def test_a_run_grows_by_one_word(found: list[str], length: int) -> None:
    single = hashes_of([word.encode() for word in found], WordHashes())
    assert longer(runs(single, length), single, length).tolist() == runs(single, length + 1).tolist()


def test_hashes_stay_the_same_for_ever() -> None:
    # they are in files of signatures and decontamination indexes
    assert hashed("the quick brown fox jumps", 5) == [5547269483598866429]
