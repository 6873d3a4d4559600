"""`cygnet adapt`: a model folder and examples in, an adapter out that opens wherever a model does."""

import os
import signal
from pathlib import Path

import pytest

from cygnet.files import read_json, read_jsonl, sha256_of, write_jsonl
from cygnet.model.folder import save_model
from cygnet.training import loop

SMALL = ["threads=1", "rows_per_step=4", "least_updates=30", "epochs=1", "lr=0.03"]


@pytest.fixture
def place(build, tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """base/ and examples.jsonl, where the command is typed."""
    save_model(tmp_path / "base", build(), tokenizer)
    rows = [
        {"messages": [{"role": "user", "content": f"say {n}"}, {"role": "assistant", "content": f"<{n}>"}]}
        for n in range(60)
    ]
    write_jsonl(tmp_path / "examples.jsonl", rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_leaves_an_adapter_that_answers(place: Path, cygnet) -> None:
    before = sha256_of(place / "base")
    outcome = cygnet("adapt", "base", "examples.jsonl", "-o", "mine", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "share_of_parameters: 0." in outcome.out
    assert outcome.out.endswith("wrote mine\n")
    assert sorted(path.name for path in (place / "mine").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert read_json(place / "mine/adapter_config.json")["base_model_name_or_path"] == str(place / "base")
    assert sha256_of(place / "base") == before
    reply = cygnet("chat", "mine", "--prompt", "say 7", "temperature=0", "max_new_tokens=8")
    assert (reply.code, reply.out[:1]) == (0, "<"), reply.err
    written = (place / "mine/adapter_model.safetensors").stat().st_mtime_ns
    assert cygnet("adapt", "base", "examples.jsonl", "-o", "mine", *SMALL).code == 0  # nothing is done twice
    assert (place / "mine/adapter_model.safetensors").stat().st_mtime_ns == written


def test_ctrl_c_leaves_what_the_same_command_goes_on_from(place: Path, cygnet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cygnet("adapt", "base", "examples.jsonl", "-o", "straight", *SMALL).code == 0
    original, updates = loop.update, []

    def update(*arguments):
        updates.append(1)
        if len(updates) == 13:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(loop, "update", update)
    outcome = cygnet("adapt", "base", "examples.jsonl", "-o", "mine", *SMALL)
    assert outcome.code == 130
    assert "To go on where it stopped: cygnet adapt base examples.jsonl -o mine" in outcome.err
    assert not (place / "mine").exists()
    assert cygnet("adapt", "base", "examples.jsonl", "-o", "mine", *SMALL).code == 0
    assert len(updates) == 30  # none was made twice
    assert sha256_of(place / "mine") == sha256_of(place / "straight")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["base", "examples.jsonl", "-o", "mine", "epoch=2"], "epoch: there is no such key"),
        (["base", "examples.jsonl", "-o", "mine", "rank=0"], "rank"),
        (["base", "nothing.jsonl", "-o", "mine"], "nothing.jsonl"),
        (["nothing", "examples.jsonl", "-o", "mine"], "nothing"),
        (["nothing.gguf", "examples.jsonl", "-o", "mine"], "nothing.gguf"),
        (["base", "broken.jsonl", "-o", "mine"], 'broken.jsonl, row 2: expected {"messages": [...]}, or {"prompt"'),
        (["base", "long.jsonl", "-o", "mine"], "tokens, but the model reads 64"),
        (["base", "silent.jsonl", "-o", "mine"], "silent.jsonl, row 1: the assistant says nothing"),
        (["base", "examples.jsonl", "-o", "base"], "would replace the input"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(place: Path, cygnet, arguments: list[str], message: str) -> None:
    good = read_jsonl(place / "examples.jsonl")[0]
    write_jsonl(place / "broken.jsonl", [good, {"question": "what?"}])
    write_jsonl(place / "long.jsonl", [good, {"prompt": "what?", "completion": "word " * 100}])
    write_jsonl(place / "silent.jsonl", [{"messages": good["messages"][:1]}])
    outcome = cygnet("adapt", *arguments, "threads=1")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (place / "mine").exists()
