"""What becomes of every attempt to get out of the sandbox, and what running a program costs.

python benchmarks/sandbox.py [RUNS]

One line an attempt, for each kind of isolation that this machine has. Nothing an attempt does would do harm if it
succeeded: a fork is a single one, inside limits on time, memory and processor.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import escapes

from cygnet.techniques.tools import _linux, _monty
from cygnet.techniques.tools.limits import Limits, Result

# The wall clock is wide because a busy machine is slow.
LIMITS = Limits(seconds=120, cpu_seconds=10, memory=256 * 2**20)
SOON = Limits(seconds=2, cpu_seconds=1)
ENDLESS = {"an endless loop": "while True: pass", "print for ever": "while True: print('x' * 1000)"}
FILES = "i = 0\nwhile True:\n    open(f'f{i}', 'wb').write(bytes(10**6))\n    i += 1"


def show(kind: str, isolation: str, outcomes: Mapping[str, str]) -> None:
    """A line an attempt, and how many there were."""
    print(f"\n{kind}: {isolation}\n")
    for name, outcome in outcomes.items():
        print(f"  {name:40} {outcome.splitlines()[0] if outcome else 'succeeded'}")
    got_out = [name for name, outcome in outcomes.items() if outcome in {"", "succeeded"}]
    print(f"\n  {len(outcomes)} attempts, {len(got_out)} succeeded {got_out or ''}".rstrip())


def overhead(run: Callable[[str, Limits], Result], runs: int) -> list[float]:
    """Milliseconds that a program of one line takes, everything around it included."""
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        result = run("print(1)", LIMITS)
        found.append(1e3 * (time.perf_counter() - began))
        if result.stdout != "1\n":
            sys.exit(f"a program of one line did not run: {result}")
    return found


def main(runs: int = 50) -> None:
    """Print all of it."""
    if missing := _linux.missing():
        print(f"the kernel's sandbox: {missing}")
    else:
        with tempfile.TemporaryDirectory() as outside:
            outcomes = escapes.try_linux(Path(outside), LIMITS)
        outcomes |= {name: _linux.run(code, SOON).error for name, code in ENDLESS.items()}
        outcomes["fill the disk"] = _linux.run(FILES, LIMITS).error
        show("The kernel's sandbox", _linux.isolation(), outcomes)
        cost("the kernel's sandbox", overhead(_linux.run, runs))
    if missing := _monty.missing():
        print(f"Monty: {missing}")
    else:
        outcomes = escapes.try_monty(LIMITS)
        outcomes |= {name: _monty.run(code, SOON).error for name, code in ENDLESS.items()}
        show("Monty", _monty.isolation(), outcomes)
        cost("Monty", overhead(_monty.run, runs))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nThe largest of all these processes held {peak:.0f} MiB.")


def cost(kind: str, milliseconds: list[float]) -> None:
    """The overhead of a run."""
    middle = statistics.median(milliseconds)
    print(
        f"  {kind}: {middle:.1f} ms a run (median of {len(milliseconds)}; "
        f"{min(milliseconds):.1f} to {max(milliseconds):.1f})"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
