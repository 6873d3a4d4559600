import json
import tomllib

import pytest

from cygnet.errors import UserError
from cygnet.lab import ladder
from cygnet.lab.answers import Answers
from cygnet.lab.equipment import IndexFile
from cygnet.lab.ladder import LADDER, Footing
from cygnet.lab.readers import ReadNumber
from cygnet.lab.setting import from_data, imports, to_code, to_data
from cygnet.settings.toml import to_toml
from cygnet.techniques import ChainOfThought, Persona, Plain, Reflect, Technique
from cygnet.techniques.retrieval.retrieve import Retrieve


@pytest.fixture
def techniques(write, rows, adder) -> list[Technique]:
    """Every rung of the ladder that a task of sums with reasoning has."""
    from cygnet.lab.task import load_task

    examples = [{**row, "reasoning": f'{row["input"]} It\'s a "sum".'} for row in rows(60)]
    task = load_task(write(examples), ['asking.topic="sums"', 'check.after="Answer:"', 'asking.tools=["calculator"]'])
    at = Footing(task, adder())
    found = []
    for rung in LADDER:
        technique = rung.build(at)
        if rung.name.startswith(("retrieval", "fine-tuning")):  # they need an index, or a model in a folder
            continue
        assert isinstance(technique, Technique), technique
        at.worth = {**at.worth, rung.name: len(found)}
        if rung.single:
            at.measured[rung.name] = technique
        found.append(technique)
    return found


def test_every_rung_can_be_written_down_and_read_again(techniques) -> None:
    for technique in techniques:
        data = to_data(technique)
        assert from_data(json.loads(json.dumps(data)), technique.lm) == technique
        assert from_data(tomllib.loads(to_toml({"technique": data}))["technique"], technique.lm) == technique


def test_every_rung_as_python_is_the_same_technique(techniques) -> None:
    for technique in techniques:
        names = {"lm": technique.lm}
        exec(imports(technique), names)  # noqa: S102 - it is what a user will run
        assert to_data(eval(to_code(technique), names)) == to_data(technique)  # noqa: S307


def test_two_settings_that_ask_otherwise_are_written_otherwise(techniques) -> None:
    written = [json.dumps(to_data(technique)) for technique in techniques]
    assert len(set(written)) == len(written)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"is": "Plane"}, "said to be 'Plane', which there isn't. Did you mean Plain?"),
        ({"is": "Plain", "templat": "x"}, "Plain has no 'templat'. Did you mean template?"),
        ({"is": "Plain", "lm": "x"}, "Plain has no 'lm'"),
        ({"is": "Persona", "topic": "x"}, "Persona needs inner."),
        ({"is": "tool", "name": "hammer"}, "there is no tool 'hammer', only calculator, python."),
        ({"template": "x"}, "said to be None"),
        ({"is": "Plain", "sampling": 3}, "Plain can't have 3 for sampling."),
        ({"is": "Plain", "template": 3}, "Plain can't have 3 for template."),
        ({"is": "Plain", "parse": "whole"}, "Plain can't have 'whole' for parse."),
        ({"is": "Plain", "parse": {"is": "ReadPattern", "pattern": "("}}, "'(' is no regular expression"),
        ({"is": "Plain", "template": "x"}, "has no hole {question}"),
    ],
)
def test_a_setting_that_nobody_wrote_is_refused(data, message: str, adder) -> None:
    with pytest.raises(UserError) as error:
        from_data(data, adder())
    assert message in str(error.value)


def test_what_is_no_data_is_not_written(adder) -> None:
    with pytest.raises(TypeError, match="can't be written down"):
        to_data(Plain(adder(), parse=str.upper))


def test_rungs_build_on_what_did_no_harm(task, adder) -> None:
    at = Footing(task('asking.topic="sums"'), adder())
    at.measured = {"plain": ladder.plain(at), "instructions": ladder.instructions(at)}
    at.worth = {"plain": 0.4, "instructions": 0.5}
    built = ladder.persona(at)
    assert isinstance(built, Persona)
    assert built.inner == at.best == at.measured["instructions"]
    at.worth = {"plain": 0.6, "instructions": 0.5}
    assert at.best == at.measured["plain"]
    without = ladder.chain_of_thought(at)
    assert isinstance(without, ChainOfThought)
    assert without.template == "{question}"


def test_prompts_are_spelled_out_so_that_other_defaults_change_neither_answers_nor_exports(adder) -> None:
    plain = Plain(adder())
    thinking, reflecting = (
        to_data(ChainOfThought(plain.lm, parse=ReadNumber())),
        to_data(Reflect(plain, parse=ReadNumber())),
    )
    assert thinking["think"] == "Let's think step by step."
    assert reflecting["met"].startswith("Did you meet the assignment?")
    assert "Let's think step by step." in to_code(ChainOfThought(plain.lm, parse=ReadNumber()))
    shown = Retrieve(plain.lm, IndexFile("nowhere"), parse=ReadNumber())
    data = tomllib.loads(to_toml({"technique": to_data(shown)}))["technique"]
    assert "{passages}" in data["prompts"]["both"]
    assert from_data(data, plain.lm) == shown


def test_another_version_of_cygnet_asks_anew(tmp_path, monkeypatch) -> None:
    answers = Answers(tmp_path / "answers.jsonl", "model", 1)
    key = answers.key({"is": "Plain"}, "What?")
    assert answers.key({"is": "Plain"}, "What?") == key
    monkeypatch.setattr("cygnet.__version__", "0.0.0")
    assert answers.key({"is": "Plain"}, "What?") != key
