"""Where a model's folder is wanted, a GGUF file is another thing."""

from pathlib import Path

from cygnet.errors import UserError


def refuse_gguf(model: Path) -> None:
    """Raise UserError for a GGUF file, with the command that makes a folder of it."""
    if model.suffix == ".gguf" and model.is_file():
        raise UserError(f"{model} is a GGUF file. Make a folder of it: cygnet export {model} --to hf --out FOLDER")
