"""Problems whose steps the model writes: a state is a question and the thoughts so far."""

from collections.abc import Callable
from typing import NamedTuple

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import Prompt
from cygnet.techniques.base import Answer, Ask, Asking, step
from cygnet.techniques.forms import Chat, Turn, fill, require_holes
from cygnet.techniques.parsing import Parser, whole
from cygnet.techniques.search.problem import Evaluator, Problem

_STEP = Sampling(temperature=0.7, max_new_tokens=64, stop=("\n",))


class Chain(NamedTuple):
    """A question, and the thoughts about it in order."""

    question: str
    thoughts: tuple[str, ...] = ()


def as_lines(template: str = "{question}\n") -> Callable[[Chain], str]:
    """The question and then a thought a line, for base models. The prompt of a thought begins with its parent's."""
    require_holes("the template", template, "question")
    return lambda chain: fill(template, question=chain.question) + "".join(f"{line}\n" for line in chain.thoughts)


def as_turns(
    template: str = "{question}\n\nWrite down only the next step, in one line.", more: str = "Go on: the next step."
) -> Callable[[Chain], Prompt]:
    """A conversation in which each thought is a reply, and `more` asks for the next. It begins with its parent's."""
    require_holes("the template", template, "question")

    def show(chain: Chain) -> Prompt:
        turns = [Turn("user", fill(template, question=chain.question))]
        for thought in chain.thoughts:
            turns += [Turn("assistant", thought), Turn("user", more)]
        return Chat()(turns)

    return show


def thoughts(
    show: Callable[[Chain], Prompt],
    value: Evaluator[Chain],
    done: Callable[[Chain], bool],
    k: int = 5,
    depth: int = 8,
    check: Callable[[Chain, str], str | None] | None = None,
    parse: Parser = whole,
    sampling: Sampling = _STEP,
) -> Problem[Chain]:
    """A problem whose steps are the model's: `k` are sampled from a state in one request, and equal ones are one.

    show: the prompt after which the model writes the next thought (`as_lines`, `as_turns`).
    depth: the most thoughts in a chain. check: what is wrong with a thought after a chain, or None; only what passes is
    searched. Have one wherever a step can be checked: without it wrong steps that look good win.
    parse: reads the answer's value out of the thoughts, a line each.

    Raises UserError when k or depth is below 1, or at temperature 0, where all thoughts would be alike.
    """
    if k < 1 or depth < 1:
        raise UserError(f"a search needs at least 1 thought a step and 1 step, not k={k} and depth={depth}.")
    if k > 1 and sampling.temperature <= 0:
        raise UserError("at temperature 0 all thoughts would be alike: choose one above 0.")

    def propose(chain: Chain) -> Asking[list[Chain]]:
        if len(chain.thoughts) == depth:
            return []
        [replies] = yield [Ask(show(chain), sampling, k, "propose")]
        lines = dict.fromkeys(line for reply in replies if (line := reply.text.strip()))
        problems = {line: check(chain, line) if check else None for line in lines}
        yield [step("reject", f"{line}\n{problem}") for line, problem in problems.items() if problem is not None]
        return [Chain(chain.question, (*chain.thoughts, line)) for line in lines if problems[line] is None]

    def answer(chain: Chain) -> Answer:
        text = "\n".join(chain.thoughts)
        return Answer(parse(text), text)

    return Problem(Chain, propose, value, done, answer)
