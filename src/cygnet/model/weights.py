"""Tensors of a Hugging Face folder, in one file or in several."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from cygnet.errors import UserError
from cygnet.files import read_json, sha256_of
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Backbone

_INDEX = "model.safetensors.index.json"

Model = TypeVar("Model", bound=Backbone)


def load_weights(kind: type[Model], config: ModelConfig, folder: Path) -> Model:
    """A model of this shape in float32 with the folder's weights.

    Raises UserError when a file is missing or damaged, or the tensors are not those of the shape.
    """
    tensors = {name: tensor for file in _files(folder) for name, tensor in read_tensors(file).items()}
    model = empty_model(kind, config, tensors, folder)
    model.to_empty(device="cpu")
    model.load_state_dict({name: tensors[name] for name in model.state_dict()})
    return model


def empty_model(kind: type[Model], config: ModelConfig, tensors: Mapping[str, Tensor], folder: Path) -> Model:
    """A model without numbers, whose names and shapes are those of the tensors. Raises UserError if they can't be."""
    with torch.device("meta"):  # no numbers are drawn only to be written over
        model = kind(config)
    _check(model, tensors, folder)
    return model


class StoredTensors(Mapping[str, Tensor]):
    """The tensors of a folder, each read when it is asked for, so that memory holds only those in use.

    Raises UserError when a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Path] = {}
        for file in _files(folder):
            self._files.update(dict.fromkeys(read_names(file), file))

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self._files[name], framework="pt") as file:  # anew each time: an open file stays in memory
            return torch.as_tensor(file.get_tensor(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def weights_hash(folder: Path) -> str:
    """SHA-256 of a folder's tensors as they are stored; of the hashes of several files."""
    hashes = []
    for file in _files(folder):
        if not file.is_file():
            raise UserError(f"{file} does not exist.")
        stat = file.stat()
        hashes.append(_hash(file.resolve(), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


@cache
def _hash(file: Path, *_: int) -> str:
    """Not computed again while the file looks untouched: stages ask several times for that of an adapter's base."""
    return sha256_of(file)


def _files(folder: Path) -> list[Path]:
    single = folder / "model.safetensors"
    if single.is_file():
        return [single]
    if not (folder / _INDEX).is_file():
        pickled = any(folder.glob("*.bin"))
        why = ": its weights are pickled, which can run any code. Convert them to safetensors." if pickled else "."
        raise UserError(f"{single} does not exist{why}")
    index = read_json(folder / _INDEX)
    where = index.get("weight_map") if isinstance(index, dict) else None
    names = list(where.values()) if isinstance(where, dict) else []
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise UserError(f"{folder / _INDEX} does not say in which files of the folder the tensors are (weight_map).")
    return [folder / name for name in sorted(set(names))]


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. Raises UserError when it is missing or damaged."""
    if not file.is_file():
        raise UserError(f"{file} does not exist.")
    try:
        return load_file(file)
    except SafetensorError as error:
        raise UserError(f"{file} is damaged: {error}") from error


def read_names(file: Path) -> list[str]:
    """The names of a safetensors file's tensors. Raises UserError when it is missing or damaged."""
    if not file.is_file():
        raise UserError(f"{file} does not exist.")
    try:
        with safe_open(file, framework="pt") as opened:
            return list(opened.keys())
    except SafetensorError as error:
        raise UserError(f"{file} is damaged: {error}") from error


def _check(model: Backbone, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Every tensor of the model is there, in its shape, and none that would be left out."""
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    wrong = [f"{name} is missing" for name in expected if name not in tensors]
    wrong += [
        f"{name} has the shape {list(tensor.shape)}, not {list(expected[name])}"
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name]
    ]
    wrong += [f"{name} is not known" for name in tensors if name not in expected and not _is_spare(name, tensors)]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UserError(f"{folder} holds tensors that don't fit its config.json: {wrong[0]}{more}.")


def _is_spare(name: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a tensor only repeats what is known: the frequencies of positions, or tied embeddings written twice."""
    if name.endswith("rotary_emb.inv_freq"):
        return True
    embeddings = tensors.get("model.embed_tokens.weight")
    return name == "lm_head.weight" and embeddings is not None and torch.equal(tensors[name], embeddings)
