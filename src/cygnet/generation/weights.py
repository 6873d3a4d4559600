"""Telling whether a model's weights have changed since they were last asked about."""

from typing import Any

from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

_stepped = [0]  # how often any optimizer has


def _count(*_: Any) -> None:
    _stepped[0] += 1


register_optimizer_step_post_hook(_count)  # fused optimizers don't count as changes in place


def version(model: nn.Module) -> tuple[int, int]:
    """Two numbers of which one grows when an optimizer steps, or a weight is changed in place."""
    return _stepped[0], sum(parameter._version for parameter in model.parameters())  # noqa: SLF001 - there is no other way
