"""Learning-rate multipliers over a stage."""

from typing import Literal

Schedule = Literal["warmup-stable-decay", "linear"]


def multiplier(step: int, steps: int, schedule: Schedule, warmup: int = 0) -> float:
    """Factor on the peak learning rate at `step` of `steps`.

    warmup-stable-decay: linear warm-up, constant, then linear to 0 over the last half (as nanochat does);
    linear: warm-up, then linear to 0 (InstructGPT's reward model, N+'s PPO).
    Warm-up is a tenth of a short stage at most, or it would end before it reached its rate.
    """
    warmup = min(warmup, steps // 10)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    start = warmup if schedule == "linear" else max(warmup, steps // 2)
    return 1.0 - max(0, step - start) / max(1, steps - start)
