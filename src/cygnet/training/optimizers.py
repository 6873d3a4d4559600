"""Muon for matrices, AdamW for the rest, behind one small interface."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from cygnet.training.distribution import all_rows, is_sharded, local
from cygnet.training.world import World

# Quintic Newton–Schulz coefficients of Jordan et al. 2024, https://kellerjordan.github.io/posts/muon
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_STACKED = 1 << 26  # numbers in a stack of whole matrices, of which several copies in bfloat16 are made


class Muon(Optimizer):
    """Momentum, orthogonalized: each matrix moves by lr × √max(1, rows/columns) in every singular direction.

    Matrices of one shape are stacked and orthogonalized together, which on small models is most of the cost. Of several
    processes each orthogonalizes its share of a stack and they exchange the results, as in Jordan's distributed Muon.
    Sharded matrices become whole one in each process at a time.
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
            for parameters in _stacks(group["params"], self._world):
                momenta = [self._momentum(parameter, group["momentum"]) for parameter in parameters]
                rows, columns = parameters[0].shape
                size = group["lr"] * max(1.0, rows / columns) ** 0.5
                for parameter, direction in zip(parameters, self._directions(momenta), strict=True):
                    local(parameter).add_(direction.to(parameter.dtype), alpha=-size)

    def _momentum(self, parameter: nn.Parameter, decay: float) -> Tensor:
        """Nesterov momentum of the gradient, as `orthogonalize` wants it."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - decay)
        return parameter.grad.lerp(state["momentum"], decay).bfloat16()

    def _directions(self, momenta: list[Tensor]) -> Iterable[Tensor]:
        """Momenta of one shape, orthogonalized; of sharded ones this process's rows."""
        if is_sharded(momenta[0]):
            return _orthogonalize_by_owners(momenta, self._world)
        return _orthogonalize_together(torch.stack(momenta), self._world)


def _stacks(parameters: Iterable[nn.Parameter], world: World) -> Iterator[list[nn.Parameter]]:
    """Those with gradients, of one shape; so many at a time that what is made of them for a step stays small."""
    by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
    for parameter in parameters:
        if parameter.grad is not None:
            by_shape[parameter.shape].append(parameter)
    for shape, found in by_shape.items():
        turns = 1 if is_sharded(found[0]) else max(1, _STACKED // (world.size * shape.numel()))
        for start in range(0, len(found), turns * world.size):
            yield found[start : start + turns * world.size]


def _orthogonalize_together(stack: Tensor, world: World) -> Tensor:
    """`orthogonalize`, each process its share of the [N, rows, columns] stack, which all of them have."""
    if world.size == 1:
        return orthogonalize(stack)
    each = -(-len(stack) // world.size)
    own = stack[world.rank * each : (world.rank + 1) * each]
    mine = stack.new_zeros((each, *stack.shape[1:]))
    if len(own):
        mine[: len(own)] = orthogonalize(own)
    found = mine.new_empty((world.size * each, *stack.shape[1:]))
    torch.distributed.all_gather(list(torch.split(found, each)), mine)
    return found[: len(stack)]


def _orthogonalize_by_owners(matrices: list[Tensor], world: World) -> list[Tensor]:
    """Of at most `world.size` sharded matrices each process gets one whole, and gives all their rows of it back."""
    rows = [len(held) for held in all_rows(matrices[0])]
    mine = rows if world.rank < len(matrices) else [0] * world.size
    theirs = [rows[world.rank] if owner < len(matrices) else 0 for owner in range(world.size)]
    sent = torch.cat([local(matrix) for matrix in matrices])
    whole = sent.new_empty((sum(mine), sent.shape[1]))
    torch.distributed.all_to_all_single(whole, sent, mine, theirs)
    if len(whole):
        whole = orthogonalize(whole[None])[0].contiguous()
    torch.distributed.all_to_all_single(sent, whole, theirs, mine)
    return list(torch.split(sent, rows[world.rank])) if len(sent) else [sent] * len(matrices)


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
