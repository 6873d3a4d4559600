from pathlib import Path

import pytest

from cygnet.cli.main import run_command
from cygnet.corpus.pipeline.build import build
from cygnet.corpus.pipeline.config import CorpusRecipe
from cygnet.corpus.pipeline.engines import engine_at
from cygnet.corpus.pipeline.load import load_corpus_recipe
from cygnet.corpus.tokenize import build_tokens
from cygnet.corpus.trace import describe_trace, rules_for, trace
from cygnet.errors import UserError
from cygnet.files import read_json, write_json
from cygnet.tokens.shards import open_split
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A corpus of little notes that was built and tokenized, as corpus/, tokenizer/ and tokens/."""
    (tmp_path / "notes").mkdir()
    for number in range(40):
        (tmp_path / f"notes/{number}.txt").write_text(f"Note {number}: the swän number {number * 7} writes to a@b.org.")
    (tmp_path / "corpus.toml").write_text(
        'heldout = 0.2\npii = ["email"]\ndedup.near = false\n[sources.notes]\nkind = "folder"\npath = "notes"\n'
    )
    recipe = load_corpus_recipe(tmp_path / "corpus.toml")
    build(recipe, tmp_path, tmp_path / "corpus", engine_at("local", 1), lambda *_: None)
    train_tokenizer(["Note the swän number writes"], 290).save(tmp_path / "tokenizer")
    build_tokens(tmp_path / "corpus", tmp_path / "tokenizer", {"notes": 1.0}, 3_000, tmp_path / "tokens", seed=1)
    return tmp_path


def parts(run: Path) -> tuple[Path, Path]:
    return run / "corpus", run / "tokenizer"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_every_token_leads_to_its_place_in_the_text(run: Path, split: str) -> None:
    tokenizer = Tokenizer.load(run / "tokenizer")
    shards = open_split(run / "tokens", split)
    last = int(shards.offsets[2])
    for index in range(int(shards.offsets[1]), last):
        found = trace(run / "tokens", index, split, *parts(run))
        stands = found.document.text.encode()[found.start : found.end]
        is_mark = index in (shards.offsets[1], last - 1)
        assert stands == (b"" if is_mark else tokenizer.decode_bytes([int(shards.tokens[index])]))
    assert found.verdict is not None
    assert f"{found.verdict['url']}#{found.document.id}" == found.document.origin  # no address: held out by itself
    assert found.verdict["text"] == found.document.text
    assert found.verdict["edits"] == {"email": 1}


def test_a_space_that_was_put_before_a_text_is_no_part_of_it(run: Path, pieces: Tokenizer) -> None:
    pieces.save(run / "pieces")
    build_tokens(run / "corpus", run / "pieces", {"notes": 1.0}, 3_000, run / "ids", seed=1)
    shards = open_split(run / "ids", "train")
    read = []
    for index in range(int(shards.offsets[1]) + 1, int(shards.offsets[2]) - 1):
        found = trace(run / "ids", index, "train", run / "corpus", run / "pieces")
        read.append(found.document.text.encode()[found.start : found.end])
    assert b"".join(read) == found.document.text.encode()


def test_why_a_document_that_its_tokenizer_writes_otherwise_cannot_be_traced(run: Path, pieces: Tokenizer) -> None:
    for path in (run / "notes").iterdir():
        path.write_text(f"Note▁{path.stem}: the swän writes to nobody.")
    build(load_corpus_recipe(run / "corpus.toml"), run, run / "marked", engine_at("local", 1), lambda *_: None)
    pieces.save(run / "pieces")
    build_tokens(run / "marked", run / "pieces", {"notes": 1.0}, 300, run / "ids", seed=1)
    with pytest.raises(UserError, match="can't be traced: .*pieces writes its text otherwise .such as a ▁"):
        trace(run / "ids", 3, "train", run / "marked", run / "pieces")


def test_a_run_finds_the_verdict_in_the_corpus_that_it_names(run: Path) -> None:
    (run / "run").mkdir()
    for name in ("train", "validation", "test"):
        path = run / f"run/corpus/{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((run / f"corpus/{name}.parquet").read_bytes())
    folders = run / "run/corpus", run / "tokenizer"
    assert "not known" in describe_trace(trace(run / "tokens", 5, "train", *folders))[-1]
    write_json(run / "run/recipe.json", {"corpus": {"built": str(run / "corpus")}})
    found = describe_trace(trace(run / "tokens", 5, "train", *folders))
    assert "passed    exact_duplicate" in found
    assert any(line.startswith("address ") and line.endswith(".txt") for line in found)
    assert "taken out 1 × email" in found


def test_a_run_finds_the_verdict_in_the_pages_that_it_built(run: Path) -> None:
    (run / "corpus").rename(run / "pages")
    (run / "corpus").mkdir()
    (run / "pages/train.parquet").rename(run / "corpus/train.parquet")
    assert "passed    exact_duplicate" in describe_trace(trace(run / "tokens", 5, "train", *parts(run)))


def test_the_paths_of_a_recipe_begin_where_it_was_run(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "run/corpus").mkdir(parents=True)
    (run / "corpus/train.parquet").rename(run / "run/corpus/train.parquet")
    write_json(run / "run/recipe.json", {"corpus": {"built": "corpus"}})
    folders = run / "run/corpus", run / "tokenizer"
    with pytest.raises(UserError, match=r"corpus\.built = 'corpus', which is not here\. Ask in the folder where"):
        trace(run / "tokens", 5, "train", *folders)
    monkeypatch.chdir(run)
    assert "passed    exact_duplicate" in describe_trace(trace(run / "tokens", 5, "train", *folders))


def test_what_does_not_belong_together_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = read_json(run / "tokens/index.json")["splits"]["train"]["tokens"]
    with pytest.raises(UserError, match=f"has the tokens 0 to {tokens - 1}, not {tokens}"):
        trace(run / "tokens", tokens, "train", *parts(run))
    assert run_command(["corpus", "trace", str(run / "tokens"), "3"]) == 0
    assert "document  notes/" in capsys.readouterr().out
    (run / "tokens/train.ids.parquet").unlink()
    assert run_command(["corpus", "trace", str(run / "tokens"), "3"]) == 2
    assert "Tokenize again" in capsys.readouterr().err


def test_the_rules_are_those_that_were_asked_for() -> None:
    sources = {"notes": {"kind": "texts", "path": "notes"}, "mail": {"kind": "texts", "path": "mail"}}
    quality = {"preset": "gopher", "by_source": {"mail": "none"}}
    recipe = CorpusRecipe(sources=sources, quality=quality, language={"keep": ["en"]}, evaluation={"quiz": "q.jsonl"})
    duplicates = ("exact_duplicate", "near_duplicate")
    assert rules_for(recipe, "notes") == ("language", "gopher", "contaminated", *duplicates)
    assert rules_for(recipe, "mail") == ("language", "contaminated", *duplicates)
