import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

WORDS = (
    "the swan and its young swim over a calm lake to that old mill where people have bread of wheat with honey for "
    "every bird that comes from far away in spring when snow melts and rivers be full again"
).split()


def story(rng: Random, sentences: int = 12) -> str:
    """English words in sentences: a text that passes the rules and is like no other."""
    return "\n".join(" ".join(rng.choices(WORDS, k=14)).capitalize() + "." for _ in range(sentences))


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Write a corpus.toml over stories in JSON Lines, three files unless said, and what else is given."""

    def write(extra: str = "", files: int = 3, each: int = 40, more: tuple[str, ...] = ()) -> Path:
        rng = Random(1)
        for number in range(files):
            rows = [{"text": story(rng), "url": f"https://swans.test/{number}/{row}"} for row in range(each)]
            rows += [
                {"text": text, "url": f"https://swans.test/more/{row}"} for row, text in enumerate(more) if not number
            ]
            (tmp_path / f"part{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        path = tmp_path / "corpus.toml"
        columns = 'columns = {text = "text", url = "url"}'
        path.write_text(f'heldout = 0.1\n{extra}\n[sources.swans]\nkind = "jsonl"\npath = "part*.jsonl"\n{columns}\n')
        return path

    return write
