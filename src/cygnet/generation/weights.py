"""Telling whether a model's weights have changed since they were last asked about."""

from typing import Any

from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

_stepped = [0]  # how often any optimizer has


def _count(*_: Any) -> None:
    _stepped[0] += 1


register_optimizer_step_post_hook(_count)  # fused optimizers don't count as changes in place


def version(model: nn.Module) -> tuple[int, ...]:
    """Numbers of which one is another when an optimizer steps, or a weight is changed in place or replaced.

    What it can't see are changes inside of a parameter's `.data` (`p.data.mul_(2)`), which torch doesn't count. Change
    the parameter itself, `with torch.no_grad(): p.mul_(2)`.
    """
    parameters = list(model.parameters())
    changed = sum(parameter._version for parameter in parameters)  # noqa: SLF001 - there is no other way
    return _stepped[0], changed, *(parameter.data_ptr() for parameter in parameters)
