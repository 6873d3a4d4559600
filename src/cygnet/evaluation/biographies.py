"""Invented biographies: questions that nobody's memory can answer, and documents that do.

People and towns are made of syllables, so what a model knows of the world is no help: what it gets right without the
documents is chance, and what it gets right with them it has read. Made for the comparison of memory and retrieval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cygnet.errors import UserError

_BEGINNINGS = "Al Bel Cor Dra El Fen Gal Hol Is Jor Kel Lor Mar Nol Or Pel Quin Ros Sel Tor Ul Ver Wil Yor Zan".split()
_MIDDLES = "a an e en i ir o ol u ur".split()
_ENDINGS = "bert da dric fa gund la lind lo mar nia ra rik sa ta vin wen".split()
_TOWN_ENDINGS = "ton by ford haven mouth stead wick burg holm dale field bridge".split()
JOBS = (
    "astronomer baker beekeeper blacksmith bookbinder botanist brewer carpenter cartographer clockmaker cook dentist "
    "engraver farmer gardener glassblower goldsmith hatter judge lighthouse-keeper locksmith mason midwife miller "
    "notary organist painter pharmacist photographer pilot potter printer sailor sculptor shoemaker surveyor tailor "
    "teacher translator watchmaker weaver"
).split()
_FIRST_YEAR, _LAST_YEAR = 1700, 1899

_FACTS = {
    "year": ("{name} was born in {year}.", "In {year} {name} was born.", "The year of {name}'s birth is {year}."),
    "job": ("{name} worked as a {job}.", "By trade {name} was a {job}.", "{name} earned a living as a {job}."),
    "city": ("{name} lived in {city}.", "The home of {name} was in {city}.", "{name} spent most of life in {city}."),
}
_QUESTIONS = {
    "year": "In which year was {name} born?",
    "job": "What was the job of {name}?",
    "city": "In which town did {name} live?",
}
_REST = (
    "The winters were long there, and letters took weeks.",
    "A portrait hung in the town hall until it was lost in a fire.",
    "Friends spoke of a dry humor and a fondness for walking.",
    "Most of the papers were given to a library, where they are still kept.",
    "Neighbors came for advice in all kinds of matters.",
    "Not much is known of the childhood.",
    "A street was named in memory, though few now know why.",
    "There was never much money, but always a guest at the table.",
    "In old age the eyes failed, but not the memory.",
    "The house had a garden with three pear trees.",
)
_OTHERS = 3  # sentences of no use in a biography


@dataclass(frozen=True)
class Question:
    """A question about one person; `about` says which of the facts is asked for: "year", "job" or "city"."""

    question: str
    answer: str
    about: str


@dataclass(frozen=True)
class Biography:
    """An invented person, a document that tells of them among other things, and a question for each fact."""

    name: str
    job: str
    year: int
    city: str
    document: str

    @property
    def questions(self) -> tuple[Question, ...]:
        """One for each fact, in the order year, job, city."""
        answers = {"year": str(self.year), "job": self.job, "city": self.city}
        return tuple(
            Question(words.format(name=self.name), answers[about], about) for about, words in _QUESTIONS.items()
        )


def biographies(people: int, seed: int = 1) -> list[Biography]:
    """Biographies of so many people, all of different names; the same for the same seed.

    Raises UserError for fewer than 1, or more than there are names for.
    """
    most = (len(_BEGINNINGS) * len(_MIDDLES) * len(_ENDINGS)) ** 2 // 1_000
    if not 1 <= people <= most:
        raise UserError(f"{people} biographies can't be invented: ask for 1 to {most:,}.")
    rng = Random(seed)
    found: dict[str, Biography] = {}
    while len(found) < people:
        name = f"{_word(rng, _ENDINGS)} {_word(rng, _ENDINGS)}"
        if name not in found:
            found[name] = _biography(name, rng)
    return list(found.values())


def write_biographies(people: Sequence[Biography], folder: Path) -> None:
    """Write each document into a Markdown file of its own in a folder, under the person's name as its title."""
    folder.mkdir(parents=True, exist_ok=True)
    for person in people:
        path = folder / f"{person.name.lower().replace(' ', '-')}.md"
        path.write_text(f"# {person.name}\n\n{person.document}\n", encoding="utf-8")


def _biography(name: str, rng: Random) -> Biography:
    job, year, city = rng.choice(JOBS), rng.randint(_FIRST_YEAR, _LAST_YEAR), _word(rng, _TOWN_ENDINGS)
    facts = [rng.choice(ways).format(name=name, job=job, year=year, city=city) for ways in _FACTS.values()]
    sentences = facts + rng.sample(_REST, _OTHERS)
    rng.shuffle(sentences)
    return Biography(name, job, year, city, " ".join(sentences))


def _word(rng: Random, endings: Sequence[str]) -> str:
    return rng.choice(_BEGINNINGS) + rng.choice(_MIDDLES) + rng.choice(endings)
