"""Muon for matrices, AdamW for the rest, behind one small interface."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

# Quintic Newton–Schulz coefficients of Jordan et al. 2024, https://kellerjordan.github.io/posts/muon
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class Muon(Optimizer):
    """Momentum, orthogonalized: each matrix moves by lr × √max(1, rows/columns) in every singular direction.

    Matrices of one shape are stacked and orthogonalized together, which on small models is most of the cost.
    Source: Jordan et al. 2024.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(matrices), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply one update from the gradients."""
        del closure
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for (rows, columns), parameters in by_shape.items():
                directions = orthogonalize(torch.stack([self._momentum(p, group["momentum"]) for p in parameters]))
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.add_(direction.to(parameter.dtype), alpha=-size)

    def _momentum(self, parameter: nn.Parameter, decay: float) -> Tensor:
        """Nesterov momentum of the gradient."""
        assert parameter.grad is not None
        buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        buffer.lerp_(parameter.grad, 1 - decay)
        return torch.as_tensor(parameter.grad.lerp(buffer, decay))


def orthogonalize(stack: Tensor, steps: int = 5) -> Tensor:
    """[N, rows, columns] → nearest matrices with all singular values about 1, by Newton–Schulz in bfloat16."""
    a, b, c = _NEWTON_SCHULZ
    x: Tensor = stack.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def muon_and_adamw(model: nn.Module, matrix_lr: float, other_lr: float) -> list[Optimizer]:
    """Muon for the layers' matrices; AdamW for embeddings, norms and heads (Jordan et al. 2024)."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and ".layers." in name else others).append(parameter)
    return [Muon(matrices, matrix_lr), adamw(others, other_lr)]


def adamw(parameters: Iterable[nn.Parameter], lr: float, eps: float = 1e-8) -> AdamW:
    """Fused AdamW with the betas of language models, (0.9, 0.95)."""
    return AdamW(list(parameters), lr=lr, betas=(0.9, 0.95), eps=eps, weight_decay=0.0, fused=True)
