"""A training step beside those of nanochat, transformers and litgpt, and what nanochat and cygnet learn in equal time.

    python benchmarks/pretrain/peers.py [--text FILE ...] [--seeds 1 2 3] [--out FILE]

All have 4 layers of width 256, a vocabulary of 4,096 and 16 x 256 tokens an update; they read the same batches of one
text: the named files, or the installed Python's documentation. A side is named by who wrote it (`trainer` is the
Trainer of transformers) and by what is asked of it: `bf16`, `compiled` (torch.compile), `allocator` (one preloaded as
cygnet does; the system's, or what CYGNET_ALLOCATOR names). nanochat's own way on a CPU is float32 and compiled. Each
side is a process of its own.

1. Tokens a second of whole updates, optimizer included. The sides take turns; the ratios are those of each round.
2. Bits per byte of the same held-out windows, at points of equal time. Start-up and compilation count, with nothing
   compiled before (unless --cache names a folder that is kept); the judge's time does not. Both sides' schedules end
   with the time. nanochat's first 40 updates warm up, as by its default; --warmup sets another number.

nanochat is cloned unless a clone is named. litgpt, which holds numpy back, is left out unless --litgpt names a folder:

    pip install --no-deps --target FOLDER litgpt lightning lightning-utilities pytorch-lightning torchmetrics \\
        jsonargparse docstring-parser typeshed-client importlib-resources
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import peers_text

from cygnet.allocator import chosen
from cygnet.recipe.machine import available_cores, machine_facts

NANOCHAT = "https://github.com/karpathy/nanochat"
PEERS, HOW = ("nanochat", "transformers", "trainer", "litgpt", "cygnet"), ("bf16", "compiled", "allocator")
RATES = (
    "nanochat-compiled", "nanochat-bf16-compiled", "nanochat-bf16-compiled-allocator",
    "transformers", "transformers-bf16-compiled", "trainer", "trainer-bf16-compiled", "litgpt", "litgpt-bf16-compiled",
    "cygnet-bf16", "cygnet-bf16-compiled", "cygnet-bf16-allocator", "cygnet-bf16-compiled-allocator",
)  # fmt: skip
LOSSES = ("nanochat-compiled", "cygnet-bf16-allocator")


def main() -> None:
    """Prepare the text, run what was asked for, print tables."""
    arguments = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        counts = peers_text.prepare(arguments.text, Path(folder))
        clone = arguments.nanochat or _clone(Path(folder))
        settings = {
            "folder": folder,
            "threads": arguments.threads,
            "nanochat": str(clone.resolve()),
            "litgpt": str(arguments.litgpt.resolve()) if arguments.litgpt else None,
            "warmup": arguments.warmup,
        }
        about = {**counts, **_circumstances(clone, arguments)}
        print(", ".join(f"{name} {value}" for name, value in about.items()), "\n", flush=True)
        _keep(arguments.out, [{"about": about}])
        if arguments.rates:
            _keep(arguments.out, show_rates(measure_rates(arguments, settings)))
        for seed in arguments.seeds if arguments.losses else []:
            _keep(arguments.out, show_losses(measure_losses(arguments, settings, seed), arguments.losses))


def _keep(file: Path | None, records: list[dict[str, Any]]) -> None:
    if file:
        with file.open("a", encoding="utf-8") as lines:
            lines.writelines(json.dumps(each) + "\n" for each in records)


def parse(given: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", nargs="*", type=Path, default=[], help="files")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="the rates are taken with the first")
    parser.add_argument("--rates", nargs="*", type=_side, help="sides to time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turn", type=float, default=6.0, help="seconds of each side's turn in a round")
    parser.add_argument("--losses", nargs="*", type=_side, default=list(LOSSES), help="sides to train")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds from point to point")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--warmup", type=int, default=40, help="nanochat's updates of warm-up")
    parser.add_argument("--nanochat", type=Path, help="a clone of it")
    parser.add_argument("--litgpt", type=Path, help="a folder that has it")
    parser.add_argument("--cache", type=Path, help="keep what torch compiles there, from run to run")
    parser.add_argument("--out", type=Path, help="JSON Lines, to which the results are added")
    arguments = parser.parse_args(given)
    if arguments.rates is None:
        has = {"litgpt": arguments.litgpt, "allocator": chosen()}
        arguments.rates = [side for side in RATES if all(found for what, found in has.items() if what in side)]
    for side in (*arguments.rates, *arguments.losses):
        if side.startswith("litgpt") and not arguments.litgpt:
            parser.error(f"{side}: --litgpt has to name the folder that has it")
        if side.endswith("allocator") and not chosen():
            parser.error(f"{side}: no allocator is found on this system; CYGNET_ALLOCATOR may name one")
    for side in arguments.losses:
        if not side.startswith(("cygnet", "nanochat")):
            parser.error(f"{side}: only nanochat and cygnet have learning rates here that are meant to learn by")
    return arguments


def _side(name: str) -> str:
    peer, *how = name.split("-")
    if peer not in PEERS or [each for each in HOW if each in how] != how:
        known = ", ".join(PEERS)
        raise argparse.ArgumentTypeError(
            f"{name!r}: a side is PEER[-bf16][-compiled][-allocator], with {known} for PEER"
        )
    return name


def measure_rates(arguments: argparse.Namespace, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each side its parameters and its tokens a second in each round."""
    cache = arguments.cache or Path(settings["folder"]) / "compiled"
    running: dict[str, subprocess.Popen[str]] = {}
    found: dict[str, dict[str, Any]] = {}
    try:
        for side in arguments.rates:
            running[side] = _start(side, arguments.seeds[0], settings, cache)
            found[side] = {**_hear(side, running[side]), "tokens_per_second": []}
        for _ in range(arguments.rounds):
            for side, process in running.items():
                assert process.stdin is not None
                process.stdin.write(f"{arguments.turn}\n")
                process.stdin.flush()
                took = _hear(side, process)
                found[side]["tokens_per_second"].append(took["tokens"] / took["seconds"])
    finally:
        for process in running.values():
            process.terminate()
            process.communicate()
    return found


