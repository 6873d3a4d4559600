import json
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.lab.checks import Check, make_check
from cygnet.lab.config import CheckConfig
from cygnet.lab.setting import to_data
from cygnet.lab.verifiers import CheckError, FitsSchema, MatchesPattern, PythonCheck
from cygnet.techniques.base import Answer

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]}


def judged(check: Check, text: str, expected: str | None, question: str = "?") -> str | None:
    return check.wrong(question, expected, Answer(check.reader(text), text))


def test_answers_of_every_kind(tmp_path: Path) -> None:
    number = make_check(CheckConfig(kind="number"), tmp_path)
    assert judged(number, "It is 0.50", "1/2") is None
    assert judged(number, "It is 3", "4") == "3 instead of 4"
    assert judged(number, "I don't know", "4") == "no answer: a number is not there"
    exact = make_check(CheckConfig(), tmp_path)
    assert judged(exact, " Paris ", "Paris") is None
    assert judged(exact, "paris", "Paris") == "paris instead of Paris"
    choice = make_check(CheckConfig(kind="choice", choices=("cat", "dog")), tmp_path)
    assert judged(choice, "A dog, surely", "dog") is None
    assert judged(choice, "A bird", "dog") == "no answer: one of the choices is not there"


def test_a_pattern_is_matched_and_compared_where_there_is_an_answer(tmp_path: Path) -> None:
    check = make_check(CheckConfig(kind="regex", pattern=r"\b([A-Z]{3}-\d+)\b"), tmp_path)
    assert judged(check, "Ticket ABC-12.", "ABC-12") is None
    assert judged(check, "Ticket ABC-12.", None) is None
    assert judged(check, "Ticket ABC-13.", "ABC-12") == "ABC-13 instead of ABC-12"
    assert "doesn't have the form" in (judged(check, "no ticket", None) or "")
    assert check.verifier == MatchesPattern(r"\b([A-Z]{3}-\d+)\b")


def test_json_must_fit_the_schema_and_equal_the_answer_if_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    check = make_check(CheckConfig(kind="json-schema", schema_file="schema.json"), tmp_path)
    assert judged(check, 'Here: {"n": 3}', None) is None
    assert judged(check, '{"n": 3}', '{"n": 4}') == '{"n": 3} instead of {"n": 4}'
    assert judged(check, '{"n": -1}', None) == "n: -1 is less than the minimum of 0"
    assert judged(check, '{"n": 3', None) == "There is no complete JSON object in it."
    with pytest.raises(ValueError, match="doesn't fit the schema"):
        check.expected('{"m": 3}')
    (tmp_path / "schema.json").write_text('{"type": "objekt"}')
    with pytest.raises(UserError, match="schema.json is no JSON schema"):
        make_check(CheckConfig(kind="json-schema", schema_file="schema.json"), tmp_path)


def test_a_function_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def short(question, answer):\n    return None if len(answer) < 5 else 'It is too long.'\n"
        "def same(question, answer, expected):\n    return answer == expected\n"
        "def odd(question, answer):\n    return 3\n"
        "def broken(question, answer):\n    return 1 / 0\n"
        "def alone(question):\n    return True\n"
    )
    short = make_check(CheckConfig(kind="python", function="mine:short"), tmp_path)
    assert judged(short, "four", None) is None
    assert judged(short, "fiver", None) == "It is too long."
    assert isinstance(short.verifier, PythonCheck), "it needs no right answer, so techniques may use it"
    same = make_check(CheckConfig(kind="python", function="mine:same"), tmp_path)
    assert same.verifier is None
    assert judged(same, "a", "a") is None
    assert judged(same, "a", "b") == "It is not right."
    with pytest.raises(CheckError, match="returned 3: it must return True, False, None or what is wrong"):
        judged(make_check(CheckConfig(kind="python", function="mine:odd"), tmp_path), "a", None)
    with pytest.raises(CheckError, match=r"mine:broken raised ZeroDivisionError: .* for the question '\?'"):
        judged(make_check(CheckConfig(kind="python", function="mine:broken"), tmp_path), "a", None)
    with pytest.raises(CheckError, match="must take question and text"):
        make_check(CheckConfig(kind="python", function="mine:alone"), tmp_path)


def test_verifiers_know_nothing_of_the_right_answer() -> None:
    assert FitsSchema(json.dumps(SCHEMA))("?", Answer({"n": 1}, "")) is None
    assert MatchesPattern(r"\d")("?", Answer(None, "7")) is None


def test_a_function_is_part_of_a_setting_by_its_code(tmp_path: Path) -> None:
    def made() -> Check:
        return make_check(CheckConfig(kind="python", function="changing:short"), tmp_path)

    module = tmp_path / "changing.py"
    module.write_text("def short(question, answer):\n    return len(answer) < 5\n")
    first, again = made().verifier, made().verifier
    assert first == again
    module.write_text("def short(question, answer):\n    return len(answer) < 6\n")
    assert made().verifier != first, "answers that it had a say in are asked for anew"
    assert json.loads(json.dumps(to_data(first)))["version"] != to_data(made().verifier)["version"]


def test_a_function_that_can_take_the_right_answer_gets_it(tmp_path: Path) -> None:
    (tmp_path / "optional.py").write_text("def same(question, answer, expected=None):\n    return answer == expected\n")
    same = make_check(CheckConfig(kind="python", function="optional:same"), tmp_path)
    assert same.verifier is None
    assert judged(same, "a", "a") is None


def test_a_function_that_ends_the_program_or_hides_its_parameters_is_told(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text("import sys\ndef out(question, answer):\n    sys.exit(0)\n")
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(CheckError, match="leaves:out raised SystemExit"):
        judged(make_check(CheckConfig(kind="python", function="leaves:out"), tmp_path), "a", None)
    with pytest.raises(CheckError, match="leaving can't be imported: SystemExit"):
        make_check(CheckConfig(kind="python", function="leaving:out"), tmp_path)
    with pytest.raises(CheckError, match="builtins:max must take question and text"):
        make_check(CheckConfig(kind="python", function="builtins:max"), tmp_path)


@pytest.mark.parametrize("ref", ["#/$defs/nowhere", "http://127.0.0.1:9/schema.json"])
def test_a_schema_that_refers_to_what_is_not_in_it_is_told_and_nothing_is_fetched(ref: str) -> None:
    schema = {"type": "object", "properties": {"n": {"$ref": ref}}}
    with pytest.raises(CheckError, match="which is not in it"):
        FitsSchema(json.dumps(schema))("?", Answer({"n": 1}, ""))
