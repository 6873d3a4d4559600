import re
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.corpus.quality import METRICS, metrics
from cygnet.corpus.quality.repetition import DUPLICATED, TOP, repeated_ngrams
from cygnet.corpus.quality.words import TERMINALS, count_sentences, split_words

NAMES = """
    characters words mean_word_length hashes_per_word ellipses_per_word bullet_lines ellipsis_lines alphabetic_words
    alphabetic_tokens stop_words duplicate_lines duplicate_paragraphs duplicate_line_characters
    duplicate_paragraph_characters top_2_gram top_3_gram top_4_gram duplicate_5_grams duplicate_6_grams
    duplicate_7_grams duplicate_8_grams duplicate_9_grams duplicate_10_grams c4_sentences c4_lorem_ipsum
    c4_curly_brackets fineweb_sentences fineweb_lorem_ipsum fineweb_curly_brackets fineweb_terminal_lines
    fineweb_short_lines fineweb_duplicate_characters fineweb_newlines_per_word
""".split()


def test_no_name_of_a_metric_is_lost() -> None:
    assert list(METRICS) == NAMES == list(metrics("Some text."))


@given(st.text() | st.text(alphabet="ab. \n-•#…'{"))
def test_any_text_is_measured(text: str) -> None:
    measured = metrics(text)
    assert all(np.isfinite(value) and value >= 0 for value in measured.values())
    assert all(type(value) is float for value in measured.values())
    within = [name for name in NAMES if "share" in METRICS[name] or name.startswith("duplicate_")]
    assert all(measured[name] <= 1 for name in within)
    assert measured == metrics(text)


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_nothing_is_measured_as_nothing(text: str) -> None:
    assert not any(value for name, value in metrics(text).items() if name not in {"characters", "duplicate_lines"})


def test_words_are_counted_without_punctuation_and_letters_both_ways() -> None:
    measured = metrics("the cat, 42 and #1 ...")  # the cat , 42 and # 1 ...
    assert measured["words"] == 5
    assert measured["mean_word_length"] == (3 + 3 + 2 + 3 + 1) / 5
    assert measured["alphabetic_words"] == 3 / 5
    assert measured["alphabetic_tokens"] == 3 / 8
    assert measured["hashes_per_word"] == 1 / 8
    assert measured["ellipses_per_word"] == 1 / 8
    assert measured["stop_words"] == 2


def test_lines_and_paragraphs() -> None:
    measured = metrics("- one\n• two\nthree...\n\nfour…\n\n- one\n• two\nthree...")
    assert measured["bullet_lines"] == 4 / 9
    assert measured["ellipsis_lines"] == 3 / 9
    assert measured["duplicate_lines"] == 3 / 7
    assert measured["duplicate_paragraphs"] == 1 / 3
    assert measured["duplicate_line_characters"] == len("- one• twothree...") / measured["characters"]
    assert measured["duplicate_paragraph_characters"] == len("- one\n• two\nthree...") / measured["characters"]


@given(st.text(alphabet="ab \n"))
def test_what_lies_between_line_breaks_is_a_line_and_between_two_or_more_a_paragraph(text: str) -> None:
    measured = metrics(text)
    for name, parts in (("lines", re.split("\n+", text)), ("paragraphs", re.split("\n{2,}", text.strip()))):
        assert measured[f"duplicate_{name}"] == (len(parts) - len(set(parts))) / len(parts)


def test_words_of_lines_with_citations_are_counted_without_them() -> None:
    kept = ["The swan[12] swims here today.", "It [3] has gone to [citation needed] the other lake."]
    cookies = "We use cookies[1] on this page."
    measured = metrics("\n".join(["Two words", *kept, cookies]))
    assert measured["fineweb_newlines_per_word"] == 1 / (6 + 8)


def test_finewebs_metrics_are_of_the_text_that_c4s_edits_leave() -> None:
    text = "A title\n\nThe swan swims here.\nThe swan swims here.\nIt goes on and on for ever so long in this line"
    measured = metrics(text)
    lines = text.split("\n")[2:]
    assert measured["fineweb_terminal_lines"] == 2 / 3
    assert measured["fineweb_short_lines"] == 2 / 3
    assert measured["fineweb_duplicate_characters"] == len(lines[0]) / sum(map(len, lines))
    assert measured["fineweb_newlines_per_word"] == 2 / (5 + 5 + 12)
    assert (measured["fineweb_sentences"], measured["c4_sentences"]) == (3, 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's well-known.", "It 's well - known ."),
        ("covid-19, 1,000 at 12:30", "covid-19 , 1,000 at 12:30"),
        ("os.path.join(a) --help snake_case c++", "os.path.join(a ) --help snake_case c++"),
        ("either/or, e.g. “quotes”", "either / or , e.g. “ quotes ”"),
        ("see (https://swan.example/a?b=c).", "see ( https://swan.example/a?b=c ) ."),
        ("----- ... wait...", "----- ... wait ..."),
    ],
)
def test_words_are_cut_as_spacy_cuts_them(text: str, words: str) -> None:
    assert split_words(text) == words.split()


@given(st.text())
def test_words_hold_every_character_but_white_space(text: str) -> None:
    assert "".join(split_words(text)) == "".join(text.split())


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("One. Two! Three?", 3),
        ("He said “go.” They went.", 2),
        ("J. R. Swan lives at swan.example now.", 1),
        ("Wait ... what", 1),
        ("!!! ... !!!", 1),
        ("Nothing (really). Ends here", 2),
    ],
)
def test_sentences(line: str, sentences: int) -> None:
    assert count_sentences([line]) == sentences


def test_terminal_punctuation_is_of_any_script() -> None:
    assert set(".!?。！？।؟") <= TERMINALS
    assert not TERMINALS & set(string.ascii_letters + string.digits + ",;:…")


def _plainly(words: list[str]) -> dict[int, int]:
    """The definition, with strings: the most frequent n-gram; and n-grams seen before, reading on behind each."""
    found = dict.fromkeys((*TOP, *DUPLICATED), 0)
    for n in TOP:
        counts = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
        found[n] = max((len(gram) * count for gram, count in counts.most_common(1)), default=0)
    for n in DUPLICATED:
        seen, place = set(), 0
        while place <= len(words) - n:
            gram = tuple(words[place : place + n])
            found[n] += len("".join(gram)) * (gram in seen)
            place += n if gram in seen else 1
            seen.add(gram)
    return found


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd"])) | st.lists(st.sampled_from(["a", "bb"]), min_size=20))
def test_repetition_is_that_of_the_definition(words: list[str]) -> None:
    numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
    numbered = np.array([numbers[word] for word in words], dtype=np.int64)
    lengths = np.array([len(word) for word in words], dtype=np.int64)
    assert repeated_ngrams(numbered, lengths) == _plainly(words)
