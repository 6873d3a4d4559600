"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): W becomes W + alpha/rank · B·A, of which A and B learn.

An adapter folder is peft's: adapter_config.json and adapter_model.safetensors; peft and transformers open it as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations

from cygnet.errors import UserError
from cygnet.files import read_json, write_aside, write_json
from cygnet.model.fields import count, number
from cygnet.model.transformer import Backbone
from cygnet.model.weights import read_tensors, weights_hash

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_TENSOR = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_MOST_RANK = 2**14  # that of a whole matrix of the largest models
_BASE = "base_sha256"  # in the metadata of the tensors: of the base's weights

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
    "modules_to_save": ([],),
    "layer_replication": ([],),
    "alora_invocation_tokens": ([],),
    "target_parameters": ([],),
    "trainable_token_indices": ([], {}),
}


@dataclass(frozen=True)
class LoraShape:
    """rank: rows of A and columns of B. alpha: B·A counts alpha/rank times. targets: last names of adapted layers."""

    rank: int
    alpha: float
    targets: tuple[str, ...]


class LowRank(nn.Module):
    """A parametrization of one [rows, columns] matrix. B starts at zero, so that nothing changes at first."""

    def __init__(self, weight: Tensor, shape: LoraShape, generator: torch.Generator | None = None) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.lora_A = nn.Parameter(torch.empty(shape.rank, columns))
        self.lora_B = nn.Parameter(torch.zeros(rows, shape.rank))
        self.scale = shape.alpha / shape.rank
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5, generator=generator)
        self.to(weight.device)

    def forward(self, weight: Tensor) -> Tensor:
        """W + scale · B·A."""
        return torch.addmm(weight, self.lora_B, self.lora_A, alpha=self.scale)


class Adapter(nn.Module):
    """The changes to a model's matrices, by the names of their layers; a module of its own, which does not hold the
    model: training it, and saving its state, leaves the model out."""

    def __init__(self, shape: LoraShape, changes: Mapping[str, LowRank]) -> None:
        super().__init__()
        self.shape, self.names = shape, tuple(changes)
        self.changes = nn.ModuleList(changes.values())

    @property
    def size(self) -> int:
        """How many numbers learn."""
        return sum(parameter.numel() for parameter in self.parameters())

    def tensors(self) -> dict[str, Tensor]:
        """A and B of every layer under peft's names."""
        return {
            f"base_model.model.{name}.{part}.weight": tensor.detach().contiguous()
            for name, change in zip(self.names, self.changes, strict=True)
            for part, tensor in change.named_parameters()
        }


def attach(model: Backbone, shape: LoraShape, seed: int = 0) -> Adapter:
    """Freeze a model and put new changes on its target layers. The seed draws A.

    Raises UserError when the model has no layer of some target's name.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    chosen = {name: layer for name, layer in layers.items() if _last(name) in shape.targets}
    if missing := set(shape.targets) - set(map(_last, chosen)):
        known = ", ".join(sorted(set(map(_last, layers))))
        raise UserError(f"the model has no layers called {', '.join(sorted(missing))}; it has {known}.")
    generator = torch.Generator().manual_seed(seed)
    changes = {name: LowRank(layer.weight, shape, generator) for name, layer in chosen.items()}
    return _put_on(model, shape, changes)


def merge(model: Backbone) -> None:
    """Write all attached changes into the weights. The model is then like any other, and all of it can learn."""
    for layer in list(model.modules()):
        if is_parametrized(layer, "weight"):
            remove_parametrizations(layer, "weight", leave_parametrized=True)
    model.requires_grad_(True)


def save_adapter(folder: Path, adapter: Adapter, base: Path) -> None:
    """Write a folder that peft opens on top of the model folder `base`, complete or not at all."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
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
        write_json(temporary / _CONFIG, config)
        # One entry: safetensors writes several in an order that differs from time to time.
        save_file(adapter.tensors(), temporary / _WEIGHTS, metadata={_BASE: weights_hash(base)})


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and no model."""
    return (folder / _CONFIG).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> Path:
    """The model folder that an adapter was made for. Raises UserError when it is not there, or another by now."""
    base = _read_config(folder).get("base_model_name_or_path")
    if not isinstance(base, str) or not (Path(base).expanduser() / "config.json").is_file():
        raise UserError(
            f"{folder} adapts the model {base}, which is no model folder on this machine. "
            f"Bring it here and write its folder into {folder / _CONFIG} (base_model_name_or_path)."
        )
    read_tensors(folder / _WEIGHTS)  # damaged ones are told before they are asked for their base
    with safe_open(folder / _WEIGHTS, framework="pt") as file:
        expected = (file.metadata() or {}).get(_BASE)  # peft tells nothing about it
    found = Path(base).expanduser()
    if expected and weights_hash(found) != expected:
        raise UserError(f"{folder} adapts {base}, whose weights are others by now. Adapt it again.")
    return found


def load_adapter(folder: Path, model: Backbone) -> Adapter:
    """Attach a saved adapter to its base, by peft or by us. Everything else of the model is frozen.

    Raises UserError when it is damaged, doesn't fit the model, or says what can't be represented.
    """
    config, tensors = _read_config(folder), read_tensors(folder / _WEIGHTS)
    names: dict[str, None] = {}
    for key in tensors:
        found = _TENSOR.fullmatch(key)
        if not found:
            raise UserError(f"{folder / _WEIGHTS} has {key}, which is not known here.")
        names[found[1]] = None
    shape = LoraShape(config["r"], config["lora_alpha"], tuple(sorted(set(map(_last, names)))))
    changes = {name: _read_change(folder, name, model, shape, tensors) for name in names}
    return _put_on(model, shape, changes)


def _put_on(model: Backbone, shape: LoraShape, changes: Mapping[str, LowRank]) -> Adapter:
    model.requires_grad_(False)
    for name, change in changes.items():
        register_parametrization(model.get_submodule(name), "weight", change)
    return Adapter(shape, changes)


def _read_config(folder: Path) -> dict[str, Any]:
    """adapter_config.json, checked. Raises UserError for what is missing or can't be represented."""
    config = read_json(folder / _CONFIG)
    if not isinstance(config, dict):
        raise UserError(f"{folder / _CONFIG} does not describe an adapter.")
    for name, neutral in _NEUTRAL.items():
        if config.get(name) is not None and config[name] not in neutral:
            raise UserError(f"{folder / _CONFIG} sets {name}, which can't be represented here: {config[name]!r}.")
    said = {"r": None, "lora_alpha": None} | config
    count(said, "r", str(folder / _CONFIG), _MOST_RANK)
    number(said, "lora_alpha", str(folder / _CONFIG))
    return config


def _read_change(folder: Path, name: str, model: Backbone, shape: LoraShape, tensors: Mapping[str, Tensor]) -> LowRank:
    layer = dict(model.named_modules()).get(name)
    if not isinstance(layer, nn.Linear):
        raise UserError(f"{folder} adapts {name}, which the model does not have: it is not the adapter's base.")
    change = LowRank(layer.weight, shape)
    for part, parameter in change.named_parameters():
        tensor = tensors.get(f"base_model.model.{name}.{part}.weight")
        if tensor is None or tensor.shape != parameter.shape:
            has = "is missing" if tensor is None else f"has the shape {list(tensor.shape)}"
            raise UserError(f"{folder / _WEIGHTS}: {name}.{part} {has}, expected {list(parameter.shape)}.")
        parameter.data.copy_(tensor)
    return change


def _last(name: str) -> str:
    return name.rpartition(".")[2]
