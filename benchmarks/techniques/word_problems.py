"""Word problems: a product of two numbers, for tools, and a sum of three, for reasoning."""

from math import inf
from pathlib import Path
from random import Random
from typing import NamedTuple

from common import Item
from ways import Way

from cygnet.generation.constraint import Constraint
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.techniques import (
    Document,
    Example,
    FewShot,
    FewShotChainOfThought,
    Parser,
    ReAct,
    Transcript,
    Vote,
    after,
    first_line,
    last_number,
)
from cygnet.techniques.actions import action_grammar
from cygnet.techniques.forms import Turn
from cygnet.techniques.tools.calculator import calculator

NUMBER = first_line(last_number)
QUESTIONS = Document("Question: {question}\nAnswer:")
LINE = Sampling(temperature=0.0, max_new_tokens=16, stop=("\n",))
CALCULATOR = calculator()

THINGS = "apples balls books buttons candles coins cups eggs marbles pencils plates shells".split()
BOXES = "bags boxes baskets crates drawers jars rooms shelves".split()
NAMES = "Anna Ben Clara David Emma Frank Grace Henry Ida Jack Kate Leo".split()
GAINS = ("buys {b} more", "finds {b} more", "gets {b} more from a friend")
LOSSES = ("gives {c} away", "loses {c}", "sells {c}")


def compute(expression: str) -> object:
    """What the calculator says; None where that is no number."""
    return last_number(CALCULATOR.call({"expression": expression}))


CALLED: Parser = after("Calculator:", compute)


def product(rng: Random) -> tuple[str, int, int]:
    """A question, and the two numbers of two digits whose product it asks for."""
    n, m, things, boxes = rng.randint(10, 99), rng.randint(10, 99), rng.choice(THINGS), rng.choice(BOXES)
    return f"There are {n} {boxes} with {m} {things} in each. How many {things} are there in all?", n, m


def tool(lm: LanguageModel, count: int, seed: int, _: Path) -> tuple[list[Way], list[Item]]:
    """The answer at once; a line for the calculator, which is run; the same under a constraint; an agent that acts."""
    rng, teaching = Random(f"products {seed}"), Random("examples of products")
    drawn, shown = [product(rng) for _ in range(count)], [product(teaching) for _ in range(2)]
    direct = [Example(question, str(n * m)) for question, n, m in shown]
    calls = [Example(question, f"Calculator: {n} * {m}") for question, n, m in shown]
    call = Constraint.regex(r" Calculator: [1-9]\d? [-+*/] [1-9]\d?")
    held = Sampling(temperature=0.0, max_new_tokens=16, constraint=call)
    ways = [
        Way("2-shot, the answer at once", FewShot(lm, direct, form=QUESTIONS, parse=NUMBER, sampling=LINE)),
        Way(
            "2-shot, a calculator line that is run",
            FewShot(lm, calls, form=QUESTIONS, parse=CALLED, sampling=LINE),
            over=("2-shot, the answer at once",),
        ),
        Way(
            "the same, the line held to a form",
            FewShot(lm, calls, form=QUESTIONS, parse=CALLED, sampling=held),
            over=("2-shot, the answer at once", "2-shot, a calculator line that is run"),
        ),
        Way(
            "2-shot agent (ReAct), its action held to a grammar",
            agent(lm, shown),
            over=("2-shot, the answer at once", "2-shot, a calculator line that is run"),
        ),
    ]
    return ways, [Item(question, n * m) for question, n, m in drawn]


def agent(lm: LanguageModel, shown: list[tuple[str, int, int]]) -> ReAct:
    """Thought, action, observation, as a document."""
    turns = []
    for question, n, m in shown:
        act, finish = f'Action: calculator {{"expression": "{n} * {m}"}}', f'Action: finish {{"answer": "{n * m}"}}'
        turns += [
            Turn("user", f"Question: {question}"),
            Turn("assistant", f"Thought: multiply {n} by {m}.\n{act}"),
            Turn("user", f"Observation: {n * m}"),
            Turn("assistant", f"Thought: that is the answer.\n{finish}"),
        ]
    sampling = Sampling(temperature=0.0, max_new_tokens=48, constraint=action_grammar([CALCULATOR]))
    words = "Answer questions with these tools:\n{tools}\n"
    return ReAct(
        *(lm, [CALCULATOR], Transcript(), words),
        examples=turns,
        parse=last_number,
        sampling=sampling,
        steps=3,
        seconds=inf,  # the others in its batch take most of a question's time
    )


class Sum(NamedTuple):
    """Somebody has a things, gets b more and then c fewer; a + b - c is asked for."""

    name: str
    things: str
    gain: str
    loss: str
    a: int
    b: int
    c: int

    @property
    def question(self) -> str:
        """In words."""
        name, things = self.name, self.things
        happened = f"{self.gain.format(b=self.b)} and {self.loss.format(c=self.c)}"
        return f"{name} has {self.a} {things}. {name} {happened}. How many {things} does {name} have now?"

    @property
    def answer(self) -> int:
        """What is left."""
        return self.a + self.b - self.c

    @property
    def example(self) -> Example:
        """With its steps."""
        name, things, first = self.name, self.things, self.a + self.b
        steps = (
            f"{name} started with {self.a} {things}. Then {name} had {self.a} + {self.b} = {first} {things}. "
            f"Then {name} had {first} - {self.c} = {self.answer} {things}."
        )
        return Example(self.question, str(self.answer), steps)


def sum_of_three(rng: Random) -> Sum:
    """Digits of which something is left."""
    while True:
        words = rng.choice(NAMES), rng.choice(THINGS), rng.choice(GAINS), rng.choice(LOSSES)
        drawn = Sum(*words, *(rng.randint(2, 9) for _ in range(3)))
        if drawn.answer > 0:
            return drawn


def reasoning(lm: LanguageModel, count: int, seed: int, _: Path) -> tuple[list[Way], list[Item]]:
    """The answer at once; after steps; the majority of eight such; a line for the calculator instead."""
    rng, teaching = Random(f"sums {seed}"), Random("examples of sums")
    drawn, shown = [sum_of_three(rng) for _ in range(count)], [sum_of_three(teaching) for _ in range(3)]
    examples = [each.example for each in shown]
    calls = [Example(each.question, f"Calculator: {each.a} + {each.b} - {each.c}") for each in shown]
    steps = Sampling(temperature=0.0, max_new_tokens=64)
    chain = FewShotChainOfThought(lm, examples, form=QUESTIONS, sampling=steps)
    at_once, thought = "3-shot, the answer at once", "3-shot chain of thought"
    ways = [
        Way(at_once, FewShot(lm, examples, form=QUESTIONS, parse=NUMBER, sampling=LINE)),
        Way(thought, chain, over=(at_once,)),
        Way(
            "3-shot, a calculator line that is run",
            FewShot(lm, calls, form=QUESTIONS, parse=CALLED, sampling=LINE),
            over=(at_once, thought),
        ),
        Way("vote of 8 chains at temperature 0.7", Vote(chain, 8, first=8), over=(at_once, thought)),
    ]
    return ways, [Item(each.question, each.answer) for each in drawn]
