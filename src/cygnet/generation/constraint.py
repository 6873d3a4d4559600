"""What a completion's text must be: a JSON value, a match of a regular expression, one of several texts, a grammar."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Constraint:
    """A constraint on the text of a completion, in words that local engines and endpoints both understand.

    It is checked when it is first used: what can't be enforced is refused with a UserError that names it. A completion
    that runs out of tokens in the middle ends with the finish reason "length"; only what ended by itself ("stop") is
    whole.

    kind: how `source` is to be read.
    source: a JSON schema as JSON, a regular expression, a JSON list of texts, or a Lark grammar.
    after: text that ends the free part: the model writes what it likes until it has written this, and only what
        follows is constrained ("think freely, then answer"); empty to constrain from the start.
    lead: text with which the constrained part begins, before what `source` describes.

    Lark: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
    """

    kind: Literal["json", "regex", "choice", "lark"]
    source: str
    after: str = ""
    lead: str = ""

    @classmethod
    def json(cls, schema: dict[str, Any], after: str = "") -> "Constraint":
        """A JSON value that is valid under a JSON schema (draft 2020-12).

        It is written with the separators ", " and ": " and no other white space, its keys in the schema's order.
        """
        return cls("json", json.dumps(schema), after)

    @classmethod
    def regex(cls, pattern: str, after: str = "") -> "Constraint":
        r"""A full match of a regular expression (Rust's syntax: no look-around, no back-references; \d is 0 to 9)."""
        return cls("regex", pattern, after)

    @classmethod
    def choice(cls, texts: Sequence[str], after: str = "") -> "Constraint":
        """Exactly one of `texts`."""
        return cls("choice", json.dumps(list(texts)), after)

    @classmethod
    def lark(cls, grammar: str, after: str = "") -> "Constraint":
        """A text of the language of a context-free grammar in Lark's notation; its first rule is called `start`."""
        return cls("lark", grammar, after)
