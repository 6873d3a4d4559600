"""A language model for tests that answers by a function of prompt and seed, and remembers how it was asked."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply, Token, Usage

_DEFAULT = Sampling()
Script = Callable[[str, int], "str | Sequence[Token] | Reply"]


def text_of(prompt: Prompt) -> str:
    """A prompt as text: "role: content" lines of messages."""
    return prompt if isinstance(prompt, str) else "\n".join(f"{m['role']}: {m['content']}" for m in prompt)


def _told(*pairs: tuple[str, float], runner_up: float = -9.0) -> list[Token]:
    """Tokens of an answer by text and log-probability, each beside a runner-up."""
    return [Token(text, logprob, ((text, logprob), ("?", runner_up))) for text, logprob in pairs]


class Scripted(LanguageModel):
    """A word is a token. Log-probabilities are told when they are asked for, and the script gives them."""

    def __init__(self, script: Script, local: bool = True, name: str = "scripted") -> None:
        self.script, self.local, self.name = script, local, name
        self.batches: list[list[str]] = []
        self.samplings: list[Sampling] = []
        self.threads: set[int] = set()
        self._lock = threading.Lock()

    @property
    def calls(self) -> int:
        return sum(map(len, self.batches))

    @property
    def prompts(self) -> list[str]:
        return [prompt for batch in self.batches for prompt in batch]

    def generate(
        self, prompts: Sequence[Prompt], sampling: Sampling | Sequence[Sampling] = _DEFAULT, n: int = 1
    ) -> list[list[Reply]]:
        samplings = [sampling] * len(prompts) if isinstance(sampling, Sampling) else list(sampling)
        with self._lock:
            self.batches.append([text_of(prompt) for prompt in prompts])
            self.samplings += samplings
            self.threads.add(threading.get_ident())
        return [
            [self._reply(text_of(prompt), settings, i) for i in range(n)]
            for prompt, settings in zip(prompts, samplings, strict=True)
        ]

    def stream(self, prompt: Prompt, sampling: Sampling = _DEFAULT) -> Iterator[str]:
        yield self.generate([prompt], sampling)[0][0].text

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str], top: int = 0) -> list[Reply]:
        self.batches.append([text_of(prompt) for prompt in prompts])
        return [
            Reply(text, "stop", Usage(len(text_of(prompt).split()), calls=1), (Token(text, -float(len(text))),))
            for prompt, text in zip(prompts, continuations, strict=True)
        ]

    def _reply(self, prompt: str, sampling: Sampling, index: int) -> Reply:
        found = self.script(prompt, sampling.seed + index)
        if isinstance(found, Reply):
            return found
        written = () if isinstance(found, str) else tuple(found)
        text = found if isinstance(found, str) else "".join(token.text for token in written)
        usage = Usage(len(prompt.split()) if index == 0 else 0, len(text.split()), calls=int(index == 0))
        return Reply(text, "stop", usage, written if sampling.logprobs is not None else ())


def _in_turn(*answers: "str | Sequence[Token]") -> Script:
    """A script that gives these answers one after the other, whatever is asked."""
    left = iter(answers)
    return lambda prompt, seed: next(left)


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    """The scripted language model."""
    return Scripted


@pytest.fixture(scope="session")
def told() -> Callable[..., list[Token]]:
    """Tokens of an answer, by text and log-probability."""
    return _told


@pytest.fixture(scope="session")
def in_turn() -> Callable[..., Script]:
    """A script of answers in a row."""
    return _in_turn
