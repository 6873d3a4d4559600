from pathlib import Path

from cygnet.corpus.config import CorpusConfig
from cygnet.recipe.steps import pages_step


def test_pages_stay_those_they_are_when_their_run_is_moved() -> None:
    one, other = (
        pages_step(CorpusConfig(), {"test": run / "conversations/test_prompts.jsonl"}, run / "pages")
        for run in (Path("runs/pocket"), Path("/elsewhere/pocket"))
    )
    assert one is not None
    assert other is not None
    assert one.config == other.config
    assert Path("runs/pocket/conversations/test_prompts.jsonl") in one.inputs


def test_other_evaluation_sets_make_other_pages() -> None:
    one, other = (
        pages_step(CorpusConfig(evaluation={"quiz": name}), {}, Path("pages")) for name in ("a.jsonl", "b.jsonl")
    )
    assert one is not None
    assert other is not None
    assert one.config != other.config
