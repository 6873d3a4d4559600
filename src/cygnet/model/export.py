"""A model in the formats of others, opened again before it is handed over: `cygnet export`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from cygnet.errors import UserError
from cygnet.files import write_aside
from cygnet.model.config import FAMILIES
from cygnet.model.folder import load_model, save_model
from cygnet.model.gguf import unpack_into
from cygnet.model.gguf_write import Packing, write_gguf
from cygnet.model.reading import Reading, difference, read
from cygnet.model.transformer import ScalarModel

Format = Literal["hf", "gguf"]
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

# How far the numbers of two programs may be apart: the largest distance as a share of the largest number where both
# compute in float32; and the typical distance as a share of the typical number in llama.cpp with packed weights, where
# it rounds what it multiplies by them too. Rows in the wrong order give more than 1.
_EXACT, _ROUNDED = 1e-3, 0.25


# Where a tokenizer puts a space before the first text only, which GGUF can't say.
_OTHERWISE = {
    "never": "not as here: no space goes before a text, so that conversations are read as the model learned them",
    "each": "not as here: a space goes before text after special tokens too, and before text that begins with one",
}


def export(folder: Path, out: Path, to: Format, dtype: Packing = "float32") -> list[str]:
    """Write a model folder as `out`: a Hugging Face folder or a GGUF file. Returns what was written and checked.

    What is written is opened again, by cygnet and by whatever else is installed that opens it, and must compute the
    same; otherwise nothing is left. An adapter is merged into its base.

    Raises UserError for a model that can't be opened or that the format can't hold, and when `out` exists.
    """
    if out.exists():
        raise UserError(f"{out} exists already; choose another place.")
    if to == "hf" and dtype not in _DTYPES:
        raise UserError(f"{dtype} is a packing of GGUF: use --to gguf, or one of {', '.join(_DTYPES)}.")
    model, tokenizer = load_model(folder)
    family, before, opens = FAMILIES[model.config.family], read(model, tokenizer), tokenizer.spelling.opens
    with write_aside(out) as temporary:
        if to == "hf":
            save_model(temporary, model, tokenizer, _DTYPES[dtype])
        elif isinstance(model, ScalarModel):
            raise UserError("a reward model gives one number for a text, which GGUF has no place for: use --to hf.")
        else:
            write_gguf(temporary, model, tokenizer, out.stem, dtype)
        del model  # one at a time is in memory
        if to == "hf":
            checks = _check_folder(temporary, before, dtype)
        else:
            checks = _check_gguf(temporary, before, dtype, exact=opens != "first")
        return [f"wrote {out}: {family} in {dtype}, {_size(temporary) / 1e6:.1f} MB", *checks]


def _check_folder(folder: Path, before: Reading, dtype: Packing) -> list[str]:
    after = read(*load_model(folder))
    return [_by_cygnet(before, after, dtype), _by_transformers(folder, after)]


def _check_gguf(file: Path, before: Reading, dtype: Packing, exact: bool) -> list[str]:
    """exact: whether GGUF can say where the tokenizer puts a space before text."""
    with TemporaryDirectory() as place:
        unpack_into(Path(place) / "model", file)
        model, tokenizer = load_model(Path(place) / "model")
        after = read(model, tokenizer, before.ids)
    checks = [] if exact else [_OTHERWISE[tokenizer.spelling.opens]]
    before = before if exact else replace(before, begun=after.begun)
    return [*checks, _by_cygnet(before, after, dtype), _by_llama_cpp(file, after, dtype)]


def _by_cygnet(before: Reading, after: Reading, dtype: Packing) -> str:
    _same_tokens("cygnet", before, after)
    moved, tokens = difference(before.scores, after.scores), len(before.ids)
    if dtype == "float32":
        if moved:
            raise UserError(f"opened again, its numbers differ by up to {moved:.2g}: nothing was written.")
        return f"checked by cygnet: opened again, it gives the same numbers at all of {tokens} tokens"
    if moved == float("inf"):
        raise UserError(f"opened again, it gives what is no number: it can't be written in {dtype}.")
    same = (before.scores.argmax(-1) == after.scores.argmax(-1)).float().mean()
    likeliest = "" if before.scores.ndim == 1 else f"; the likeliest next token is the same at {same:.0%} of them"
    return (
        f"checked by cygnet: {dtype} moves its numbers, which go up to {before.scores.abs().max():.3g}, by at most "
        f"{moved:.2g} at {tokens} tokens{likeliest}"
    )


def _by_transformers(folder: Path, ours: Reading) -> str:
    try:
        import transformers
    except ImportError:
        return "not checked by transformers, which is not installed: pip install transformers"
    from cygnet.model.peers import read_by_transformers

    name = f"transformers {transformers.__version__}"
    theirs = _opened(name, lambda: read_by_transformers(folder, ours))
    moved = difference(ours.scores, theirs.scores)
    if moved > _EXACT * max(1.0, float(ours.scores.abs().max())):
        raise UserError(f"opened by {name}, its numbers differ by up to {moved:.2g}: nothing was written.")
    return _agreed(name, ours, theirs, moved)


def _by_llama_cpp(file: Path, ours: Reading, dtype: Packing) -> str:
    try:
        import llama_cpp
    except ImportError:
        return "not checked by llama.cpp, which is not installed: pip install llama-cpp-python"
    from cygnet.model.peers import read_by_llama_cpp

    name = f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"
    theirs = _opened(name, lambda: read_by_llama_cpp(file, ours))
    moved, largest = difference(ours.scores, theirs.scores), float(ours.scores.abs().max())
    typical = float((ours.scores - theirs.scores).std() / ours.scores.std())
    if not (moved <= _EXACT * max(1.0, largest) if dtype == "float32" else typical <= _ROUNDED):
        raise UserError(f"opened by {name}, its numbers differ by up to {moved:.2g}: nothing was written.")
    return _agreed(name, ours, theirs, moved)


def _opened(name: str, read: Callable[[], Reading]) -> Reading:
    """A reading by another program. Raises UserError where it can't open what was written."""
    try:
        return read()
    except Exception as error:
        said = next(iter(str(error).splitlines()), "")
        raise UserError(f"{name} can't open it ({type(error).__name__}: {said}): nothing was written.") from error


def _agreed(name: str, ours: Reading, theirs: Reading, moved: float) -> str:
    """The sentence of a reading that agrees with ours. Raises UserError where its tokens don't."""
    _same_tokens(name, ours, theirs)
    chat = "" if ours.chat is None else " and a conversation"
    return f"checked by {name}: its numbers differ by at most {moved:.1g}; it reads {len(ours.texts)} texts{chat} alike"


def _same_tokens(name: str, ours: Reading, theirs: Reading) -> None:
    if (ours.texts, ours.begun) != (theirs.texts, theirs.begun):
        raise UserError(
            f"opened by {name}, it reads text as other tokens: nothing was written. Some programs cut text in a way of "
            "their own for an architecture, whatever the tokenizer says: give it the tokenizer that it usually has."
        )
    if ours.chat != theirs.chat:
        raise UserError(f"opened by {name}, it writes conversations otherwise: nothing was written.")


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
