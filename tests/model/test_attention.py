import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cygnet.model.attention import additive, attend, by_products

CPU = torch.device("cpu")


def inputs(seed: int, heads: int, kv_heads: int, length: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, heads, length, 8), (2, kv_heads, length, 8), (2, kv_heads, length, 8)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


def documents(seed: int, length: int) -> torch.Tensor:
    """A mask of rows that hold documents one after the other."""
    owner = torch.randint(0, 3, (2, length), generator=torch.Generator().manual_seed(seed)).sort()[0]
    return ((owner[:, :, None] == owner[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril())[:, None]


@given(
    st.integers(0, 99),
    st.sampled_from([(1, 1), (4, 4), (4, 2), (6, 1)]),
    st.sampled_from([1, 7, 20, 129, 300]),
    st.booleans(),
)
def test_matrix_products_give_what_the_fused_kernel_gives(
    seed: int, heads: tuple[int, int], length: int, causal: bool
) -> None:
    q, k, v = inputs(seed, *heads, length)
    mask = None if causal else documents(seed, length)
    fused = attend(q, k, v, mask)
    products = attend(q, k, v, additive(mask, length, torch.float64, CPU))
    torch.testing.assert_close(products, fused)
    weight = torch.randn(fused.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad(fused, (q, k, v), weight), torch.autograd.grad(products, (q, k, v), weight), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_long_rows_keep_their_mask() -> None:
    assert additive(None, 4096, torch.float64, CPU) is None
    mask = torch.ones(1, 1, 4096, 4096, dtype=torch.bool)
    assert additive(mask, 4096, torch.float64, CPU) is mask


def test_the_way_is_chosen_by_what_is_at_hand() -> None:
    assert by_products(torch.bfloat16, CPU)
    assert not by_products(torch.float32, CPU)
    assert not by_products(torch.bfloat16, torch.device("cuda"))
    with torch.no_grad():
        assert not by_products(torch.bfloat16, CPU)


def test_training_in_bfloat16_follows_float32(build) -> None:
    """The loss and its gradient, by either way."""
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        model = build()
        model.compute_dtype = dtype
        tokens = torch.randint(0, 300, (2, 33), generator=torch.Generator().manual_seed(1))
        loss = torch.nn.functional.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        found.append((loss.detach(), model.model.layers[0].self_attn.q_proj.weight.grad.flatten()))
    (loss, gradient), (rough_loss, rough_gradient) = found
    assert float(rough_loss) == pytest.approx(float(loss), rel=0.02)
    assert float(torch.cosine_similarity(gradient, rough_gradient, dim=0)) > 0.98
