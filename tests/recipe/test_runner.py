import json
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cygnet.errors import ToldError, UserError
from cygnet.files import sha256_of, write_aside, write_json
from cygnet.recipe.attempt import metrics_file
from cygnet.recipe.code import code_version
from cygnet.recipe.lineage import Lineage
from cygnet.recipe.runner import run_steps
from cygnet.recipe.step import Step, upstream
from cygnet.training.checkpoint import latest_checkpoint, save_checkpoint
from cygnet.training.work import Work
from cygnet.training.world import World


class Kitchen:
    """Two steps in a folder: `source` writes a word into a file, `shout` a folder with it in capitals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[str] = []
        self.word = "moss"
        self.word_of_the_code = ""
        self.marks = "!"
        self.fail = False

    def source(self, work: Work) -> dict[str, Any]:
        self.calls.append("source")
        with write_aside(self.folder / "word.txt") as file:
            file.write_text(self.word_of_the_code or self.word)
        return {"letters": len(self.word)}

    def shout(self, work: Work) -> dict[str, Any]:
        self.calls.append("shout")
        write_json(work.checkpoints / "step_00000001" / "state.json", {"seed": work.seed})
        with work.metrics.open("a") as events:
            events.write("{}\n")
        if self.fail:
            raise KeyboardInterrupt
        with write_aside(self.folder / "shout") as folder:
            folder.mkdir()
            (folder / "loud.txt").write_text((self.folder / "word.txt").read_text().upper()[:4] + self.marks)
        return {}

    def run(self, seed: int = 1, threads: int = 1, progress: bool = False, restart: bool = False) -> list[str]:
        word, shout = self.folder / "word.txt", self.folder / "shout"
        steps = [
            Step("source", (), (word,), {"word": self.word}, self.source),
            Step("shout", (word,), (shout,), {"marks": self.marks}, self.shout),
        ]
        self.calls = []
        how = {"title": "kitchen", "seed": seed, "threads": threads, "progress": progress, "restart": restart}
        run_steps(steps, self.folder, **how)
        return self.calls


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path / "run")


def test_a_finished_run_has_nothing_to_do(kitchen: Kitchen) -> None:
    assert kitchen.run() == ["source", "shout"]
    before = (kitchen.folder / "lineage.json").stat().st_mtime_ns
    assert kitchen.run() == []
    assert (kitchen.folder / "lineage.json").stat().st_mtime_ns == before


def test_only_what_a_change_reaches_is_made_again(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.marks = "?"
    assert kitchen.run() == ["shout"]
    kitchen.word = "fern"
    assert kitchen.run() == ["source", "shout"]
    assert (kitchen.folder / "shout/loud.txt").read_text() == "FERN?"
    assert kitchen.run(seed=2) == ["source", "shout"]


def test_what_other_code_made_is_made_again(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen.run()
    monkeypatch.setattr("cygnet.recipe.step.code_version", lambda step: "99" if step == "shout" else code_version(step))
    assert kitchen.run() == ["shout"]


def test_the_same_output_again_reaches_nothing_further(kitchen: Kitchen) -> None:
    kitchen.run()
    (kitchen.folder / "word.txt").unlink()
    assert kitchen.run() == ["source"]


def test_outputs_touched_are_hashed_and_outputs_changed_are_made_again(kitchen: Kitchen) -> None:
    kitchen.run()
    os.utime(kitchen.folder / "shout/loud.txt", (1, 1))
    assert kitchen.run() == []
    recorded = Lineage(kitchen.folder, "kitchen").records["shout"].outputs["shout"].stat
    assert recorded == {"loud.txt": [5, 1_000_000_000]}
    (kitchen.folder / "shout/loud.txt").write_text("MOSS?")
    assert kitchen.run() == ["shout"]
    (kitchen.folder / "shout/more.txt").write_text("")
    assert kitchen.run() == ["shout"]
    assert [path.name for path in (kitchen.folder / "shout").iterdir()] == ["loud.txt"]


def test_lineage_says_what_each_step_was_made_of(kitchen: Kitchen) -> None:
    kitchen.run()
    saved = json.loads((kitchen.folder / "lineage.json").read_text())
    source, shout = saved["stages"]["source"], saved["stages"]["shout"]
    assert source["config"] == {"seed": 1, "word": "moss"}
    assert source["metrics"] == {"letters": 4}
    assert shout["inputs"] == {"word.txt": source["outputs"]["word.txt"]["sha256"]}
    assert shout["version"] == code_version("shout")
    assert saved["machine"]["cores"] >= 1
    assert saved["recipe"] == "kitchen"
    assert saved["seconds"] == source["seconds"] + shout["seconds"]


def test_an_interrupted_step_finds_its_checkpoints(kitchen: Kitchen) -> None:
    kitchen.fail = True
    with pytest.raises(KeyboardInterrupt):
        kitchen.run()
    (kitchen.folder / "checkpoints/shout/step_00000007").mkdir()
    kitchen.fail = False
    assert kitchen.run() == ["shout"]
    assert (kitchen.folder / "checkpoints/shout/step_00000007").exists()
    assert (kitchen.folder / "metrics/shout.jsonl").read_text() == "{}\n{}\n"


def test_going_on_with_other_threads_is_said_and_keeps_the_checkpoints(
    kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    kitchen.fail = True
    for threads in (2, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            kitchen.run(threads=threads)
    said = (
        "shout was begun with threads=2 and goes on with threads=3: "
        "what comes will not be bit for bit what an uninterrupted run would have given.\n"
    )
    assert capsys.readouterr().out == said
    assert (kitchen.folder / "checkpoints/shout/step_00000001").exists()


def test_going_on_with_another_torch_or_processor_is_said(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kitchen.fail = True
    for torch, processor in (("2.9.0", "AMD EPYC 9B14"), ("2.10.0", "AMD EPYC 9B14"), ("2.10.0", "Xeon")):
        monkeypatch.setattr("cygnet.recipe.runner.machine_facts", lambda torch=torch: {"torch": torch})
        monkeypatch.setattr("cygnet.recipe.runner.processor_of", lambda device, name=processor: name)
        with pytest.raises(KeyboardInterrupt):
            kitchen.run()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "shout was begun with torch=2.9.0 and goes on with torch=2.10.0: what comes will not be bit"
    )
    assert second.startswith("shout was begun with processor=AMD EPYC 9B14 and goes on with processor=Xeon: ")


def test_what_an_earlier_version_did_not_write_down_is_not_told_as_other(
    kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(kitchen, 7)
    key = kitchen.folder / "checkpoints/shout/key.json"
    write_json(key, {**json.loads(key.read_text()), "manner": {"threads": 1}})
    assert kitchen.run() == ["shout"]
    assert not capsys.readouterr().out


def interrupt(kitchen: Kitchen, updates: int, **how: Any) -> None:
    """Stop the second step when it has a checkpoint after so many updates."""
    kitchen.fail = True
    with pytest.raises(KeyboardInterrupt):
        kitchen.run(**how)
    kitchen.fail = False
    (kitchen.folder / f"checkpoints/shout/step_{updates:08d}").mkdir(parents=True)


def test_an_unfinished_step_that_has_changed_is_refused_until_the_change_is_put_back(kitchen: Kitchen) -> None:
    interrupt(kitchen, 7)
    key = kitchen.folder / "checkpoints/shout/key.json"
    write_json(key, {**json.loads(key.read_text()), "started": time.time() - 50, "earlier": 100.0})
    kitchen.marks = "?"
    before = sha256_of(kitchen.folder)
    with pytest.raises(UserError) as refused:
        kitchen.run(seed=2)
    assert kitchen.calls == []
    assert sha256_of(kitchen.folder) == before
    told = str(refused.value)
    begins = r"^shout was interrupted after 7 updates \([23] min \d+ s\), and since then this has changed: "
    assert re.search(begins, told)
    assert 'changed: seed (1 → 2), marks ("!" → "?"). Put it back to go on from there, add --restart to begin' in told
    kitchen.marks = "!"
    assert kitchen.run() == ["shout"]
    assert (kitchen.folder / "metrics/shout.jsonl").read_text() == "{}\n{}\n"


def test_with_restart_an_unfinished_step_begins_again_if_it_has_changed(
    kitchen: Kitchen, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(kitchen, 7)
    interrupt(kitchen, 8, restart=True)  # nothing has changed: the option is no order
    assert capsys.readouterr().out == "shout goes on: nothing that it is made of has changed.\n"
    assert (kitchen.folder / "checkpoints/shout/step_00000007").exists()
    kitchen.word = "fern"
    assert kitchen.run(restart=True) == ["source", "shout"]
    assert not list((kitchen.folder / "checkpoints/shout").glob("step_0000000[78]"))
    assert (kitchen.folder / "metrics/shout.jsonl").read_text() == "{}\n"
    said = (
        "shout begins again: the checkpoints of its first 8 updates and its metrics are removed. Changed: what is in "
    )
    assert capsys.readouterr().out == f"{said}word.txt.\n"


def test_with_restart_a_step_begins_again_whose_checkpoints_are_all_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(work: Work) -> dict[str, Any]:
        found = latest_checkpoint(work.checkpoints, restart=work.restart)
        if found is None:
            save_checkpoint(work.checkpoints, 5, {})
            raise KeyboardInterrupt
        return {}

    def run(**how: bool) -> None:
        step = Step("sft", (), (), {}, train, together=True)
        run_steps([step], tmp_path, title="", seed=1, threads=1, progress=False, **how)

    with pytest.raises(KeyboardInterrupt):
        run()
    (tmp_path / "checkpoints/sft/step_00000005/state.json").write_text("")
    with pytest.raises(UserError, match="all checkpoints in .* are damaged: step_00000005"):
        run()
    with pytest.raises(KeyboardInterrupt):
        run(restart=True)
    assert "is damaged, and removed; training begins again" in capsys.readouterr().err
    run(restart=True)


def test_a_change_that_reaches_an_unfinished_step_is_refused_before_anything_is_made(kitchen: Kitchen) -> None:
    interrupt(kitchen, 7)
    kitchen.word = "fern"
    before = sha256_of(kitchen.folder)
    with pytest.raises(UserError, match=r'this has changed: word \("moss" → "fern"\) of source\. Put it back'):
        kitchen.run()
    assert sha256_of(kitchen.folder) == before
    kitchen.word = "moss"
    (kitchen.folder / "word.txt").unlink()  # will be made again, to the same
    assert kitchen.run() == ["source", "shout"]
    assert (kitchen.folder / "checkpoints/shout/step_00000007").exists()


def test_what_changes_only_when_it_is_made_again_is_refused_then(
    kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(kitchen, 7)
    monkeypatch.setattr("cygnet.recipe.step.code_version", lambda step: "9" if step == "source" else code_version(step))
    monkeypatch.setattr(kitchen, "word_of_the_code", "rush")
    with pytest.raises(UserError, match=r"this has changed: what is in word\.txt\. Put it back"):
        kitchen.run()
    assert kitchen.calls == ["source"]
    assert (kitchen.folder / "checkpoints/shout/step_00000007").exists()
    monkeypatch.undo()
    assert kitchen.run() == ["source", "shout"]
    assert (kitchen.folder / "checkpoints/shout/step_00000007").exists()


def test_code_and_files_from_outside_that_have_changed_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, made, model = tmp_path / "rows.jsonl", tmp_path / "run/rows", tmp_path / "run/model"
    rows.write_text("1")

    def train(work: Work) -> dict[str, Any]:
        (work.checkpoints / "step_00000003").mkdir(exist_ok=True)
        raise KeyboardInterrupt

    def split(work: Work) -> dict[str, Any]:
        made.write_text("the same, whatever is in rows")
        return {}

    def run() -> None:
        steps = [Step("split", (rows,), (made,), {}, split), Step("sft", (made,), (model,), {}, train)]
        run_steps(steps, tmp_path / "run", title="", seed=1, threads=1, progress=False)

    with pytest.raises(KeyboardInterrupt):
        run()
    rows.write_text("2")
    with pytest.raises(UserError, match=r"changed: what is in \S+rows\.jsonl\. Put it back"):
        run()
    rows.write_text("1")
    with monkeypatch.context() as patch, pytest.raises(UserError, match=r"changed: the code it uses \(\S+ → 9\)\."):
        patch.setattr("cygnet.recipe.step.code_version", lambda step: "9" if step == "sft" else code_version(step))
        run()
    with pytest.raises(KeyboardInterrupt):
        run()


def test_another_attempt_than_the_finished_step_keeps_what_it_has_done(kitchen: Kitchen) -> None:
    kitchen.run()
    kitchen.marks = "?"
    interrupt(kitchen, 7)
    kitchen.marks = "!"
    assert kitchen.run() == []  # what was finished is there still
    kitchen.marks = "."
    with pytest.raises(UserError, match=r'after 7 updates .*changed: marks \("\?" → "\."\)'):
        kitchen.run()
    kitchen.marks = "?"
    assert kitchen.run() == ["shout"]
    assert (kitchen.folder / "checkpoints/shout/step_00000007").exists()
    kitchen.marks = "."  # now it is finished, and its checkpoints led to what is there
    assert kitchen.run() == ["shout"]


def test_the_metrics_of_a_finished_step_outlive_another_attempt(kitchen: Kitchen) -> None:
    def metrics() -> str:
        return metrics_file(kitchen.folder, "shout").read_text()

    kitchen.run()
    (kitchen.folder / "metrics/shout.jsonl").write_text("finished\n")
    for kitchen.marks in ("?", "."):  # one attempt is given up for another
        interrupt(kitchen, 7, restart=True)
        assert metrics() == "finished\n"
    kitchen.marks = "!"
    assert kitchen.run() == []
    assert metrics() == "finished\n"
    kitchen.marks = "."
    assert kitchen.run() == ["shout"]
    assert metrics() == "{}\n{}\n"
    assert [file.name for file in (kitchen.folder / "metrics").iterdir()] == ["shout.jsonl"]


def test_what_the_user_puts_beside_checkpoints_does_not_count(kitchen: Kitchen) -> None:
    interrupt(kitchen, 120)
    checkpoints = kitchen.folder / "checkpoints/shout"
    shutil.copytree(checkpoints / "step_00000120", checkpoints / "step_00000240.bak")
    (checkpoints / "step_abc").touch()
    kitchen.marks = "?"
    with pytest.raises(UserError, match="interrupted after 120 updates"):
        kitchen.run()


def test_an_unfinished_step_without_checkpoints_begins_again(kitchen: Kitchen) -> None:
    interrupt(kitchen, 7)
    for path in (kitchen.folder / "checkpoints/shout").glob("step_*"):
        shutil.rmtree(path)
    kitchen.marks = "?"
    assert kitchen.run() == ["shout"]
    assert (kitchen.folder / "metrics/shout.jsonl").read_text() == "{}\n"


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ('{"ingredients": "a hash", "manner": {}}', "not as this version of cygnet writes it"),
        ('{"ingredients": {"inputs": {}}, "manner": {}, "started": 0, "earlier": 0}', "not as this version"),
        ("{}", "not as this version of cygnet writes it"),
        ("[]", "not as this version of cygnet writes it"),
        ("{", "not as this version of cygnet writes it"),
        (None, "gone"),
    ],
)
def test_an_attempt_that_does_not_say_what_it_was_made_of_is_refused(
    kitchen: Kitchen, key: str | None, what: str
) -> None:
    interrupt(kitchen, 120)
    file = kitchen.folder / "checkpoints/shout/key.json"
    if key is None:
        file.unlink()
    else:
        file.write_text(key)
    refused = rf"after 120 updates.*, and since then this has changed: {file}, which is {what}.* --restart to begin"
    with pytest.raises(UserError, match=refused):
        kitchen.run()
    assert kitchen.run(restart=True) == ["shout"]


def test_a_finished_step_that_is_done_again_says_why(kitchen: Kitchen, capsys: pytest.CaptureFixture[str]) -> None:
    kitchen.run(progress=True)
    assert capsys.readouterr().out == "[1/2] source\n[2/2] shout\n"
    kitchen.word = "mossy"
    kitchen.run(progress=True)
    said = capsys.readouterr().out.splitlines()
    changed = "[2/2] shout, again. Changed: what is in word.txt"
    assert said == ['[1/2] source, again. Changed: word ("moss" → "mossy")', changed]
    lineage = Lineage(kitchen.folder, "kitchen")
    lineage.records["shout"] = replace(lineage.records["shout"], seconds=11_520.0)
    lineage._save()
    kitchen.word = "moss"
    kitchen.run(progress=True)
    replaced = ". What it made in 3 h 12 min stays until it is done again, and is then replaced"
    assert capsys.readouterr().out.splitlines()[1] == changed + replaced
    (kitchen.folder / "shout/loud.txt").unlink()
    kitchen.run(progress=True)
    assert capsys.readouterr().out == "[2/2] shout, again: what it made is gone or was changed\n"


def test_seconds_count_interrupted_attempts(kitchen: Kitchen) -> None:
    kitchen.fail = True
    with pytest.raises(KeyboardInterrupt):
        kitchen.run()
    key = kitchen.folder / "checkpoints/shout/key.json"
    write_json(key, {**json.loads(key.read_text()), "started": time.time() - 50, "earlier": 100.0})
    kitchen.fail = False
    kitchen.run()
    assert 149 < Lineage(kitchen.folder, "kitchen").records["shout"].seconds < 200
    assert Lineage(kitchen.folder, "kitchen").seconds > 149


def test_what_a_killed_process_left_aside_is_swept(kitchen: Kitchen) -> None:
    kitchen.run()
    (kitchen.folder / ".shout.writing-1234").mkdir()
    (kitchen.folder / "checkpoints/shout/.step_2.writing-1234").write_text("half")
    kitchen.run()
    assert not list(kitchen.folder.rglob(".*writing*"))
    (kitchen.folder.parent / ".model.writing-1234").mkdir()
    (kitchen.folder.parent / ".other.writing-1234").mkdir()
    step = Step("elsewhere", (), (kitchen.folder.parent / "model",), {}, lambda work: {})
    run_steps([step], kitchen.folder, title="", seed=1, threads=1, progress=False)
    assert [path.name for path in kitchen.folder.parent.glob(".*")] == [".other.writing-1234"]


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    step = Step("reads", (tmp_path / "nothing.txt",), (), {}, lambda work: {})
    with pytest.raises(UserError, match=r"nothing\.txt does not exist"):
        run_steps([step], tmp_path / "run", title="", seed=1, threads=1)


@pytest.mark.parametrize("text", ['{"stages": {"a": {"inputs": {}}}}', '{"stages": 3}', "[]", "{"])
def test_a_lineage_that_is_not_ours(kitchen: Kitchen, text: str) -> None:
    kitchen.folder.mkdir()
    (kitchen.folder / "lineage.json").write_text(text)
    with pytest.raises(UserError, match=r"lineage\.json (was not written by|is not valid JSON).*\. Delete that file"):
        kitchen.run()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("fails", [False, True])
def test_one_process_decides_and_all_do_what_is_done_together(together, tmp_path: Path, fails: bool) -> None:
    folder = tmp_path / "run"

    def job(world: World) -> tuple[list[str], dict[str, Any]]:
        done: list[str] = []

        def write(name: str, value: float) -> dict[str, Any]:
            done.append(name)
            if world.first:
                write_json(folder / name, value)
            return {"value": value}

        def last(work: Work) -> dict[str, Any]:
            if fails:
                raise UserError("no milk")
            return write("last", work.world.size)

        steps = [
            Step("alone", (), (folder / "alone",), {}, lambda work: write("alone", work.world.size)),
            Step("all", (), (folder / "all",), {}, lambda work: write("all", work.world.sums([2.0])[0]), together=True),
            Step("last", (), (folder / "last",), {}, last),
        ]
        for _ in range(2):  # the second time there is nothing to do
            lineage = run_steps(steps, folder, title="", seed=1, threads=1, progress=False, world=world)
        return done, {name: record.metrics["value"] for name, record in lineage.records.items()}

    results = together(2, job)
    if fails:
        assert [str(error) for error in results] == ["no milk", "the first process could not go on; it says why."]
    else:
        made = {"alone": 1, "all": 4.0, "last": 1}
        assert results == [(["alone", "all", "last"], made), (["all"], made)]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_when_the_first_process_refuses_none_goes_on(together, tmp_path: Path) -> None:
    (tmp_path / "checkpoints/all/step_00000005").mkdir(parents=True)

    def job(world: World) -> None:
        step = Step("all", (), (tmp_path / "out",), {}, lambda work: {}, together=True)
        run_steps([step], tmp_path, title="", seed=1, threads=1, world=world)

    first, other = together(2, job)
    assert "all was interrupted after 5 updates, and since then" in str(first)
    assert isinstance(other, ToldError)
    assert not isinstance(first, ToldError)


def test_a_step_depends_on_what_its_makers_depend_on(tmp_path: Path) -> None:
    def step(name: str, *inputs: str) -> Step:
        return Step(name, tuple(tmp_path / path for path in inputs), (tmp_path / name,), {}, lambda work: {})

    steps = [step("a", "outside"), step("b"), step("c", "a/file.txt"), step("d", "c", "outside")]
    assert [maker.name for maker in upstream(steps[3], steps)] == ["c", "a"]
    assert upstream(steps[0], steps) == []
