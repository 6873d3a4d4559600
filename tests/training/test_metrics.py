import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cygnet.training.metrics import Metrics, Progress


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics/stage.jsonl"


def test_events_are_lines_that_anything_can_read(path: Path) -> None:
    metrics = Metrics(path, 0)
    metrics.log("step", 10, loss=0.5)
    metrics.log("sample", 10, text="two\nlines 🦢")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [
        {"event": "step", "step": 10, "loss": 0.5},
        {"event": "sample", "step": 10, "text": "two\nlines 🦢"},
    ]
    assert metrics.history("step") == lines[:1]


def test_what_will_happen_again_is_dropped(path: Path) -> None:
    metrics = Metrics(path, 0)
    for step in (0, 10, 20, 30):
        metrics.log("step", step)
    with path.open("a") as handle:
        handle.write('{"event": "step", "st')  # cut short by a crash
    assert [event["step"] for event in Metrics(path, 20).history("step")] == [0, 10, 20]
    assert Metrics(path, 0).history("step") == []


TORN = [b"\0\0\0\0\n", b'{"event": "step", "st\0\0\n', b"\xff\xfe\n", b"\n", b"3\n", b"[]\n", b'{"step": "x"}\n']


def write(path: Path, *lines: int | bytes) -> None:
    """Events after so many updates, and what a power cut left."""
    path.parent.mkdir()
    path.write_bytes(
        b"".join(line if isinstance(line, bytes) else b'{"event": "step", "step": %d}\n' % line for line in lines)
    )


@pytest.mark.parametrize("torn", TORN)
def test_what_cant_be_read_is_left_out_and_said(path: Path, torn: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, 10, torn, torn, 20, torn, 30)
    assert [event["step"] for event in Metrics(path, 20).history("step")] == [10, 20]
    assert capsys.readouterr().err.startswith(f"{path}: 3 lines can't be read, and left out of the curves.")


def test_what_cant_be_read_and_will_happen_again_is_dropped_like_what_can(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path, 10, 20, 30, *TORN, 40, TORN[0] * 4096 + b"\0")
    assert [event["step"] for event in Metrics(path, 20).history("step")] == [10, 20]
    assert not capsys.readouterr().err


def test_a_crash_while_dropping_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Metrics(path, 0).log("step", 10)
    before = path.read_text()

    def crash(self: Path, data: bytes) -> None:
        self.touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", crash)
        with pytest.raises(KeyboardInterrupt):
            Metrics(path, 10)
    assert path.read_text() == before


def test_a_person_sees_the_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("pretrain", 1000, shown=True)
    progress.update(500, {"loss": 2.5})
    progress.update(1000, {"loss": 1.25})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.split() == ["pretrain", "1,000/1,000", "loss", "1.25", "0:00", "left"]


def test_the_time_left_is_that_of_the_steps_seen(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    seconds = iter([0.0, 100.0, 110.0])  # slow to begin: the first step came after 100 seconds
    monkeypatch.setattr("cygnet.training.metrics.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    progress = Progress("pretrain", 100, shown=True)
    progress.update(10, {"loss": 1.0})
    progress.update(20, {"loss": 1.0})
    first, second = capsys.readouterr().err.splitlines()
    assert first.split()[-1] == "1"  # nothing to go by yet
    assert second.endswith("1:20 left")


def test_nothing_is_shown_to_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    Progress("pretrain", 10, shown=False).update(10, {"loss": 1.0})
    assert capsys.readouterr().err == ""
