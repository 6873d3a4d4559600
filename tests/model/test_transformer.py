import pytest
import torch
import torch.nn.functional as F
from pretended_gpu import pretended_gpu

from cygnet.model.config import ModelConfig
from cygnet.model.transformer import ScalarModel, Transformer, rotate, rotations

SHAPES = [{}, {"heads": 4, "kv_heads": 2, "head_width": 16}, {"heads": 2, "kv_heads": 1, "head_width": 8}]


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, 300, (3, 20), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_place_does_not_see_the_future(build, tokens: torch.Tensor, shape: dict[str, int]) -> None:
    model = build(**shape)
    before = model(tokens)
    changed = tokens.clone()
    changed[:, 12:] = 7
    after = model(changed)
    torch.testing.assert_close(before[:, :12], after[:, :12])
    assert (before[:, 12:] - after[:, 12:]).abs().amax(dim=-1).min() > 1e-3


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_a_batch_do_not_see_each_other(build, tokens: torch.Tensor, shape: dict[str, int]) -> None:
    model = build(**shape)
    torch.testing.assert_close(model(tokens)[1:2], model(tokens[1:2]), rtol=1e-4, atol=1e-5)


def test_default_positions_and_mask_are_those_of_one_plain_sequence(build, tokens: torch.Tensor) -> None:
    model = build()
    positions = torch.arange(20).expand(3, 20)
    mask = torch.ones(20, 20, dtype=torch.bool).tril().expand(3, 1, 20, 20)
    torch.testing.assert_close(model(tokens), model(tokens, positions, mask), rtol=1e-4, atol=1e-5)


def test_only_distances_matter(build, tokens: torch.Tensor) -> None:
    model = build()
    here, there = torch.arange(20).expand(3, 20), torch.arange(30, 50).expand(3, 20)
    mask = torch.ones(20, 20, dtype=torch.bool).tril().expand(3, 1, 20, 20)
    torch.testing.assert_close(model(tokens, here, mask), model(tokens, there, mask), rtol=1e-3, atol=1e-4)


def test_rotation_keeps_lengths_and_turns_by_distance() -> None:
    cos, sin = rotations(length=50, width=8, theta=10_000.0)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0))
    at = [rotate(q, (cos[p : p + 1], sin[p : p + 1])) for p in range(50)]
    torch.testing.assert_close(at[30].norm(), q.norm())
    dots = [(at[p] * rotate(k, (cos[p + 5 : p + 6], sin[p + 5 : p + 6]))).sum() for p in (0, 17, 40)]
    torch.testing.assert_close(dots[1:], [dots[0]] * 2)


def test_a_new_model_starts_as_the_identity(tokens: torch.Tensor) -> None:
    model = Transformer(ModelConfig.from_depth(3, 300, 64))
    embeddings = model.model.embed_tokens.weight
    normalized = F.rms_norm(embeddings[tokens], (96,), eps=1e-6)
    torch.testing.assert_close(model(tokens), normalized @ embeddings.T)


def test_bfloat16_is_the_same_up_to_its_precision(build, tokens: torch.Tensor) -> None:
    model = build()
    exact = model(tokens)
    model.compute_dtype = torch.bfloat16
    rounded = model(tokens)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    assert F.cosine_similarity(rounded.flatten(), exact.flatten(), dim=0) > 0.999


def test_a_scalar_model_gives_one_number_a_place(build, tokens: torch.Tensor) -> None:
    model = build(ScalarModel)
    assert model(tokens).shape == (3, 20)
    torch.testing.assert_close(model(tokens), model.features(tokens) @ model.score.weight[0])


def test_the_first_heads_start_by_looking_one_and_two_tokens_back() -> None:
    config = ModelConfig.from_depth(4, 512, 64)
    model = Transformer(config)
    attention, layer = model.model.layers[0].self_attn, model.model.layers[0]
    tokens = torch.randint(0, 512, (4, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        x = layer.input_layernorm(model.model.embed_tokens(tokens))
        shape = (4, 40, -1, config.head_width)
        rotation = rotations(40, config.head_width, config.rope_theta)
        queries = rotate(attention.q_norm(attention.q_proj(x).view(shape).transpose(1, 2)), rotation)
        keys = rotate(attention.k_norm(attention.k_proj(x).view(shape).transpose(1, 2)), rotation)
        logits = queries @ keys.mT / config.head_width**0.5
    weights = logits.masked_fill(~torch.ones(40, 40, dtype=torch.bool).tril(), -torch.inf).softmax(-1)
    for head, back in ((0, 1), (1, 2)):
        assert weights[:, head].diagonal(-back, -2, -1).mean() > 0.6
    assert weights[:, 2].diagonal(-1, -2, -1).mean() < 0.3  # the others are left as they were


def test_the_table_of_rotations_grows_as_it_is_used_to_the_same_numbers(build) -> None:
    model, whole = build(context_length=2**20), build(context_length=4096)
    whole.load_state_dict(model.state_dict())
    whole.model.requires_grad_(False)
    table = whole._rotations(4096, torch.float32)
    rows = torch.randint(0, 300, (1, 2500), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for length, size in ((5, 1024), (1024, 1024), (1025, 2048), (30, 2048), (2500, 4096)):
            assert torch.equal(model(rows[:, :length]), whole(rows[:, :length]))
            kept = model._rotations(1, torch.float32)
            assert len(kept[0]) == size
            assert all(torch.equal(made, known[:size]) for made, known in zip(kept, table, strict=True))
            assert model._rotations(length, torch.float32)[0] is kept[0]  # nothing is made anew, or compiled again


@pytest.mark.parametrize(("context", "size"), [(20, 20), (1024, 1024), (1500, 1500)])
def test_packed_rows_as_long_as_the_context_have_one_table(build, context: int, size: int) -> None:
    """So that a compiled step of training sees one shape."""
    model = build(context_length=context)
    rows = torch.randint(0, 300, (1, context), generator=torch.Generator().manual_seed(2))
    positions = torch.arange(context)[None]
    mask = torch.ones(context, context, dtype=torch.bool).tril()[None, None]
    first = model(rows, positions, mask)
    table = model._rotations(1, torch.float32)
    model(rows[:, :7])
    assert torch.equal(model(rows, positions, mask), first)
    assert model._rotations(context, torch.float32)[0] is table[0]
    assert len(table[0]) == size
    torch.testing.assert_close(model(rows), first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model(rows, positions), first, rtol=1e-4, atol=1e-5)


def test_a_model_that_was_used_may_move(build, tokens: torch.Tensor) -> None:
    model = build().requires_grad_(False)
    here = model(tokens)
    with pretended_gpu():
        there = model.to("cuda:0")(tokens.to("cuda:0"))
        assert there.device.type == "cuda"
        assert torch.equal(there.cpu(), here)
        assert torch.equal(model.to("cpu")(tokens), here)
