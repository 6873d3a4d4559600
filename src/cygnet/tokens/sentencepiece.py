"""SentencePiece's BPE built from its pieces and their scores, which is how its own files and GGUF have it."""

from collections.abc import Sequence
from math import isfinite

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError
from cygnet.tokens.spelling import SPACE, Opens

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # kinds of pieces, there and in GGUF


def bpe_of_pieces(
    pieces: Sequence[str], scores: Sequence[float], kinds: Sequence[int], opens: Opens = "each"
) -> BpeTokenizer:
    """The BPE that joins whatever two neighbours make the piece with the highest score, the leftmost of equals.

    Raises UserError for pieces that are there twice, scores that are no numbers, and lists of unequal length.
    """
    if not len(pieces) == len(scores) == len(kinds):
        raise UserError(f"it has {len(pieces)} tokens, but {len(scores)} scores and the kinds of {len(kinds)}.")
    if not all(map(isfinite, scores)):
        raise UserError("one of its tokens has a score that is no number.")
    names = [
        piece.replace(SPACE, " ") if kind == USER_DEFINED else piece for piece, kind in zip(pieces, kinds, strict=True)
    ]
    ids = {name: place for place, name in enumerate(names)}
    if len(ids) < len(names):
        raise UserError(f"it has the token {next(n for i, n in enumerate(names) if ids[n] != i)!r:.60} twice.")
    ranks = {name: score for name, score, kind in zip(names, scores, kinds, strict=True) if kind == NORMAL}
    unknown = next((name for name, kind in zip(names, kinds, strict=True) if kind == UNKNOWN), None)
    bpe = BpeTokenizer(models.BPE(ids, merges_by_score(ranks), unk_token=unknown, fuse_unk=True, byte_fallback=True))
    _space(bpe, opens)
    bpe.add_tokens(
        [
            AddedToken(name, special=kind != USER_DEFINED, normalized=False)
            for name, kind in zip(names, kinds, strict=True)
            if kind in {UNKNOWN, CONTROL, USER_DEFINED}
        ]
    )
    return bpe


def beginning(token: str, token_id: int) -> processors.PostProcessor:
    """What puts a token before a text. Raises UserError for a name that the library can't take."""
    try:
        return processors.TemplateProcessing(single=f"{token}:0 $A:0", special_tokens=[(token, token_id)])
    except Exception as error:  # the library raises bare Exception
        raise UserError(f"no text can begin with its bos token {token!r:.60}: {error}") from error


def merges_by_score(scores: dict[str, float]) -> list[tuple[str, str]]:
    """All pairs that make a piece, the highest score first; of equals the longer left part.

    SentencePiece joins the leftmost of equals. That comes to the same for runs of spaces, which are most of them.
    """
    pairs = [
        (score, at, piece)
        for piece, score in scores.items()
        for at in range(1, len(piece))
        if piece[:at] in scores and piece[at:] in scores
    ]
    pairs.sort(key=lambda pair: (-pair[0], -pair[1], pair[1] - len(pair[2])))
    return [(piece[:at], piece[at:]) for _, at, piece in pairs]


def _space(bpe: BpeTokenizer, opens: Opens) -> None:
    """Write spaces as SentencePiece does, and one before texts."""
    if opens == "first":
        bpe.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first", split=False)
    else:
        before = [normalizers.Prepend(SPACE)] if opens == "each" else []
        bpe.normalizer = normalizers.Sequence([*before, normalizers.Replace(" ", SPACE)])
    after = [] if opens == "never" else [decoders.Strip(" ", 1, 0)]
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *after]
    bpe.decoder = decoders.Sequence(steps)
