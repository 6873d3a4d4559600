"""What a folder holds, by its config.json alone: told before torch is imported and weights are read."""

from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import read_json
from cygnet.model.config import FAMILIES, ModelConfig
from cygnet.model.no_gguf import refuse_gguf

LANGUAGE, SCALAR = "ForCausalLM", "ForSequenceClassification"  # how transformers' names of the classes end
ADAPTER_FILE = "adapter_config.json"

_IN_WORDS = {LANGUAGE: "a language model", SCALAR: "a reward model"}


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no model."""
    return (folder / ADAPTER_FILE).is_file() and not (folder / "config.json").is_file()


def check_kind(folder: Path, kind: str) -> None:
    """Raise UserError unless a folder holds a model of a `kind`. Of what kind an adapter is shows when it is opened."""
    if not is_adapter(folder):
        read_config(folder, kind)


def read_config(folder: Path, kind: str) -> tuple[dict[str, Any], ModelConfig]:
    """The content of config.json, and the shape in it. Raises UserError when it is missing or not of this `kind`."""
    if not folder.is_dir():
        refuse_gguf(folder)
        raise UserError(f"{folder} is not a folder: expected a model, such as runs/pocket/rl.")
    config = read_json(folder / "config.json")
    named = config.get("architectures") if isinstance(config, dict) else None
    if not isinstance(named, list) or not named:
        raise UserError(f"{folder / 'config.json'} does not describe a model (no list of architectures).")
    try:
        shape = ModelConfig.from_huggingface(config)
    except UserError as error:
        raise UserError(f"{folder} can't be opened: {error}") from error
    expected, found = f"{FAMILIES[config['model_type']]}{kind}", named[0]
    if found != expected:
        raise UserError(f"{folder} holds {found!s:.60}, not {_IN_WORDS[kind]} ({expected}).")
    return config, shape
