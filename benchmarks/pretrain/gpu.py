"""How much of a GPU a training step uses, beside nanochat and torchtitan: the one command for the day there is one.

    python benchmarks/pretrain/gpu.py --out gpu.jsonl

Models of 124M, 350M and a billion parameters, of one shape on all sides: vocabulary 50,304, rows of 2,048 tokens. An
update is all of it, for 2^19 tokens: the copying of micro-batches to the GPU, forward, backward, optimizers. A side is
named by who wrote it and what is asked of it: `compiled`; of cygnet `documents` (rows of four that don't see each
other, as `cygnet run` packs them), `parts` (logits of a part of the places at a time) and `unordered` (numbers may be
added in any order, which costs the promise that a resumed run is the same); of nanochat `fp8`. All compute in bfloat16.
nanochat has Muon and AdamW, as cygnet has; torchtitan AdamW.

Each side is a process of its own. The sides take turns for --rounds rounds; what is printed are medians, and the spread
over the rounds. Micro-batches begin at --rows and are halved, each time in a new process, until they fit. MFU is the
FLOPs of forward and backward, as products.py counts them for all alike, against the maker's figure for dense bfloat16
products (--peak names it for a GPU that is not known), and against the fastest product measured beside the steps.

nanochat is cloned at a named commit and torchtitan installed aside at a named version, unless folders that have them
are named, which a machine without network needs:

    git clone https://github.com/karpathy/nanochat && git -C nanochat checkout 92d63d4
    pip install --no-deps --target titan torchtitan==0.3.0 spmd_types==0.2.3 tyro docstring-parser typeguard

Without a GPU the script itself can be tried, on a model of half a million parameters, with --device cpu --sizes tiny
--tokens 256 (torchtitan then needs triton too, which otherwise comes with torch).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gpu_table
import torch
from gpu_models import BUILDERS
from gpu_shapes import SIZES
from products import peak_of

from cygnet.recipe.machine import available_cores, machine_facts

GIT = shutil.which("git") or "git"
NANOCHAT, COMMIT = "https://github.com/karpathy/nanochat", "92d63d4e8bb4df75c3b71618f31ddde2378b2bcd"
TORCHTITAN = ("torchtitan==0.3.0", "spmd_types==0.2.3", "tyro", "docstring-parser", "typeguard")
HOW = {
    "cygnet": ("documents", "parts", "unordered", "compiled"),
    "nanochat": ("fp8", "compiled"),
    "torchtitan": ("compiled",),
}
SIDES = (
    "nanochat-compiled", "torchtitan-compiled", "cygnet", "cygnet-compiled", "cygnet-unordered-compiled",
    "cygnet-parts-compiled", "cygnet-documents-compiled",
)  # fmt: skip


def main() -> None:
    """Get the peers, measure size by size, print a table of each."""
    arguments = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        peers = {"nanochat": arguments.nanochat, "torchtitan": arguments.torchtitan}
        for peer in {side.partition("-")[0] for side in arguments.sides} & set(peers):
            peers[peer] = peers[peer] or fetched(peer, Path(folder))
        sides = [side for side in arguments.sides if peers.get(side.partition("-")[0], True)]
        settings = {
            **{name: str(place.resolve()) for name, place in peers.items() if place},
            **{name: getattr(arguments, name) for name in ("device", "tokens", "warm", "steps", "threads")},
            "cache": str((arguments.cache or Path(folder) / "compiled").resolve()),
        }
        about = circumstances(arguments, peers)
        print(", ".join(f"{name} {value}" for name, value in about.items()), "\n", flush=True)
        _keep(arguments.out, {"about": about})
        print(products(settings), "\n", flush=True)
        for size in arguments.sizes:
            gpu_table.show(size, measure(size, sides, arguments, settings), arguments.tokens, arguments.peak)


def parse(given: list[str]) -> argparse.Namespace:
    """What the command line says; the program ends with a sentence where that can't be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["124M", "350M", "1B"])
    parser.add_argument("--sides", nargs="+", type=_side, default=list(SIDES), help="all are compared to the first")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=2**19, help="of an update")
    parser.add_argument("--rows", type=int, default=32, help="of a micro-batch, at first")
    parser.add_argument("--warm", type=int, default=2, help="first updates, which are not counted")
    parser.add_argument("--steps", type=int, default=5, help="updates that are, in each round")
    parser.add_argument("--device", default="cuda:0", help="cuda:0, another GPU, or cpu")
    parser.add_argument("--peak", type=float, help="TFLOP/s of dense bfloat16 products, for a GPU that is not known")
    parser.add_argument("--nanochat", type=Path, help="a clone of it")
    parser.add_argument("--torchtitan", type=Path, help="a folder that has it")
    parser.add_argument("--cache", type=Path, help="keep what torch compiles there, from run to run")
    parser.add_argument("--out", type=Path, help="JSON Lines, to which each process's findings are added")
    arguments = parser.parse_args(given)
    arguments.threads = available_cores() if arguments.device == "cpu" else 0
    arguments.peak = arguments.peak and arguments.peak * 1e12
    for name in ("rounds", "warm", "steps"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} {getattr(arguments, name)}: at least one is needed")
    for size in arguments.sizes:
        if wrong := _unfit(arguments, size):
            parser.error(wrong)
    if arguments.device == "cpu":
        return arguments
    if not arguments.device.startswith("cuda"):
        parser.error(f"--device {arguments.device}: GPUs are called cuda:0, cuda:1 and so on")
    if not torch.cuda.is_available():
        parser.error(
            f"no GPU is found (torch {torch.__version__}). On the CPU the script itself can be tried: "
            "--device cpu --sizes tiny --tokens 256"
        )
    arguments.peak = arguments.peak or peak_of(torch.cuda.get_device_name(arguments.device))
    return arguments


