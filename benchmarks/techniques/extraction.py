"""Who a sentence is about, as JSON: asked for in words, and held to a schema."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, get_args

from common import Item
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ways import Way

from cygnet.generation.constraint import Constraint
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.techniques import Answer, Example, FewShot, Plain, Technique, json_object
from cygnet.techniques.base import Program
from cygnet.techniques.forms import GREEDY

Job = Literal[
    "architect", "baker", "botanist", "carpenter", "dentist", "nurse", "pilot", "plumber", "tailor", "teacher"
]
FIRST = "Alice Bruno Carla Daniel Elena Felix Greta Hugo Irene Jonas Klara Lukas Marta Nora Oscar Paula".split()
LAST = "Abel Berger Costa Duarte Evans Fischer Garcia Hansen Ivanov Jensen Keller Lopez Meyer Novak Olsen".split()
CITIES = "Athens Berlin Boston Cairo Denver Dublin Geneva Helsinki Lisbon Madrid Oslo Prague Seattle Vienna".split()
SENTENCES = (
    "{name}, {age}, works as {job} in {city}.",
    "At the age of {age}, {name} moved to {city} and became {job}.",
    "In {city} everyone knows {name}, who is {age} years old and {job}.",
    "{name} is {job}. At {age}, life in {city} suits {name} well.",
)
ASKED = "Text: {question}\n\nExtract the name, age, job and city of the person in the text as JSON."


class Person(BaseModel):
    """What is to be found."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=40)]
    age: Annotated[int, Field(ge=0, le=120)]
    job: Job
    city: Annotated[str, Field(max_length=40)]


def person(rng: Random) -> tuple[str, dict[str, Any]]:
    """A sentence, and whom it is about."""
    job = rng.choice(get_args(Job))
    name, city, age = f"{rng.choice(FIRST)} {rng.choice(LAST)}", rng.choice(CITIES), rng.randint(21, 79)
    an = f"an {job}" if job[0] == "a" else f"a {job}"
    sentence = rng.choice(SENTENCES).format(name=name, age=age, job=an, city=city)
    return sentence, Person(name=name, age=age, job=job, city=city).model_dump()


@dataclass
class InItsWords(Technique):
    """Held to the schema, with one thing more that is known beforehand: name and city stand in the sentence."""

    lm: LanguageModel
    sampling: Sampling

    def program(self, question: str) -> Program:
        """Ask once, with a schema of this question's own."""
        words = re.findall(r"\w+", question)
        spans = {" ".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, min(i + 3, len(words)) + 1)}
        schema = Person.model_json_schema()
        for key in ("name", "city"):
            schema["properties"][key]["enum"] = sorted(span for span in spans if span in question)
        held = replace(self.sampling, constraint=Constraint.json(schema))
        return Plain(self.lm, template=ASKED, parse=json_object, sampling=held).program(question)


def is_json_alone(answer: Answer, _: Item) -> bool:
    """Whether the reply is an object and nothing else."""
    try:
        return isinstance(json.loads(answer.text), dict)
    except ValueError:
        return False


def is_valid(answer: Answer, _: Item) -> bool:
    """Whether the object is what the schema says."""
    try:
        Person.model_validate(answer.value)
    except ValidationError:
        return False
    return True


def extraction(lm: LanguageModel, count: int, seed: int, _: Path) -> tuple[list[Way], list[Item]]:
    """Without examples and with two, free and held to the schema; held to the text too, and to a compact spelling.

    The object is looked for anywhere in a free reply, which is more than most programs do.
    """
    rng, teaching = Random(f"people {seed}"), Random("examples of people")
    items = [Item(*person(rng)) for _ in range(count)]
    examples = [Example(text, json.dumps(found)) for text, found in (person(teaching) for _ in range(2))]
    schema = Person.model_json_schema()
    free = replace(GREEDY, max_new_tokens=80)
    held = replace(free, constraint=Constraint.json(schema))
    compact = replace(free, constraint=Constraint.lark(f"start: %json {json.dumps(_compact(schema))}"))
    also = {"JSON alone": is_json_alone, "valid": is_valid}

    def zero_shot(sampling: Sampling) -> Plain:
        return Plain(lm, template=ASKED, parse=json_object, sampling=sampling)

    def few_shot(sampling: Sampling) -> FewShot:
        return FewShot(lm, examples, template=ASKED, parse=json_object, sampling=sampling)

    untaught, to_schema = "no examples, free", "no examples, held to the schema"
    ways = [
        Way(untaught, zero_shot(free), also=also),
        Way(to_schema, zero_shot(held), also=also, over=(untaught,)),
        Way("no examples, held to schema and text", InItsWords(lm, free), also=also, over=(untaught, to_schema)),
        Way("2 examples, free", few_shot(free), also=also, over=(untaught,)),
        Way("2 examples, held to the schema", few_shot(held), also=also, over=("2 examples, free",)),
        Way("no examples, held to compact JSON", zero_shot(compact), also=also, over=(to_schema,)),
    ]
    return ways, items


def _compact(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, without the blanks after commas and colons that are written by default."""
    style = {"item_separator": ",", "key_separator": ":", "whitespace_flexible": False}
    return {**schema, "x-guidance": style}
