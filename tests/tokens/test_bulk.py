import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError
from cygnet.tokens.bulk import BulkEncoder
from cygnet.tokens.tokenizer import SPECIAL_TOKENS, Tokenizer, train_tokenizer

_PROSE = Path(__file__).read_text(encoding="utf-8")  # no words are like one's own
_TOKENIZER = train_tokenizer([_PROSE, "It's WE'LL 'ſ ʼn aaaaaaaa bababab  \n\n\t x \r\n naïve 東京 ١٢٣ 🦢🦢"], 900)
_BULK = BulkEncoder.of(_TOKENIZER)

_PIECES = [
    "a",
    "b",
    "aa",
    "'s",
    "'LL",
    "'ſ",
    " ",
    "  ",
    "\n",
    "\r",
    "\t",
    "7",
    "٣",
    "é",
    "e\u0301",
    "🦢",
    "\u2028",
    "\x00",
]
_texts = st.one_of(
    st.text(),
    st.lists(st.sampled_from([*_PIECES, *SPECIAL_TOKENS]), max_size=60).map("".join),
    st.lists(st.sampled_from(_PROSE.split()), max_size=30).map(" ".join),
)


@given(st.lists(_texts, max_size=5))
def test_ids_are_those_of_the_tokenizer(texts: list[str]) -> None:
    assert _BULK is not None
    assert [ids.tolist() for ids in _BULK.encode_batch(texts)] == _TOKENIZER.encode_batch(texts)


def test_every_character_of_unicode_is_cut_off_alike() -> None:
    assert _BULK is not None
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    text = "".join(f"{character} b{character}" for character in characters[:0x32000])
    (ids,) = _BULK.encode_batch([text])
    assert ids.tolist() == _TOKENIZER.encode(text)


def test_blanks_without_end_and_empty_text() -> None:
    assert _BULK is not None
    texts = [" " * 1_200_000 + "x", ""]
    found = _BULK.encode_batch(texts)
    assert [ids.tolist() for ids in found] == [_TOKENIZER.encode(text) for text in texts]
    assert all(ids.dtype == np.uint32 for ids in found)


def test_half_of_a_surrogate_pair_is_refused_as_everywhere() -> None:
    assert _BULK is not None
    for encode in (_TOKENIZER.encode, lambda text: _BULK.encode_batch([text])):
        with pytest.raises(UserError, match="not valid Unicode"):
            encode("swan \ud83e")


def test_a_tokenizer_that_tiktoken_would_read_otherwise_is_left_alone() -> None:
    definition = _TOKENIZER.definition()
    normalized = definition | {"normalizer": {"type": "Lowercase"}}
    merges = definition["model"]["merges"]
    swapped = definition | {"model": definition["model"] | {"merges": [merges[1], merges[0], *merges[2:]]}}
    unreachable = definition | {"model": definition["model"] | {"merges": merges[:-1]}}
    for other in (normalized, swapped, unreachable):
        assert BulkEncoder.of(_tokenizer(other)) is None
    assert BulkEncoder.of(_tokenizer(definition)) is not None


def _tokenizer(definition: dict[str, object]) -> Tokenizer:
    return Tokenizer(BpeTokenizer.from_str(json.dumps(definition)))
