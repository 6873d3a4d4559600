"""Time to nanoGPT's loss: nanoGPT's own character example for CPUs, and cygnet on the same text, split and evaluator.

    python benchmarks/pretrain/nanogpt.py [--nanogpt FOLDER] [--text FILE ...] [--seeds 1 2 3]

nanoGPT is cloned, and tiny Shakespeare fetched, unless a copy is named. nanoGPT trains as its README says for a CPU:
2,000 updates of 12 rows of 64 characters, 4 layers of width 128. cygnet trains a model with fewer parameters through
its own loop for a fixed number of updates. Each is judged by one function: nats per character of the whole validation
split, in windows of 64. Runs alternate, seed by seed; each is a process of its own, so that start-up counts.

The settings were chosen on tiny Shakespeare. Name another text, or `python`, the standard library's code, to see what
they do where they were not.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
NANOGPT = "https://github.com/karpathy/nanoGPT"
TINY_SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
_CHARACTERS = 1_115_394  # as long as tiny Shakespeare
_FEW = 100  # characters that a text may hold; others become a space


def main() -> None:
    """Print a line for each run, and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, help="a clone of it")
    parser.add_argument("--text", nargs="*", default=["shakespeare", "python"], help="files, or these two words")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = arguments.nanogpt or _clone(Path(folder))
        for name in arguments.text:
            _compare(name, _text(name), clone, Path(folder), arguments.seeds)


def _compare(name: str, text: str, clone: Path, folder: Path, seeds: list[int]) -> None:
    data = folder / f"{Path(name).stem}.txt"
    data.write_text(text, encoding="utf-8")
    print(f"{name}: {len(text):,} characters, {len(set(text))} different ones")
    ratios: dict[str, list[float]] = {"steps": [], "everything": []}
    for seed in seeds:
        theirs = _run("theirs", data, seed, str(clone))
        ours = _run("ours", data, seed)
        for who, found in (("nanoGPT", theirs), ("cygnet", ours)):
            print(
                f"  seed {seed} {who:8} {found['parameters']:,} parameters, {found['updates']:,} updates: "
                f"{found['seconds']:.1f} s in steps, {found['everything']:.1f} s with everything, "
                f"{found['loss']:.4f} nats a character"
            )
        for which, key in (("steps", "seconds"), ("everything", "everything")):
            ratios[which].append(theirs[key] / ours[key])
        if ours["loss"] > theirs["loss"]:
            print("  not reached: the loss is above nanoGPT's")
    shown = "; ".join(
        f"{which} {statistics.median(of):.1f} times as fast ({min(of):.1f} to {max(of):.1f})"
        for which, of in ratios.items()
    )
    print(f"  {shown}\n")


def _run(who: str, data: Path, seed: int, *more: str) -> dict[str, float]:
    began = time.perf_counter()
    command = [sys.executable, str(HERE / f"nanogpt_{who}.py"), str(data), str(seed), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONUTF8": "1"})
    if done.returncode:
        sys.exit(f"{who} did not run:\n{done.stderr[-3000:]}")
    everything = time.perf_counter() - began
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    # both judge the whole validation split at their end, which is this benchmark's and not theirs
    return {**found, "everything": everything - found["judging"]}


def _clone(folder: Path) -> Path:
    git = shutil.which("git") or sys.exit("git is needed to clone nanoGPT")
    subprocess.run([git, "clone", "-q", "--depth=1", NANOGPT, folder / "nanoGPT"], check=True)
    return folder / "nanoGPT"


def _text(name: str) -> str:
    if name == "shakespeare":
        with urllib.request.urlopen(TINY_SHAKESPEARE) as answer:
            return str(answer.read().decode())
    if name != "python":
        return Path(name).read_text(encoding="utf-8")[:_CHARACTERS]
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    code = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)[:_CHARACTERS]
    common = sorted(set(code), key=lambda character: -code.count(character))[:_FEW]
    return code.translate({ord(other): " " for other in set(code) - set(common)})


if __name__ == "__main__":
    main()
