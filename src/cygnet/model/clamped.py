"""A model that stays as it is while an adapter learns, read from its folder into as few bits as wanted."""

from pathlib import Path

import torch
from torch import Tensor, nn

from cygnet.model.config import BasePrecision, ModelConfig
from cygnet.model.int8 import Int8Linear
from cygnet.model.nf4 import Nf4Linear
from cygnet.model.weights import Model, StoredTensors, empty_model

HEAD = "score"  # of a scalar model
_PACKINGS = {"int8": Int8Linear, "nf4": Nf4Linear}


@torch.no_grad()
def load_clamped(kind: type[Model], config: ModelConfig, folder: Path, precision: BasePrecision) -> Model:
    """A model of this shape with the folder's weights, none of which learns.

    The layers' matrices are kept in `precision`. In 8 and 4 bits the rest is bfloat16: norms, biases, embeddings, which
    are looked up and not multiplied by, and the output matrix, whose errors would go straight into the logits. Weights
    are read and packed one after the other: at no time is all of the model in memory in float32.

    Raises UserError when a file is missing or damaged, or the tensors are not those of the shape.
    """
    stored = StoredTensors(folder)
    model = empty_model(kind, config, stored, folder)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16

    def read(name: str) -> Tensor:
        return stored[name].to(dtype, copy=True)  # which lets the file go

    if precision in _PACKINGS:
        for name, layer in list(model.model.named_modules(prefix="model")):
            if isinstance(layer, nn.Linear):
                bias = None  # a parameter, so that it goes to a device with the rest
                if f"{name}.bias" in stored:
                    bias = nn.Parameter(read(f"{name}.bias"), requires_grad=False)
                model.set_submodule(name, _PACKINGS[precision](stored[f"{name}.weight"], bias))
    for name, _ in list(model.named_parameters()):
        place, _, last = name.rpartition(".")
        value = stored[name].clone() if place == HEAD else read(name)  # a score is one product of one row
        setattr(model.get_submodule(place), last, nn.Parameter(value, requires_grad=False))
    return model
