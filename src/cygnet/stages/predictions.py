"""What a model predicts at many places, of which vocabularies of 50,000 tokens would fill the memory."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cygnet.model.transformer import Transformer

# Logits; in float32, with their softmax and its gradient, about 100 MB, and 1.6 GB on a GPU, whose products of fewer
# places would take longer to read the output matrix than to multiply with it.
_AT_ONCE, _AT_ONCE_ON_GPU = 2**23, 2**27


def find_room(places: int, vocabulary: int, device: torch.device) -> bool:
    """Whether the logits of so many places find room all at once."""
    return places <= _together(vocabulary, device)


def nats_of(model: Transformer, features: Tensor, targets: Tensor) -> Tensor:
    """[N, D] features, [N] tokens → [N] their negative log-likelihoods."""

    def read(features: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(model.logits(features), targets, reduction="none")

    return by_parts(read, features, targets, model.config.vocab_size)


def logprobs_and_entropy(model: Transformer, features: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """[N, D] features, [N] tokens → [N] log-likelihoods, and [N] entropies of all predictions, without gradient."""

    def read(features: Tensor, targets: Tensor) -> Tensor:
        logprobs = torch.log_softmax(model.logits(features), dim=-1)
        entropy = -(logprobs.detach().exp() * logprobs.detach()).sum(dim=-1)
        return torch.stack([logprobs.gather(-1, targets[:, None])[:, 0], entropy], dim=1)

    both = by_parts(read, features, targets, model.config.vocab_size)
    return both[:, 0], both[:, 1].detach()


def by_parts(read: Callable[[Tensor, Tensor], Tensor], features: Tensor, targets: Tensor, vocabulary: int) -> Tensor:
    """`read`, of so many places at once that their logits find room. Where that is not all of them, the backward pass
    computes them again (Chen et al. 2016): one matrix product more, and no logits are kept."""
    size = _together(vocabulary, features.device)
    if len(targets) <= size:
        return read(features, targets)
    parts = zip(torch.split(features, size), torch.split(targets, size), strict=True)
    if not torch.is_grad_enabled():
        return torch.cat([read(*part) for part in parts])
    found = [checkpoint(read, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]
    return torch.cat([torch.as_tensor(part) for part in found])


def _together(vocabulary: int, device: torch.device) -> int:
    """How many places' logits find room."""
    return max(1, (_AT_ONCE if device.type == "cpu" else _AT_ONCE_ON_GPU) // vocabulary)
