import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cygnet.cli import main
from cygnet.cli.main import build_app
from cygnet.errors import ToldError
from cygnet.training import world


def test_help_lists_every_verb_and_each_has_an_example(cygnet) -> None:
    overview = cygnet("--help")
    assert overview.code == 0
    for verb in main._VERBS:
        assert f"│ {verb.__name__} " in overview.out
        shown = cygnet(verb.__name__, "--help").out
        assert f"Usage: cygnet {verb.__name__} " in shown
        assert f"Example: cygnet {verb.__name__} " in shown
    for verb in ("list", "show", "diff", "schema"):
        assert f"Example: cygnet recipe {verb}" in cygnet("recipe", verb, "--help").out


@pytest.mark.parametrize("verb", main._VERBS, ids=lambda verb: verb.__name__)
def test_every_example_is_a_valid_command_line(verb, monkeypatch: pytest.MonkeyPatch) -> None:
    _, example = main._VERBS[verb]
    command, bound, _ = build_app().parse_args(example.split()[1:], exit_on_error=False, print_error=False)
    assert command is verb
    assert bound.arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], 'Unknown command "rnu". Did you mean "run"?'),
        (["run", "--depth", "1.5"], "Unknown option: --depth. Settings are written KEY=VALUE."),
        (["run", "poket"], "there is no recipe 'poket'. Did you mean pocket?"),
        (["run", "seed=two"], 'seed: should be a valid integer (found "two")'),
        (["sft", "base"], "requires an argument"),
        (["plan", "300"], "cygnet: plan does not take 300. Usage: cygnet plan --dollars N | "),
        (["plan", "--dolars", "300"], "Unknown option: --dolars. Did you mean --dollars?\n"),
        (
            ["corpus", "stats", "a", "b c"],
            "corpus stats does not take 'b c'. Usage: cygnet corpus stats CORPUS. More: ",
        ),
        (["chat", "nowhere", "tempature=1"], "tempature: there is no such key. Did you mean temperature?"),
        (["chat", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere is not a run directory"),
    ],
)
def test_what_the_user_can_mend_is_one_sentence_and_exit_code_2(
    cygnet, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cygnet(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("cygnet: ")
    assert message in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_other_failures_are_not_hidden(cygnet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Path) -> None:
        raise OSError(number, os.strerror(number), "runs/x/metrics.jsonl")

    monkeypatch.setattr("cygnet.recipe.report.build_report", fail)
    number = errno.ENOSPC
    outcome = cygnet("report", "runs/x")
    assert (outcome.code, outcome.err) == (
        2,
        "cygnet: could not write runs/x/metrics.jsonl: No space left on device.\n",
    )
    number = errno.ENOTDIR
    with pytest.raises(NotADirectoryError):
        cygnet("report", "runs/x")


def test_ctrl_c_says_how_to_go_on(texts: Path, tmp_path: Path) -> None:
    command = ["pretrain", str(texts), "-o", str(tmp_path / "base"), "depth=1", "context_length=32", "threads=1"]
    command += ["tokenizer.vocab_size=270", "tokens.train_tokens=1_000_000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "cygnet", *command], stderr=subprocess.PIPE, env=environment
    ) as process:
        events = tmp_path / "base.work/metrics/pretrain.jsonl"
        while not (events.exists() and '"loss"' in events.read_text()):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert f"cygnet: interrupted. To go on where it stopped: cygnet pretrain '{texts}' -o" in err.decode()
    assert list((tmp_path / "base.work/checkpoints/pretrain").glob("step_*"))
    assert not (tmp_path / "base").exists()


def test_the_command_that_goes_on_does_not_begin_again(cygnet, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def interrupted(recipe: object, folder: Path, restart: bool) -> None:
        asked.append(restart)
        raise KeyboardInterrupt

    monkeypatch.setattr("cygnet.recipe.run.run_recipe", interrupted)
    code, _, err = cygnet("run", "smoke", "--restart", "seed=2")
    assert (code, asked) == (130, [True])
    assert err.endswith(": cygnet run smoke seed=2\n")
    cygnet("run", "smoke")
    assert asked == [True, False]


@pytest.mark.parametrize(("rank", "local_rank", "told"), [("1", "1", False), ("9", "1", False), ("8", "0", True)])
def test_what_one_process_has_told_is_told_once_on_each_machine(
    cygnet, monkeypatch: pytest.MonkeyPatch, rank: str, local_rank: str, told: bool
) -> None:
    def end(*_: object) -> None:
        raise ToldError("the first process could not go on; it says why.")

    monkeypatch.setattr("cygnet.recipe.report.build_report", end)
    waited: list[bool] = []
    monkeypatch.setattr(main, "_let_the_first_speak", lambda: waited.append(True))
    for name, value in {"WORLD_SIZE": "16", "RANK": rank, "LOCAL_RANK": local_rank}.items():
        monkeypatch.setenv(name, value)
    code, _, err = cygnet("report", "runs/x")
    assert (code, waited) == (2, [True])
    assert err == (f"cygnet (process {rank}): the first process could not go on; it says why.\n" if told else "")


def test_the_first_process_can_leave_the_others_and_then_say_why_before_they_end() -> None:
    assert 2 * world._FAREWELL.total_seconds() < main._GRACE


def test_a_closed_pipe_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)  # before it writes anything
    command = [sys.executable, "-m", "cygnet", "recipe", "schema"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
