"""The ladder: what is tried, in order. "First get the best result, then make it cheap" (Karpathy, State of GPT, 2023).

A rung is a name and a function from what is known so far to a technique, or to the reason why there is none. To add a
rung, write its function and put it into `LADDER`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lab.equipment import make_tool
from cygnet.lab.lora import Trainer, lora
from cygnet.lab.readers import ReadChoice, Reader, ReadJson, ReadNumber
from cygnet.lab.selectors import Similar
from cygnet.lab.steps import STEP_BY_STEP, StepSearch
from cygnet.lab.task import Task
from cygnet.lm.base import LanguageModel
from cygnet.techniques import (
    BestOf,
    ChainOfThought,
    Chat,
    Disagreement,
    Document,
    Example,
    FewShot,
    FewShotChainOfThought,
    Persona,
    Plain,
    ReAct,
    Reflect,
    Route,
    Technique,
    Transcript,
    Vote,
)
from cygnet.techniques.actions import action_grammar
from cygnet.techniques.forms import Form
from cygnet.techniques.retrieval.retrieve import Reliance, Retrieve

_ANSWER_IS = "The answer is"
_NO_DEADLINE = 1e9  # seconds; by the clock, an answer would depend on what is asked beside it


@dataclass
class Footing:
    """What a rung builds on.

    measured: the techniques so far by rung, best first; only those that answer in one go. worth: of all rungs so far.
    trainer: of adapters; None where nothing is to be trained.
    """

    task: Task
    lm: LanguageModel
    measured: dict[str, Technique] = field(default_factory=dict)
    worth: Mapping[str, float] = field(default_factory=dict)
    trainer: Trainer | None = None

    @property
    def best(self) -> Technique:
        """The best technique so far that answers in one go; of equal ones the earlier, which is the simpler."""
        return self.measured[max(self.measured, key=lambda name: self.worth[name])]

    @property
    def template(self) -> str:
        """The question with the instructions, unless they did harm."""
        told = self.worth.get("instructions")
        return "{question}" if told is not None and told < self.worth["plain"] else self.task.template

    @property
    def form(self) -> Form:
        """How the model is spoken to."""
        return Document() if self.task.config.asking.form == "document" else Chat()

    @property
    def reader(self) -> Reader:
        """How an answer is read."""
        return self.task.check.reader

    @property
    def short(self) -> Sampling:
        """For answers alone."""
        return Sampling(temperature=0.0, max_new_tokens=self.task.config.asking.max_new_tokens)

    @property
    def long(self) -> Sampling:
        """For reasoning."""
        return Sampling(temperature=0.0, max_new_tokens=self.task.config.asking.reasoning_tokens)

    @property
    def logprobs(self) -> bool:
        """Whether the model tells log-probabilities."""
        return self.lm.local or self.task.config.asking.logprobs


class Rung(NamedTuple):
    """name: as it is shown. build: the technique, or why it is left out. single: it answers in one go."""

    name: str
    build: Callable[[Footing], Technique | str]
    single: bool = False

    def built(self, at: Footing) -> Technique | str:
        """`build`; what can't be built for this task or on this machine is left out too."""
        try:
            return self.build(at)
        except UserError as error:
            return str(error)


def plain(at: Footing) -> Technique | str:
    """The question alone."""
    return Plain(at.lm, at.form, parse=at.reader, sampling=at.short)


def instructions(at: Footing) -> Technique | str:
    """What to do with the question, before it."""
    if at.task.template == "{question}":
        return "no asking.instructions"
    return Plain(at.lm, at.form, at.task.template, at.reader, at.short)


def persona(at: Footing) -> Technique | str:
    """An expert on the topic is asked."""
    asking = at.task.config.asking
    if not asking.topic:
        return "no asking.topic"
    return Persona(Plain(at.lm, at.form, at.template, at.reader, at.short), asking.topic, asking.persona)


def few_shot(at: Footing) -> Technique | str:
    """The same examples before every question."""
    examples = at.task.items.pool[: at.task.config.asking.shots]
    if not examples:
        return "no examples to show"
    return FewShot(at.lm, examples, None, at.form, at.template, shown=_as_read(at), parse=at.reader, sampling=at.short)


def few_shot_similar(at: Footing) -> Technique | str:
    """Before every question the examples most like it."""
    pool, shots = at.task.items.pool, at.task.config.asking.shots
    if len(pool) <= shots:
        return "no more examples than are shown"
    return FewShot(
        at.lm, pool, Similar(shots), at.form, at.template, shown=_as_read(at), parse=at.reader, sampling=at.short
    )


def chain_of_thought(at: Footing) -> Technique | str:
    """Think step by step, then say the answer, in two requests."""
    reader = replace(at.reader, after="", first_line=not isinstance(at.reader, ReadJson))
    return ChainOfThought(
        at.lm, at.form, at.template, extract=_extract(at.reader), parse=reader, sampling=at.long, extraction=at.short
    )


