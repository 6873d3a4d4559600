"""Comparisons as files hold them: a prompt, its answers, and how they rank."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError

from cygnet.errors import UserError
from cygnet.files import read_jsonl
from cygnet.tokens.chat import Message, prompt_key, render_prompt, response_text
from cygnet.tokens.tokenizer import Tokenizer


class Comparison(NamedTuple):
    """Answers to one prompt: its text, token ids of prompt and answer together, ranks (1 is best), scores if any."""

    prompt: str
    sequences: list[list[int]]
    ranks: Sequence[float]
    scores: Sequence[float]


class Row(BaseModel):
    """One row of a comparisons file. Token ids are taken as they were sampled; text is encoded where there are none."""

    model_config = ConfigDict(strict=True)

    prompt: list[Message] = Field(min_length=1)
    responses: list[str] = Field(min_length=2)
    ranks: list[FiniteFloat]
    tokens: list[list[NonNegativeInt]] | None = None
    scores: list[FiniteFloat] | None = None


def read_comparisons(path: Path, tokenizer: Tokenizer, context_length: int) -> list[Comparison]:
    """Read ranked answers from JSON Lines.

    Raises:
        UserError: naming the row that is malformed, longer than the context or made with another tokenizer.
    """
    found = []
    for number, values in enumerate(read_jsonl(path), 1):
        try:
            found.append(_comparison(_row(values), tokenizer, context_length))
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from error
    return found


def _row(values: dict[str, Any]) -> Row:
    try:
        return Row.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}.") from error


def _comparison(row: Row, tokenizer: Tokenizer, context_length: int) -> Comparison:
    answers = row.tokens or [[*tokenizer.encode(text), tokenizer.end_id] for text in row.responses]
    scores = row.scores or []
    if {len(row.responses), len(answers), len(scores or row.ranks)} != {len(row.ranks)}:
        raise UserError(f"{len(row.responses)} responses but {len(row.ranks)} ranks; tokens and scores count too.")
    spelled = zip(row.tokens or [], row.responses, strict=False)
    if not all(_spells(answer, text, tokenizer) for answer, text in spelled):
        raise UserError("its token ids do not spell its responses: it was made with another tokenizer.")
    prompt = render_prompt(row.prompt, tokenizer)
    longest = len(prompt) + max(len(answer) for answer in answers)
    if longest > context_length:
        raise UserError(
            f"{longest} tokens, but the model reads {context_length}. "
            "Shorten it, or pretrain with a longer context_length."
        )
    return Comparison(prompt_key(row.prompt), [[*prompt, *answer] for answer in answers], row.ranks, scores)


def _spells(answer: Sequence[int], text: str, tokenizer: Tokenizer) -> bool:
    known = all(token < tokenizer.vocab_size for token in answer)
    return known and response_text(answer, tokenizer) == text
