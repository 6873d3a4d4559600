"""Constraints at work: which tokens may come next. llguidance parses, https://github.com/guidance-ai/llguidance."""

import json
from functools import lru_cache

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper, regex_to_lark
from numpy.typing import NDArray

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.json_schema import prepared
from cygnet.tokens.tokenizer import Tokenizer

_MOST_KEPT = 128  # compiled constraints
_LIMITS = LLParserLimits(verbose_errors=False)


class Grammars:
    """Compiles constraints for one tokenizer, each once. Making it takes 0.2 s for 50,000 tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        words = TokenizerWrapper(_Words(tokenizer))
        self._tokenizer = LLTokenizer(words, eos_token=sorted(tokenizer.end_ids))
        self._compiled = lru_cache(_MOST_KEPT)(self._compile)

    def start(self, constraint: Constraint) -> "Grammar":
        """The state before the first token of a text under `constraint`.

        Raises UserError, with its name and place, for what can't be enforced, and for what no text satisfies.
        """
        return self._compiled(constraint).copy()

    def _compile(self, constraint: Constraint) -> "Grammar":
        body = _body(constraint)
        alone = self._grammar([body])
        alone.mask()  # raises when no text satisfies it; behind a free part that would show too late
        if not constraint.after and not constraint.lead:
            return alone
        return self._grammar([{"lark_grammar": _introduced(constraint)}, {**body, "name": "body"}])

    def _grammar(self, parts: list[dict[str, object]]) -> "Grammar":
        matcher = LLMatcher(self._tokenizer, json.dumps({"grammars": parts}), log_level=0, limits=_LIMITS)
        if matcher.is_error():
            raise UserError(f"the text can't be constrained so: {_in_words(matcher.get_error())}")
        return Grammar(matcher, self._tokenizer.vocab_size)


class Grammar:
    """How far a text has come under a constraint."""

    def __init__(self, matcher: LLMatcher, vocab_size: int) -> None:
        self._matcher, self._vocab_size = matcher, vocab_size

    @property
    def finished(self) -> bool:
        """Whether the text is complete and nothing but the end of turn can follow."""
        return bool(self._matcher.is_stopped())

    def mask(self) -> NDArray[np.bool_]:
        """[tokenizer.vocab_size]: which tokens may come next; what ends a turn, exactly where the text may end.

        Where the next characters are decided, only the token is allowed with which the tokenizer itself would write
        them. Raises UserError when no text goes on from here, or the constraint is too complex to tell.
        """
        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._raise_error()  # until then the mask would say: end here
        return np.unpackbits(packed, count=self._vocab_size, bitorder="little").view(np.bool_)

    def take(self, token_id: int) -> None:
        """Go on by a token that `mask` allows. Raises UserError for one that it doesn't."""
        self._matcher.consume_token(token_id)
        self._raise_error()

    def forced(self) -> list[int]:
        """The tokens that must come next, as the tokenizer would write them; mostly none. They are yet to be taken."""
        found = list(self._matcher.compute_ff_tokens())
        self._raise_error()
        return found

    def copy(self) -> "Grammar":
        """The same state again, to go on otherwise."""
        return Grammar(self._matcher.deep_copy(), self._vocab_size)

    def _raise_error(self) -> None:
        if self._matcher.is_error():
            raise UserError(f"the text can't go on as it is constrained: {_in_words(self._matcher.get_error())}")


class _Words:
    """A tokenizer as llguidance asks for it. The names of special tokens are ordinary text to it, as they are here."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        lengths = tokenizer.byte_lengths()
        self.tokens = [tokenizer.decode_bytes([token_id]) for token_id in range(tokenizer.vocab_size)]
        self.special_token_ids = [token_id for token_id, length in enumerate(lengths) if not length]
        self.eos_token_id, self.bos_token_id = tokenizer.end_id, None
        self._encode = tokenizer.encode_bytes

    def __call__(self, text: bytes) -> list[int]:
        return self._encode(text)


def _body(constraint: Constraint) -> dict[str, object]:
    """What `source` describes, in one of llguidance's notations."""
    match constraint.kind:
        case "json":
            return {"json_schema": prepared(json.loads(constraint.source))}
        case "regex":  # an empty one, //, would be a comment
            pattern = regex_to_lark(constraint.source, "d") or "(?:)"
            return {"lark_grammar": f"start: /{pattern}/"}
        case "choice":
            texts = json.loads(constraint.source)
            if not texts:
                raise UserError("the choice is between no texts: give at least one.")
            return {"lark_grammar": "start: " + " | ".join(_quoted(text) for text in texts)}
        case "lark":
            return {"lark_grammar": constraint.source}


def _introduced(constraint: Constraint) -> str:
    """A grammar of what comes before the constrained part, and of that."""
    words = ["free"] if constraint.after else []
    words += [_quoted(constraint.lead)] if constraint.lead else []
    rules = [f"start: {' '.join(words)} @body"]
    if constraint.after:
        rules.append(f"free[suffix={_quoted(constraint.after)}]: /(?s:.*)/")
    return "\n".join(rules)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _in_words(message: str) -> str:
    """An error of llguidance as the end of a sentence, without its excerpts of source and state."""
    message = message.partition("\n<")[0].strip()
    if message in _MEANINGS:
        return _MEANINGS[message]
    lines = [line.strip() for line in message.splitlines()]
    for reason in (line.removeprefix("error: ") for line in lines if line.startswith("error: ")):
        return f"{reason}, in the regular expression {lines[1]!r}."
    return lines[0].removesuffix(".") + "."


_MEANINGS = {
    "NoExtensionBias": "it contradicts itself, so no text satisfies it.",
    "oneOf constraints are not supported. Enable 'coerce_one_of' option to approximate oneOf with anyOf": (
        "'oneOf' can be enforced only where its options exclude each other for certain; else write 'anyOf'."
    ),
}
