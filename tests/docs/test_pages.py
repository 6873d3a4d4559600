"""What the pages tell a reader to do works.

The blocks of a page are carried out in order, in one folder:

- a block with a title is written to the file of that name;
- a `python` block is run;
- a `console` block is what a terminal shows. `$ cygnet …` is run (in this process, with settings that make it small:
  `smaller`; `cygnet serve` and `python -m http.server` in
  another, until the page ends), lines that begin with `> ` are typed in, and output shown
  below a command must be what it prints, `...` standing for anything. `$ make …` must be a target of the Makefile;
  `$ source …` is not run; any other command is.
"""

import doctest
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from cygnet.cli.main import run_command

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
ROOT = Path(__file__).parents[2]
RUNNABLE = {"console", "python"}
ONLY_SHOWN = {"text", "toml", "json"}

with socket.create_server(("127.0.0.1", 0)) as _free:
    PORT = _free.getsockname()[1]  # instead of 8000, which may be taken

SMALLER = {
    "pretrain": [
        *("depth=1", "context_length=64", "heldout_rows=2", "evaluations=1"),
        *("tokenizer.vocab_size=300", "tokens.train_tokens=20_000"),
    ],
    "sft": [],
    "adapt": ["least_updates=5", "epochs=2"],
    "reward": [],
    "rl": ["iterations=1", "rollouts=4", "minibatches=2", "critic_warmup=0", "max_new_tokens=8", "evaluations=1"],
    "rank": ["rank.prompts=10", "rank.bootstrap=100"],
}


class Command(NamedTuple):
    line: str
    typed: list[str]
    shown: list[str]


def test_every_block_of_a_page_is_of_a_known_kind(page: Path) -> None:
    fences = re.findall(r"^```", page.read_text(), re.MULTILINE)
    opened = [match[1] for match in BLOCK.finditer(page.read_text())]
    assert set(opened) <= RUNNABLE | ONLY_SHOWN
    assert len(fences) == 2 * len(opened), "a block is not closed, or it has no language"


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """The processes of a page that run until its end."""
    with ExitStack() as servers:
        yield servers


def test_what_a_page_shows_works(
    page: Path,
    workspace: Path,
    tiny: list[str],
    servers: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for match in BLOCK.finditer(page.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{PORT}")):
        language, title, text = match.groups()
        if title:
            (workspace / title).write_text(text)
        elif language == "python":
            run([sys.executable, "-c", text])
        elif language == "console":
            for command in commands(text):
                if command.line.startswith("cygnet serve "):
                    start(command, servers)
                elif command.line.startswith("python -m http.server 8000 "):
                    start_site(command, servers)
                else:
                    perform(command, tiny, monkeypatch, capsys)
        elif language == "toml":
            tomllib.loads(text)


def commands(block: str) -> Iterator[Command]:
    """The commands of a block, each with the lines that follow it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, *rest = part.rstrip("\n").split("\n")
        typed = [text.removeprefix("> ") for text in rest if text.startswith("> ")]
        yield Command(line, typed, [text for text in rest if not text.startswith("> ")])


def start(command: Command, servers: ExitStack) -> None:
    """Start a server, on a port that is free, and see what it says."""
    arguments = [sys.executable, "-m", *shlex.split(command.line), "--port", str(PORT)]
    server = servers.enter_context(subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True))
    servers.callback(server.terminate)
    assert server.stdout.readline().rstrip() == "\n".join(command.shown)


def start_site(command: Command, servers: ExitStack) -> None:
    """Serve the folder, on a port that is free."""
    _, _, module, _, *rest = shlex.split(command.line)
    arguments = [sys.executable, "-m", module, str(PORT), *rest]
    site = servers.enter_context(subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    servers.callback(site.terminate)
    while site.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", PORT)):
            return
        time.sleep(0.02)
    raise AssertionError(f"{command.line} ended")


def perform(
    command: Command, tiny: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Carry one command out and compare what it prints with what the page shows."""
    program, *arguments = shlex.split(command.line)
    if program == "source":
        return
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    if program != "cygnet":
        run(["bash", "-ec", command.line.replace("python ", f"{shlex.quote(sys.executable)} ")])
        return
    arguments, _, target = (list(part) for part in partition(arguments, ">"))
    typed = iter(command.typed)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed, ""))
    expected = "\n".join(command.shown) + "\n"
    failing = expected.startswith("cygnet: ")
    capsys.readouterr()
    code = run_command(arguments if failing else smaller(arguments, tiny))
    out, err = capsys.readouterr()
    if target:
        Path(target[0]).write_text(out)
    assert code == (2 if failing else 0), err
    assert next(typed, None) is None, "not everything that the page types was read"
    if command.shown:
        got = err if failing else out
        assert doctest.OutputChecker().check_output(expected, got, doctest.ELLIPSIS), got


def smaller(arguments: list[str], tiny: list[str]) -> list[str]:
    """The same command with settings, after the page's own, that make it take seconds."""
    verb, *rest = arguments
    if verb == "run":
        return [*arguments[:1], *tiny_recipe(rest, tiny)]
    if verb in SMALLER:
        return [*arguments, *SMALLER[verb], "threads=1"]
    if verb == "lab" and "--dry-run" not in arguments:
        return [*arguments, "items.most=50", "asking.samples=3", "asking.max_new_tokens=4", "asking.reasoning_tokens=4"]
    if verb == "chat":
        return [*arguments, "max_new_tokens=16"]
    return arguments


def tiny_recipe(arguments: list[str], tiny: list[str]) -> list[str]:
    """`pocket` and the page's own recipes become the tiny one, under their own names."""
    recipe, *rest = arguments
    settings = tiny[1:]
    if recipe in ("pocket", "smoke", "evening"):
        return ["smoke", *rest, *settings, f"name={recipe}"]
    own = tomllib.loads(Path(recipe).read_text())
    if "own" in own.get("tokens", {}).get("proportions", {}):
        settings = [*settings, "tokens.proportions={tasks=0.5, own=0.5}"]
    return [recipe, *rest, *smoke_settings(), *settings]


def smoke_settings() -> list[str]:
    """What makes `smoke` small, as settings for any recipe."""
    from cygnet.recipe.load import differences, load_recipe

    found = differences(load_recipe(["pocket"]), load_recipe(["smoke"]))
    return [f"{key}={value}" for key, _, value in found if key not in ("name", "description")]


def partition(items: list[str], at: str) -> tuple[list[str], list[str], list[str]]:
    place = items.index(at) if at in items else len(items)
    return items[:place], items[place : place + 1], items[place + 1 :]


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
