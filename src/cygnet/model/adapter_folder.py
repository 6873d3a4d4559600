"""Adapters on disk, in peft's format: adapter_config.json and adapter_model.safetensors; peft and transformers open it.

That of a reward model has its head too, as peft keeps it, and beside it reward.json: its scores' mean and deviation.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from cygnet.errors import UserError
from cygnet.files import read_json, write_aside, write_json
from cygnet.model.fields import LARGEST, count, number
from cygnet.model.kind import ADAPTER_FILE, is_adapter
from cygnet.model.lora import HEAD, Adapter, LoraShape, LowRank, last_name, layers_of, put_on
from cygnet.model.transformer import Backbone, ScalarModel
from cygnet.model.weights import read_tensors, weights_hash

_WEIGHTS, _REWARD = "adapter_model.safetensors", "reward.json"
_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_HEAD = f"base_model.model.{HEAD}.weight"
_HEADS = {"classifier", "score"}  # the names that peft gives it
_LANGUAGE, _SCALAR = "CAUSAL_LM", "SEQ_CLS"
_MOST_RANK = 2**14  # that of a whole matrix of the largest models
_BASE = "base_sha256"  # in the metadata of the tensors: of the base's weights
_SCORES = ("reward_mean", "reward_scale")

# Settings of peft's that would change what is computed, and the values with which they don't.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "fan_in_fan_out": (False,),
    "init_lora_weights": (True, False, "gaussian"),  # others change the base too
    "use_rslora": (False,),
    "use_dora": (False,),
    "use_qalora": (False,),
    "lora_bias": (False,),
    "rank_pattern": ({},),
    "alpha_pattern": ({},),
    "layer_replication": ([],),
    "alora_invocation_tokens": ([],),
    "target_parameters": ([],),
    "trainable_token_indices": ([], {}),
}


def save_adapter(folder: Path, adapter: Adapter, base: Path, scores: tuple[float, float] | None = None) -> None:
    """Write a folder that peft opens on top of the model folder `base`, complete or not at all.

    scores: mean and deviation of a reward model's.
    """
    config = {
        "peft_type": "LORA",
        "task_type": _LANGUAGE if adapter.head is None else _SCALAR,
        "modules_to_save": None if adapter.head is None else ["score"],
        "base_model_name_or_path": str(base.resolve()),
        "r": adapter.shape.rank,
        "lora_alpha": adapter.shape.alpha,
        "target_modules": sorted(adapter.shape.targets),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    with write_aside(folder) as temporary:
        temporary.mkdir(parents=True)
        write_json(temporary / ADAPTER_FILE, config)
        if scores is not None:
            write_json(temporary / _REWARD, dict(zip(_SCORES, scores, strict=True)))
        # One entry: safetensors writes several in an order that differs from time to time.
        save_file(adapter.tensors(), temporary / _WEIGHTS, metadata={_BASE: weights_hash(base)})


def is_reward_adapter(folder: Path) -> bool:
    """Whether an adapter makes a reward model of its base, which is a language model."""
    return _read_config(folder).get("task_type") == _SCALAR


def base_of(folder: Path) -> Path:
    """The model folder that an adapter was made for. Raises UserError when it is not there, or another by now."""
    base = _read_config(folder).get("base_model_name_or_path")
    if not isinstance(base, str) or not (Path(base).expanduser() / "config.json").is_file():
        raise UserError(
            f"{folder} adapts the model {base}, which is no model folder on this machine. "
            f"Bring it here and write its folder into {folder / ADAPTER_FILE} (base_model_name_or_path)."
        )
    read_tensors(folder / _WEIGHTS)  # damaged ones are told before they are asked for their base
    with safe_open(folder / _WEIGHTS, framework="pt") as file:
        expected = (file.metadata() or {}).get(_BASE)  # peft tells nothing about it
    found = Path(base).expanduser()
    if expected and weights_hash(found) != expected:
        raise UserError(f"{folder} adapts {base}, whose weights are others by now. Adapt it again.")
    return found


def model_folder_of(folder: Path) -> Path:
    """A model folder itself, or the base's of an adapter: where config and tokenizer are."""
    return base_of(folder) if is_adapter(folder) else folder


