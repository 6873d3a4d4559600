import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as BpeTokenizer
from tokenizers import models

from cygnet.errors import UserError
from cygnet.tokens.tokenizer import SPECIAL_TOKENS, Tokenizer, check_same_tokenizer, train_tokenizer

WITH_SPECIALS = st.lists(st.sampled_from([*SPECIAL_TOKENS, "<|", "|>", " ", "swan", "é", "\n"])).map("".join)


@pytest.fixture(scope="module")
def other() -> Tokenizer:
    return train_tokenizer(["quite other words, quite another tokenizer"] * 3, 300)


@given(st.text() | WITH_SPECIALS)
def test_text_comes_back_whatever_is_in_it(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert not set(ids) & set(range(len(SPECIAL_TOKENS)))


@given(st.binary() | st.text().map(str.encode))
def test_bytes_come_back_whatever_they_are(tokenizer: Tokenizer, data: bytes) -> None:
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(data)) == data


@given(st.text())
def test_the_bytes_of_a_text_are_encoded_as_the_text(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.encode_bytes(text.encode()) == tokenizer.encode(text)


@given(st.lists(st.text(), max_size=4))
def test_a_batch_is_its_texts(tokenizer: Tokenizer, texts: list[str]) -> None:
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


@given(st.text())
def test_the_lengths_of_tokens_add_up_to_the_text(tokenizer: Tokenizer, text: str) -> None:
    lengths = tokenizer.byte_lengths()
    ids = [tokenizer.bos_id, *tokenizer.encode(text), tokenizer.end_id]
    assert sum(lengths[token] for token in ids) == len(text.encode())


def test_a_digit_is_a_token_of_its_own(tokenizer: Tokenizer) -> None:
    assert [tokenizer.decode([token]) for token in tokenizer.encode("1234")] == ["1", "2", "3", "4"]


def test_words_of_the_training_text_are_single_tokens(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode(" swan")) == 1
    assert len(tokenizer.encode(" xylophone")) > 1


def test_padding_and_end_of_turn_are_different_tokens(tokenizer: Tokenizer) -> None:
    assert len({tokenizer.id_of(token) for token in SPECIAL_TOKENS}) == len(SPECIAL_TOKENS)
    assert tokenizer.pad_id != tokenizer.end_id
    assert tokenizer.decode([tokenizer.end_id]) == "<|end|>"


def test_a_saved_tokenizer_is_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "a")
    loaded = Tokenizer.load(tmp_path / "a")
    assert loaded.hash == tokenizer.hash
    assert loaded.vocab_size == tokenizer.vocab_size == 300
    text = "What is a <|end|> of 12 swans? 🦢"
    assert loaded.encode(text) == tokenizer.encode(text)
    loaded.save(tmp_path / "b")
    assert (tmp_path / "a/tokenizer.json").read_bytes() == (tmp_path / "b/tokenizer.json").read_bytes()


def test_training_again_gives_the_same_tokenizer() -> None:
    texts = ["one text and another", "and one more"]
    assert train_tokenizer(texts, 280).hash == train_tokenizer(iter(texts), 280).hash


def test_different_tokenizers_are_refused(tokenizer: Tokenizer, other: Tokenizer, tmp_path: Path) -> None:
    for name, made in (("a", tokenizer), ("b", tokenizer), ("c", other)):
        made.save(tmp_path / name)
    check_same_tokenizer(tmp_path / "a", tmp_path / "b")
    with pytest.raises(UserError, match="use different tokenizers"):
        check_same_tokenizer(tmp_path / "a", tmp_path / "c")


def test_what_is_no_tokenizer_is_named(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer\.json does not exist: expected a tokenizer or model folder"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer\.json is not a tokenizer"):
        Tokenizer.load(tmp_path)
    BpeTokenizer(models.BPE({"a": 0}, [])).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UserError, match=r"tokenizer_config\.json does not exist"):
        Tokenizer.load(tmp_path)
    with pytest.raises(UserError, match="lacks the special tokens"):
        Tokenizer(BpeTokenizer(models.BPE({"a": 0}, [])))
    tokenizer.save(tmp_path)
    damaged = json.loads((tmp_path / "tokenizer.json").read_text())
    damaged["model"]["vocab"]["far"] = 1000
    (tmp_path / "tokenizer.json").write_text(json.dumps(damaged))
    with pytest.raises(UserError, match="its ids must run from 0 without gaps"):
        Tokenizer.load(tmp_path)


def test_too_small_or_without_text(tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match=r"vocab_size is 263, but 256 bytes and the special tokens need 264"):
        train_tokenizer(["text"], 263)
    for nothing in ([], ["", ""]):
        with pytest.raises(UserError, match="no text to train a tokenizer on"):
            train_tokenizer(nothing, 300)
    with pytest.raises(KeyError):
        tokenizer.id_of("<|nothing|>")


def test_half_of_a_surrogate_pair_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match=r"not valid Unicode text, so it can't be encoded: 'half \\ud83e'"):
        tokenizer.encode("half \ud83e")
