"""Learning rates for the batch and the width at hand. Nothing here imports torch, so that plans can say them."""

_REFERENCE_WIDTH = 128


def scaled_lr(lr: float, *, batch: int, reference_batch: int, width: int = _REFERENCE_WIDTH) -> float:
    """The learning rate for an actual batch and width, from the one given for `reference_batch` and width 128.

    It grows with the square root of the batch (Malladi et al. 2022, arXiv 2205.10287) and falls with the square root
    of the width, as nanochat scales AdamW's. Muon's steps have the same size at any width: leave `width` out for it.
    """
    return float(lr * (batch / reference_batch) ** 0.5 * (width / _REFERENCE_WIDTH) ** -0.5)
