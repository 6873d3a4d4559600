"""Which examples go before a question, as data."""

from collections.abc import Sequence
from dataclasses import dataclass

from cygnet.techniques.examples import Example, select_similar


@dataclass(frozen=True)
class Similar:
    """The examples most like the question, the most similar last."""

    count: int

    def __call__(self, question: str, examples: Sequence[Example]) -> Sequence[Example]:
        """A `Selector` of techniques."""
        return select_similar(self.count)(question, examples)
