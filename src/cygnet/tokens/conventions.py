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
    names = {key: text for key in ("bos_token", "eos_token", "pad_token") if (text := _text(config.get(key)))}
    vocabulary: dict[str, int] = bpe.get_vocab()
    if unknown := [key for key, text in names.items() if text not in vocabulary]:
        raise UserError(f"{path} has a {unknown[0]} that the vocabulary lacks: {names[unknown[0]]!r}.")
    ids = {key: vocabulary[text] for key, text in names.items()}
    declared = [ids["eos_token"]] if "eos_token" in ids else []
    ends = dict.fromkeys([*declared, *_ends(folder / "generation_config.json"), *_ends(folder / "config.json")])
    if not ends:
        raise UserError(f"{path} does not say which token ends a text (eos_token).")
    end = next(iter(ends))
    template = _template(folder, config)
    return Conventions(
        start=_start(bpe),
        bos_id=ids.get("bos_token", end),
        ends=tuple(ends),
        pad_id=ids.get("pad_token", end),
        template=template,
        names=names,
        config={**config, "chat_template": template} if template else config,
    )


def _text(token: Any) -> str | None:
    """A token's text: a string, or an object in older files."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _ends(path: Path) -> list[int]:
    config = read_json(path) if path.is_file() else {}
    found = config.get("eos_token_id") if isinstance(config, dict) else None
    several = found if isinstance(found, list) else [found]
    return [token for token in several if isinstance(token, int)]


def _start(bpe: BpeTokenizer) -> tuple[int, ...]:
    """What the tokenizer's own post-processor puts before a text."""
    bare, dressed = bpe.encode("a", add_special_tokens=False).ids, bpe.encode("a").ids
    at = next(at for at in range(len(dressed)) if dressed[at : at + len(bare)] == bare)
    return tuple(dressed[:at])


def _template(folder: Path, config: dict[str, Any]) -> str | None:
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    found = config.get("chat_template")
    if isinstance(found, list):  # several by name
        found = next((item.get("template") for item in found if item.get("name") == "default"), None)
    return found if isinstance(found, str) else None
