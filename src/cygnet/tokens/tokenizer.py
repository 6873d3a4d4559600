"""BPE that is lossless on any bytes, with the chat's special tokens kept apart from text."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError
from cygnet.files import write_json
from cygnet.tokens.chat import CHAT_TEMPLATE
from cygnet.tokens.conventions import Conventions, read_conventions
from cygnet.tokens.spelling import KINDS, SPACE, spelling_of

BOS, END, PAD = "<|bos|>", "<|end|>", "<|pad|>"
SYSTEM, USER, ASSISTANT, TOOL, PYTHON = "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|python|>"
SPECIAL_TOKENS = (PAD, BOS, END, SYSTEM, USER, ASSISTANT, TOOL, PYTHON)

# GPT-4's split, but one digit at a time: numbers that share tokens digit by digit can be added digit by digit.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)


class Tokenizer:
    """BPE over UTF-8 text: byte-level as ours, or SentencePiece's (see `tokens/spelling.py`).

    Special tokens are only ever written by the chat format: the same characters in a user's text are encoded as
    ordinary text, so a prompt can't forge a turn.

    Text goes on after other text, unless it is said that it `begins`. That makes a difference to SentencePiece only,
    which puts a space before a text.

    A tokenizer from elsewhere comes with the `conventions` of its model. start: ids put before a document. end_id: ends
    a turn. end_ids: all ids at which a model may end what it writes. special_tokens: their names. added_tokens:
    these, and others that are found in text before it is cut.

    Raises UserError for a tokenizer of another kind, or one that has neither our special tokens nor conventions.
    """

    def __init__(self, bpe: BpeTokenizer, conventions: Conventions | None = None) -> None:
        if not isinstance(bpe.model, models.BPE):
            raise UserError(f"the tokenizer is {type(bpe.model).__name__}; only {KINDS}.")
        self._bpe = bpe
        self.spelling = spelling_of(bpe)
        self.conventions = conventions
        self._added = bpe.get_added_tokens_decoder()
        self.vocab_size: int = max(bpe.get_vocab().values(), default=-1) + 1
        if conventions is None:
            missing = [token for token in SPECIAL_TOKENS if bpe.token_to_id(token) is None]
            if missing:
                raise UserError(f"the tokenizer lacks the special tokens {', '.join(missing)}: not made by cygnet.")
            self.pad_id, self.bos_id, self.end_id = (self.id_of(token) for token in (PAD, BOS, END))
            self.start, self.end_ids = [self.bos_id], frozenset({self.end_id})
        else:
            self.pad_id, self.bos_id, self.end_id = conventions.pad_id, conventions.bos_id, conventions.ends[0]
            self.start, self.end_ids = list(conventions.start), frozenset(conventions.ends)
        self.added_tokens = [token.content for token in self._added.values()]
        self.special_tokens = [token.content for token in self._added.values() if token.special]
        self.special_ids = frozenset(i for i, token in self._added.items() if token.special)
        self.hash = hashlib.sha256(bpe.to_str().encode()).hexdigest()
        self._bytes = [self._bytes_of(token_id) for token_id in range(self.vocab_size)]
        self._byte_ids = {token: i for i, token in reversed(list(enumerate(self._bytes))) if len(token) == 1}

    @classmethod
    def load(cls, folder: Path) -> "Tokenizer":
        """Open `folder/tokenizer.json`, and what stands beside it if it is not one of ours; or its `tokenizer.model`.

        Raises UserError when it isn't there, isn't a tokenizer, or is one of another kind.
        """
        path = folder / "tokenizer.json"
        if not path.is_file() and (folder / "tokenizer.model").is_file():
            from cygnet.tokens.sentencepiece_model import read_model  # needs libraries that few folders do

            bpe = read_model(folder)
            return cls(bpe, read_conventions(folder, bpe))
        if not path.is_file():
            raise UserError(f"{path} does not exist: expected a tokenizer or model folder.")
        try:
            bpe = BpeTokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise UserError(f"{path} is not a tokenizer: {error}") from error
        own = all(bpe.token_to_id(token) is not None for token in SPECIAL_TOKENS)
        return cls(bpe, None if own else read_conventions(folder, bpe))

    @property
    def is_own(self) -> bool:
        """Whether cygnet made it: then it has the tokens of our chat format, the tool's among them."""
        return self.conventions is None

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and tokenizer_config.json (with the chat template), as transformers reads them."""
        folder.mkdir(parents=True, exist_ok=True)
        self._bpe.encode_special_tokens = False
        self._bpe.save(str(folder / "tokenizer.json"))
        self._bpe.encode_special_tokens = True
        config = self.conventions.config if self.conventions else _CONFIG
        if self.spelling.kind == "sentencepiece":  # of which transformers' own classes read tokenizer.json in part only
            config = {**config, "tokenizer_class": "PreTrainedTokenizerFast"}
        write_json(folder / "tokenizer_config.json", config)

    def encode(self, text: str, begins: bool = False) -> list[int]:
        """Token ids of `text`, without special tokens. Raises UserError for text that can't be written as UTF-8."""
        bpe = self.spelling.begins if begins else self.spelling.inside
        try:
            return list(bpe.encode(text, add_special_tokens=False).ids)
        except TypeError as error:  # terminals and JSON may give halves of surrogate pairs
            raise UserError(f"not valid Unicode text, so it can't be encoded: {text[:60]!a}") from error

    def begin(self, text: str) -> list[int]:
        """Token ids of a text from its beginning on, with what the model's texts begin with."""
        return [*self.start, *self.encode(text, begins=True)]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts that begin, in parallel."""
        return [list(item.ids) for item in self.spelling.begins.encode_batch(list(texts), add_special_tokens=False)]

    def encode_bytes(self, data: bytes) -> list[int]:
        """Token ids that stand for exactly these bytes: valid UTF-8 as text, each other byte as its own token."""
        text = data.decode("utf-8", errors="surrogateescape")
        if self.spelling.kind == "sentencepiece":  # as text it would come back as a space
            text = text.replace(SPACE, SPACE.encode().decode("ascii", errors="surrogateescape"))
        ids: list[int] = []
        run: list[str] = []
        for character in text:
            if "\udc80" <= character <= "\udcff":
                ids += [*self.encode("".join(run)), self._byte_ids[bytes([ord(character) - 0xDC00])]]
                run.clear()
            else:
                run.append(character)
        return ids + self.encode("".join(run))

    def decode_bytes(self, ids: Iterable[int], begins: bool = False) -> bytes:
        """The exact bytes that `ids` stand for; special tokens are written by name.

        begins: they are a text from its beginning; what was put before it is left out. Ids beyond the vocabulary stand
        for nothing: models from elsewhere have a few, to make their number round.
        """
        return b"".join(self._pieces(ids, begins))

    def decode(self, ids: Iterable[int], begins: bool = False) -> str:
        """Text of `ids`; bytes that are not UTF-8 become U+FFFD. Special tokens are written by name."""
        return self.decode_bytes(ids, begins).decode("utf-8", errors="replace")

    def id_of(self, token: str) -> int:
        """Id of a special token."""
        token_id = self._bpe.token_to_id(token)
        if token_id is None:
            raise KeyError(token)
        return int(token_id)

    def definition(self) -> dict[str, Any]:
        """The content of tokenizer.json."""
        found: dict[str, Any] = json.loads(self._bpe.to_str())
        return found

    def reaches_every_token(self) -> bool:
        """Whether the merges of each token's bytes, taken alone, lead to that token."""
        tokens = (self._bpe.id_to_token(place) for place in range(self.vocab_size) if place not in self._added)
        return all([piece.value for piece in self._bpe.model.tokenize(token)] == [token] for token in tokens)

    def byte_lengths(self, begins: bool = False) -> list[int]:
        """Bytes of text each id stands for, inside or first; 0 for special tokens. The denominator of bits per byte."""
        return [0 if i in self.special_ids else len(self.decode_bytes([i], begins)) for i in range(self.vocab_size)]

    def _pieces(self, ids: Iterable[int], begins: bool) -> Iterator[bytes]:
        spaced = begins and self.spelling.opens != "never"
        for i in ids:
            piece = self._bytes[i] if i < self.vocab_size else b""
            yield piece.removeprefix(b" ") if spaced else piece
            spaced = begins and self.spelling.opens == "each" and i in self._added

    def _bytes_of(self, token_id: int) -> bytes:
        token = self._bpe.id_to_token(token_id)
        if token is None:
            raise UserError(f"the tokenizer has no token {token_id}: its ids must run from 0 without gaps.")
        if token_id in self._added and self.spelling.kind == "byte-level":
            return token.encode()
        try:
            return self.spelling.bytes_of(token)
        except KeyError as error:
            raise UserError(f"the tokenizer has the token {token!r}; only {KINDS}.") from error


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train byte-level BPE (Sennrich et al. 2016, on bytes as in GPT-2) on `texts`.

    Raises UserError when `vocab_size` can't hold the 256 bytes and the special tokens, or there is no text.
    """
    smallest = 256 + len(SPECIAL_TOKENS)
    if vocab_size < smallest:
        raise UserError(f"tokenizer.vocab_size is {vocab_size}, but 256 bytes and the special tokens need {smallest}.")
    bpe = BpeTokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_refuse_nothing(texts), trainer=trainer)
    return Tokenizer(bpe)


def check_same_tokenizer(folder: Path, other: Path) -> None:
    """Raise UserError when two artifacts were made with different tokenizers."""
    first, second = Tokenizer.load(folder), Tokenizer.load(other)
    if first.hash != second.hash:
        raise UserError(
            f"{folder} and {other} use different tokenizers ({first.hash[:12]} and {second.hash[:12]}): "
            "token ids of one mean nothing to the other. Train both from the same tokenizer."
        )


def _refuse_nothing(texts: Iterable[str]) -> Iterable[str]:
    empty = True
    for text in texts:
        empty = empty and not text
        yield text
    if empty:
        raise UserError("there is no text to train a tokenizer on.")


_CONFIG: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": BOS,
    "eos_token": END,
    "pad_token": PAD,
    "additional_special_tokens": [SYSTEM, USER, ASSISTANT, TOOL, PYTHON],
    "clean_up_tokenization_spaces": False,
    "model_max_length": 1_000_000,
    "chat_template": CHAT_TEMPLATE,
}
