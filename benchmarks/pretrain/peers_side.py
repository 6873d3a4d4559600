"""One side of peers.py, in a process of its own: `peers_side.py NAME SEED SETTINGS`. What it finds is lines of JSON.

With "seconds" in the settings it trains for so long and judges on the way; without, it trains for as many seconds as
each line of its input says.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from cygnet.allocator import preload

NAME, SEED, SETTINGS = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
PEER, *HOW = NAME.split("-")
if "allocator" in HOW:
    preload()

import torch  # noqa: E402
from peers_models import Side, build  # noqa: E402
from peers_text import LENGTH, ROWS, Text, bits_per_byte, read  # noqa: E402

_WARM = 3  # updates before a rate is asked for


def main() -> None:
    """Build the side and do as the settings say."""
    torch.set_num_threads(SETTINGS["threads"])
    torch.manual_seed(SEED)
    text = read(Path(SETTINGS["folder"]))
    side = build(PEER, "bf16" in HOW, "compiled" in HOW, SETTINGS)
    (losses if "seconds" in SETTINGS else rates)(side, text)


def rates(side: Side, text: Text) -> None:
    """Train a while for each line of the input, and tell how far it went."""
    for number in range(_WARM):
        side.step(text.batch(SEED, number), number, 0.3)
    tell(side.parameters())
    number = _WARM
    for line in sys.stdin:
        began, first = time.perf_counter(), number
        while time.perf_counter() - began < float(line) or number - first < 2:
            side.step(text.batch(SEED, number), number, 0.3)
            number += 1
        tell({"tokens": (number - first) * ROWS * LENGTH, "seconds": time.perf_counter() - began})


def losses(side: Side, text: Text) -> None:
    """Train for the time there is, and judge after the first update that ends at each point or behind it.

    The clock began when the process was started, and stands still while the judge is at work.
    """
    total, every = SETTINGS["seconds"], SETTINGS["every"]
    point, number, judging, elapsed = every, 0, 0.0, 0.0
    while point <= total:
        elapsed = time.time() - SETTINGS["began"] - judging
        side.step(text.batch(SEED, number), number, min(1.0, elapsed / total))
        number += 1
        elapsed = time.time() - SETTINGS["began"] - judging
        if elapsed < point:
            continue
        began = time.perf_counter()
        bits = bits_per_byte(side.logits, text)
        judging += time.perf_counter() - began
        while point <= min(elapsed, total):  # the first update can take longer than a point's distance
            tell({"point": point, "elapsed": elapsed, "updates": number, "bits_per_byte": bits})
            point += every


def tell(found: dict[str, Any]) -> None:
    """A line for the parent."""
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
