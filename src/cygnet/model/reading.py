"""What a model makes of a few texts: what two readings of the same model are compared by."""

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from cygnet.errors import UserError
from cygnet.model.gguf_vocabulary import PROBES
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.tokens.chat import Message, render_prompt
from cygnet.tokens.tokenizer import Tokenizer

CHAT: list[Message] = [{"role": "user", "content": "What is 47 + 35?"}]
_LONGEST = 256  # tokens of the text that scores are computed for


@dataclass(frozen=True)
class Reading:
    """What a model makes of the probes.

    ids: a text of them. scores: its [T, V] logits, or [T] raw scores of a reward model. texts: the ids of each probe
    as text after other text. begun: as text that begins. chat: ids of a question that waits for its answer, and `said`
    its text; None where there is no template.
    """

    ids: list[int]
    scores: Tensor
    texts: list[list[int]]
    begun: list[list[int]]
    chat: list[int] | None
    said: str | None


def read(model: Transformer | ScalarModel, tokenizer: Tokenizer, ids: list[int] | None = None) -> Reading:
    """Ours, with scores for other `ids` if they are given."""
    texts = [tokenizer.encode(text) for text in PROBES]
    ids = ids or [*tokenizer.start, *(token for text in texts for token in text)]
    ids = ids[: min(_LONGEST, model.config.context_length)]
    chat = said = None
    with suppress(UserError):  # a base model has no template, and some refuse
        chat = render_prompt(CHAT, tokenizer)
        said = tokenizer.decode(chat, begins=True)
    with torch.no_grad():
        scores = model(torch.tensor([ids]))[0]
    return Reading(ids, scores, texts, tokenizer.encode_batch(PROBES), chat, said)


def difference(one: Tensor, other: Tensor) -> float:
    """The largest distance between two tensors of the same shape; infinite for others, and for what is no number."""
    if one.shape != other.shape:
        return float("inf")
    return float((one - other).abs().nan_to_num(nan=float("inf")).max())
