"""Everything that the rules of Gopher, C4 and FineWeb ask of a text, measured in one go.

Numbers are stored beside the text and the rules decide later, so thresholds can change without measuring again.
"""

from collections.abc import Iterable

import numpy as np

from cygnet.corpus.quality.lines import Edited, edit_both
from cygnet.corpus.quality.repetition import DUPLICATED, TOP, repeated_items, repeated_ngrams
from cygnet.corpus.quality.words import STOP_WORDS, TERMINALS, count_sentences, has_letter, is_symbol, split_words

# The names never change and none goes; new ones may join. Shares are between 0 and 1.
METRICS: dict[str, str] = {
    "characters": "characters of the text",
    "words": "words, punctuation not counted",
    "mean_word_length": "characters a word, punctuation not counted",
    "hashes_per_word": "number signs over tokens (words and punctuation)",
    "ellipses_per_word": "ellipses, as one character or as three full stops, over tokens",
    "bullet_lines": "share of lines that begin with a bullet or a hyphen, blank lines counted",
    "ellipsis_lines": "share of lines that end in an ellipsis, blank lines counted",
    "alphabetic_words": "share of words with a letter, punctuation not counted",
    "alphabetic_tokens": "share of tokens with a letter, punctuation counted: what datatrove asks for 80 % of",
    "stop_words": "how many different ones of: the, be, to, of, and, that, have, with",
    "duplicate_lines": "share of lines that equal an earlier one, blank lines not counted",
    "duplicate_paragraphs": "share of paragraphs (parted by blank lines) that equal an earlier one",
    "duplicate_line_characters": "characters in such lines over all characters",
    "duplicate_paragraph_characters": "characters in such paragraphs over all characters",
    **{f"top_{n}_gram": f"characters of the most frequent {n}-gram's occurrences over all" for n in TOP},
    **{f"duplicate_{n}_grams": f"characters in {n}-grams that occurred before, over all" for n in DUPLICATED},
    "c4_sentences": "sentences in the lines that C4 keeps",
    "c4_lorem_ipsum": "lines with the words lorem ipsum among them",
    "c4_curly_brackets": "lines with an opening curly bracket among them",
    "fineweb_sentences": "sentences in the lines that FineWeb keeps (C4's rules, terminal punctuation not asked for)",
    "fineweb_lorem_ipsum": "lines with the words lorem ipsum among them",
    "fineweb_curly_brackets": "lines with an opening curly bracket among them",
    "fineweb_terminal_lines": "share of them that end in terminal punctuation of any script",
    "fineweb_short_lines": "share of them of 30 characters or fewer",
    "fineweb_duplicate_characters": "characters in those that equal an earlier one, over all their characters",
    "fineweb_newlines_per_word": "line breaks between them over tokens in them",
}

_SHORT = 30


def metrics(text: str) -> dict[str, float]:
    """What METRICS names, of one text, in that order. A text without words or lines has zeros."""
    tokens = split_words(text)
    c4, fineweb = edit_both(text)
    c4_sentences, fineweb_sentences = _sentences(c4, fineweb)
    values = {
        "characters": float(len(text)),
        **_of_words(text, tokens),
        **_of_lines(text),
        **_c4("c4", c4, c4_sentences),
        **_c4("fineweb", fineweb, fineweb_sentences),
        **_fineweb(fineweb, len(tokens)),
    }
    return {name: values[name] for name in METRICS}


class _Vocabulary(dict[str, int]):
    """word → its number, in the order in which words are first asked for."""

    def __missing__(self, word: str) -> int:
        found = self[word] = len(self)
        return found