def load_adapter(folder: Path, model: Backbone) -> Adapter:
    """Attach a saved adapter to its base, by peft or by us. Everything else of the model is frozen.

    Raises UserError when it is damaged, doesn't fit the model, or says what can't be represented.
    """
    config, tensors = _read_config(folder), read_tensors(folder / _WEIGHTS)
    if (config.get("task_type") == _SCALAR) != isinstance(model, ScalarModel):
        raise UserError(f"{folder} adapts {'' if isinstance(model, ScalarModel) else 'no '}language model.")
    if isinstance(model, ScalarModel):
        _read_head(folder, model, tensors)
    names: dict[str, None] = {}
    for key in tensors:
        found = _TENSOR.fullmatch(key)
        if not found:
            raise UserError(f"{folder / _WEIGHTS} has {key}, which is not known here.")
        names[found[1]] = None
    shape = LoraShape(config["r"], config["lora_alpha"], tuple(sorted(set(map(last_name, names)))))
    changes = {name: _read_change(folder, name, model, shape, tensors) for name in names}
    return put_on(model, shape, changes)


def _read_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json, checked. Raises UserError for what is missing or can't be represented."""
    config = read_json(folder / ADAPTER_FILE)
    if not isinstance(config, dict):
        raise UserError(f"{folder / ADAPTER_FILE} does not describe an adapter.")
    for name, neutral in _NEUTRAL.items():
        if config.get(name) is not None and config[name] not in neutral:
            raise UserError(f"{folder / ADAPTER_FILE} sets {name}, which can't be represented here: {config[name]!r}.")
    whole, known = config.get("modules_to_save") or [], _HEADS if config.get("task_type") == _SCALAR else set()
    if not isinstance(whole, list) or not set(map(str, whole)) <= known:
        raise UserError(f"{folder / ADAPTER_FILE} sets modules_to_save, which can't be represented here: {whole!r}.")
    said = {"r": None, "lora_alpha": None} | config
    count(said, "r", str(folder / ADAPTER_FILE), _MOST_RANK)
    number(said, "lora_alpha", str(folder / ADAPTER_FILE))
    return config


def _read_change(folder: Path, name: str, model: Backbone, shape: LoraShape, tensors: Mapping[str, Tensor]) -> LowRank:
    layer = layers_of(model).get(name)
    if layer is None:
        raise UserError(f"{folder} adapts {name}, which the model does not have: it is not the adapter's base.")
    change = LowRank(layer, shape)
    for part, parameter in change.named_parameters():
        tensor = tensors.get(f"base_model.model.{name}.{part}.weight")
        if tensor is None or tensor.shape != parameter.shape:
            has = "is missing" if tensor is None else f"has the shape {list(tensor.shape)}"
            raise UserError(f"{folder / _WEIGHTS}: {name}.{part} {has}, expected {list(parameter.shape)}.")
        parameter.data.copy_(tensor)
    return change


def _read_head(folder: Path, model: ScalarModel, tensors: dict[str, Tensor]) -> None:
    """The head out of the adapter's tensors, and how its scores are normalized where that is known."""
    head = tensors.pop(_HEAD, None)
    if head is None or head.shape != model.score.weight.shape:
        has = "is missing" if head is None else f"has the shape {list(head.shape)}"
        raise UserError(f"{folder / _WEIGHTS}: the head score {has}, expected {list(model.score.weight.shape)}.")
    model.score.weight.data.copy_(head)
    scores = read_json(folder / _REWARD) if (folder / _REWARD).is_file() else {"reward_mean": 0.0, "reward_scale": 1.0}
    if not isinstance(scores, dict) or not set(scores) >= set(_SCORES):
        raise UserError(f"{folder / _REWARD} should have {' and '.join(_SCORES)}.")
    where = str(folder / _REWARD)
    model.mean, model.scale = number(scores, "reward_mean", where, -LARGEST), number(scores, "reward_scale", where)
