"""A hard cap on the tokens that a question may take."""

import json
from dataclasses import dataclass

from cygnet.errors import UserError
from cygnet.lm.base import LanguageModel
from cygnet.techniques.base import Ask, Asking, Result

_AROUND = 64  # tokens that a chat template may put around a conversation, such as a system message of its own


class SpentError(Exception):
    """The next request might take more tokens than are left. The message says so in words."""


@dataclass
class Budget:
    """Tokens that the programs of one question may read and write together; None for no limit.

    A request goes out only if it fits at its worst: everything it may write, and a prompt in which every byte is a
    token. So the cap holds whatever the model writes, and the last requests before it are not made. spent: so far.
    """

    lm: LanguageModel
    tokens: int | None
    spent: int = 0
    _under_way: int = 0

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise UserError(f"a budget of {self.tokens} tokens allows no request: give more, or None for no limit.")

    def charge(self, program: Asking[Result]) -> Asking[Result]:
        """`program`, whose requests wait until they fit beside those under way.

        Raises SpentError, having closed the program, when they can't fit any more.
        """
        replies = None
        while True:
            try:
                asks = next(program) if replies is None else program.send(replies)
            except StopIteration as finished:
                result: Result = finished.value
                return result
            worst = sum(self._worst(ask) for ask in asks)
            while not self._fits(worst):
                if not self._under_way:
                    program.close()
                    raise SpentError(self._refusal(worst))
                yield []  # those beside it may take less than their worst
            self._under_way += worst
            replies = yield asks
            self._under_way -= worst
            self.spent += sum(reply.usage.tokens for several in replies for reply in several)

    def _fits(self, worst: int) -> bool:
        return not worst or self.tokens is None or self.spent + self._under_way + worst <= self.tokens

    def _refusal(self, worst: int) -> str:
        return f"{self.spent} of {self.tokens} tokens spent, and the next request may take {worst}"

    def _worst(self, ask: Ask) -> int:
        """The most tokens a request can take."""
        if not ask.n:
            return 0
        prompt = ask.prompt if isinstance(ask.prompt, str) else json.dumps(list(ask.prompt), ensure_ascii=False)
        read = len(prompt.encode(errors="surrogatepass")) + _AROUND
        if ask.continuation is not None:
            return read + len(ask.continuation.encode(errors="surrogatepass"))
        times = 1 if self.lm.local else ask.n  # a server may have to be asked for every reply singly
        return times * read + ask.n * ask.sampling.max_new_tokens
