"""Muon for matrices, AdamW for the rest, behind one small interface."""

from collections import defaultdict
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from cygnet.training.distribution import full, shard_like
from cygnet.training.world import World

# Quintic Newton–Schulz coefficients of Jordan et al. 2024, https://kellerjordan.github.io/posts/muon
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


class Muon(Optimizer):
    """Momentum, orthogonalized: each matrix moves by lr × √max(1, rows/columns) in every singular direction.

    Matrices of one shape are stacked and orthogonalized together, which on small models is most of the cost. Of several
    processes each orthogonalizes its share of a stack and they exchange the results, as in Jordan's distributed Muon;
    the momentum of sharded matrices is made whole for it.
    Source: Jordan et al. 2024.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        world: World = World(),  # noqa: B008 - it is frozen, and alone
    ) -> None:
        super().__init__(list(matrices), {"lr": lr, "momentum": momentum})
        self._world = world

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
                stack = torch.stack([full(self._momentum(p, group["momentum"])) for p in parameters])
                directions = _orthogonalize_together(stack, self._world)
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.add_(shard_like(direction.to(parameter.dtype), parameter), alpha=-size)

    def _momentum(self, parameter: nn.Parameter, decay: float) -> Tensor:
        """Nesterov momentum of the gradient."""
        assert parameter.grad is not None
        buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        buffer.lerp_(parameter.grad, 1 - decay)
        return torch.as_tensor(parameter.grad.lerp(buffer, decay))


def _orthogonalize_together(stack: Tensor, world: World) -> Tensor:
    """`orthogonalize`, each process its share of the [N, rows, columns] stack."""
    if world.size == 1:
        return orthogonalize(stack)
    each = -(-len(stack) // world.size)
    own = stack[world.rank * each : (world.rank + 1) * each]
    mine = stack.new_zeros((each, *stack.shape[1:]), dtype=torch.bfloat16)
    if len(own):
        mine[: len(own)] = orthogonalize(own)
    found = mine.new_empty((world.size * each, *stack.shape[1:]))
    torch.distributed.all_gather(list(torch.split(found, each)), mine)
    return found[: len(stack)]


def orthogonalize(stack: Tensor, steps: int = 5) -> Tensor:
    """[N, rows, columns] → nearest matrices with all singular values about 1, by Newton–Schulz in bfloat16."""
    a, b, c = NEWTON_SCHULZ
    x: Tensor = stack.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def muon_and_adamw(
    model: nn.Module,
    matrix_lr: float,
    other_lr: float,
    world: World = World(),  # noqa: B008 - it is frozen, and alone
) -> list[Optimizer]:
    """Muon for the layers' matrices; AdamW for embeddings, norms and heads (Jordan et al. 2024)."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and ".layers." in name else others).append(parameter)
    return [Muon(matrices, matrix_lr, world=world), adamw(others, other_lr)]


def adamw(parameters: Iterable[nn.Parameter], lr: float, eps: float = 1e-8) -> AdamW:
    """Fused AdamW with the betas of language models, (0.9, 0.95)."""
    return AdamW(list(parameters), lr=lr, betas=(0.9, 0.95), eps=eps, weight_decay=0.0, fused=True)
