"""Fine-tuning as a rung: trained once, asked plainly, its training counted."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cygnet.errors import UserError
from cygnet.files import read_jsonl
from cygnet.lab.answers import Answers
from cygnet.lab.ladder import LADDER, Footing
from cygnet.lab.lora import Adapted, AdapterFolder, Trainer, lora
from cygnet.lab.measure import Bench
from cygnet.lab.meter import Meter, spent_before
from cygnet.lab.setting import from_data, imports, to_code, to_data
from cygnet.lab.task import Task, load_task
from cygnet.lm import load
from cygnet.model.folder import save_model
from cygnet.stages import adapt as stage
from cygnet.techniques import Document, Plain


@pytest.fixture
def task(write: Callable[..., Path]) -> Task:
    """Letters to be said twice; 15 of 60 examples are there to learn from."""
    rows = [{"input": f"{a}{b}", "answer": "ok"} for a in "abcdefgh" for b in "stuvwxyz"]
    text = 'examples = "sums.jsonl"\n[asking]\nmax_new_tokens = 4\n'
    return load_task(write(rows[:60], text))


@pytest.fixture
def footing(build: Any, tokenizer: Any, task: Task, tmp_path: Path) -> Callable[[], Footing]:
    save_model(tmp_path / "base", build(), tokenizer)

    def footing() -> Footing:
        lm = load(tmp_path / "base")
        meter = Meter(lm, task.config.prices, task.config.budget, tmp_path / "out/calls.jsonl")
        return Footing(task, meter, trainer=Trainer(meter, str(tmp_path / "base"), "me", tmp_path / "out/adapters", 1))

    return footing


def test_it_is_a_rung_that_learns_from_the_pool_and_counts_its_training(
    footing: Callable[[], Footing], task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert any(rung.build is lora for rung in LADDER)
    at = footing()
    adapted = lora(at)
    assert isinstance(adapted, Adapted)
    [examples] = (tmp_path / "out/adapters").glob("*/examples/train.jsonl")
    taught = read_jsonl(examples)
    assert [row["messages"][0]["content"] for row in taught] == [example.question for example in task.items.pool]
    took = adapted.adapter.took
    assert took.prompt_tokens > 60 * len(taught) / 2
    assert took.seconds > 0
    assert spent_before(tmp_path / "out/calls.jsonl").tokens == took.tokens

    bench = Bench(at.lm, Answers(tmp_path / "out/answers.jsonl", "me", 1), task.check, 1, lambda: None)
    items = task.items.choosing
    before = bench.measure("plain", Plain(at.lm, parse=at.reader, sampling=at.short), items)
    after = bench.measure("fine-tuning (LoRA)", adapted, items)
    assert before.accuracy < 0.2
    assert after.accuracy > 0.9
    asked = sum(graded.answer.usage.tokens for graded in after.graded)
    assert after.usage.tokens == asked + took.tokens
    assert after.cost * len(items) == after.usage.tokens
    assert spent_before(tmp_path / "out/calls.jsonl").tokens == before.usage.tokens + after.usage.tokens

    monkeypatch.setattr(stage, "adapt", None)  # nothing is trained a second time, nor paid for
    again = lora(footing())
    assert isinstance(again, Adapted)
    assert again.adapter == adapted.adapter
    assert spent_before(tmp_path / "out/calls.jsonl").tokens == before.usage.tokens + after.usage.tokens


def test_the_setting_is_data_and_opens_again(footing: Callable[[], Footing], task: Task, tmp_path: Path) -> None:
    adapted = lora(footing())
    assert isinstance(adapted, Adapted)
    data = json.loads(json.dumps(to_data(adapted)))
    assert data["adapter"] == {"is": "AdapterFolder", "path": adapted.adapter.path}
    opened = from_data(data, load(tmp_path / "base"))
    question = task.items.held_out[0].question
    assert opened(question).text == adapted(question).text == "ok"
    names = {"lm": load(tmp_path / "base")}
    exec(imports(adapted), names)  # noqa: S102 - it is what a user will run
    assert to_data(eval(to_code(adapted), names)) == data  # noqa: S307


def test_a_document_is_learned_as_it_will_be_asked(footing: Callable[[], Footing], tmp_path: Path) -> None:
    at = footing()
    lora(replace(at, task=replace(at.task, config=_document(at.task))))
    [examples] = (tmp_path / "out/adapters").glob("*/examples/train.jsonl")
    first, question = read_jsonl(examples)[0], at.task.items.pool[0].question
    assert first == {"prompt": Document().template.replace("{question}", question), "completion": " ok"}


def _document(task: Task) -> Any:
    asking = task.config.asking.model_copy(update={"form": "document"})
    return task.config.model_copy(update={"asking": asking})


def test_what_cannot_be_adapted_says_why(
    footing: Callable[[], Footing], task: Task, adder: Any, tmp_path: Path
) -> None:
    assert lora(Footing(task, adder(local=False))) == "only a model on this machine can be adapted"
    at = footing()
    few = replace(task, items=task.items._replace(pool=task.items.pool[:5]))
    assert lora(Footing(few, at.lm, trainer=at.trainer)) == "fewer than 8 examples to learn from"
    assert isinstance(lora(Footing(task, at.lm)), Plain)  # a rehearsal trains nothing
    assert at.trainer is not None
    elsewhere = replace(at.trainer, address="adder")
    with pytest.raises(UserError, match="adder is no model folder, so it can't be adapted"):
        lora(Footing(task, at.lm, trainer=elsewhere))
    assert not list((tmp_path / "out").glob("adapters/*/adapter"))
    with pytest.raises(UserError, match="nothing"):
        Adapted(Plain(at.lm), AdapterFolder(str(tmp_path / "nothing")))
