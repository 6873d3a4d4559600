"""The plainest ways to ask: the question alone, after examples, or put to an expert."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt
from cygnet.techniques.base import Answer, Ask, Program, Technique
from cygnet.techniques.examples import Example, Selector
from cygnet.techniques.forms import GREEDY, Chat, Form, Turn, ask, cut_off, fill, require_holes
from cygnet.techniques.parsing import Parser, whole
from cygnet.techniques.samples import intercept


@dataclass
class Plain(Technique):
    """One request.

    form: `Chat()` for a model that answers messages, `Document()` for a base model. template: how the question is put,
    with the hole {question}; instructions belong here. parse: reads the answer's value out of the model's text.
    """

    lm: LanguageModel
    form: Form = field(default_factory=Chat)
    template: str = "{question}"
    parse: Parser = whole
    sampling: Sampling = GREEDY

    def __post_init__(self) -> None:
        require_holes("the template", self.template, "question")

    def program(self, question: str) -> Program:
        """Ask once."""
        turns = [Turn("user", fill(self.template, question=question))]
        return _one_request(self.form, turns, self.sampling, self.parse)


@dataclass
class FewShot(Technique):
    """One request after worked examples (Brown et al. 2020, arXiv 2005.14165).

    In the form of a `Document` they trick a base model into being an assistant: it goes on as the document began, and
    is stopped where it would begin a question of its own.

    select: which examples go before a question; None: all, as they are given. shown: how an example's answer is
    written, with the hole {answer}.

    Raises UserError when there are no examples.
    """

    lm: LanguageModel
    examples: Sequence[Example]
    select: Selector | None = None
    form: Form = field(default_factory=Chat)
    template: str = "{question}"
    shown: str = "{answer}"
    parse: Parser = whole
    sampling: Sampling = GREEDY

    def __post_init__(self) -> None:
        require_holes("the template", self.template, "question")
        require_holes("the template of an example's answer", self.shown, "answer")
        if not self.examples:
            raise UserError("there are no examples: give some, or ask without (Plain).")

    def program(self, question: str) -> Program:
        """Show the examples, then ask once."""
        turns = []
        for example in self.select(question, self.examples) if self.select else self.examples:
            answer = fill(self.shown, answer=example.answer, reasoning=example.reasoning)
            turns += [Turn("user", fill(self.template, question=example.question)), Turn("assistant", answer)]
        turns.append(Turn("user", fill(self.template, question=question)))
        return _one_request(self.form, turns, self.sampling, self.parse)


@dataclass
class Persona(Technique):
    """Tells the model who it is before everything that `inner` asks.

    A model imitates all of its data, good solutions and bad, and doesn't try to succeed unless it is asked to: so ask
    for a leading expert. Don't overdo it (Karpathy 2023, "State of GPT"): ask for an IQ of 120, not of 400. No such
    text was in the data; beyond its distribution, or in its science fiction, what you get is role play.

    persona: with the hole {topic}; the system message of a chat, the first paragraph of a document.
    """

    inner: Technique
    topic: str
    persona: str = "You are a leading expert on {topic}."
    lm: LanguageModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_holes("the persona", self.persona, "topic")
        self.lm = self.inner.lm

    def program(self, question: str) -> Program:
        """`inner`, every request of which begins with the persona."""
        return intercept(self.inner.solve(question), self._introduced)

    def _introduced(self, request: Ask) -> Ask:
        if not request.n:  # an entry of the trace: the model doesn't read it
            return request
        return replace(request, prompt=_begin(request.prompt, fill(self.persona, topic=self.topic)))


def _begin(prompt: Prompt, words: str) -> Prompt:
    if isinstance(prompt, str):
        return f"{words}\n\n{prompt}"
    if prompt and prompt[0]["role"] == "system":
        return [{**prompt[0], "content": f"{words}\n\n{prompt[0]['content']}"}, *prompt[1:]]
    return [{"role": "system", "content": words}, *prompt]


def _one_request(form: Form, turns: Sequence[Turn], sampling: Sampling, parse: Parser) -> Program:
    [[reply]] = yield [ask(form, turns, sampling)]
    return Answer(parse(reply.text), reply.text, note=cut_off(reply))