def _of_words(text: str, tokens: list[str]) -> dict[str, float]:
    vocabulary = _Vocabulary()
    words = np.fromiter(map(vocabulary.__getitem__, tokens), np.int64, len(tokens))
    distinct = list(vocabulary)
    # each word of the vocabulary is looked at once, however often it occurs
    counts = np.bincount(words, minlength=len(vocabulary))
    lengths = np.fromiter(map(len, vocabulary), np.int64, len(vocabulary))
    letters = np.fromiter(map(str.isalpha, vocabulary), bool, len(vocabulary))
    spoken = letters.copy()
    for place in np.flatnonzero(~letters).tolist():  # the few that are not letters through and through
        letters[place], spoken[place] = has_letter(distinct[place]), not is_symbol(distinct[place])
    number, alphabetic = int(counts[spoken].sum()), int(counts[letters].sum())
    repeated = repeated_ngrams(words, lengths[words])
    return {
        "words": float(number),
        "mean_word_length": _share(int((counts * lengths)[spoken].sum()), number),
        "hashes_per_word": _share(text.count("#"), len(tokens)),
        "ellipses_per_word": _share(text.count("...") + text.count("…"), len(tokens)),
        "alphabetic_words": _share(alphabetic, number),
        "alphabetic_tokens": _share(alphabetic, len(tokens)),
        "stop_words": float(len(STOP_WORDS & vocabulary.keys())),
        **{f"top_{n}_gram": _share(repeated[n], len(text)) for n in TOP},
        **{f"duplicate_{n}_grams": _share(repeated[n], len(text)) for n in DUPLICATED},
    }


def _of_lines(text: str) -> dict[str, float]:
    lines = [line.strip() for line in text.splitlines()]
    paragraphs = _split(text.strip(), 2)
    filled = _split(text, 1)
    (same_paragraphs, paragraph_characters), (same_lines, line_characters) = map(repeated_items, (paragraphs, filled))
    return {
        "bullet_lines": _share(sum(line.startswith(("•", "-")) for line in lines), len(lines)),
        "ellipsis_lines": _share(sum(line.endswith(("...", "…")) for line in lines), len(lines)),
        "duplicate_lines": _share(same_lines, len(filled)),
        "duplicate_paragraphs": _share(same_paragraphs, len(paragraphs)),
        "duplicate_line_characters": _share(line_characters, len(text)),
        "duplicate_paragraph_characters": _share(paragraph_characters, len(text)),
    }


def _split(text: str, breaks: int) -> list[str]:
    """The parts of a text between so many line breaks or more: what re.split gives, in a fifth of its time."""
    parting = "\n" * breaks
    while f"{parting}\n" in text:
        text = text.replace(f"{parting}\n", parting)
    return text.split(parting)


def _sentences(c4: Edited, fineweb: Edited) -> tuple[int, int]:
    """Of either's lines. Where FineWeb keeps C4's and all that only lack their full stop, those are counted apart."""
    counted = count_sentences(c4.lines)
    unended = [line for reason, line in c4.removed if reason == "no_terminal_punctuation"]
    if len(c4.lines) + len(unended) == len(fineweb.lines):
        return counted, counted + count_sentences(unended)
    return counted, count_sentences(fineweb.lines)


def _c4(prefix: str, edited: Edited, sentences: int) -> dict[str, float]:
    return {
        f"{prefix}_sentences": float(sentences),
        f"{prefix}_lorem_ipsum": float(edited.lorem_ipsum),
        f"{prefix}_curly_brackets": float(edited.curly_brackets),
    }


def _fineweb(edited: Edited, tokens: int) -> dict[str, float]:
    """FineWeb's own metrics, of what the edits left of a text that has so many tokens."""
    # no token goes over the end of a line, so only the lines that changed are split again
    tokens -= _tokens(line for _, line in edited.removed)
    tokens -= _tokens(before for before, _ in edited.cited) - _tokens(after for _, after in edited.cited)
    filled = [line for line in edited.lines if line.strip()]
    return {
        "fineweb_terminal_lines": _share(sum(line[-1] in TERMINALS for line in filled), len(filled)),
        "fineweb_short_lines": _share(sum(len(line) <= _SHORT for line in filled), len(filled)),
        "fineweb_duplicate_characters": _share(repeated_items(filled)[1], sum(map(len, edited.lines))),
        "fineweb_newlines_per_word": _share(max(0, len(edited.lines) - 1), tokens),
    }


def _tokens(lines: Iterable[str]) -> int:
    return len(split_words("\n".join(lines)))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
