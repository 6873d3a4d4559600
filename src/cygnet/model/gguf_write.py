"""Language models as GGUF files (extra `gguf`), which llama.cpp and what is built on it open."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from cygnet.errors import UserError
from cygnet.model.config import ModelConfig
from cygnet.model.gguf import (
    FACTORS,
    LLAMA3_CONTEXT,
    LLAMA3_HIGH,
    LLAMA3_LOW,
    SHUFFLED,
    UNROTATED_EVERY,
    needs_library,
    slowed_by,
)
from cygnet.model.gguf_vocabulary import vocabulary
from cygnet.model.rope import Linear, Llama3, Yarn, yarn_strength
from cygnet.model.transformer import Transformer
from cygnet.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

Packing = Literal["float32", "float16", "bfloat16", "q8_0"]
_PACKINGS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "q8_0": "Q8_0"}
_FILE_TYPES = {"float32": "ALL_F32", "float16": "MOSTLY_F16", "bfloat16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}
_BLOCK = 32  # numbers that share a scale in q8_0


def write_gguf(path: Path, model: Transformer, tokenizer: Tokenizer, name: str, packing: Packing) -> None:
    """Write a model with its tokenizer and chat template. Gains and biases stay in float32.

    q8_0: rows are cut into blocks of 32 numbers of 8 bits with a scale each; matrices with rows of another length are
    written in float16. Raises UserError for what GGUF or llama.cpp can't represent.
    """
    with needs_library():
        from gguf import GGUFWriter, LlamaFileType
    config = model.config
    settings = {**_shape(config), **_rotation(config), **vocabulary(tokenizer, config.vocab_size)}
    writer = GGUFWriter(path, config.family)
    try:
        writer.add_name(name)
        writer.add_file_type(int(LlamaFileType[_FILE_TYPES[packing]]))
        if packing == "q8_0":
            writer.add_quantization_version(2)
        for key, value in settings.items():
            _add_setting(writer, key, value)
        _add_tensors(writer, model, packing)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _shape(config: ModelConfig) -> dict[str, Any]:
    fields = {
        "vocab_size": config.vocab_size,
        "context_length": config.context_length,
        "embedding_length": config.width,
        "block_count": config.layers,
        "feed_forward_length": config.ffn_width,
        "attention.head_count": config.heads,
        "attention.head_count_kv": config.kv_heads,
        "attention.key_length": config.head_width,
        "attention.value_length": config.head_width,
        "attention.layer_norm_rms_epsilon": config.norm_eps,
        "rope.dimension_count": config.head_width,
        "rope.freq_base": config.rope_theta,
    }
    return {f"{config.family}.{name}": value for name, value in fields.items()}


def _rotation(config: ModelConfig) -> dict[str, Any]:
    """How positions are scaled; Llama 3.1's way is a tensor, not a setting."""
    scaling = config.rope_scaling
    if config.unrotated not in ((), tuple(range(UNROTATED_EVERY - 1, config.layers, UNROTATED_EVERY))):
        raise UserError("GGUF can't say which layers go without positions: llama.cpp takes it to be every fourth.")
    fields: dict[str, Any] = {}
    if isinstance(scaling, Linear):
        fields = {"type": "linear", "factor": scaling.factor}
    elif isinstance(scaling, Yarn):
        if scaling != Yarn(scaling.factor, scaling.original_max_position_embeddings, yarn_strength(scaling.factor)):
            raise UserError("GGUF holds YaRN with its usual attention_factor, beta_fast and beta_slow only.")
        original = scaling.original_max_position_embeddings
        fields = {"type": "yarn", "factor": scaling.factor, "original_context_length": original}
    elif isinstance(scaling, Llama3) and scaling != Llama3(scaling.factor, LLAMA3_LOW, LLAMA3_HIGH, LLAMA3_CONTEXT):
        raise UserError("GGUF holds Llama 3.1's scaling of positions with its published settings only.")
    return {f"{config.family}.rope.scaling.{name}": value for name, value in fields.items()}


def _add_setting(writer: "GGUFWriter", key: str, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case _:
            writer.add_array(key, value)


def _add_tensors(writer: "GGUFWriter", model: Transformer, packing: Packing) -> None:
    from gguf import MODEL_ARCH, GGMLQuantizationType, get_tensor_name_map, quantize

    config = model.config
    table = get_tensor_name_map(MODEL_ARCH[config.family.upper()], config.layers)
    if isinstance(config.rope_scaling, Llama3):
        factors = slowed_by(config.rope_scaling, config.rope_theta, config.head_width)
        writer.add_tensor(FACTORS, np.array(factors, dtype=np.float32))
    for name, tensor in model.state_dict().items():
        values = _shuffled(tensor.detach().to(torch.float32).numpy(), name, config)
        stem, _, suffix = name.rpartition(".")
        kind = GGMLQuantizationType[_packing(values, packing)]
        writer.add_tensor(f"{table.get_name(stem)}.{suffix}", quantize(values, kind), raw_dtype=kind)


def _packing(values: np.ndarray, packing: Packing) -> str:
    if values.ndim == 1:
        return "F32"
    return "F16" if packing == "q8_0" and values.shape[-1] % _BLOCK else _PACKINGS[packing]


def _shuffled(values: np.ndarray, name: str, config: ModelConfig) -> np.ndarray:
    """The rows of queries and keys as llama.cpp pairs them, for the architectures in which it pairs neighbours."""
    if config.family not in SHUFFLED or not name.endswith(("q_proj.weight", "k_proj.weight")):
        return values
    halves = values.reshape(-1, 2, config.head_width // 2, config.width)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
