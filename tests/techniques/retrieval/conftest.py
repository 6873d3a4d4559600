"""An embedder of letters, and indexes of a few texts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from cygnet.lm.embedder import Embedder, Vectors, unit_length
from cygnet.techniques.retrieval import Index, build_index

TEXTS = {
    "rivers.md": "# Rivers\n\n## The Rhine\n\nThe Rhine is 1,233 km long.\n\n## The Elbe\n\nThe Elbe is shorter.\n",
    "birds/swan.txt": "Swans are white birds that live on lakes.",
    "birds/owl.txt": "Owls hunt at night and sleep by day.",
}


class Letters(Embedder):
    """How often each letter is in a text; remembers what it read."""

    name = address = "letters"

    def __init__(self) -> None:
        self.read: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.read += texts
        counts = [[1 + text.lower().count(chr(97 + letter)) for letter in range(26)] for text in texts]
        return unit_length(np.array(counts, dtype=np.float32), self.name)


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    """The one that every address but "none" leads to."""
    embedder = Letters()
    monkeypatch.setattr("cygnet.techniques.retrieval.build.load_embedder", lambda address: embedder)
    return embedder


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A folder of three files."""
    for name, text in TEXTS.items():
        path = tmp_path / "notes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "notes"


@pytest.fixture
def indexed(tmp_path: Path) -> Callable[..., Index]:
    """Opens an index, searched by words, of the texts given; each is a file."""

    def indexed(*texts: str) -> Index:
        folder = tmp_path / "texts"
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"{number}.txt").write_text(text)
        build_index([folder], tmp_path / "texts.index", progress=False)
        return Index(tmp_path / "texts.index")

    return indexed
