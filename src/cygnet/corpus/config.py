"""What a corpus is built from, as a recipe states it."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from cygnet.corpus.pipeline.config import Rules

Source = Literal["docs", "code", "web", "tasks"]
Family = Literal[
    "addition",
    "lists",
    "strings",
    "units",
    "calendar",
    "which",
    "passage",
    "memory",
    "tool",
    "untaught",
    "about",
]
FAMILIES: tuple[Family, ...] = get_args(Family)


class CorpusConfig(Rules):
    """Sources, what becomes of their texts, and how many exercise sheets to generate."""

    sources: Annotated[tuple[Source, ...], Field(description="built-in sources")] = ("docs", "code", "web", "tasks")
    task_documents: Annotated[int, Field(ge=1, description="exercise sheets generated for training")] = 20_000
    heldout_task_documents: Annotated[int, Field(ge=1, description="sheets each for validation and test")] = 200
    text_folder: Annotated[str | None, Field(description="folder of .txt, .md, .rst and .py files: 'own'")] = None
    built: Annotated[str | None, Field(description="folder that `cygnet corpus build` made: its sources")] = None
    families: Annotated[tuple[Family, ...], Field(min_length=1, description="kinds of exercise")] = FAMILIES
    drills: Annotated[float, Field(ge=0, lt=1, description="share of sheets that drill looking up instead")] = 0.1
