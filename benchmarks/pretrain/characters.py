"""A text as characters: nanoGPT's split of it, and the loss of a model on the whole validation part."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

LENGTH = 64  # of a window


def read(path: Path) -> tuple[Tensor, Tensor, int]:
    """Ids of the first nine tenths, those of the rest, and how many characters there are."""
    text = path.read_text(encoding="utf-8")
    known = {character: number for number, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([known[character] for character in text])
    end = int(0.9 * len(ids))
    return ids[:end], ids[end:], len(known)


@torch.no_grad()
def loss(logits: Callable[[Tensor], Tensor], ids: Tensor) -> float:
    """Nats a character, in windows that follow one another."""
    rows = (len(ids) - 1) // LENGTH
    inputs, targets = ids[: rows * LENGTH].view(rows, LENGTH), ids[1 : rows * LENGTH + 1].view(rows, LENGTH)
    total = 0.0
    for start in range(0, rows, 128):
        part = slice(start, start + 128)
        total += float(F.cross_entropy(logits(inputs[part]).flatten(0, 1), targets[part].flatten(), reduction="sum"))
    return total / (rows * LENGTH)
