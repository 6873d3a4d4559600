"""Model folders that transformers, vLLM and SGLang open as they are."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cygnet.errors import UserError
from cygnet.files import read_json, write_aside, write_json
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.tokens.tokenizer import Tokenizer

Model = TypeVar("Model", Transformer, ScalarModel)


def save_model(folder: Path, model: Transformer | ScalarModel, tokenizer: Tokenizer) -> None:
    """Write config.json, model.safetensors, generation_config.json and the tokenizer, complete or not at all."""
    with write_aside(folder) as temporary:
        temporary.mkdir(parents=True)
        tokenizer.save(temporary)
        write_json(temporary / "config.json", _config(model, tokenizer))
        ids = {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.end_id, "pad_token_id": tokenizer.pad_id}
        write_json(temporary / "generation_config.json", {"do_sample": True, "temperature": 1.0, **ids})
        tensors = {name: tensor.detach().float().contiguous() for name, tensor in model.state_dict().items()}
        save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})


def load_language_model(folder: Path) -> tuple[Transformer, Tokenizer]:
    """Open a language model folder. Raises UserError when a file is missing, damaged or of another kind."""
    config = _read_config(folder)
    if config["architectures"] != ["Qwen3ForCausalLM"]:
        raise UserError(f"{folder} holds {config['architectures'][0]}, not a language model (Qwen3ForCausalLM).")
    return _load_weights(folder, Transformer(ModelConfig.from_huggingface(config)))


def load_scalar_model(folder: Path) -> tuple[ScalarModel, Tokenizer]:
    """Open a reward model folder. Raises UserError when a file is missing, damaged or of another kind."""
    config = _read_config(folder)
    if config["architectures"] != ["Qwen3ForSequenceClassification"]:
        raise UserError(
            f"{folder} holds {config['architectures'][0]}, not a reward model (Qwen3ForSequenceClassification)."
        )
    model, tokenizer = _load_weights(folder, ScalarModel(ModelConfig.from_huggingface(config)))
    model.mean, model.scale = float(config.get("reward_mean", 0.0)), float(config.get("reward_scale", 1.0))
    return model, tokenizer


def scalar_from(model: Transformer | ScalarModel) -> ScalarModel:
    """A scalar model that starts from another model's trunk; its head is copied too if there is one."""
    scalar = ScalarModel(model.config)
    scalar.load_state_dict({**scalar.state_dict(), **model.state_dict()})
    scalar.compute_dtype = model.compute_dtype
    if isinstance(model, ScalarModel):
        scalar.mean, scalar.scale = model.mean, model.scale
    return scalar


def _config(model: Transformer | ScalarModel, tokenizer: Tokenizer) -> dict[str, Any]:
    ids = {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.end_id, "pad_token_id": tokenizer.pad_id}
    config = {**model.config.to_huggingface(), **ids}
    if isinstance(model, Transformer):
        return {"architectures": ["Qwen3ForCausalLM"], **config}
    labels = {"id2label": {"0": "reward"}, "label2id": {"reward": 0}}
    normalization = {"reward_mean": model.mean, "reward_scale": model.scale}
    return {"architectures": ["Qwen3ForSequenceClassification"], **config, **labels, **normalization}


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: expected a model, such as runs/pocket/rl.")
    config = read_json(folder / "config.json")
    if not isinstance(config, dict) or not config.get("architectures"):
        raise UserError(f"{folder / 'config.json'} does not describe a model (no architectures).")
    return config


def _load_weights(folder: Path, model: Model) -> tuple[Model, Tokenizer]:
    tokenizer = Tokenizer.load(folder)
    if tokenizer.vocab_size != model.config.vocab_size:
        raise UserError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} tokens but the model {model.config.vocab_size}."
        )
    path = folder / "model.safetensors"
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise UserError(f"{path} does not fit its config.json or is damaged: {str(error).splitlines()[0]}") from error
    return model.to(torch.float32), tokenizer
