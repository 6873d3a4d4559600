"""The formulas against what torch keeps, for a real model and the real optimizers."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from cygnet.model import transformer
from cygnet.model.config import ModelConfig
from cygnet.model.transformer import Transformer
from cygnet.recipe.planner.memory import SHARDINGS, held, optimizer_bytes, row_activations, rows_that_fit
from cygnet.recipe.planner.shape import nearest_shape, parameter_count
from cygnet.training.distribution import is_sharded, spread
from cygnet.training.optimizers import adamw, muon_and_adamw
from cygnet.training.work import Work
from cygnet.training.world import World

SHAPES = [ModelConfig.from_depth(2, 300, 32), ModelConfig.from_depth(3, 256, 128)]


def built(shape: ModelConfig) -> Transformer:
    model = Transformer(shape)
    model.compute_dtype = torch.bfloat16
    return model


def loss(model: Transformer, rows: int) -> Tensor:
    tokens = torch.randint(0, model.config.vocab_size, (rows, model.config.context_length))
    return cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())


def bytes_kept(model: Transformer, rows: int) -> int:
    """Bytes of what the graph of one forward pass keeps for the way back, the parameters themselves left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters() if not is_sharded(parameter)}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # held, or its place would be taken again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss(model, rows)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_gradients_and_optimizer_state(shape: ModelConfig) -> None:
    model = built(shape)
    for optimizers, muon in ((muon_and_adamw(model, 0.02, 0.01), True), ([adamw(model.parameters(), 0.01)], False)):
        loss(model, 2).backward()
        for optimizer in optimizers:
            optimizer.step()
        one = held(shape, 1, "DDP", muon)
        assert one.weights == sum(parameter.nbytes for parameter in model.parameters())
        assert one.gradients == sum(parameter.grad.nbytes for parameter in model.parameters())
        kept = [value for optimizer in optimizers for state in optimizer.state.values() for value in state.values()]
        assert one.optimizer == sum(value.nbytes for value in kept if value.ndim)  # AdamW counts its steps besides
        for optimizer in optimizers:
            optimizer.zero_grad()


@pytest.mark.parametrize("shape", SHAPES)
def test_activations_and_copies_of_weights(shape: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformer, "by_products", lambda *_: False)  # attention as GPUs do it
    model, gradient = built(shape), 4 * shape.vocab_size * shape.context_length
    one, three = bytes_kept(model, 1), bytes_kept(model, 3)
    row = (three - one) / 2
    assert row == pytest.approx(row_activations(shape, recomputed=False) - gradient, rel=0.01)
    rotations = 2 * 2 * shape.context_length * shape.head_width
    assert one - row - rotations == pytest.approx(held(shape, 1, "DDP").copies, rel=0.001)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("recompute", [False, True])
def test_copies_of_sharded_weights(together, monkeypatch: pytest.MonkeyPatch, recompute: bool) -> None:
    """FSDP's own, in float32, go when a layer is done; what they were cast to stays, unless that is computed again."""
    monkeypatch.setattr(transformer, "by_products", lambda *_: False)
    shape = SHAPES[0]

    def job(world: World) -> tuple[int, int]:
        model = built(shape)
        spread(model, Work(Path("unused"), Path("unused"), world=world, sharding="full", recompute=recompute))
        return bytes_kept(model, 1), bytes_kept(model, 3)

    one, three = together(2, job)[1]
    rotations = 0 if recompute else 2 * 2 * shape.context_length * shape.head_width
    copies = one - (three - one) / 2 - rotations
    of_head = 2 * shape.vocab_size * shape.width + 2 * shape.width
    assert copies == pytest.approx(of_head if recompute else held(shape, 1, "DDP").copies, rel=0.02)


def test_activations_recomputed() -> None:
    class Recomputed(nn.Module):
        def __init__(self, layer: nn.Module) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, *inputs: object) -> Tensor:
            return checkpoint(self.layer, *inputs, use_reentrant=False)

    shape = ModelConfig.from_depth(6, 256, 128)
    model, whole = built(shape), bytes_kept(built(shape), 4)
    model.model.layers = nn.ModuleList(Recomputed(layer) for layer in model.model.layers)
    kept = bytes_kept(model, 4)
    gradient, copies = 4 * shape.vocab_size * shape.context_length, 2 * shape.vocab_size * shape.width
    layers = 4 * 128 * 2 * shape.layers * shape.width
    head = 4 * (row_activations(shape, recomputed=True) - gradient) - layers
    one_layer = (whole - kept) / shape.layers  # at most this is there again at a time, weights' copies included
    assert kept < whole / 4
    assert layers <= kept - copies <= layers + head
    assert head < 1.2 * one_layer + kept


@given(st.floats(5e8, 1e11), st.integers(2, 4096))  # the third stage needs more for less than a few layers
def test_each_stage_of_sharding_holds_less(parameters: float, devices: int) -> None:
    shape = nearest_shape(parameters, 32_768, 2_048)
    stages = [held(shape, devices, sharding) for sharding in SHARDINGS]
    for less, more in zip(stages[1:], stages[:-1], strict=True):
        assert less.total <= more.total
    assert stages[0].total >= 16 * parameter_count(shape) * 0.8
    assert stages[3].weights * devices == pytest.approx(stages[0].weights)
    assert stages[1].optimizer * devices == pytest.approx(optimizer_bytes(shape))


def test_on_one_device_sharding_changes_nothing() -> None:
    shape = nearest_shape(1e8, 32_768, 2_048)
    assert len({held(shape, 1, sharding).total for sharding in SHARDINGS}) == 1


def test_zero_is_the_papers_sixteen_bytes_and_the_copy() -> None:
    """ZeRO's figure 1, 7.5B on 64 devices: 120 GB, 31.4 GB, 16.6 GB; ours has float32 gradients and a bf16 copy."""
    shape = nearest_shape(7.5e9, 32_768, 2_048)
    parameters = parameter_count(shape)
    got = [held(shape, 64, sharding, muon=False).total / parameters for sharding in SHARDINGS[:3]]
    assert got == pytest.approx([4 + 2 + 4 + 8, 4 + 2 + 4 + 8 / 64, 4 + 2 + (4 + 8) / 64])


def test_rows_fill_what_is_left() -> None:
    shape = nearest_shape(1e8, 32_768, 2_048)
    row = row_activations(shape, recomputed=False)
    assert rows_that_fit(shape, 1e9, (1e9 + 2.5 * row) / 0.9, recomputed=False) == 2
    assert rows_that_fit(shape, 1e9, 1e9, recomputed=False) == 0
