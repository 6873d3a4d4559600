"""A tokenizer as GGUF has it: tokens and their kinds, merges, and a name for how text is cut; of SentencePiece, scores.

GGUF can't hold how text is cut before merging, only one of the names that llama.cpp knows. So the name is found by
trying: the tokenizer that `read_tokenizer` builds of it must give the same ids.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError
from cygnet.model.gguf_tokenizer import CUTS, ENDS, read_tokenizer
from cygnet.tokens.chat import CHAT_TEMPLATE, render_prompt
from cygnet.tokens.sentencepiece import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED
from cygnet.tokens.spelling import BYTES, spelling_of
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
    common = _named_ids(tokenizer)
    template = tokenizer.conventions.template if tokenizer.conventions else CHAT_TEMPLATE
    if template:
        common["tokenizer.chat_template"] = template
    if tokenizer.spelling.kind == "sentencepiece":
        settings = {**common, **_pieces(tokenizer, rows)}
        if _cuts_alike(settings, tokenizer):
            return settings
        raise UserError("the model's tokenizer joins pieces otherwise than by a score of each: GGUF can't hold it.")
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
    tokens, kinds = _tokens(definition, rows)
    for place, token in enumerate(tokens):
        if token in lifted and kinds[place] == NORMAL:
            tokens[place], kinds[place] = token.replace("Ġ", " "), USER_DEFINED
    merges = [" ".join(pair) for pair in definition["model"]["merges"] if "".join(pair) not in lifted]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": merges,
    }


def _pieces(tokenizer: Tokenizer, rows: int) -> dict[str, Any]:
    """Pieces, their kinds, scores in the order of the merges, and whether a space is put before texts."""
    definition = tokenizer.definition()
    tokens, kinds = _tokens(definition, rows)
    merges = definition["model"]["merges"]
    made = {"".join(pair): -float(place) for place, pair in reversed(list(enumerate(merges)))}
    for place, token in enumerate(tokens):
        if kinds[place] == CONTROL and token == definition["model"]["unk_token"]:
            kinds[place] = UNKNOWN
        elif token in BYTES:
            kinds[place] = BYTE
        elif kinds[place] == USER_DEFINED and token in made:
            kinds[place] = NORMAL  # as which it is joined too
    lowest = -float(len(merges))
    scores = [made.get(token, lowest) if kinds[place] == NORMAL else 0.0 for place, token in enumerate(tokens)]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.add_space_prefix": _opens(tokenizer),
    }


def _opens(tokenizer: Tokenizer) -> bool:
    """Whether llama.cpp is to put a space before text: where it begins and after each special token, or never.

    For a space where text begins and nowhere else, GGUF has no word. Then conversations are what is written right.
    """
    if tokenizer.spelling.opens != "first":
        return tokenizer.spelling.opens == "each"
    with suppress(UserError):  # a base model has no template
        first = render_prompt([{"role": "user", "content": "?"}], tokenizer)[0]
        return first not in tokenizer.special_ids
    return True


def _tokens(definition: dict[str, Any], rows: int) -> tuple[list[str], list[int]]:
    """The name and kind of each row."""
    words = {token_id: word for word, token_id in definition["model"]["vocab"].items()}
    added = {token["id"]: token for token in definition["added_tokens"]}
    tokens, kinds = [], []
    for place in range(rows):
        if place in added:
            token, kind = added[place]["content"], CONTROL if added[place]["special"] else USER_DEFINED
        elif place in words:
            token, kind = words[place], NORMAL
        else:  # rows that only make the number round
            token, kind = f"[PAD{place}]", UNUSED
        tokens.append(token)
        kinds.append(kind)
    return tokens, kinds


def _cuts_alike(settings: dict[str, Any], tokenizer: Tokenizer) -> bool:
    """Whether what these settings come to gives the tokenizer's ids, for the probes and for its own tokens in pairs."""
    try:
        found = spelling_of(read_tokenizer(settings)[0])
    except UserError:
        return False
    wanted = tokenizer.spelling
    alike = [(found.inside, wanted.inside)]
    if wanted.opens in {"each", "never"}:
        alike.append((found.begins, wanted.begins))
    if any(_ids(ours, PROBES) != _ids(theirs, PROBES) for ours, theirs in alike):
        return False
    special = set(tokenizer.special_tokens)
    texts = [tokenizer.decode([token]) for token in range(tokenizer.vocab_size)]
    whole = [text for text in texts if "\ufffd" not in text and text not in special]
    pairs = [first + second for first, second in zip(whole, reversed(whole), strict=True)]
    return _ids(found.inside, pairs) == _ids(wanted.inside, pairs)


def _ids(bpe: BpeTokenizer, texts: Sequence[str]) -> list[list[int]]:
    return [found.ids for found in bpe.encode_batch(list(texts), add_special_tokens=False)]
