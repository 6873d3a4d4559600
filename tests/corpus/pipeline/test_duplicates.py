"""Near-duplicates that meet through Daft: the corpus is the one that is built with files on disk, byte for byte."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from cygnet.corpus.dedup import daft as module
from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.engines import Engine, engine_at
from cygnet.corpus.pipeline.engines.local import Local
from cygnet.corpus.pipeline.load import load_corpus_recipe
from cygnet.corpus.pipeline.look import documents
from cygnet.errors import UserError

needs_daft = pytest.mark.skipif(find_spec("daft") is None, reason="needs daft: pip install 'cygnet[daft]'")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'cygnet[ray]'")


def changed(text: str, place: int) -> str:
    """Another word near the end of line `place`: most runs of five words stay."""
    lines = text.split("\n")
    words = lines[place].split()
    lines[place] = " ".join([*words[:-1], f"w{place}."])
    return "\n".join(lines)


@pytest.fixture
def copies(source: Callable[..., Path]) -> Path:
    """A corpus.toml over four files: stories, copies of one in all, and chains of changes that go from file to file."""
    path = source(files=4, each=30)
    files = [path.parent / f"part{number}.jsonl" for number in range(4)]
    stories = [json.loads(line)["text"] for line in files[3].read_text().splitlines()]
    chains = [[text] for text in stories[:6]]
    for chain in chains:
        for place in range(7):
            chain.append(changed(chain[-1], place))
    for number, file in enumerate(files):
        texts = [chain[(3 * number + step) % 8] for chain in chains for step in range(2)]
        texts += [stories[7].replace(" ", "  "), changed(stories[7], number)]
        rows = [{"text": text, "url": f"https://swans.test/again/{number}/{row}"} for row, text in enumerate(texts)]
        with file.open("a") as opened:
            opened.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def run(path: Path, engine: Engine, shuffle: str) -> Path:
    out = path.parent / shuffle
    build(load_corpus_recipe(path, [f"dedup.shuffle={shuffle}"]), path.parent, out, engine, lambda *_: None)
    return out


def assert_equal(path: Path, engine: Engine) -> None:
    on_disk, by_daft = run(path, Local(1), "disk"), run(path, engine, "daft")
    fates = [row["dropped"] for row in documents(on_disk)]
    assert fates.count("near_duplicate") > 20
    assert fates.count("exact_duplicate") > 5
    names = sorted(found.relative_to(on_disk) for found in on_disk.rglob("*.parquet"))
    assert Path("work/duplicates.parquet") in names
    for name in names:
        assert (on_disk / name).read_bytes() == (by_daft / name).read_bytes(), name
    assert (on_disk / "stats.json").read_bytes() == (by_daft / "stats.json").read_bytes()


@needs_daft
def test_daft_here_makes_what_disk_makes(copies: Path) -> None:
    assert_equal(copies, Local(1))


@needs_daft
@needs_ray
def test_daft_on_ray_makes_what_disk_makes(copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXTS", 40)  # so that there are several partitions
    assert_equal(copies, engine_at("ray", 2))


def test_without_daft_nothing_is_read(source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    path = source()
    with pytest.raises(UserError, match=r"dedup.shuffle = \"daft\" needs its package: pip install 'cygnet\[daft\]'"):
        run(path, Local(1), "daft")
    assert not (path.parent / "daft" / "work").exists()
