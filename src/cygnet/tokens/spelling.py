"""How a BPE's tokens spell bytes: in GPT-2's alphabet for all 256, or as SentencePiece does.

SentencePiece (Kudo and Richardson 2018, arXiv 1808.06226) writes ▁ for a space, and as bytes, <0x00> to <0xFF>, what
its pieces lack. It puts a space before a text, so that its first word is the piece it would be in a sentence. Text that
goes on after other text, such as what a model writes, gets none: there a token stands for the same bytes wherever it
is. So both kinds are lossless on text after text; only where a text begins does this space come and go. (A ▁ in a text
comes back as a space: to these models it is one.)
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError

SPACE = "▁"
BYTES = {f"<0x{byte:02X}>": bytes([byte]) for byte in range(256)}
KINDS = "byte-level BPE, and SentencePiece's BPE with byte fallback, load here"
# What decoders do, and from what they may start.
_DECODERS: dict[str, dict[str, Any]] = {
    "Replace": {"pattern": {"String": SPACE}, "content": " "},
    "ByteFallback": {},
    "Fuse": {},
    "Strip": {"content": " ", "stop": 0},
    "Metaspace": {"replacement": SPACE},
}

Opens = Literal["never", "first", "each"]


@dataclass(frozen=True)
class Spelling:
    """What is particular to one kind of BPE.

    begins, inside: what encodes the beginning of a text, and text after other text. opens: where a space is put before
    text: nowhere, where all of it begins, or after each added token too, special or not. bytes_of: what a token stands
    for, by its name; raises KeyError for a name that spells nothing.
    """

    kind: Literal["byte-level", "sentencepiece"]
    begins: BpeTokenizer
    inside: BpeTokenizer
    opens: Opens
    bytes_of: Callable[[str], bytes]


def spelling_of(bpe: BpeTokenizer) -> Spelling:
    """How the tokens of a BPE are to be read. Raises UserError for another kind than the two above."""
    bpe.encode_special_tokens = True  # "<|end|>" inside text is text
    if bpe.model.byte_fallback:
        definition: dict[str, Any] = json.loads(bpe.to_str())
        if all(step["type"] != "ByteLevel" for step in _steps(definition["decoder"])):
            return _sentencepiece(bpe, definition)
    return Spelling("byte-level", bpe, bpe, "never", _in_alphabet)


def _sentencepiece(bpe: BpeTokenizer, definition: dict[str, Any]) -> Spelling:
    vocabulary = definition["model"]["vocab"]
    if lacking := [token for token in (SPACE, *BYTES) if token not in vocabulary]:
        raise UserError(f"the tokenizer lacks the token {lacking[0]!r}, without which some text would be lost.")
    for step in _steps(definition["decoder"]):
        expected = _DECODERS.get(step["type"])
        if expected is None or any(step.get(key) != value for key, value in expected.items()):
            raise UserError(f"the tokenizer's decoder has the step {json.dumps(step)!s:.80}; only {KINDS}.")
    special = {token["content"] for token in definition["added_tokens"] if token["special"]}
    if definition["model"]["ignore_merges"] and not special.isdisjoint(vocabulary):
        raise UserError(
            "the tokenizer takes a text that is a token's name for that token (ignore_merges): refused, for "
            "such a text could forge a turn."
        )
    merges = definition["model"]["merges"]
    honest = [pair for pair in merges if "".join(pair) not in special]  # others would let a text forge a turn
    definition["model"]["merges"] = honest
    begins = _built(definition) if len(honest) < len(merges) else bpe
    opens = _remove_space(definition)
    return Spelling("sentencepiece", begins, _built(definition), opens, _in_pieces)


def _remove_space(definition: dict[str, Any]) -> Opens:
    """Take out what puts a space before texts, and tell where it did."""
    opens: Opens = "never"
    normalizers = _steps(definition["normalizer"])
    kept = [step for step in normalizers if step["type"] != "Prepend" or step["prepend"] != SPACE]
    if len(kept) < len(normalizers):
        opens = "each"
        definition["normalizer"] = {"type": "Sequence", "normalizers": kept}
    for step in _steps(definition["pre_tokenizer"]):
        if step["type"] == "Metaspace":
            if step["replacement"] != SPACE:
                raise UserError(f"the tokenizer writes {step['replacement']!r} for a space; only {KINDS}.")
            opens = opens if opens == "each" else _SCHEMES[step["prepend_scheme"]]
            step["prepend_scheme"] = "never"
    return opens


def _steps(part: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The steps of a part of tokenizer.json, which may be one, sequences of them or none."""
    if part is None or part["type"] != "Sequence":
        return [part] if part else []
    return [
        step
        for inner in part.get("normalizers") or part.get("pretokenizers") or part.get("decoders") or []
        for step in _steps(inner)
    ]


_SCHEMES: dict[str, Opens] = {"always": "each", "first": "first", "never": "never"}


def _built(definition: dict[str, Any]) -> BpeTokenizer:
    bpe = BpeTokenizer.from_str(json.dumps(definition))
    bpe.encode_special_tokens = True
    return bpe


def _in_pieces(token: str) -> bytes:
    return BYTES.get(token) or token.replace(SPACE, " ").encode()


def _in_alphabet(token: str) -> bytes:
    return bytes(_BYTE_OF_CHARACTER[character] for character in token)


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's table from printable characters to the bytes they stand for."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return table | {chr(256 + position): byte for position, byte in enumerate(others)}


_BYTE_OF_CHARACTER = _byte_alphabet()
