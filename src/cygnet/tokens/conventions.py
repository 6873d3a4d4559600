"""How a model from elsewhere wants its text: what begins a document, what ends one, how a conversation is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as BpeTokenizer

from cygnet.errors import UserError
from cygnet.files import read_json


@dataclass(frozen=True)
class Conventions:
    """What a folder says besides its vocabulary.

    start: ids put before a text. bos_id: what begins a text in name. ends: ids that end what the model writes, the one
    at the end of a turn first. pad_id: fills rows up. template: Jinja source that writes conversations; None: a base
    model. names: the special tokens by the names that templates use, such as bos_token. config: the rest of
    tokenizer_config.json.
    """

    start: tuple[int, ...]
    bos_id: int
    ends: tuple[int, ...]
    pad_id: int
    template: str | None
    names: dict[str, str]
    config: dict[str, Any]


def read_conventions(folder: Path, bpe: BpeTokenizer) -> Conventions:
    """Read them from tokenizer_config.json, config.json, generation_config.json and chat_template.jinja.

    Raises UserError when tokenizer_config.json is missing, or nothing says what ends a text.
    """
    path = folder / "tokenizer_config.json"
    config = read_json(path)
    if not isinstance(config, dict):
        raise UserError(f"{path} does not describe a tokenizer.")
    names = {key: text for key in ("bos_token", "eos_token", "pad_token") if (text := _text(path, config, key))}
    vocabulary: dict[str, int] = bpe.get_vocab()
    if unknown := [key for key, text in names.items() if text not in vocabulary]:
        raise UserError(f"{path} has a {unknown[0]} that the vocabulary lacks: {names[unknown[0]]!r}.")
    ids = {key: vocabulary[text] for key, text in names.items()}
    declared = [ids["eos_token"]] if "eos_token" in ids else []
    known = range(max(vocabulary.values(), default=-1) + 1)
    files = [folder / "generation_config.json", folder / "config.json"]
    ends = dict.fromkeys([*declared, *(token for file in files for token in _ends(file, known))])
    if not ends:
        raise UserError(f"{path} does not say which token ends a text (eos_token).")
    end = next(iter(ends))
    template = _template(folder, config)
    return Conventions(
        start=_start(folder / "tokenizer.json", bpe),
        bos_id=ids.get("bos_token", end),
        ends=tuple(ends),
        pad_id=ids.get("pad_token", end),
        template=template,
        names=names,
        config={**config, "chat_template": template} if template else config,
    )


def _text(path: Path, config: dict[str, Any], key: str) -> str | None:
    """A token's text: a string, or an object in older files."""
    token = config.get(key)
    text = token.get("content") if isinstance(token, dict) else token
    if token is not None and not isinstance(text, str):
        raise UserError(f"{path} has {key} = {token!r:.60}, which should be a token's text.")
    return text


def _ends(path: Path, known: range) -> list[int]:
    """The ids under eos_token_id: one, several or none."""
    config = read_json(path) if path.is_file() else {}
    found = config.get("eos_token_id") if isinstance(config, dict) else None
    several = found if isinstance(found, list) else [] if found is None else [found]
    for token in several:
        if not isinstance(token, int) or isinstance(token, bool) or token not in known:
            raise UserError(
                f"{path} has eos_token_id = {found!r:.60}; the vocabulary's ids run from 0 to {len(known) - 1}."
            )
    return several


def _start(path: Path, bpe: BpeTokenizer) -> tuple[int, ...]:
    """What the tokenizer's own post-processor puts before a text."""
    bare, dressed = bpe.encode("a", add_special_tokens=False).ids, bpe.encode("a").ids
    at = next((at for at in range(len(dressed) + 1) if dressed[at : at + len(bare)] == bare), None)
    if at is None:
        raise UserError(f"{path} has a post_processor that leaves the text out.")
    return tuple(dressed[:at])


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    """The default template; the file of its own goes first. Raises UserError for what is none."""
    beside, path = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if beside.is_file():
        try:
            return beside.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{beside} is not UTF-8 text: {error}") from error
    found = config.get("chat_template")
    if isinstance(found, list):  # several by name
        named = {str(item.get("name")): item.get("template") for item in found if isinstance(item, dict)}
        if "default" not in named:
            names = ", ".join(named) or "none"
            raise UserError(f"{path} has chat templates ({names:.60}), but none that is called default.")
        found = named["default"]
    if found is not None and not isinstance(found, str):
        raise UserError(f"{path} has chat_template = {found!r:.60}, which should be text.")
    return found
