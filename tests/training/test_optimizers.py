import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from cygnet.training import optimizers
from cygnet.training.optimizers import Muon, muon_and_adamw, orthogonalize
from cygnet.training.rates import scaled_lr

SHAPES = [(32, 32), (16, 64), (64, 16), (1, 8)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of_spectrum(shape: tuple[int, int], smallest: float) -> Tensor:
    """A matrix with singular values from 1 down to `smallest`."""
    left, _, right = torch.linalg.svd(random(*shape), full_matrices=False)
    return left * torch.logspace(0, torch.tensor(smallest).log10().item(), min(shape)) @ right


def parameters(count: int, *shape: int) -> list[nn.Parameter]:
    return [nn.Parameter(random(*shape, seed=seed)) for seed in range(count)]


def steps(parameter_lists: list[list[nn.Parameter]], muons: list[Muon], count: int = 3) -> None:
    for step in range(count):
        for optimizer, group in zip(muons, parameter_lists, strict=True):
            for parameter in group:
                parameter.grad = random(*parameter.shape, seed=step) + parameter.detach()
            optimizer.step()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_all_singular_values_become_about_one(shape: tuple[int, int], size: float) -> None:
    stack = size * torch.stack([of_spectrum(shape, smallest) for smallest in (0.02, 0.2, 1.0)])
    directions = orthogonalize(stack).float()
    assert directions.shape == stack.shape
    values = torch.linalg.svdvals(directions)
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize("shape", SHAPES)
def test_directions_are_kept(shape: tuple[int, int]) -> None:
    matrix = of_spectrum(shape, 0.05)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    nearest = left @ right
    found = orthogonalize(matrix[None])[0].float()
    assert torch.cosine_similarity(found.flatten(), nearest.flatten(), dim=0) > 0.97


@pytest.mark.parametrize("shape", SHAPES)
def test_matrices_in_a_batch_move_as_each_would_alone(shape: tuple[int, int]) -> None:
    together, apart = parameters(4, *shape), parameters(4, *shape)
    steps([together], [Muon(together, lr=0.1)])
    for parameter in apart:
        steps([[parameter]], [Muon([parameter], lr=0.1)])
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-3)


def test_large_matrices_are_stacked_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks: list[int] = []
    original = optimizers.orthogonalize
    monkeypatch.setattr(optimizers, "orthogonalize", lambda stack: stacks.append(len(stack)) or original(stack))
    for bound in (1 << 26, 2 * 8 * 8, 1):
        monkeypatch.setattr(optimizers, "_STACKED", bound)
        steps([found := parameters(5, 8, 8)], [Muon(found, lr=0.1)], count=1)
    assert stacks == [5, 2, 2, 1, 1, 1, 1, 1, 1]


def test_a_step_is_as_long_in_every_direction_and_longer_in_tall_matrices() -> None:
    for shape, size in (((32, 32), 0.1), ((16, 64), 0.1), ((64, 16), 0.2)):
        parameter = nn.Parameter(random(*shape))
        before = parameter.detach().clone()
        parameter.grad = of_spectrum(shape, 0.05)
        Muon([parameter], lr=0.1).step()
        values = torch.linalg.svdvals(before - parameter.detach())
        assert values.min() > 0.6 * size
        assert values.max() < 1.3 * size


def test_it_goes_downhill() -> None:
    (parameter,) = parameters(1, 8, 8)
    target = random(8, 8, seed=9)
    optimizer = Muon([parameter], lr=0.05)
    losses = []
    for _ in range(100):
        loss = ((parameter - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_a_parameter_without_gradient_stays() -> None:
    moved, unmoved = parameters(2, 8, 8)
    before = unmoved.detach().clone()
    moved.grad = random(8, 8)
    Muon([moved, unmoved], lr=0.1).step()
    assert torch.equal(unmoved, before)


def test_each_parameter_has_one_optimizer(build) -> None:
    model = build()
    muon, adamw = muon_and_adamw(model, matrix_lr=0.02, other_lr=0.01)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    by_muon, by_adamw = ([names[id(p)] for p in optimizer.param_groups[0]["params"]] for optimizer in (muon, adamw))
    assert sorted([*by_muon, *by_adamw]) == sorted(names.values())
    assert by_adamw[0] == "model.embed_tokens.weight"
    assert all(name.endswith("_proj.weight") for name in by_muon)
    assert all("norm" in name for name in by_adamw[1:])


@given(st.integers(1, 512), st.integers(16, 4096))
def test_learning_rates_follow_the_roots_of_batch_and_width(batch: int, width: int) -> None:
    lr = scaled_lr(0.01, batch=batch, reference_batch=16, width=width)
    assert lr == pytest.approx(0.01 * (batch / 16) ** 0.5 / (width / 128) ** 0.5)
    assert scaled_lr(0.01, batch=16, reference_batch=16) == 0.01
