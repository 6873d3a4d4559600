"""The tokenizer inside of a GGUF file, built anew from its tokens and merges."""

from collections.abc import Callable
from typing import Any, TypeVar

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from cygnet.errors import UserError
from cygnet.tokens.sentencepiece import CONTROL, USER_DEFINED, beginning, bpe_of_pieces

T = TypeVar("T")

# The ids it may name, and what tokenizer_config.json calls their tokens.
_IDS = {
    "bos_token_id": "bos_token",
    "eos_token_id": "eos_token",
    "padding_token_id": "pad_token",
    "eot_token_id": "",
    "eom_token_id": "",
}
ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")

# How text is cut before merging, by the name under tokenizer.ggml.pre; as in the tokenizer.json of each family.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


CUTS: dict[str, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "qwen2": lambda: _split(_QWEN2),
    "bailingmoe": lambda: _split(_QWEN2),  # its own pattern cuts the same
    "llama-bpe": lambda: _split(_LLAMA3),
    "smaug-bpe": lambda: _split(_LLAMA3),
    "tekken": lambda: _split(_TEKKEN),
}
_WHOLE_WORDS = ("llama-bpe", "tekken")  # a word that is a token is that token, whatever its merges
_BEGIN = ("llama-bpe", "tekken")  # texts begin with the bos token where the file says nothing


def read_tokenizer(settings: dict[str, Any]) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer and its tokenizer_config.json, in which "ends" are the ids that end a text.

    Raises UserError for another kind than SentencePiece's BPE and byte-level BPE of a known family, and KeyError for a
    missing setting.
    """
    own = {name.removeprefix("tokenizer.ggml."): value for name, value in settings.items()}
    if not isinstance(own["model"], str) or own["model"] not in _KINDS:
        raise UserError(f"its tokenizer is of the kind {own['model']!r:.60}; BPE (gpt2, llama) loads here.")
    read, assumed = _KINDS[own["model"]]
    own = assumed | own
    tokens = _listed(own, "tokens", str)
    kinds = _listed(own, "token_type", int)
    if len(kinds) != len(tokens):
        raise UserError(f"it has {len(tokens)} tokens, but tokenizer.ggml.token_type says something of {len(kinds)}.")
    bpe = read(own, tokens, kinds)
    ids = {key: _id(own, key, tokens) for key in _IDS if key in own or key == "eos_token_id"}
    if own.get("add_bos_token", own.get("pre") in _BEGIN):
        bpe.post_processor = beginning(tokens[_id(own, "bos_token_id", tokens)], own["bos_token_id"])
    names = {name: tokens[ids[key]] for key, name in _IDS.items() if name and key in ids}
    template = {"chat_template": own["tokenizer.chat_template"]} if "tokenizer.chat_template" in own else {}
    common = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    ends = list(dict.fromkeys(ids[key] for key in ENDS if key in ids))
    return bpe, {**common, **names, **template, "ends": ends}


def _byte_level(own: dict[str, Any], tokens: list[str], kinds: list[int]) -> Tokenizer:
    cut = own.get("pre")
    if not isinstance(cut, str) or cut not in CUTS:
        how = "does not say how it cuts text (tokenizer.ggml.pre)" if cut is None else f"cuts text like {cut!r:.60}"
        raise UserError(f"its tokenizer {how}; known here: {', '.join(CUTS)}.")
    bpe = _bpe(tokens, _listed(own, "merges", str), ignore_merges=cut in _WHOLE_WORDS)
    if cut == "qwen2":
        bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer, bpe.decoder = CUTS[cut](), decoders.ByteLevel()
    bpe.add_tokens(
        [
            AddedToken(token, special=kind == CONTROL, normalized=False)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind in {CONTROL, USER_DEFINED}
        ]
    )
    return bpe


def _sentencepiece(own: dict[str, Any], tokens: list[str], kinds: list[int]) -> Tokenizer:
    for name in ("remove_extra_whitespaces", "precompiled_charsmap"):
        if own.get(name):
            raise UserError(f"it sets tokenizer.ggml.{name}, which can't be represented here.")
    return bpe_of_pieces(tokens, _listed(own, "scores", float), kinds, "each" if own["add_space_prefix"] else "never")


# By the name under tokenizer.ggml.model: how it is read, and what llama.cpp takes where a file says nothing.
_KINDS: dict[str, tuple[Callable[[dict[str, Any], list[str], list[int]], Tokenizer], dict[str, Any]]] = {
    "gpt2": (_byte_level, {}),
    "llama": (
        _sentencepiece,
        {"bos_token_id": 1, "eos_token_id": 2, "add_bos_token": True, "add_space_prefix": True},
    ),
}


def _bpe(tokens: list[str], merges: list[str], ignore_merges: bool) -> Tokenizer:
    ids = {token: i for i, token in enumerate(tokens)}
    if len(ids) < len(tokens):
        twice = next(token for i, token in enumerate(tokens) if ids[token] != i)
        raise UserError(f"its vocabulary has the token {twice!r:.60} twice.")
    try:
        return Tokenizer(models.BPE(ids, [_pair(merge) for merge in merges], ignore_merges=ignore_merges))
    except Exception as error:  # the library raises bare Exception
        raise UserError(f"its merges don't fit its tokens: {error}") from error


def _listed(own: dict[str, Any], name: str, kind: type[T]) -> list[T]:
    value = own[name]
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise UserError(f"tokenizer.ggml.{name} is {value!r:.60}, which should be a list of {kind.__name__}.")
    return value


def _id(own: dict[str, Any], name: str, tokens: list[str]) -> int:
    value = own[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < len(tokens):
        raise UserError(f"tokenizer.ggml.{name} is {value!r:.60}; ids of its tokens run from 0 to {len(tokens) - 1}.")
    return value


def _pair(merge: str) -> tuple[str, str]:
    first, _, second = merge.partition(" ")
    return first, second
