"""Search as one more way of asking: steps of reasoning are drawn, valued by the model itself, and the best gone on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel, Prompt, Reply
from cygnet.techniques.base import Answer, Asking, Program, Technique
from cygnet.techniques.budget import Budget, SpentError
from cygnet.techniques.chain_of_thought import NUMBER_AFTER_THE_ANSWER_IS
from cygnet.techniques.examples import Example
from cygnet.techniques.forms import GREEDY, Chat, Form, Turn, ask, fill, joined, require_holes
from cygnet.techniques.parsing import Parser
from cygnet.techniques.reflection import Check
from cygnet.techniques.search import BeamSearch, Chain, Odds, Problem, thoughts

STEP_BY_STEP = (
    "Work it out step by step. Write down the next step alone, in one line. Once you know the answer, write "
    '"{marker}" and the answer.'
)


@dataclass
class StepSearch(Technique):
    """A beam search over chains of thought, a thought a line (Yao et al. 2023, Tree of Thoughts, arXiv 2305.10601).

    From each chain that is kept `k` next lines are drawn in one request; the `width` chains are kept that the model
    itself holds most likely to be right so far (`Odds`: it must tell log-probabilities). A chain is finished once
    `parse` reads an answer behind the marker in it. check: says what is wrong with a finished answer, or None; what it
    rejects is dropped. The first finished chain wins, of several at once the one valued most. Where there is none after
    `depth` lines or at a cap, the most promising chain is led to its answer in one request more.

    examples: worked before the question, a line of their reasoning a step. template: with the holes {question} and
    {marker}; go_on asks for the next line, judge whether all is right; a document needs no words to go on.
    sampling: of a line; extraction: of that last request. tokens (read and written), states: hard caps on a question.

    Raises UserError for an example without reasoning, and for settings that no search can have.
    """

    lm: LanguageModel
    examples: Sequence[Example] = ()
    form: Form = field(default_factory=Chat)
    template: str = f"{{question}}\n\n{STEP_BY_STEP}"
    marker: str = "The answer is"
    go_on: str = "Go on."
    judge: str = "Is all of that right so far? Answer yes or no."
    check: Check | None = None
    parse: Parser = NUMBER_AFTER_THE_ANSWER_IS
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.7, max_new_tokens=64))
    extraction: Sampling = GREEDY
    width: int = 2
    k: int = 3
    depth: int = 6
    tokens: int | None = 8192
    states: int = 64

    def __post_init__(self) -> None:
        require_holes("the template", self.template, "question", "marker")
        for number, example in enumerate(self.examples, 1):
            if not example.reasoning.strip():
                raise UserError(f"example {number} has no reasoning: write down the steps that lead to its answer.")
        self._flows = isinstance(self.form([Turn("user", "")]), str)  # a document, in which the model just goes on
        self._search = BeamSearch(self.lm, self._problem(), width=self.width, tokens=self.tokens, states=self.states)

    def program(self, question: str) -> Program:
        """Search; without a finished chain, ask for the answer that the best one leads to."""
        found = yield from self._search.solve(question)
        if found.value is not None:
            return found
        lines = found.text.splitlines()
        try:
            reply = yield from Budget(self.lm, self.tokens, found.usage.tokens).charge(self._extracted(question, lines))
        except SpentError as spent:
            return replace(found, note=joined(found.note, f"not asked for the answer: {spent}"))
        text = "\n".join([*lines, f"{self.marker} {reply.text.strip()}"])
        answer = Answer(self.parse(text), text)
        problem = self.check(question, answer) if self.check else None
        verdict = "" if problem is None else f"rejected: {problem}"
        return replace(answer, note=joined(found.note, "then asked for the answer", verdict))

    def _problem(self) -> Problem[Chain]:
        stop = tuple(dict.fromkeys(("\n", *self.sampling.stop, *self.form.stop)))
        return thoughts(
            self._next,
            Odds(self._judged),
            self._finished,
            self.k,
            self.depth,
            self._rejected if self.check else None,
            self.parse,
            replace(self.sampling, stop=stop),
        )

    def _next(self, chain: Chain) -> Prompt:
        """What the next line is written after; what it was valued by begins alike."""
        turns = self._told(chain)
        if not chain.thoughts:
            return self.form(turns)
        prompt = self.form(turns if self._flows else [*turns, Turn("user", self.go_on)])
        return f"{prompt}\n" if isinstance(prompt, str) else prompt

    def _judged(self, chain: Chain) -> Prompt:
        return self.form([*self._told(chain), Turn("user", self.judge)])

    def _extracted(self, question: str, lines: Sequence[str]) -> Asking[Reply]:
        if self._flows:
            turns = self._told(Chain(question, (*lines, self.marker)))
        else:
            turns = [*self._told(Chain(question, tuple(lines))), Turn("lead", self.marker)]
        [[reply]] = yield [ask(self.form, turns, self.extraction, "extract")]
        return reply

    def _told(self, chain: Chain) -> list[Turn]:
        """The examples, then the question and the lines so far."""
        turns = []
        for example in self.examples:
            reasoning = tuple(line for line in example.reasoning.splitlines() if line.strip())
            turns += self._lines(Chain(example.question, (*reasoning, f"{self.marker} {example.answer}")))
        return [*turns, *self._lines(chain)]

    def _lines(self, chain: Chain) -> list[Turn]:
        asked = Turn("user", fill(self.template, question=chain.question, marker=self.marker))
        if self._flows:
            return [asked, Turn("assistant", "\n".join(chain.thoughts))] if chain.thoughts else [asked]
        turns = [asked]
        for place, line in enumerate(chain.thoughts):
            turns += [Turn("user", self.go_on)] if place else []
            turns.append(Turn("assistant", line))
        return turns

    def _finished(self, chain: Chain) -> bool:
        return bool(chain.thoughts) and self._answer(chain).value is not None

    def _rejected(self, chain: Chain, line: str) -> str | None:
        """What is wrong with the answer of a chain that this line finishes."""
        answer = self._answer(Chain(chain.question, (*chain.thoughts, line)))
        return self.check(chain.question, answer) if self.check and answer.value is not None else None

    def _answer(self, chain: Chain) -> Answer:
        text = "\n".join(chain.thoughts)
        return Answer(self.parse(text), text)