def few_shot_chain_of_thought(at: Footing) -> Technique | str:
    """Examples that reason."""
    examples = _reasoned(at)
    if not examples:
        return "no example to show has reasoning"
    marker = at.reader.after or _ANSWER_IS
    reader = replace(at.reader, after=marker)
    shown = f"{{reasoning}}\n{marker} {{answer}}"
    return FewShotChainOfThought(
        at.lm, examples, None, at.form, at.template, shown=shown, parse=reader, sampling=at.long
    )


def vote(at: Footing) -> Technique | str:
    """The majority of several answers of the best so far."""
    asking = at.task.config.asking
    return Vote(at.best, asking.samples, temperature=asking.temperature)


def reflection(at: Footing) -> Technique | str:
    """ "Did you meet the assignment?": with the check's own words where it needs no right answer."""
    return Reflect(at.best, at.task.check.verifier, form=at.form, parse=at.reader, sampling=at.long)


def best_of_n(at: Footing) -> Technique | str:
    """Several answers, of which the check picks one, or else the model's own log-probability."""
    asking, verifier = at.task.config.asking, at.task.check.verifier
    if verifier is None and not at.logprobs:
        return "nothing to judge by: the check needs the right answer, and asking.logprobs is not set"
    return BestOf(at.best, asking.samples, verifier or "mean", asking.temperature)


def route(at: Footing) -> Technique | str:
    """Three answers, and the vote only where no two of them agree."""
    asking = at.task.config.asking
    slow = Vote(at.best, asking.samples, temperature=asking.temperature)
    return Route(at.best, slow, Disagreement(3, asking.temperature))


def tools(at: Footing) -> Technique | str:
    """Thoughts and actions; a model on this machine can write no action that is none."""
    asking = at.task.config.asking
    if not asking.tools:
        return "no asking.tools"
    found = tuple(map(make_tool, asking.tools))
    sampling = replace(at.long, constraint=action_grammar(found)) if at.lm.local else at.long
    form = Transcript() if asking.form == "document" else Chat()
    reader = replace(at.reader, after="", first_line=False)
    template = f"Question: {at.template}"
    return ReAct(at.lm, found, form, template=template, parse=reader, sampling=sampling, seconds=_NO_DEADLINE)


def retrieval(at: Footing) -> Technique | str:
    """Passages that a search found, and what the model remembers."""
    return _retrieve(at, "both")


def passages_alone(at: Footing) -> Technique | str:
    """Passages that a search found, and nothing else."""
    return _retrieve(at, "passages")


def search(at: Footing) -> Technique | str:
    """Steps of reasoning as a tree of which the model values every branch; what the check rejects is dropped."""
    if not at.logprobs:
        return "the model values steps by log-probabilities, and asking.logprobs is not set"
    asking, marker = at.task.config.asking, at.reader.after or _ANSWER_IS
    return StepSearch(
        at.lm,
        _reasoned(at),
        at.form,
        f"{at.template}\n\n{STEP_BY_STEP}",
        marker,
        check=at.task.check.verifier,
        parse=replace(at.reader, after=marker),
        sampling=Sampling(temperature=asking.temperature, max_new_tokens=asking.reasoning_tokens),
        extraction=at.short,
        tokens=asking.search_tokens,
    )


LADDER = (
    Rung("plain", plain, single=True),
    Rung("instructions", instructions, single=True),
    Rung("persona", persona, single=True),
    Rung("few-shot", few_shot, single=True),
    Rung("few-shot, similar", few_shot_similar, single=True),
    Rung("chain of thought", chain_of_thought, single=True),
    Rung("chain of thought, few-shot", few_shot_chain_of_thought, single=True),
    Rung("vote", vote),
    Rung("reflection", reflection),
    Rung("best of n", best_of_n),
    Rung("route", route),
    Rung("tools", tools),
    Rung("retrieval", retrieval),
    Rung("retrieval, passages alone", passages_alone),
    Rung("search", search),
    Rung("fine-tuning (LoRA)", lora),
)


def _retrieve(at: Footing, reliance: Reliance) -> Technique | str:
    if at.task.index is None:
        return "no asking.index"
    count, template = at.task.config.asking.passages, at.template
    return Retrieve(
        at.lm, at.task.index, reliance, count, at.form, parse=at.reader, sampling=at.short, template=template
    )


def _reasoned(at: Footing) -> tuple[Example, ...]:
    """As many examples that reason as are shown."""
    reasoned = [example for example in at.task.items.pool if example.reasoning.strip()]
    return tuple(reasoned[: at.task.config.asking.shots])


def _extract(reader: Reader) -> str:
    """Leads from the reasoning to the answer (Kojima et al. 2022)."""
    if isinstance(reader, ReadNumber):
        return "Therefore, the answer (arabic numerals) is"
    if isinstance(reader, ReadChoice):
        return f"Therefore, among {', '.join(reader.choices)}, the answer is"
    return "Therefore, the answer as a JSON object is" if isinstance(reader, ReadJson) else "Therefore, the answer is"


def _as_read(at: Footing) -> str:
    """An example's answer, written as it will be looked for."""
    return f"{at.reader.after.strip()} {{answer}}" if at.reader.after else "{answer}"
