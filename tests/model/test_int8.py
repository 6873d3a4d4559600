"""In 8 bits a model says nearly what it said, from a quarter of the memory."""

import pytest
import torch
from pretended_gpu import pretended_gpu

from cygnet.generation import Engine, Sampling
from cygnet.model.int8 import Int8Embedding, Int8Linear, quantize
from cygnet.tokens.tokenizer import Tokenizer

TOKENS = torch.randint(8, 290, (3, 40), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [{}, {"tied": False}, {"qkv_bias": True, "qk_norm": False}])
def test_logits_hardly_change(build, shape: dict[str, bool]) -> None:
    model = build(**shape)
    with torch.no_grad():
        before = model(TOKENS).log_softmax(-1)
        quantize(model)
        model.compute_dtype = torch.bfloat16
        after = model(TOKENS).log_softmax(-1)
    assert (after - before).abs().mean() < 0.05 * before.std()
    assert (after.argmax(-1) == before.argmax(-1)).float().mean() > 0.9


def test_every_row_is_as_exact_as_its_largest_number_allows() -> None:
    weight = torch.randn(20, 64) * torch.logspace(-6, 6, 20)[:, None]
    layer = Int8Embedding(weight)
    rows = layer(torch.arange(20)).float()
    assert ((rows - weight).abs().amax(1) <= weight.abs().amax(1) / 100).all()
    assert torch.isfinite(Int8Linear(torch.zeros(4, 32)).product(torch.ones(1, 32))).all()


def test_a_product_is_that_of_the_matrix_whatever_the_shape_of_what_it_is_given() -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(24, 32), torch.randn(24), torch.randn(2, 5, 32)
    found = Int8Linear(weight, bias)(x.transpose(0, 1))
    expected = x.transpose(0, 1) @ weight.T + bias
    assert found.shape == (5, 2, 24)
    assert (found.float() - expected).abs().mean() < 0.02 * expected.std()


def test_it_takes_a_quarter_of_the_memory_and_is_decoded_as_any_model(build, tokenizer: Tokenizer) -> None:
    model = build()
    matrices = sum(parameter.numel() for parameter in model.parameters() if parameter.ndim == 2)
    quantize(model)
    held = [*model.parameters(), *model.buffers()]
    assert matrices <= sum(tensor.numel() * tensor.element_size() for tensor in held) < 1.3 * matrices
    engine = Engine(model, tokenizer)
    together = engine.generate([[1, 20, 30], [1, 40]], Sampling(temperature=0.0, max_new_tokens=8), n=2)
    assert all(len(item.tokens) == 8 or item.finish_reason == "stop" for items in together for item in items)


def test_gpus_multiply_with_the_unpacked_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their kernel for packed ones multiplies number by number."""
    torch.manual_seed(0)
    layer, x = Int8Linear(torch.randn(24, 32)), torch.randn(5, 32).bfloat16()
    expected = layer(x).float()
    monkeypatch.delattr(torch, "_weight_int8pack_mm")
    with pretended_gpu():
        found = layer.to("cuda:0")(x.to("cuda:0")).cpu().float()
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.05)
