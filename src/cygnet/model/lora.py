"""Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): W becomes W + alpha/rank · B·A, of which A and B learn.

W itself is not changed, so it may be packed in few bits, and several adapters may share it.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cygnet.errors import UserError
from cygnet.model.int8 import Int8Linear
from cygnet.model.nf4 import Nf4Linear
from cygnet.model.transformer import Backbone, ScalarModel, linear

HEAD = "score"
Base = nn.Linear | Int8Linear | Nf4Linear
Model = TypeVar("Model", bound=Backbone)


@dataclass(frozen=True)
class LoraShape:
    """rank: rows of A and columns of B. alpha: B·A counts alpha/rank times. targets: last names of adapted layers."""

    rank: int
    alpha: float
    targets: tuple[str, ...]


class LowRank(nn.Module):
    """The change to one layer. B starts at zero, so that nothing changes at first."""

    def __init__(self, layer: "Base | Adapted", shape: LoraShape, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.lora_A = nn.Parameter(torch.empty(shape.rank, layer.in_features))
        self.lora_B = nn.Parameter(torch.zeros(layer.out_features, shape.rank))
        self.scale = shape.alpha / shape.rank
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5, generator=generator)
        self.to(next(iter(layer.state_dict().values())).device)

    def forward(self, x: Tensor) -> Tensor:
        """[..., columns] → [..., rows], in `x`'s dtype: scale · B·A·x."""
        return F.linear(F.linear(x, self.lora_A.to(x.dtype)) * self.scale, self.lora_B.to(x.dtype))


class Adapted(nn.Module):
    """A layer that stays as it is, and beside it its change."""

    def __init__(self, base: "Base | Adapted", change: LowRank) -> None:
        super().__init__()
        self.base, self.change = base, change
        self.out_features: int = base.out_features
        self.in_features: int = base.in_features

    def product(self, x: Tensor) -> Tensor:
        """(W + scale · B·A) · x, without making that matrix."""
        return torch.as_tensor(linear(x, self.base) + self.change(x))

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output."""
        return self.product(x)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One layer that does the same."""
        layer = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        base = self.base.merged() if isinstance(self.base, Adapted) else self.base
        dense, bias = base.weight.float() if isinstance(base, nn.Linear) else base.dense(torch.float32), base.bias
        layer.weight = nn.Parameter(torch.addmm(dense, self.change.lora_B, self.change.lora_A, alpha=self.change.scale))
        if bias is not None:
            layer.bias = nn.Parameter(bias.detach().clone())
        return layer


class Adapter(nn.Module):
    """The changes to a model's layers, by the layers' names, and the head of a scalar model; a module of its own, which
    does not hold the model: training it, and saving its state, leaves the model out."""

    def __init__(self, shape: LoraShape, changes: Mapping[str, LowRank], head: nn.Linear | None) -> None:
        super().__init__()
        self.shape, self.names = shape, tuple(changes)
        self.changes = nn.ModuleList(changes.values())
        self.head = head

    @property
    def size(self) -> int:
        """How many numbers learn."""
        return sum(parameter.numel() for parameter in self.parameters())

    def tensors(self) -> dict[str, Tensor]:
        """A and B of every layer, and the head, under peft's names."""
        found: dict[str, Tensor] = {
            f"base_model.model.{name}.{part}.weight": tensor
            for name, change in zip(self.names, self.changes, strict=True)
            for part, tensor in change.named_parameters()
        }
        if self.head is not None:
            found[f"base_model.model.{HEAD}.weight"] = self.head.weight
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}


def attach(model: Backbone, shape: LoraShape, seed: int = 0) -> Adapter:
    """Freeze a model and put new changes on its target layers; a scalar model's head learns too, from where it is.

    The seed draws A. Raises UserError when the model has no layer of some target's name.
    """
    layers = layers_of(model)
    chosen = {name: layer for name, layer in layers.items() if last_name(name) in shape.targets}
    if missing := set(shape.targets) - set(map(last_name, chosen)):
        known = ", ".join(sorted(set(map(last_name, layers))))
        raise UserError(f"the model has no layers called {', '.join(sorted(missing))}; it has {known}.")
    generator = torch.Generator().manual_seed(seed)
    changes = {name: LowRank(layer, shape, generator) for name, layer in chosen.items()}
    return put_on(model, shape, changes)


def twin(model: Model) -> Model:
    """Another model on the same tensors: what is attached to one does not change the other."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]}
    return deepcopy(model, shared)


def merge(model: Backbone) -> None:
    """Write all attached changes into the weights. The model is then like any other, and all of it can learn."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, Adapted):
            model.set_submodule(name, layer.merged())
    model.requires_grad_(True)


def put_on(model: Backbone, shape: LoraShape, changes: Mapping[str, LowRank]) -> Adapter:
    """Freeze a model and put these changes on the layers of their names."""
    layers = layers_of(model)
    model.requires_grad_(False)
    for name, change in changes.items():
        model.set_submodule(name, Adapted(layers[name], change))
    if isinstance(model, ScalarModel):
        model.score = deepcopy(model.score).requires_grad_(True)  # its own, whoever shares the rest
    return Adapter(shape, changes, model.score if isinstance(model, ScalarModel) else None)


def layers_of(model: Backbone) -> dict[str, Base | Adapted]:
    """All layers that can be adapted, by name; one that is adapted already can be adapted on top of that."""
    found = {name: layer for name, layer in model.named_modules() if isinstance(layer, Base | Adapted)}
    return {name: layer for name, layer in found.items() if last_name(name) not in ("base", HEAD)}


def last_name(name: str) -> str:
    """What a layer is called within its part of the model."""
    return name.rpartition(".")[2]
