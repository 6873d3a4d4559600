from pathlib import Path

import pytest

from cygnet.corpus.pipeline.task import Task, is_done, perform


def shout(task: Task, out: Path) -> dict[str, int]:
    text = Path(task.inputs[0]).read_text()
    out.write_text(text.upper())
    return {"characters": len(text)}


@pytest.fixture
def task(tmp_path: Path) -> Task:
    (tmp_path / "in.txt").write_text("swan")
    return Task("shout", (str(tmp_path / "in.txt"),), str(tmp_path / "out.txt"), {"loud": True})


def test_a_task_is_done_until_its_input_its_settings_or_its_output_change(task: Task) -> None:
    assert not is_done(task)
    perform(task, shout)
    assert is_done(task)
    assert not is_done(Task(task.stage, task.inputs, task.output, {"loud": False}))
    Path(task.inputs[0]).write_text("swans")
    assert not is_done(task)
    perform(task, shout)
    assert Path(task.output).read_text() == "SWANS"
    Path(task.output).unlink()
    assert not is_done(task)


def test_a_damaged_manifest_is_no_manifest(task: Task) -> None:
    perform(task, shout)
    task.manifest.write_text('{"fingerp')
    assert not is_done(task)


def test_a_task_that_fails_leaves_what_was_there_but_not_as_done(task: Task) -> None:
    perform(task, shout)
    Path(task.inputs[0]).write_text("swans")

    def fail(_: Task, out: Path) -> dict[str, int]:
        out.write_text("half")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        perform(task, fail)
    assert Path(task.output).read_text() == "SWAN"
    assert not is_done(task)
