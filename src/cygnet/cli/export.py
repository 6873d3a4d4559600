"""`cygnet export`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def export(
    model: str,
    /,
    *,
    to: Literal["hf", "gguf"],
    out: Annotated[Path, Parameter(alias="-o")],
    dtype: Literal["float32", "float16", "bfloat16", "q8_0"] = "float32",
) -> None:
    """Write a model in the format of others, open the result again, and say what was checked.

    Parameters
    ----------
    model:
        A model folder, an adapter's (it is merged into its base), a .gguf file, or "smollm2".
    to:
        hf: a folder for transformers, vLLM and what else reads Hugging Face's. gguf: a file for llama.cpp and what is
        built on it; reward models have no place in it.
    out:
        The new folder or file; nothing is overwritten.
    dtype:
        What numbers are stored in; q8_0, 8 bits with a scale for 32 of them, is for GGUF.
    """
    from cygnet.lm.loading import find_folder
    from cygnet.model.export import export as write

    print("\n".join(write(find_folder(model), out, to, dtype)))