def _unfit(arguments: argparse.Namespace, size: str) -> str | None:
    """Why this size can't be measured, if it can't."""
    if arguments.device == "cpu" and size != "tiny":
        return f"--sizes {size}: a CPU would take hours; --sizes tiny tries the script"
    rows, left = divmod(arguments.tokens, SIZES[size].length)
    if left or rows < 1:
        return f"--tokens {arguments.tokens}: an update of {size} has whole rows of {SIZES[size].length} tokens"
    if arguments.rows < 1 or arguments.rows & (arguments.rows - 1) or rows & (rows - 1):
        return f"--rows {arguments.rows}, {rows} an update: powers of two are needed, which can be halved"
    return None


def _side(name: str) -> str:
    peer, *how = name.split("-")
    if peer not in BUILDERS or [each for each in HOW[peer] if each in how] != how:
        known = ", ".join("".join((peer, *(f"[-{each}]" for each in how))) for peer, how in HOW.items())
        raise argparse.ArgumentTypeError(f"{name!r}: sides are {known}")
    return name


def fetched(peer: str, folder: Path) -> Path | None:
    """A folder that has the peer now. None, saying so, where it can't be had."""
    place = folder / peer
    if peer == "nanochat":
        git = [GIT, "-C", str(place)]
        commands = [
            [GIT, "init", "-q", str(place)],
            [*git, "fetch", "-q", "--depth=1", NANOCHAT, COMMIT],
            [*git, "checkout", "-q", "FETCH_HEAD"],
        ]
    else:
        commands = [[sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place), *TORCHTITAN]]
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            why = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
            print(f"{peer} is not measured, for it can't be had: {why}\n")
            return None
    return place


def products(settings: dict[str, Any]) -> str:
    """What the device multiplies in bfloat16 and in 8 bits, which bounds what fp8 can save."""
    found = run("float8", "tiny", 1, settings)
    if "failed" in found:
        return f"Products in float8 could not be measured: {found['failed'].strip().splitlines()[-1]}"
    if not found["float8"]:
        return "This device has no products in float8."
    times = found["float8"] / found["product"]
    return f"Products in float8: {found['float8'] / 1e12:.0f} TFLOP/s, {times:.2f} times as fast as in bfloat16."


def measure(
    size: str, sides: list[str], arguments: argparse.Namespace, settings: dict[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Of each side what each of its processes found, which is kept at once. One that fails is told, and left out."""
    most = arguments.tokens // SIZES[size].length
    rows = dict.fromkeys(sides, min(arguments.rows, most))
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(arguments.rounds):
        for side in [*found]:
            record: dict[str, Any] = {}
            while rows[side]:
                record = {"rows": rows[side], **run(side, size, rows[side], settings)}
                _keep(arguments.out, {"size": size, "side": side, "round": number, **record})
                if "out_of_memory" not in record:
                    break
                rows[side] //= 2
            if "failed" in record:
                print(f"{side} did not run:\n{record['failed']}\n", file=sys.stderr, flush=True)
                del found[side]
            elif rows[side]:
                found[side].append(record)
    return found


def run(side: str, size: str, rows: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One process of one side: what it says at its end, or its last words."""
    environment = {
        **os.environ,
        "PYTHONUTF8": "1",
        "PYTORCH_ALLOC_CONF": "expandable_segments:True",
        "TORCHINDUCTOR_CACHE_DIR": settings["cache"],
    }
    if side.startswith("cygnet"):  # as its loop sets it, but before the first product, which is when cuBLAS reads it
        environment.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    command = [
        sys.executable,
        str(Path(__file__).with_name("gpu_side.py")),
        side,
        size,
        str(rows),
        json.dumps(settings),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return {"failed": done.stderr[-3000:] or f"it ended with {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def circumstances(arguments: argparse.Namespace, peers: dict[str, Path | None]) -> dict[str, Any]:
    """When and on what this was, and which peers these are."""
    facts, gpu = machine_facts(), arguments.device != "cpu"
    found = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "device": torch.cuda.get_device_name(arguments.device) if gpu else facts["cpu"],
        "peak": f"{arguments.peak / 1e12:.0f} TFLOP/s" if arguments.peak else "unknown",
        "torch": facts["torch"],
        "CUDA": torch.version.cuda,
        "tokens an update": f"{arguments.tokens:,}",
    }
    if place := peers["nanochat"]:
        head = subprocess.run([GIT, "-C", place, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        found["nanochat"] = head.stdout.strip()[:7] or "unknown"
    if place := peers["torchtitan"]:
        noted = next(place.glob("torchtitan-*.dist-info"), None)
        found["torchtitan"] = noted.name.split("-")[1].removesuffix(".dist") if noted else "unknown"
    return found


def _keep(file: Path | None, record: dict[str, Any]) -> None:
    if file:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
