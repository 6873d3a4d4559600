"""llama.cpp's GGUF files, unpacked into model folders (extra `gguf`).

The format: github.com/ggml-org/ggml/blob/master/docs/gguf.md. The library of its makers reads it and its quantised
tensors; here is what the tensors and settings mean to us.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from cygnet.errors import UserError
from cygnet.files import sha256_of, write_aside, write_json
from cygnet.lock import in_turn
from cygnet.model.config import FAMILIES, MOST_LAYERS, ModelConfig
from cygnet.model.fields import LARGEST, count, number
from cygnet.model.gguf_tokenizer import read_tokenizer
from cygnet.model.rope import Linear, Llama3, RopeScaling, Yarn, yarn_strength
from cygnet.model.transformer import Transformer

if TYPE_CHECKING:
    from gguf import GGUFReader

_FORMAT = 3  # of the folders that are kept: a new number where the same file is unpacked otherwise
FACTORS = "rope_freqs.weight"
_ASSUMED = {"rope.freq_base": 10_000.0}  # what llama.cpp takes where a file says nothing
ARCHITECTURES = ("llama", "qwen2", "qwen3", "smollm3")  # Mistral's files are of the first
# llama.cpp pairs neighbours where the checkpoints pair halves, so these have the rows of their heads shuffled.
SHUFFLED = ("llama", "smollm3")
UNROTATED_EVERY = 4  # of SmolLM3's layers: llama.cpp knows it without being told
LLAMA3_CONTEXT, LLAMA3_LOW, LLAMA3_HIGH = 8192, 1.0, 4.0  # of Llama 3.1's scaling: all files have these
# Settings of other architectures under the same name.
_UNKNOWN = ("expert_count", "attention.sliding_window", "attention.value_length_mla", "logit_scale", "residual_scale")


def unpack(file: Path) -> Path:
    """The model folder with what is in a GGUF file, in float32; made when it is asked for first, and kept.

    It is under $XDG_CACHE_HOME or ~/.cache, in cygnet/gguf, by format number and SHA-256. Raises UserError when the
    file is missing or damaged, or holds another architecture than those above, or what can't be represented.
    """
    if not file.is_file():
        raise UserError(f"{file} does not exist.")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cygnet" / "gguf"
    folder = cache / str(_FORMAT) / sha256_of(file)
    with in_turn(folder.parent):  # processes that train together ask at the same time
        if not folder.is_dir():
            print(f"cygnet: unpacking {file.name} once, into {folder}", file=sys.stderr)
            unpack_into(folder, file)
    return folder


@contextmanager
def needs_library() -> Iterator[None]:
    """Around its imports: says how to install it."""
    try:
        yield
    except ImportError as error:
        raise UserError("GGUF files are read and written by the library gguf: pip install 'cygnet[gguf]'") from error


def _open(file: Path) -> "GGUFReader":
    with needs_library():
        from gguf import GGUFReader
    try:
        reader = GGUFReader(file)
        for field in reader.fields.values():
            field.contents()  # where texts are decoded
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not a whole GGUF file: {error}") from error
    return reader


def unpack_into(folder: Path, file: Path) -> None:
    """Write the model folder with what is in a GGUF file. Raises UserError as `unpack` does."""
    reader = _open(file)
    settings = {name: _plain(field.contents()) for name, field in reader.fields.items()}
    family = settings.get("general.architecture")
    if not isinstance(family, str) or family not in ARCHITECTURES:
        raise UserError(f"{file} holds a model of the type {family!r:.60}; {', '.join(ARCHITECTURES)} load here.")
    try:
        config = _config(family, settings, reader)
        tensors = _tensors(config, reader)
        tokenizer, conventions = read_tokenizer(settings)
    except KeyError as error:
        raise UserError(f"{file} lacks {error}.") from error
    except UserError as error:
        raise UserError(f"{file} can't be opened: {error}") from error
    ends = {"eos_token_id": conventions.pop("ends")}
    with write_aside(folder) as temporary:
        temporary.mkdir(parents=True)
        tokenizer.save(str(temporary / "tokenizer.json"))
        write_json(temporary / "tokenizer_config.json", conventions)
        architecture = {"architectures": [f"{FAMILIES[config.family]}ForCausalLM"]}
        write_json(temporary / "config.json", {**architecture, **config.to_huggingface(), **ends})
        save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})


def _plain(value: Any) -> Any:
    """A number as it was meant: GGUF has 32 bits for 1e-6, which Python reads as 9.999999974752427e-07."""
    with np.errstate(over="ignore"):
        return float(str(np.float32(value))) if isinstance(value, float) else value


def _config(family: str, settings: dict[str, Any], reader: "GGUFReader") -> ModelConfig:
    own = {name.removeprefix(f"{family}."): value for name, value in settings.items()}
    for name in _UNKNOWN:
        if own.get(name):
            raise UserError(f"it sets {name}, which can't be represented here.")
    width, heads = count(own, "embedding_length", "it"), count(own, "attention.head_count", "it")
    own = _ASSUMED | {"attention.key_length": width // heads, "attention.head_count_kv": heads} | own
    head_width, rope_theta = count(own, "attention.key_length", "it"), number(own, "rope.freq_base", "it")
    for name in ("attention.value_length", "rope.dimension_count"):
        if own.get(name, head_width) != head_width:
            raise UserError(f"it sets {name} = {own[name]!s:.60}, but its heads are {head_width} wide.")
    layers = count(own, "block_count", "it", MOST_LAYERS)
    names = {tensor.name: tensor for tensor in reader.tensors}
    own["rows of token_embd.weight"] = [0, *names["token_embd.weight"].shape.tolist()][-1]
    return ModelConfig(
        vocab_size=count(own, "rows of token_embd.weight", "it"),
        context_length=count(own, "context_length", "it"),
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=count(own, "attention.head_count_kv", "it"),
        head_width=head_width,
        ffn_width=count(own, "feed_forward_length", "it"),
        rope_theta=rope_theta,
        norm_eps=number(own, "attention.layer_norm_rms_epsilon", "it"),
        qk_norm=family == "qwen3",
        qkv_bias=family == "qwen2",
        tied="output.weight" not in names,
        rope_scaling=_scaling(own, names.get(FACTORS), rope_theta, head_width),
        unrotated=tuple(range(UNROTATED_EVERY - 1, layers, UNROTATED_EVERY)) if family == "smollm3" else (),
    )


def _scaling(own: dict[str, Any], factors: Any, theta: float, width: int) -> RopeScaling | None:
    """What the settings say, or the tensor of factors."""
    kind = own.get("rope.scaling.type", "none")
    if kind == "none":
        return None if factors is None else _llama3(factors, theta, width)
    if kind not in ("linear", "yarn") or factors is not None:
        raise UserError(f"its rotary positions are scaled ({kind!s:.60}) in a way that can't be represented here.")
    factor = number(own, "rope.scaling.factor", "it")
    if kind == "linear":
        return Linear(factor)
    for name in ("attn_factor", "yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast", "yarn_beta_slow"):
        if f"rope.scaling.{name}" in own:
            raise UserError(f"it sets rope.scaling.{name}, which can't be represented here.")
    return Yarn(factor, count(own, "rope.scaling.original_context_length", "it"), yarn_strength(factor))


def _llama3(tensor: Any, theta: float, width: int) -> Llama3:
    """Llama 3.1's scaling, of which GGUF has only the outcome: by what each rotation is slowed down."""
    largest = round(float(tensor.data.max(initial=0)), 3)
    if tensor.data.shape == (width // 2,) and 0 < largest <= LARGEST:
        scaling = Llama3(largest, LLAMA3_LOW, LLAMA3_HIGH, LLAMA3_CONTEXT)
        if np.allclose(tensor.data, slowed_by(scaling, theta, width), rtol=1e-3):
            return scaling
    raise UserError("its rotary positions are scaled otherwise than Llama 3.1's.")


def slowed_by(scaling: RopeScaling, theta: float, width: int) -> list[float]:
    """By how much a scaling slows each rotation of heads of this width."""
    plain = [theta ** (-place / width) for place in range(0, width, 2)]
    return [before / after for before, after in zip(plain, scaling.stretch(plain, theta), strict=True)]


def _tensors(config: ModelConfig, reader: "GGUFReader") -> dict[str, Tensor]:
    """Every tensor of the model by its Hugging Face name, in float32. Raises UserError for one too few or too many."""
    from gguf import MODEL_ARCH, TensorNameMap, get_tensor_name_map

    table: TensorNameMap = get_tensor_name_map(MODEL_ARCH[config.family.upper()], config.layers)
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in Transformer(config).state_dict().items()}
    packed = {tensor.name: tensor for tensor in reader.tensors}
    tensors = {}
    for name, shape in expected.items():
        theirs = table.get_name(name, try_suffixes=(".weight", ".bias"))
        if theirs not in packed:
            raise UserError(f"the tensor {theirs} is missing.")
        tensors[name] = _unpacked(packed.pop(theirs), name, shape, config)
    packed.pop(FACTORS, None)
    if packed:
        raise UserError(f"it has the tensor {next(iter(packed))}, which can't be represented here.")
    return tensors


def _unpacked(tensor: Any, name: str, shape: tuple[int, ...], config: ModelConfig) -> Tensor:
    from gguf import dequantize

    try:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    except (NotImplementedError, ValueError) as error:
        raise UserError(f"the tensor {tensor.name} can't be read: {error}") from error
    if values.shape != shape:
        raise UserError(f"the tensor {tensor.name} has the shape {list(values.shape)}, not {list(shape)}.")
    if config.family in SHUFFLED and name.endswith(("q_proj.weight", "k_proj.weight")):
        halves = values.reshape(-1, config.head_width // 2, 2, config.width)
        values = halves.swapaxes(1, 2).reshape(shape)
    return torch.from_numpy(np.ascontiguousarray(values))
