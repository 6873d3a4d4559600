"""`cygnet`: the verbs, and how the program ends."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cyclopts import App, CycloptsError, UnknownOptionError, UnusedCliTokensError

from cygnet import UserError, __version__
from cygnet.allocator import preload
from cygnet.cli import corpus, recipe
from cygnet.cli.adapt import adapt
from cygnet.cli.chat import chat
from cygnet.cli.crawl import crawl
from cygnet.cli.export import export
from cygnet.cli.index import index
from cygnet.cli.lab import lab
from cygnet.cli.plan import plan
from cygnet.cli.pretrain import pretrain
from cygnet.cli.rank import rank
from cygnet.cli.report import report
from cygnet.cli.restart import RESTART
from cygnet.cli.reward import reward
from cygnet.cli.rl import rl
from cygnet.cli.run import run
from cygnet.cli.search import search
from cygnet.cli.serve import serve
from cygnet.cli.sft import sft
from cygnet.errors import ToldError
from cygnet.files import why_not_written
from cygnet.training.world import launched_as

_USER_ERROR = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells count
_BROKEN_PIPE = 141
_GRACE = 30.0  # seconds that the first process may take to say why it ends; of leaving the others alone it takes 10

_VERBS: dict[Callable[..., Any], tuple[str, str]] = {
    run: ("[RECIPE] [KEY=VALUE ...] [--out FOLDER]", "cygnet run pocket seed=2 --out runs/second"),
    pretrain: ("TEXTS [KEY=VALUE ...] --out FOLDER", "cygnet pretrain my-texts/ depth=4 --out base/"),
    sft: ("BASE CONVERSATIONS [KEY=VALUE ...] --out FOLDER", "cygnet sft base/ chats.jsonl epochs=2 --out sft/"),
    adapt: ("MODEL EXAMPLES [KEY=VALUE ...] --out FOLDER", "cygnet adapt runs/pocket/rl examples.jsonl --out mine/"),
    reward: ("SFT COMPARISONS [KEY=VALUE ...] --out FOLDER", "cygnet reward sft/ comparisons.jsonl --out reward/"),
    rl: ("SFT PROMPTS [KEY=VALUE ...] --reward MODEL --out FOLDER", "cygnet rl sft/ prompts.jsonl --reward rm/ -o rl/"),
    rank: ("PROMPTS NAME=MODEL ... [--reward MODEL] --out FOLDER", "cygnet rank prompts.jsonl a=sft/ b=rl/ -o arena/"),
    chat: ("MODEL [KEY=VALUE ...] [--prompt TEXT]", "cygnet chat runs/pocket/rl temperature=0.5"),
    serve: ("MODEL [--port PORT]", "cygnet serve runs/pocket/rl"),
    export: ("MODEL --to FORMAT --out PLACE [--dtype TYPE]", "cygnet export runs/pocket/rl --to gguf -o swan.gguf"),
    crawl: (
        "START_URL ... --contact WHO [--pages N]",
        "cygnet crawl https://docs.example.org --contact me@example.org",
    ),
    index: ("PLACE ... --out INDEX [--embedder WHICH]", "cygnet index my-texts/ --out texts.index"),
    search: ("INDEX QUERY", "cygnet search texts.index swans"),
    lab: (
        "TASK [KEY=VALUE ...] --model MODEL [--out FOLDER] [--dry-run]",
        "cygnet lab task.toml --model runs/pocket/rl",
    ),
    report: ("RUN", "cygnet report runs/pocket"),
    plan: (
        "--dollars N | --gpu-hours N | --flops N | --hours N [--on HARDWARE] | --like MODEL",
        "cygnet plan --dollars 300 --on h100",
    ),
}

_TRAINS = {"run", "pretrain", "sft", "adapt", "reward", "rl", "rank"}


def main() -> None:
    """Run the command line of this process and exit."""
    if sys.argv[1:2] and sys.argv[1] in _TRAINS:
        try:
            preload()
        except UserError as error:
            print(f"cygnet: {error}", file=sys.stderr)
            sys.exit(_USER_ERROR)
    if launched_as():  # the first process tells what all of them do
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    code = run_command(sys.argv[1:])
    if code and os.environ.get("WORLD_SIZE", "1") != "1":  # the end of a process waits for what lost ones don't answer
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _speaks_for_a_machine() -> bool:
    """Whether this is the first process on a machine where the first of all isn't, whose words are not seen here."""
    return os.environ.get("LOCAL_RANK") == "0"


def _let_the_first_speak() -> None:
    """Wait for the first process: torchrun ends all as soon as one has ended, so it must be the one that says why."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_USER_ERROR))
    time.sleep(_GRACE)


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code: 0, 2 for a mistake the user can mend, 130 for Ctrl-C."""
    try:
        build_app()(arguments)
        sys.stdout.flush()
    except (UserError, CycloptsError) as error:
        told = isinstance(error, ToldError)
        who = f" (process {launched_as()})" if launched_as() else ""
        if not told or _speaks_for_a_machine():
            print(f"cygnet{who}: {_in_words(error)}", file=sys.stderr)
        if told:
            _let_the_first_speak()
        return _USER_ERROR
    except BrokenPipeError:  # whoever read our output has seen enough; what is left unwritten must not raise again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except OSError as error:
        reason = why_not_written(error)
        if reason is None:
            raise
        print(f"cygnet: could not write {error.filename or 'a file'}: {reason}.", file=sys.stderr)
        return _USER_ERROR
    except KeyboardInterrupt:
        if not launched_as():
            print(f"\ncygnet: interrupted. To go on where it stopped: {_again(arguments)}", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _in_words(error: UserError | CycloptsError) -> str:
    """What was wrong, with the verb's usage where the command line has too much."""
    usage = ((error.app and error.app.usage) or "") if isinstance(error, CycloptsError) else ""
    if isinstance(error, UnusedCliTokensError):
        verb = " ".join(error.command_chain or ())
        return f"{verb} does not take {shlex.join(error.unused_tokens or ())}. {usage}. More: cygnet {verb} --help"
    hint = " Settings are written KEY=VALUE." if isinstance(error, UnknownOptionError) and "KEY=VALUE" in usage else ""
    return f"{error}{hint}"


def _again(arguments: Sequence[str]) -> str:
    if os.environ.get("WORLD_SIZE", "1") != "1":
        return "the same command again, with as many processes or others"
    return f"cygnet {shlex.join(argument for argument in arguments if argument != RESTART)}"


def build_app() -> App:
    """All verbs, with their usage and an example each."""
    app = App(
        name="cygnet",
        help="Raise a GPT: from raw pages to a ranked assistant. Start with: cygnet run pocket",
        help_epilogue="Each verb explains itself: cygnet run --help",
        help_format="plaintext",
        version=__version__,
        suppress_keyboard_interrupt=False,
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    for order, (verb, (usage, example)) in enumerate(_VERBS.items()):
        name = verb.__name__
        app.command(verb, usage=f"Usage: cygnet {name} {usage}", help_epilogue=f"Example: {example}", sort_key=order)
    app.command(corpus.app)
    app.command(recipe.app)
    return app
