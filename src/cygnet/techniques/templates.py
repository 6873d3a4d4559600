"""Templates with holes: the words between are fixed; the model fills the holes in order, each with a value of a type.

Beurer-Kellner et al. 2023, "Prompting Is Programming: A Query Language for Large Language Models", arXiv 2212.06094.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.lm.typed import Typed, written_as
from cygnet.techniques.base import Answer, Ask, Program, Technique
from cygnet.techniques.forms import GREEDY_LONG, cut_off, joined, require_holes


@dataclass
class Template(Technique):
    """A document with holes. The answer's value has what filled each of them, by name; its text is the whole document.

    text: with a hole {name} for each of `holes`, and {question} where the question belongs, if anywhere. A hole that
    comes again is filled with the same words. Other braces stay as they are.
    holes: the type of each, as in `lm(prompt, type)`. `str` is free text up to the line break that follows the hole, or
    the first line of the fixed words that do; at the end of the document it ends where the model ends it.
    sampling: of each hole. Its stop strings are those of free text alone.

    A space before a hole is written together with what fills it, as in the texts that the model knows: its tokens are
    mostly words with the space before them.

    Raises UserError when the text lacks a hole, and for a type that no constraint describes.
    """

    lm: LanguageModel
    text: str
    holes: Mapping[str, Any]
    sampling: Sampling = GREEDY_LONG
    _typed: dict[str, Typed] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_holes("the template", self.text, *self.holes)
        if not self.holes or "question" in self.holes:
            raise UserError('a template needs holes to fill, and {question} is none: give types, such as {"age": int}.')
        self._typed = {name: written_as(kind) for name, kind in self.holes.items()}

    def program(self, question: str) -> Program:
        """Fill one hole after the other, each in a request of its own that goes on where the last one ended."""
        document, note, values, words = "", "", {}, {"question": question}
        for fixed, name, following in self._parts():
            document += fixed
            if name in self.holes and name not in values:
                typed, lead = self._typed[name], document[len(document.rstrip(" ")) :] if self.lm.local else ""
                [[reply]] = yield [self._ask(name, document.removesuffix(lead), lead, following)]
                words[name] = reply.text.removeprefix(lead) if typed.constraint else reply.text.strip()
                if not reply.finished:
                    note = joined(note, f"{{{name}}} {cut_off(reply)}")
                    if typed.constraint:
                        return Answer(None, document + words[name], note=note)
                try:
                    values[name] = typed.read(words[name])
                except UserError as refusal:  # by a check of the type's own, which no constraint holds the model to
                    return Answer(None, document + words[name], note=joined(note, f"{{{name}}}: {refusal}"))
            document += words.get(name, "")
        return Answer(values, document, note=note)

    def _ask(self, name: str, document: str, lead: str, following: str) -> Ask:
        constraint = self._typed[name].constraint
        if constraint is not None:
            return Ask(document, replace(self.sampling, stop=(), constraint=replace(constraint, lead=lead)), name=name)
        stop = re.findall(r"\n+|[^\n]+\n?", following)[:1]
        return Ask(document, replace(self.sampling, stop=(*self.sampling.stop, *stop)), name=name)

    def _parts(self) -> Iterator[tuple[str, str, str]]:
        """Fixed words, the name of the hole after them ("" at the end), and the fixed words after that."""
        names = "|".join(re.escape(name) for name in ("question", *self.holes))
        fixed = re.split(rf"\{{({names})\}}", self.text)
        for index in range(0, len(fixed), 2):
            name, following = fixed[index + 1 : index + 3] or ("", "")
            yield fixed[index], name, following
