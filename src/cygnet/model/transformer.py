"""A Qwen3-style decoder: RMSNorm before each part, rotary positions, QK-norm with a gain, SwiGLU, tied embeddings.

Llama's, Qwen2's and SmolLM3's parts, which models from elsewhere have, are its variants: no QK-norm, biases, layers
without rotation, untied embeddings.
Parameter names are those of transformers, so a state dict is a Hugging Face checkpoint as it stands.
Shapes: B rows, T positions, D width, H heads, K key-value heads, E head width, V vocabulary.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cygnet.model.attention import additive, attend, by_products
from cygnet.model.config import ModelConfig
from cygnet.model.rope import RopeScaling

# Start of the QK-norm gains: with heads of 32, gains of 1 bound attention logits by 5.7, too soft to look one token up
# among a hundred. Measured, one seed: with 1.7 key-value recall appeared within 1.2M places, with 1 not (lab notes).
_SHARPNESS = 1.7
_ROTATED = 1024  # positions in the smallest table of rotations

_EMBEDDING_STD = 0.02
_LOOKED_BACK = 2  # how far, at most, the first layer's heads start to look
_FASTEST = 4  # how many of the rotations they tell distances by


Rotation = tuple[Tensor, Tensor]  # cosines and sines [..., T, E]


class KeyValueCache(Protocol):
    """Where a layer's keys and values are kept while decoding."""

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store new [B, K, T, E] keys and values; return all of that layer so far."""
        ...


def linear(x: Tensor, *layers: nn.Module) -> Tensor:
    """Apply layers side by side, in `x`'s dtype; master weights stay float32. All of them have a bias, or none.

    In training that is one matrix product, unless they are packed or have adapters. In decoding, where weights are read
    for a few tokens only, putting them together would cost more than that saves.
    """
    plain = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if len(layers) > 1 and (len(plain) < len(layers) or not torch.is_grad_enabled()):
        return torch.cat([linear(x, layer) for layer in layers], dim=-1)
    if not plain:
        return torch.as_tensor(layers[0](x))
    weight = plain[0].weight if len(plain) == 1 else torch.cat([layer.weight for layer in plain])
    biases: list[Tensor | None] = [layer.bias for layer in plain]
    given = [bias.to(x.dtype) for bias in biases if bias is not None]
    return F.linear(x, weight.to(x.dtype), torch.cat(given) if given else None)


class RMSNorm(nn.Module):
    """x / rms(x) × weight over the last dimension (Zhang & Sennrich 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last dimension of `x`."""
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Causal attention with rotary positions; queries and keys are normalized if the shape says so."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.shape = (config.heads, config.kv_heads, config.head_width)
        query_width, kv_width = config.heads * config.head_width, config.kv_heads * config.head_width
        self.q_proj = nn.Linear(config.width, query_width, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.width, kv_width, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.width, kv_width, bias=config.qkv_bias)
        self.o_proj = nn.Linear(query_width, config.width, bias=False)
        self.q_norm = RMSNorm(config.head_width, config.norm_eps) if config.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(config.head_width, config.norm_eps) if config.qk_norm else nn.Identity()

    def forward(
        self, x: Tensor, rotation: Rotation | None, mask: Tensor | None, cache: KeyValueCache | None, layer: int
    ) -> Tensor:
        """[B, T, D] → [B, T, D]. `mask` [B, 1, T, S] says where a query may look (see `attend`); None means causal.

        Without a rotation the layer does not know positions.
        """
        rows, length, _ = x.shape
        heads, kv_heads, head_width = self.shape
        projected = linear(x, self.q_proj, self.k_proj, self.v_proj)
        by_head = projected.view(rows, length, heads + 2 * kv_heads, head_width).transpose(1, 2)
        q, k, v = torch.split(by_head, [heads, kv_heads, kv_heads], dim=1)
        normed = torch.cat([self.q_norm(q), self.k_norm(k)], dim=1)
        q, k = torch.split(normed if rotation is None else rotate(normed, rotation), [heads, kv_heads], dim=1)
        if cache is not None:
            k, v = cache.extend(layer, k, v)
            q = q.to(k.dtype)
        mixed = attend(q, k, v, mask)
        return linear(mixed.transpose(1, 2).reshape(rows, length, heads * head_width).to(x.dtype), self.o_proj)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.ffn_width, bias=False)
        self.up_proj = nn.Linear(config.width, config.ffn_width, bias=False)
        self.down_proj = nn.Linear(config.ffn_width, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] → [B, T, D]."""
        gate, up = linear(x, self.gate_proj, self.up_proj).chunk(2, dim=-1)
        return linear(F.silu(gate) * up, self.down_proj)


class Block(nn.Module):
    """One layer: attention, then feed-forward, each added to the stream it read."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.width, config.norm_eps)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_eps)

    def forward(
        self, x: Tensor, rotation: Rotation | None, mask: Tensor | None, cache: KeyValueCache | None, layer: int
    ) -> Tensor:
        """[B, T, D] → [B, T, D]."""
        x = x + self.self_attn(self.input_layernorm(x), rotation, mask, cache, layer)
        return torch.as_tensor(x + self.mlp(self.post_attention_layernorm(x)))


class Trunk(nn.Module):
    """Embeddings, layers and the final norm: tokens to features."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.width)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self.unrotated = frozenset(config.unrotated)

    def forward(
        self,
        tokens: Tensor,
        rotation: Rotation,
        mask: Tensor | None,
        cache: KeyValueCache | None,
        dtype: torch.dtype,
    ) -> Tensor:
        """[B, T] → [B, T, D]."""
        x = self.embed_tokens(tokens).to(dtype)
        for number, layer in enumerate(self.layers):
            x = layer(x, None if number in self.unrotated else rotation, mask, cache, number)
        return torch.as_tensor(self.norm(x))


class Backbone(nn.Module):
    """What the language model and the scalar models share. `compute_dtype` is the dtype of activations."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.compute_dtype = torch.float32
        self.model = Trunk(config)
        self._rotation_cache: dict[torch.dtype, Rotation] = {}
        self.apply(_initialize)
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):  # each layer starts as the identity
                nn.init.zeros_(parameter)
            elif name.endswith(("q_norm.weight", "k_norm.weight")):  # attention can be sharp from the start
                nn.init.constant_(parameter, _SHARPNESS)
        _look_back(self.model, config)

    def features(
        self,
        tokens: Tensor,
        positions: Tensor | None = None,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """[B, T] token ids → [B, T, D] features after the final norm.

        `positions` [B, T] default to 0..T-1; `mask` [B, 1, T, S] is True where a query may look, default causal. Given
        together, all positions are below S, or below 1,024.
        """
        whole = self.config.context_length
        reach = tokens.shape[1] if positions is None else whole if mask is None else mask.shape[-1]
        cos, sin = self._rotations(min(reach, whole), self.compute_dtype)
        if positions is None:
            rotation = cos[: tokens.shape[1]], sin[: tokens.shape[1]]
        else:
            rotation = cos[positions][:, None], sin[positions][:, None]
        if cache is None and by_products(self.compute_dtype, tokens.device):
            mask = additive(mask, tokens.shape[1], self.compute_dtype, tokens.device)
        return torch.as_tensor(self.model(tokens, rotation, mask, cache, self.compute_dtype))

    def _rotations(self, reach: int, dtype: torch.dtype) -> Rotation:
        """A table for at least the positions below `reach`; it grows by doubling, and is kept.

        Of 2^20 positions and heads of 128 all of it would be 1 GB, of which a short prompt needs a thousandth.
        """
        table, device = self._rotation_cache.get(dtype), self.model.embed_tokens.weight.device
        if table is None or len(table[0]) < reach or table[0].device != device:
            config = self.config
            length = min(config.context_length, max(_ROTATED, 1 << (reach - 1).bit_length()))
            cos, sin = rotations(length, config.head_width, config.rope_theta, config.rope_scaling)
            table = self._rotation_cache[dtype] = cos.to(device, dtype), sin.to(device, dtype)
        return table


class Transformer(Backbone):
    """A decoder that predicts the next token; its output matrix is its embedding matrix, unless the two are untied."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        if not config.tied:
            self.lm_head = nn.Linear(config.width, config.vocab_size, bias=False)
            _initialize(self.lm_head)

    def logits(self, features: Tensor) -> Tensor:
        """[..., D] features → [..., V] float32 logits."""
        output: nn.Module = self.model.embed_tokens if self.config.tied else self.lm_head
        if not isinstance(output, nn.Linear | nn.Embedding):  # packed, or with an adapter
            return torch.as_tensor(output.product(features)).float()  # type: ignore[operator]
        return F.linear(features, output.weight.to(features.dtype)).float()

    def forward(self, tokens: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """[B, T] token ids → [B, T, V] float32 logits of the next token."""
        return self.logits(self.features(tokens, positions, mask))


class ScalarModel(Backbone):
    """A decoder with one number per position: a reward model or a critic. Layout of a sequence classifier.

    A reader of raw scores subtracts `mean` and divides by `scale`: the scores of the SFT model's own answers then
    have mean 0 and deviation 1, which gives the KL coefficient of reinforcement learning its meaning.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.score = nn.Linear(config.width, 1, bias=False)
        nn.init.normal_(self.score.weight, std=(config.width + 1) ** -0.5)
        self.mean, self.scale = 0.0, 1.0

    def forward(self, tokens: Tensor, positions: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """[B, T] token ids → [B, T] float32 raw scores."""
        return F.linear(self.features(tokens, positions, mask).float(), self.score.weight)[..., 0]


def rotations(length: int, width: int, theta: float, scaling: RopeScaling | None = None) -> Rotation:
    """Cosines and sines [length, width] of rotary positions (Su et al. 2021), halves paired as in Llama.

    Of the sines the first half is negative, as `rotate` needs it.
    """
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    strength = 1.0
    if scaling is not None:
        frequencies, strength = torch.tensor(scaling.stretch(frequencies.tolist(), theta)), scaling.strength
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    cos, sin = angles.cos() * strength, angles.sin() * strength
    return cos.repeat(1, 2), torch.cat([-sin, sin], dim=1)


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotate [B, H, T, E] queries and keys by their positions: (a, b) → (a·cos - b·sin, b·cos + a·sin)."""
    cos, sin = rotation
    return x * cos + x.roll(x.shape[-1] // 2, dims=-1) * sin


@torch.no_grad()
def _look_back(trunk: Trunk, config: ModelConfig) -> None:
    """Start the first layer's first heads so that each looks at the token one or two places back.

    Looking something up takes two steps: one layer tells each token what stood before it, a later one searches for
    that (Olsson et al. 2022, induction heads). The first step is a matter of position alone, and learning it takes a
    small model most of the time, so it is given: all embeddings share a direction, queries and keys start mostly along
    it, and keys are turned as rotary positions turn them over the distance. It is a start, free to be unlearned.
    """
    direction = F.normalize(torch.randn(config.width), dim=0)
    trunk.embed_tokens.weight.add_(direction * _EMBEDDING_STD * config.width**0.5)
    cos, sin = rotations(_LOOKED_BACK + 1, config.head_width, config.rope_theta)
    query = torch.zeros(config.head_width)
    query[: min(_FASTEST, config.head_width // 2)] = 1.0  # the fastest rotations tell neighbors apart
    query = F.normalize(query, dim=0)
    first = trunk.layers[0]
    assert isinstance(first, Block)
    attention, group = first.self_attn, config.heads // config.kv_heads
    for head in range(min(_LOOKED_BACK, config.kv_heads)):
        key = rotate(query, (cos[head + 1], sin[head + 1]))
        _point(attention.q_proj.weight, range(head * group, (head + 1) * group), query, direction)
        _point(attention.k_proj.weight, range(head, head + 1), key, direction)


def _point(weight: Tensor, heads: range, output: Tensor, direction: Tensor) -> None:
    """Make some heads of a projection answer `direction` with `output`, and everything else faintly."""
    rows = weight[heads.start * len(output) : heads.stop * len(output)]
    rows.mul_(0.25).add_(1.5 * torch.outer(output.repeat(len(heads)), direction))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=_EMBEDDING_STD)
