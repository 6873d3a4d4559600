"""Worked examples, and which of them to show before a question.

Showing examples in the prompt: Brown et al. 2020, "Language Models are Few-Shot Learners", arXiv 2005.14165. Choosing
those most like the question: Liu et al. 2021, "What Makes Good In-Context Examples for GPT-3?", arXiv 2101.06804.
Choosing such as are also unlike each other: Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based Reranking".
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from cygnet.errors import UserError


@dataclass(frozen=True)
class Example:
    """A question with its right answer and, for chains of thought, the reasoning that leads to it."""

    question: str
    answer: str
    reasoning: str = ""


# The examples to show before a question, in the order in which they are shown.
Selector = Callable[[str, Sequence[Example]], Sequence[Example]]


def select_random(count: int, seed: int = 0) -> Selector:
    """`count` examples drawn at random: the same before every question, so that prompts share their beginning."""
    _require_positive(count)
    return lambda _, examples: Random(seed).sample(list(examples), min(count, len(examples)))


def select_similar(count: int) -> Selector:
    """The `count` examples whose questions share most words with this one (cosine of TF-IDF), the most similar last."""
    return select_diverse(count, relevance=1.0)


def select_diverse(count: int, relevance: float = 0.5) -> Selector:
    """`count` examples that resemble the question but not each other (maximal marginal relevance), the first last.

    Each in turn is the one with the largest relevance · (similarity to the question) - (1 - relevance) · (similarity
    to the most similar of those already chosen); of equal ones the first given.
    """
    _require_positive(count)
    if not 0 <= relevance <= 1:
        raise UserError(f"relevance must be between 0 and 1, not {relevance}.")

    def select(question: str, examples: Sequence[Example]) -> list[Example]:
        rarity, vectors = _index(tuple(example.question for example in examples))
        wanted = _vector(question, rarity)
        worth = [relevance * _cosine(wanted, vector) for vector in vectors]
        likeness = [0.0] * len(vectors)
        chosen: list[int] = []
        while len(chosen) < min(count, len(vectors)):
            left = (i for i in range(len(vectors)) if i not in chosen)
            best = max(left, key=lambda i: worth[i] - (1 - relevance) * likeness[i])
            chosen.append(best)
            likeness = [max(old, _cosine(vectors[best], new)) for old, new in zip(likeness, vectors, strict=True)]
        return [examples[i] for i in reversed(chosen)]

    return select


@lru_cache(maxsize=16)
def _index(texts: tuple[str, ...]) -> tuple[dict[str, float], list[dict[str, float]]]:
    """How rare each word is (inverse document frequency, in nats), and the vector of each text."""
    counts = Counter(word for text in texts for word in set(_words(text)))
    rarity = {word: math.log((1 + len(texts)) / (1 + count)) + 1 for word, count in counts.items()}
    return rarity, [_vector(text, rarity) for text in texts]


def _vector(text: str, rarity: dict[str, float]) -> dict[str, float]:
    """A text's words by count and rarity, of length 1; words that no example has are left out."""
    weights = {word: count * rarity[word] for word, count in Counter(_words(text)).items() if word in rarity}
    length = math.hypot(*weights.values())
    return {word: weight / length for word, weight in weights.items()}


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    return sum(weight * other[word] for word, weight in one.items() if word in other)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _require_positive(count: int) -> None:
    if count < 1:
        raise UserError(f"at least one example must be selected, not {count}.")
