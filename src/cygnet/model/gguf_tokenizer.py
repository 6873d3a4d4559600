"""The tokenizer inside of a GGUF file, built anew from its tokens and merges."""

from collections.abc import Callable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from cygnet.errors import UserError

_CONTROL, _USER_DEFINED = 3, 4

# How text is cut before merging, by the name under tokenizer.ggml.pre; as in the tokenizer.json of each family.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


_CUTS: dict[str, Callable[[], pre_tokenizers.PreTokenizer]] = {
    "gpt-2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
    "smollm": lambda: pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "qwen2": lambda: _split(_QWEN2),
    "llama-bpe": lambda: _split(_LLAMA3),
}


def read_tokenizer(settings: dict[str, Any]) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer and its tokenizer_config.json, in which "ends" are the ids that end a text.

    Raises UserError for another kind than byte-level BPE of a known family, and KeyError for a missing setting.
    """
    own = {name.removeprefix("tokenizer.ggml."): value for name, value in settings.items()}
    if own["model"] != "gpt2":
        raise UserError(f"its tokenizer is of the kind {own['model']!r}; only byte-level BPE (gpt2) loads here.")
    if (cut := own.get("pre")) not in _CUTS:
        how = "does not say how it cuts text (tokenizer.ggml.pre)" if cut is None else f"cuts text like {cut!r}"
        raise UserError(f"its tokenizer {how}; known here: {', '.join(_CUTS)}.")
    tokens: list[str] = own["tokens"]
    bpe = Tokenizer(
        models.BPE(
            {token: i for i, token in enumerate(tokens)},
            [_pair(merge) for merge in own["merges"]],
            ignore_merges=cut == "llama-bpe",
        )
    )
    if cut == "qwen2":
        bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer, bpe.decoder = _CUTS[cut](), decoders.ByteLevel()
    added = [
        AddedToken(token, special=kind == _CONTROL, normalized=False)
        for token, kind in zip(tokens, own["token_type"], strict=True)
        if kind in {_CONTROL, _USER_DEFINED}
    ]
    bpe.add_tokens(added)
    ends = list(dict.fromkeys([own["eos_token_id"], *([own["eot_token_id"]] if "eot_token_id" in own else [])]))
    if own.get("add_bos_token", cut == "llama-bpe"):  # what llama.cpp assumes where the file says nothing
        bos = (tokens[own["bos_token_id"]], own["bos_token_id"])
        bpe.post_processor = processors.TemplateProcessing(single=f"{bos[0]}:0 $A:0", special_tokens=[bos])
    ids = {"bos_token": "bos_token_id", "eos_token": "eos_token_id", "pad_token": "padding_token_id"}
    names = {name: tokens[own[key]] for name, key in ids.items() if key in own}
    template = {"chat_template": own["tokenizer.chat_template"]} if "tokenizer.chat_template" in own else {}
    common = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    return bpe, {**common, **names, **template, "ends": ends}


def _pair(merge: str) -> tuple[str, str]:
    first, _, second = merge.partition(" ")
    return first, second
