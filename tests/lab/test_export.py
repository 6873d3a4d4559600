import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.lab import load_technique
from cygnet.lab.climb import cheapest_within
from cygnet.lab.models import Model, find_model
from cygnet.lab.report.page import render
from cygnet.lab.run import run_lab
from cygnet.lab.terminal import Terminal
from cygnet.lm.base import Usage


@pytest.fixture
def finished(task, adder, endpoint, watch, tmp_path: Path):
    """A lab that ran against a loopback endpoint, which still answers: its folder and its adder."""
    lm = adder(plain=0.1, told=0.4, shown=1.0)
    model = find_model(endpoint(lm))
    run_lab(task(), model, tmp_path / "out", watch)
    model.lm.close()
    return tmp_path / "out", lm, model


@pytest.mark.parametrize("name", ["best", "cheapest"])
def test_a_pick_runs_as_a_program(finished, name: str) -> None:
    folder, _, _ = finished
    command = [sys.executable, str(folder / f"{name}.py")]
    done = subprocess.run([*command, "What is 1200 + 34?"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1234\n"), done.stderr
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 1
    text = (folder / f"{name}.py").read_text()
    assert "right on 16 held-out items (95 % interval" in text
    assert max(map(len, text.splitlines())) <= 120
    compile(text, name, "exec")


def test_a_pick_is_loaded_as_the_technique_that_was_measured(finished, adder) -> None:
    folder, lm, _ = finished
    recorded = json.loads((folder / "lab.json").read_text())
    technique = load_technique(folder / "best.toml", lm)
    from cygnet.lab.setting import to_data

    [rung] = [rung for rung in recorded["rungs"] if rung["rung"] == recorded["best"]]
    assert to_data(technique) == rung["technique"]
    assert technique("What is 1200 + 34?").value == "1234"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "is no setting that `cygnet lab` wrote"),
        ("technique = 1", "it holds no technique"),
        ('[technique]\nis = "Chat"', "it holds no technique"),
        ('[technique]\nis = "Vot"', "Did you mean Vote?"),
        ("x =", "can't be read as TOML: Invalid value"),
    ],
)
def test_what_the_lab_did_not_write_is_refused(text: str, message: str, adder, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(UserError, match="x.toml") as error:
        load_technique(tmp_path / "x.toml", adder())
    assert message in str(error.value)
    with pytest.raises(UserError, match="does not exist"):
        load_technique(tmp_path / "nowhere.toml", adder())


def test_the_report_needs_nothing_else_and_hides_nothing(finished) -> None:
    folder, _, _ = finished
    page = (folder / "report.html").read_text()
    assert "<svg" in page
    assert "http://www" not in page.replace("http://www.w3.org", "")
    assert "src=" not in page
    for words in ("Say the sum alone.", "Let&#x27;s think step by step.", "failures, such as", "Prompt injection"):
        assert words in page
    recorded = json.loads((folder / "lab.json").read_text())
    for rung in recorded["rungs"]:
        assert rung["rung"] in page
        assert rung.get("left_out", "") in page


def test_what_models_and_questions_say_is_escaped(write, adder, watch, tmp_path: Path) -> None:
    from cygnet.lab.task import load_task

    rows = [{"input": f"<script>{n}</script> What is {n} + 1?", "answer": n + 1} for n in range(40)]
    run_lab(load_task(write(rows)), Model(adder(), "a", "a"), tmp_path / "out", watch)
    assert "<script>3" not in (tmp_path / "out/report.html").read_text()


def test_a_rung_that_costs_nothing_is_cheapest_and_on_the_chart(task, adder, up) -> None:
    sums = task()
    outcome = up(sums, adder())
    [plain, *_] = outcome.measured
    free = tuple(replace(one, answer=replace(one.answer, usage=Usage(calls=3))) for one in plain.graded)
    outcome.rungs.append(replace(plain, rung="from a table", graded=free))
    assert outcome.rungs[-1].cost == 0, "calls are not taken for tokens"
    assert cheapest_within(outcome.measured, 100).rung == "from a table"
    assert "tokens an answer" in render(outcome)


def test_where_nobody_counts_tokens_calls_are_compared_in_all_rungs(task, adder, up) -> None:
    class Silent(adder):
        def _reply(self, prompt, sampling, index):
            return replace(super()._reply(prompt, sampling, index), usage=Usage(calls=int(index == 0)))

    outcome = up(task(), Silent())
    assert {rung.unit for rung in outcome.measured} == {"calls"}
    assert outcome.measured[0].cost == 1
    assert "calls an answer" in render(outcome)


@pytest.mark.parametrize(("skill", "hopeless"), [(0.0, True), (0.9, False)])
def test_a_winner_that_solves_nothing_is_not_named_without_a_word(
    skill: float, hopeless: bool, task, adder, watch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm, sums = adder(plain=skill, told=skill, shown=skill), task()
    outcome = run_lab(sums, Model(lm, "a", "a"), tmp_path / "out", watch)
    with Terminal(sums) as terminal:
        terminal.conclude(outcome)
    told = "Nothing tried here solves the task"
    page, program = (tmp_path / "out/report.html").read_text(), (tmp_path / "out/best.py").read_text()
    assert [told in text for text in (capsys.readouterr().out, page, program)] == [hopeless] * 3
