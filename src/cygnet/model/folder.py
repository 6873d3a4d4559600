"""Model folders that transformers, vLLM and SGLang open as they are."""

import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from cygnet.errors import UserError
from cygnet.files import read_json, write_aside, write_json
from cygnet.model.adapter_folder import base_of, is_reward_adapter, load_adapter
from cygnet.model.clamped import load_clamped
from cygnet.model.config import FAMILIES, FILE, BasePrecision, ModelConfig
from cygnet.model.fields import LARGEST, number
from cygnet.model.kind import LANGUAGE, SCALAR, is_adapter, read_config
from cygnet.model.lora import merge
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.model.weights import Model, load_weights
from cygnet.tokens.tokenizer import Tokenizer


def save_model(
    folder: Path, model: Transformer | ScalarModel, tokenizer: Tokenizer, dtype: torch.dtype = torch.float32
) -> None:
    """Write config.json, model.safetensors, generation_config.json and the tokenizer, complete or not at all."""
    with write_aside(folder) as temporary:
        temporary.mkdir(parents=True)
        tokenizer.save(temporary)
        named = {"dtype": str(dtype).removeprefix("torch.")}
        write_json(temporary / "config.json", {**_config(model, tokenizer), **named})
        write_json(temporary / "generation_config.json", {"do_sample": True, "temperature": 1.0, **_ids(tokenizer)})
        tensors = {name: tensor.detach().to(dtype).contiguous() for name, tensor in model.state_dict().items()}
        save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})


def load_language_model(folder: Path) -> tuple[Transformer, Tokenizer]:
    """Open a language model folder, or an adapter's: then its base, with the adapter merged into it.

    Raises UserError when a file is missing, damaged or of another kind.
    """
    if is_adapter(folder):
        model, tokenizer = load_language_model(base_of(folder))
        load_adapter(folder, model)
        merge(model)
        return model, tokenizer
    _, shape = _read_config(folder, LANGUAGE)
    return _load(Transformer, shape, folder)


def load_clamped_language_model(folder: Path, precision: BasePrecision) -> tuple[Transformer, Tokenizer]:
    """Open a language model folder such that an adapter can learn on it, and nothing else (see `load_clamped`).

    Raises UserError for an adapter's folder, and when a file is missing, damaged or of another kind.
    """
    if is_adapter(folder):
        raise UserError(
            f"{folder} is an adapter itself. Adapt its base, or merge the two: cygnet export {folder} --to hf --out ..."
        )
    _, shape = _read_config(folder, LANGUAGE)
    return _load(Transformer, shape, folder, precision)


def load_clamped_scalar_model(folder: Path, precision: BasePrecision) -> ScalarModel:
    """Open a reward model folder, or an adapter's, which is not merged: nothing of either learns any more.

    Raises UserError when a file is missing, damaged or of another kind.
    """
    if is_adapter(folder):
        language_model, _ = load_clamped_language_model(base_of(folder), precision)
        model = scalar_on(language_model)
        load_adapter(folder, model)
        model.requires_grad_(False)
        return model
    config, shape = _read_config(folder, SCALAR)
    model, _ = _load(ScalarModel, shape, folder, precision)
    _read_scores(model, config)
    return model


def load_model(folder: Path) -> tuple[Transformer | ScalarModel, Tokenizer]:
    """Open a language model folder, an adapter's or a reward model's. Raises UserError as the others do."""
    if is_adapter(folder):
        return load_scalar_model(folder) if is_reward_adapter(folder) else load_language_model(folder)
    path = folder / "config.json"
    config = read_json(path) if path.is_file() else None
    named = config.get("architectures") if isinstance(config, dict) else None
    scalar = isinstance(named, list) and bool(named) and str(named[0]).endswith(SCALAR)
    return load_scalar_model(folder) if scalar else load_language_model(folder)


def load_scalar_model(folder: Path) -> tuple[ScalarModel, Tokenizer]:
    """Open a reward model folder, or an adapter's: then its base, with the adapter merged into it.

    Raises UserError when a file is missing, damaged or of another kind.
    """
    if is_adapter(folder):
        language_model, tokenizer = load_language_model(base_of(folder))
        model = scalar_on(language_model)
        load_adapter(folder, model)
        merge(model)
        return model, tokenizer
    config, shape = _read_config(folder, SCALAR)
    model, tokenizer = _load(ScalarModel, shape, folder)
    _read_scores(model, config)
    return model, tokenizer


def scalar_from(model: Transformer | ScalarModel) -> ScalarModel:
    """A scalar model that starts from another model's trunk; its head is copied too if there is one."""
    scalar = ScalarModel(model.config)
    own = scalar.state_dict()  # which an output matrix of its own has no place in
    scalar.load_state_dict(own | {name: tensor for name, tensor in model.state_dict().items() if name in own})
    scalar.compute_dtype = model.compute_dtype
    if isinstance(model, ScalarModel):
        scalar.mean, scalar.scale = model.mean, model.scale
    return scalar


def scalar_on(model: Transformer) -> ScalarModel:
    """A scalar model on the trunk of another, which it shares; its head is drawn anew."""
    with torch.device("meta"):
        scalar = ScalarModel(model.config)
    scalar.model, scalar.compute_dtype = model.model, model.compute_dtype
    scalar.score = nn.Linear(model.config.width, 1, bias=False)
    nn.init.normal_(scalar.score.weight, std=(model.config.width + 1) ** -0.5)
    return scalar


def _read_scores(model: ScalarModel, config: dict[str, Any]) -> None:
    fields = {"reward_mean": 0.0, "reward_scale": 1.0} | config
    model.mean, model.scale = number(fields, "reward_mean", FILE, -LARGEST), number(fields, "reward_scale", FILE)


def _ids(tokenizer: Tokenizer) -> dict[str, Any]:
    ends = [tokenizer.end_id, *sorted(tokenizer.end_ids - {tokenizer.end_id})]
    return {
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": ends if len(ends) > 1 else ends[0],
        "pad_token_id": tokenizer.pad_id,
    }


def _config(model: Transformer | ScalarModel, tokenizer: Tokenizer) -> dict[str, Any]:
    config = {**model.config.to_huggingface(), **_ids(tokenizer)}
    family = FAMILIES[model.config.family]
    if isinstance(model, Transformer):
        return {"architectures": [f"{family}{LANGUAGE}"], **config}
    labels = {"id2label": {"0": "reward"}, "label2id": {"reward": 0}}
    normalization = {"reward_mean": model.mean, "reward_scale": model.scale}
    return {"architectures": [f"{family}{SCALAR}"], **config, **labels, **normalization}


def _read_config(folder: Path, kind: str) -> tuple[dict[str, Any], ModelConfig]:
    config, shape = read_config(folder, kind)
    if shape.context_length < config["max_position_embeddings"]:
        window = f"a window of {shape.context_length} tokens"
        print(f"cygnet: {folder} attends to {window}; texts up to that length open here.", file=sys.stderr)
    return config, shape


def _load(
    kind: type[Model], shape: ModelConfig, folder: Path, clamped: BasePrecision | None = None
) -> tuple[Model, Tokenizer]:
    tokenizer = Tokenizer.load(folder)
    # Models from elsewhere may have more rows than tokens, to make their number round.
    if tokenizer.vocab_size > shape.vocab_size or (tokenizer.is_own and tokenizer.vocab_size != shape.vocab_size):
        raise UserError(f"{folder}: its tokenizer has {tokenizer.vocab_size} tokens but the model {shape.vocab_size}.")
    model = load_clamped(kind, shape, folder, clamped) if clamped else load_weights(kind, shape, folder)
    return model, tokenizer
