"""Chain of thought: a model needs tokens to think, so let it write its reasoning before its answer.

Zero-shot, in two requests: Kojima et al. 2022, "Large Language Models are Zero-Shot Reasoners", arXiv 2205.11916.
By examples that reason: Wei et al. 2022, "Chain-of-Thought Prompting Elicits Reasoning in Large Language Models",
arXiv 2201.11903, who found that it helps large models and often harms small ones: measure it on yours.
"""

from dataclasses import dataclass, field

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.techniques.base import Answer, Program, Technique
from cygnet.techniques.forms import GREEDY, GREEDY_LONG, Chat, Form, Turn, ask, cut_off, fill, require_holes
from cygnet.techniques.parsing import Parser, after, first_line, last_number
from cygnet.techniques.prompting import FewShot

NUMBER_IN_FIRST_LINE = first_line(last_number)
NUMBER_AFTER_THE_ANSWER_IS = after("The answer is", last_number)


@dataclass
class ChainOfThought(Technique):
    """Think, then say the answer, in two requests (Kojima et al. 2022).

    think: leads the model to reason. extract: leads it from its reasoning to the answer, which `parse` reads. They are
    for questions with a number as the answer; for others replace both, as in
    `extract="Therefore, among A through E, the answer is", parse=one_of("ABCDE")`. sampling: of the reasoning;
    extraction: of the answer. The text of the answer is both, as one would write them down.
    """

    lm: LanguageModel
    form: Form = field(default_factory=Chat)
    template: str = "{question}"
    think: str = "Let's think step by step."
    extract: str = "Therefore, the answer (arabic numerals) is"
    parse: Parser = NUMBER_IN_FIRST_LINE
    sampling: Sampling = GREEDY_LONG
    extraction: Sampling = GREEDY

    def __post_init__(self) -> None:
        require_holes("the template", self.template, "question")

    def program(self, question: str) -> Program:
        """Reason, then extract."""
        turns = [Turn("user", fill(self.template, question=question)), Turn("lead", self.think)]
        [[thought]] = yield [ask(self.form, turns, self.sampling, "think")]
        turns += [Turn("assistant", thought.text), Turn("lead", self.extract)]
        [[found]] = yield [ask(self.form, turns, self.extraction, "extract")]
        text = f"{thought.text.strip()}\n{self.extract} {found.text.strip()}"
        return Answer(self.parse(found.text), text, note=cut_off(thought))


@dataclass
class FewShotChainOfThought(FewShot):
    """One request after examples that reason (Wei et al. 2022).

    shown: how an example's answer is written, with the holes {reasoning} and {answer}; what `parse` looks for must be
    written there.

    Raises UserError when an example has no reasoning, or `parse` finds no answer in an example as it is shown.
    """

    shown: str = "{reasoning} The answer is {answer}."
    parse: Parser = NUMBER_AFTER_THE_ANSWER_IS
    sampling: Sampling = GREEDY_LONG

    def __post_init__(self) -> None:
        super().__post_init__()
        require_holes("the template of an example's answer", self.shown, "reasoning")
        for number, example in enumerate(self.examples, 1):
            if not example.reasoning.strip():
                raise UserError(f"example {number} has no reasoning: write down the steps that lead to its answer.")
            answer = fill(self.shown, answer=example.answer, reasoning=example.reasoning)
            if self.parse(answer) is None:
                raise UserError(f"`parse` can't read the answer of example {number} as it is shown: {answer!r}.")
