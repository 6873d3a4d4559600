"""Folders whose tokenizer is SentencePiece's own file, tokenizer.model (extra `sentencepiece`)."""

from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError
from cygnet.files import read_json
from cygnet.tokens.sentencepiece import beginning, bpe_of_pieces
from cygnet.tokens.spelling import Opens

_KINDS = {1: "Unigram", 2: "BPE", 3: "words", 4: "characters"}
_BPE = 2


def read_model(folder: Path) -> BpeTokenizer:
    """The tokenizer in `folder/tokenizer.model`, with the tokens that the files beside it add.

    Where tokenizer_config.json says nothing else, a text begins with the bos token, and after each special token with a
    space, as for transformers.

    Raises UserError when its libraries are not installed, and for what is damaged, not BPE or can't be represented.
    """
    path = folder / "tokenizer.model"
    proto = _parsed(path)
    said = proto.normalizer_spec
    if proto.trainer_spec.model_type != _BPE:
        kind = _KINDS.get(proto.trainer_spec.model_type, "another kind")
        raise UserError(f"{path} is SentencePiece of the kind {kind}; only BPE loads here.")
    for name, altered in {
        "precompiled_charsmap": bool(said.precompiled_charsmap),
        "remove_extra_whitespaces": said.remove_extra_whitespaces,
        "escape_whitespaces": not said.escape_whitespaces,
        "treat_whitespace_as_suffix": proto.trainer_spec.treat_whitespace_as_suffix,
    }.items():
        if altered:
            raise UserError(f"{path} changes text before it is cut ({name}), which can't be represented here.")
    config = _object(folder / "tokenizer_config.json")
    opens: Opens = "never" if not said.add_dummy_prefix else "first" if config.get("legacy") is False else "each"
    pieces, scores = [piece.piece for piece in proto.pieces], [piece.score for piece in proto.pieces]
    try:
        bpe = bpe_of_pieces(pieces, scores, [piece.type for piece in proto.pieces], opens)
    except UserError as error:
        raise UserError(f"{path} can't be opened: {error}") from error
    _add_tokens(bpe, folder, config)
    bos = bpe.token_to_id(proto.trainer_spec.bos_piece)
    if config.get("add_bos_token", True) and bos is not None:
        bpe.post_processor = beginning(proto.trainer_spec.bos_piece, bos)
    return bpe


def _parsed(path: Path) -> Any:
    try:
        from google.protobuf.message import DecodeError

        described: Any = import_module("sentencepiece.sentencepiece_model_pb2")  # its own types lack what is made
    except ImportError as error:
        raise UserError(
            f"{path.parent} has a tokenizer.model but no tokenizer.json: pip install 'cygnet[sentencepiece]' reads it. "
            "Or let transformers make the other: AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        ) from error
    proto = described.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise UserError(f"{path} is not a model of SentencePiece: {error}") from error
    if not proto.pieces:
        raise UserError(f"{path} is not a model of SentencePiece: it has no pieces.")
    if damaged := [piece.piece for piece in proto.pieces if not isinstance(piece.piece, str)]:  # as protobuf gives it
        raise UserError(f"{path} is not a model of SentencePiece: its piece {damaged[0]!r:.60} is not UTF-8.")
    return proto


def _add_tokens(bpe: BpeTokenizer, folder: Path, config: dict[str, Any]) -> None:
    """Those of tokenizer_config.json and added_tokens.json that the model lacks, under the ids that they have there."""
    try:
        added = {
            int(token_id): AddedToken(text, special=True, normalized=False)
            for text, token_id in _object(folder / "added_tokens.json").items()
        } | {
            int(token_id): AddedToken(token["content"], special=bool(token.get("special")), normalized=False)
            for token_id, token in config.get("added_tokens_decoder", {}).items()
        }
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise UserError(f"{folder} adds tokens in a way that can't be read: {error!r:.80}") from error
    for token_id, token in sorted(added.items(), key=itemgetter(0)):
        if bpe.token_to_id(token.content) is None:
            bpe.add_tokens([token])
        if bpe.token_to_id(token.content) != token_id:
            raise UserError(f"{folder} gives the token {token.content!r:.60} the id {token_id}, which is not free.")


def _object(path: Path) -> dict[str, Any]:
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        raise UserError(f"{path} should hold an object.")
    return found
