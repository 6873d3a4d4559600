"""A tokenizer as GGUF has it: tokens and their kinds, merges, and a name for how text is cut.

GGUF can't hold how text is cut before merging, only one of the names that llama.cpp knows. So the name is found by
trying: the tokenizer that `read_tokenizer` builds of it must give the same ids.
"""

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError
from cygnet.model.gguf_tokenizer import CONTROL, CUTS, ENDS, NORMAL, UNUSED, USER_DEFINED, read_tokenizer
from cygnet.tokens.chat import CHAT_TEMPLATE
from cygnet.tokens.tokenizer import Tokenizer

# Where the ways of cutting part: numbers, spaces, line ends, apostrophes, capitals, composed letters.
PROBES = (
    "What is 47 + 35? It's 82, isn't IT'S?  I'LL say 1234567 or 3.14, 10% of x_1.",
    "def swan(lake):\n    return lake[0] # HelloWorld, getHTTPResponse\n\n\n\tpass;\r\n  \r\n/* a */\n/",
    "Ein Schwan (Cygnus olor), cafe\u0301, café; 白鳥は12羽。 Лебедь ٣٤ ½ ² 🦢🏽 \u00a0\u2003.",
    "   leading and trailing   ",
)


# Ours cut as this name says, but keep the space before a digit. No name says that; so tokens of a space and a digit are
# marked to be found in text before it is cut, which comes to the same.
_OURS = "bailingmoe"


def vocabulary(tokenizer: Tokenizer, rows: int) -> dict[str, Any]:
    """The settings under tokenizer.* for a model with so many rows of embeddings.

    Raises UserError for a tokenizer that cuts text in a way that llama.cpp has no name for.
    """
    common = {"tokenizer.ggml.model": "gpt2", **_named_ids(tokenizer)}
    template = tokenizer.conventions.template if tokenizer.conventions else CHAT_TEMPLATE
    if template:
        common["tokenizer.chat_template"] = template
    lifted = _spaced_digits(tokenizer) if tokenizer.is_own else set[str]()
    listed = {**common, **_lists(tokenizer, rows, lifted)}
    for cut in (_OURS,) if tokenizer.is_own else CUTS:
        settings = {**listed, "tokenizer.ggml.pre": cut}
        if _cuts_alike(settings, tokenizer):
            return settings
    raise UserError("the model's tokenizer cuts text in a way that llama.cpp has no name for: GGUF can't hold it.")


def _named_ids(tokenizer: Tokenizer) -> dict[str, Any]:
    """The tokens that begin, end and fill texts, and whether the first is to be put before them."""
    named = {"bos_token", "pad_token"} if tokenizer.is_own else set(getattr(tokenizer.conventions, "names", {}))
    if tokenizer.start not in ([], [tokenizer.bos_id]):
        raise UserError("the model's texts begin with more than its bos token: GGUF can't say so.")
    ends = [tokenizer.end_id, *sorted(tokenizer.end_ids - {tokenizer.end_id})]
    if len(ends) > len(ENDS):
        raise UserError(f"the model ends texts with {len(ends)} different tokens; GGUF has names for {len(ENDS)}.")
    found: dict[str, Any] = dict(zip(ENDS, ends, strict=False))
    if "bos_token" in named or tokenizer.start:
        found["bos_token_id"] = tokenizer.bos_id
    if "pad_token" in named:
        found["padding_token_id"] = tokenizer.pad_id
    return {f"tokenizer.ggml.{name}": value for name, value in found.items()} | {
        "tokenizer.ggml.add_bos_token": bool(tokenizer.start)
    }


def _spaced_digits(tokenizer: Tokenizer) -> set[str]:
    """Tokens of a space and one digit, as GGUF writes bytes."""
    texts = {token: tokenizer.decode([token]) for token in range(tokenizer.vocab_size)}
    return {f"Ġ{text[1]}" for text in texts.values() if len(text) == 2 and text[0] == " " and text[1].isdecimal()}


def _lists(tokenizer: Tokenizer, rows: int, lifted: set[str]) -> dict[str, Any]:
    """Tokens, their kinds and the merges; the `lifted` tokens are found in text before it is cut."""
    definition = tokenizer.definition()
    words = {token_id: word for word, token_id in definition["model"]["vocab"].items()}
    added = {token["id"]: token for token in definition["added_tokens"]}
    tokens, kinds = [], []
    for place in range(rows):
        if place in added:
            token, kind = added[place]["content"], CONTROL if added[place]["special"] else USER_DEFINED
        elif place in words:
            spaced = words[place] in lifted
            token, kind = words[place].replace("Ġ", " ") if spaced else words[place], USER_DEFINED if spaced else NORMAL
        else:  # rows that only make the number round
            token, kind = f"[PAD{place}]", UNUSED
        tokens.append(token)
        kinds.append(kind)
    merges = [" ".join(pair) for pair in definition["model"]["merges"] if "".join(pair) not in lifted]
    return {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": merges,
    }


def _cuts_alike(settings: dict[str, Any], tokenizer: Tokenizer) -> bool:
    """Whether what these settings come to gives the tokenizer's ids, for the probes and for its own tokens in pairs."""
    try:
        bpe, _ = read_tokenizer(settings)
    except UserError:
        return False
    bpe.encode_special_tokens = True
    if _ids(bpe, PROBES) != tokenizer.encode_batch(PROBES):
        return False
    special = set(tokenizer.special_tokens)
    texts = [tokenizer.decode([token]) for token in range(tokenizer.vocab_size)]
    whole = [text for text in texts if "\ufffd" not in text and text not in special]
    pairs = [first + second for first, second in zip(whole, reversed(whole), strict=True)]
    return _ids(bpe, pairs) == tokenizer.encode_batch(pairs)


def _ids(bpe: BpeTokenizer, texts: Sequence[str]) -> list[list[int]]:
    return [found.ids for found in bpe.encode_batch(list(texts), add_special_tokens=False)]
