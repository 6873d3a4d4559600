"""`cygnet export`: a model in a format of others, and what was checked of it."""

from pathlib import Path

import pytest

from cygnet.model.folder import save_model


@pytest.fixture
def place(build, tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_model(tmp_path / "sft", build(), tokenizer)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_what_was_written_and_checked_is_said(place: Path, cygnet) -> None:
    outcome = cygnet("export", "sft", "--to", "gguf", "-o", "swan.gguf", "--dtype", "float16")
    assert outcome.code == 0, outcome.err
    wrote, ours, theirs = outcome.out.splitlines()
    assert wrote.startswith("wrote swan.gguf: Qwen3 in float16, ")
    assert ours.startswith("checked by cygnet: float16 moves its numbers")
    assert "checked by llama.cpp" in theirs
    asked = cygnet("chat", "swan.gguf", "--prompt", "What?", "temperature=0", "max_new_tokens=4")
    assert asked.code == 0, asked.err
    again = cygnet("export", "swan.gguf", "--to", "hf", "-o", "swan")
    assert (again.code, again.out.splitlines()[2][:24]) == (0, "checked by transformers "), again.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sft", "--to", "gguf", "-o", "sft"], "sft exists already"),
        (["nothing", "--to", "hf", "-o", "out"], "nothing is not a folder"),
        (["sft", "--to", "onnx", "-o", "out"], "onnx"),
    ],
)
def test_mistakes_are_sentences(place: Path, cygnet, arguments: list[str], message: str) -> None:
    outcome = cygnet("export", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not (place / "out").exists()
