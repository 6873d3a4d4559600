"""`tokens.proportions = "corpus"`: a run mixes by the weights of its corpus, and anew when those change."""

from pathlib import Path

import pytest

from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.document import Document
from cygnet.corpus.holdout import SPLITS
from cygnet.corpus.mixtures import shares_of
from cygnet.corpus.parquet import write_documents
from cygnet.errors import UserError
from cygnet.files import read_json, write_json
from cygnet.recipe.load import load_recipe
from cygnet.recipe.runner import run_steps
from cygnet.recipe.schema import TokenizerConfig, TokensConfig
from cygnet.recipe.steps import corpus_step, tokenizer_step, tokens_step


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    folder.mkdir()
    for split in SPLITS:
        documents = [
            Document(
                f"{source} {split} {place}", source, f"{source} {split} {place}: a {source[:-1]}.", f"{split} {place}"
            )
            for source in ("swans", "geese")
            for place in range(80)
        ]
        write_documents(folder / f"{split}.parquet", documents)
    weigh(folder, swans=0.75, geese=0.25)
    return folder


def weigh(folder: Path, **weights: float) -> None:
    known = {"read": 1, "skipped": {}, "dropped": {}, "kept": 1, "bytes": 1}
    sources = {name: {**known, "weight": weight} for name, weight in weights.items()}
    write_json(folder / "stats.json", {"by_source": sources})


def mixed(run: Path, built: Path, sources: tuple = ()) -> dict[str, float]:
    """Carry the steps up to the tokens out; the proportions of these."""
    config = CorpusConfig(sources=sources, built=str(built), task_documents=20, heldout_task_documents=5)
    tokens = TokensConfig(proportions="corpus", train_tokens=2_000)
    steps = [
        corpus_step(config, None, run / "corpus"),
        tokenizer_step(TokenizerConfig(vocab_size=300), tokens, run / "corpus", run / "tokenizer"),
        tokens_step(tokens, run / "corpus", run / "tokenizer", run / "tokens"),
    ]
    run_steps(steps, run, title="mixture", seed=1, threads=1, progress=False)
    return read_json(run / "tokens" / "index.json")["proportions"]


def test_other_weights_are_another_mixture(built: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert mixed(run, built) == {"swans": 0.75, "geese": 0.25}
    made = {path: path.stat().st_mtime_ns for path in run.rglob("*.json") if path.name != "lineage.json"}
    assert mixed(run, built) == {"swans": 0.75, "geese": 0.25}
    assert made == {path: path.stat().st_mtime_ns for path in made}
    weigh(built, swans=0.25, geese=0.75)
    assert mixed(run, built) == {"swans": 0.25, "geese": 0.75}
    assert all(path.stat().st_mtime_ns > before for path, before in made.items())


def test_a_source_without_a_weight_is_named_with_what_to_do(built: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"has no weight for tasks: .*corpus\.sources = \[\].*write proportions as a table"
    ):
        mixed(tmp_path / "run", built, ("tasks",))


def test_a_recipe_takes_a_published_mixture_by_its_name() -> None:
    recipe = load_recipe(["smoke", "tokens.proportions=llama-1"])
    assert recipe.tokens.proportions == shares_of("llama-1")
    assert load_recipe(["smoke", "tokens.proportions=corpus"]).tokens.proportions == "corpus"
    assert recipe.to_json()["tokens"]["proportions"]["github"] == 0.045
    with pytest.raises(
        UserError,
        match=r"tokens\.proportions: should be a table of shares, or one of corpus, llama-1, gpt-3 .*found \"bert\"",
    ):
        load_recipe(["smoke", "tokens.proportions=bert"])
