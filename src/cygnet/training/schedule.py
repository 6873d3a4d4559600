"""Learning-rate multipliers over a stage."""

from typing import Literal

Schedule = Literal["warmup-stable-decay", "linear", "constant"]


def multiplier(step: int, steps: int, schedule: Schedule, warmup: int = 0, final: float = 0.0) -> float:
    """Factor on the peak learning rate at `step` of `steps`.

    warmup-stable-decay: linear warm-up, constant, then linear to `final` over the last half (as nanochat does);
    linear: warm-up, then linear to `final` (InstructGPT's reward model, N+'s PPO); constant: warm-up only.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    start = warmup if schedule == "linear" else max(warmup, steps // 2)
    done = max(0, step - start) / max(1, steps - start)
    return 1.0 - (1.0 - final) * done