def show_rates(found: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Print a line for each side, and its ratios to the first; returns what was found as records."""
    first = next(iter(found))
    print(f"| side | parameters | in the layers | tokens a second | times as fast as {first} |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for side, one in found.items():
        rates = one["tokens_per_second"]
        one["ratios"] = [own / its for own, its in zip(rates, found[first]["tokens_per_second"], strict=True)]
        print(
            f"| {side} | {one['parameters']:,} | {one['in_layers']:,} | {_spread(rates, ',.0f')} | "
            f"{_spread(one['ratios'], '.2f')} |"
        )
    print(flush=True)
    return [{"side": side, **one} for side, one in found.items()]


def _spread(values: list[float], how: str) -> str:
    return f"{statistics.median(values):{how}} ({min(values):{how}} to {max(values):{how}})"


def measure_losses(arguments: argparse.Namespace, settings: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Of each side, in turn, what was found at each point."""
    found = []
    for side in arguments.losses:
        cache = arguments.cache or Path(tempfile.mkdtemp(dir=settings["folder"]))
        timing = {"seconds": arguments.seconds, "every": arguments.every, "began": time.time()}
        process = _start(side, seed, {**settings, **timing}, cache)
        points = range(int(arguments.seconds / arguments.every))
        found += [{"side": side, "seed": seed, **_hear(side, process)} for _ in points]
        process.communicate()
    return found


def show_losses(found: list[dict[str, Any]], sides: list[str]) -> list[dict[str, Any]]:
    """Print a seed's bits per byte at each point, sides beside each other; returns the same records."""
    print("| seed | seconds | " + " | ".join(f"{side}: bits per byte (updates, at second)" for side in sides) + " |")
    print("| ---: | ---: |" + " ---: |" * len(sides))
    for point in sorted({one["point"] for one in found}):
        here = {one["side"]: one for one in found if one["point"] == point}
        cells = [f"{here[s]['bits_per_byte']:.3f} ({here[s]['updates']}, {here[s]['elapsed']:.1f})" for s in sides]
        print(f"| {found[0]['seed']} | {point:g} | {' | '.join(cells)} |")
    print(flush=True)
    return found


def _start(side: str, seed: int, settings: dict[str, Any], cache: Path) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    environment = {
        **os.environ,
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": str(settings["threads"]),
        "TORCHINDUCTOR_CACHE_DIR": str(cache.resolve()),
        "HF_HUB_OFFLINE": "1",
    }
    return subprocess.Popen(
        [sys.executable, str(here / "peers_side.py"), side, str(seed), json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=_complaints(settings, side).open("w"),
        text=True,
        env=environment,
    )


def _hear(side: str, process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of JSON that a side says; the program ends with its complaints if it says no more."""
    output: IO[str] | None = process.stdout
    assert output is not None
    for line in output:
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    process.wait()
    complaints = _complaints(json.loads(process.args[-1]), side)  # type: ignore[index]
    sys.exit(f"{side} did not run:\n{complaints.read_text()[-3000:]}")


def _complaints(settings: dict[str, Any], side: str) -> Path:
    return Path(settings["folder"]) / f"{side}.log"


def _clone(folder: Path) -> Path:
    subprocess.run([_git(), "clone", "-q", "--depth=1", NANOCHAT, folder / "nanochat"], check=True)
    return folder / "nanochat"


def _git() -> str:
    return shutil.which("git") or sys.exit("git is needed to clone nanochat, and to say which version it is")


def _circumstances(clone: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """When and where this was, what else the machine did, and which peers these are."""
    head = subprocess.run([_git(), "-C", clone, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load": round(os.getloadavg()[0], 1),
        "threads": arguments.threads,
        "cpu": machine_facts()["cpu"],
        "torch": machine_facts()["torch"],
        "transformers": metadata.version("transformers"),
        "nanochat": head.stdout.strip()[:7] or "unknown",
        "allocator": chosen(),
    }
    if arguments.litgpt:
        places = metadata.distributions(name="litgpt", path=[str(arguments.litgpt)])
        found["litgpt"] = next((place.version for place in places), "unknown")
    return {name: str(value) for name, value in found.items()}


if __name__ == "__main__":
    main()
