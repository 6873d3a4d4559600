"""Exercises that the project makes up itself, each with a checker: data without a licence, rewards without a judge."""

from collections.abc import Callable, Iterator
from random import Random

from cygnet.corpus.document import Document
from cygnet.corpus.holdout import split_of_key
from cygnet.corpus.tasks.arithmetic import addition, product, units
from cygnet.corpus.tasks.calendar_sums import calendar
from cygnet.corpus.tasks.drills import drill
from cygnet.corpus.tasks.exercise import Exercise, answer_in, bare_reply, check, parse_object, worked_reply
from cygnet.corpus.tasks.knowledge import INTRODUCTION, REFUSAL, about, memory, passage, untaught, which
from cygnet.corpus.tasks.python_state import lists, strings
from cygnet.errors import UserError

__all__ = [
    "FAMILIES",
    "INTRODUCTION",
    "REFUSAL",
    "Exercise",
    "answer_in",
    "bare_reply",
    "check",
    "documents",
    "exercises",
    "parse_object",
    "sheet",
    "worked_reply",
]

# Each family's generator and its share of exercises: more for what takes longer to learn.
FAMILIES: dict[str, tuple[Callable[[Random], Exercise], float]] = {
    "addition": (addition, 2.0),
    "lists": (lists, 2.0),
    "strings": (strings, 1.5),
    "units": (units, 1.0),
    "calendar": (calendar, 0.7),
    "which": (which, 1.0),
    "passage": (passage, 1.5),
    "memory": (memory, 1.0),
    "tool": (product, 1.6),
    "untaught": (untaught, 0.6),
    "about": (about, 0.2),
}

# Asking for a tool, refusing and JSON are an assistant's manners: they are taught by conversations, not by documents.
_PATIENCE = 10_000  # tries to find an exercise of a split, which is at least 4 % of all
_NOT_IN_DOCUMENTS = ("tool", "untaught", "about")


def exercises(split: str, seed: int, families: tuple[str, ...] = tuple(FAMILIES)) -> Iterator[Exercise]:
    """Endless exercises of one split, families in their shares. What is held out is decided by key alone."""
    rng = Random(f"{split} {seed}")
    makers = [FAMILIES[name][0] for name in families]
    weights = [FAMILIES[name][1] for name in families]
    while True:
        for _ in range(_PATIENCE):
            exercise = rng.choices(makers, weights)[0](rng)
            if split_of_key(exercise.key) == split:
                yield exercise
                break
        else:
            raise UserError(f"the exercises of {', '.join(families)} have none to hold out for {split}: add a family.")


def sheet(worked: list[Exercise]) -> str:
    """A document of questions and worked answers, as a textbook prints them."""
    return "\n\n".join(f"Q: {exercise.prompt}\nA: {worked_reply(exercise)}" for exercise in worked)


def documents(split: str, seed: int, count: int, families: tuple[str, ...], drills: float) -> Iterator[Document]:
    """`count` documents: sheets of one to three exercises of these families, a share of them drills in looking up."""
    shown = tuple(name for name in families if name not in _NOT_IN_DOCUMENTS)
    if not shown:
        raise UserError(f"corpus.families has only {', '.join(families)}, which conversations teach, not documents.")
    source = exercises(split, seed, shown)
    rng = Random(f"sheets {split} {seed}")
    for number in range(count):
        if rng.random() < drills:
            text = next(text for text in iter(lambda: drill(rng), "") if split_of_key(text) == split)
            yield Document(f"tasks/{split}/{number}", "tasks", text, "drill", (text,))
            continue
        chosen = [next(source) for _ in range(rng.randrange(1, 4))]
        origin = ", ".join(sorted({exercise.family for exercise in chosen}))
        keys = tuple(exercise.key for exercise in chosen)
        yield Document(f"tasks/{split}/{number}", "tasks", sheet(chosen), origin, keys)
