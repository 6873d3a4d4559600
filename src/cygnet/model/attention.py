"""Attention itself: every query mixes the values of the places that it may look at.

Two ways to the same numbers. torch's fused kernel never writes the scores down, which long contexts need. On a CPU in
bfloat16 its backward pass is slow, and there matrix products take a half to a fifth of its time (lab notes).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_MOST_PLACES = 2048  # of a row; beyond, the scores of all heads would take more memory than the time is worth
BLOCK = 128  # queries whose scores are found together; of 64, 128 and 256, the fastest at 256 places


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """[B, H, T, E] queries, [B, K, S, E] keys and values → [B, H, T, E]; K divides H.

    `mask` [B, 1, T, S] is True where a query may look, or else, from `additive`, what is added to its scores: then T is
    S, and no query may look past itself. Without a mask it is causal.
    """
    grouped = queries.shape[1] // keys.shape[1]
    added = mask is not None and mask.is_floating_point()
    if grouped > 1 and (added or (mask is not None and queries.device.type != "cpu")):  # GPUs' kernels take one of them
        keys, values = keys.repeat_interleave(grouped, dim=1), values.repeat_interleave(grouped, dim=1)
        grouped = 1
    if mask is None or not added:
        return F.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped > 1
        )
    queries = queries * queries.shape[-1] ** -0.5
    blocks = [_mix(queries, keys, values, mask, start) for start in range(0, queries.shape[2], BLOCK)]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)


def _mix(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, start: int) -> Tensor:
    """What the block of queries from `start` mixes. None looks past itself, so of the keys it takes those so far."""
    end = start + BLOCK
    scores = queries[:, :, start:end] @ keys[:, :, :end].mT + mask[:, :, start:end, :end]
    return scores.softmax(dim=-1) @ values[:, :, :end]


def by_products(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether matrix products are the faster way: in training, in bfloat16, on a CPU."""
    return torch.is_grad_enabled() and dtype == torch.bfloat16 and device.type == "cpu"


def additive(mask: Tensor | None, length: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """A mask as what is added to scores: 0 where a query may look, else -inf. Long rows keep the one they have."""
    if length > _MOST_PLACES:
        return mask
    if mask is None:
        mask = torch.ones(length, length, dtype=torch.bool, device=device).tril()[None, None]
    return torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill_(~mask, float("-inf"))
