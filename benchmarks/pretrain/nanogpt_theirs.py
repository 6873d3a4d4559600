"""nanoGPT on a text, in a process of its own: `nanogpt_theirs.py TEXT SEED FOLDER`. The last line printed is JSON."""

import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# as nanoGPT's README gives it for "I only have a macbook (or other cheap computer)"
_SETTINGS = {
    "device": "cpu",
    "compile": False,
    "eval_iters": 20,
    "log_interval": 1,
    "block_size": 64,
    "batch_size": 12,
    "n_layer": 4,
    "n_head": 4,
    "n_embd": 128,
    "max_iters": 2000,
    "lr_decay_iters": 2000,
    "dropout": 0.0,
}
_LINE = re.compile(r"iter \d+: loss \S+, time (\S+)ms")


def main() -> None:
    """Prepare the text as its prepare.py does, train, judge."""
    text, seed, clone = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data" / "given"
        data.mkdir(parents=True)
        prepare(text, data)
        code = Path(folder)
        for name in ("train.py", "model.py", "configurator.py"):
            source = (clone / name).read_text()
            (code / name).write_text(source.replace("manual_seed(1337", f"manual_seed({seed}"))
        config = (clone / "config" / "train_shakespeare_char.py").read_text()
        (code / "config.py").write_text(config)
        given = {**_SETTINGS, "dataset": "given", "out_dir": "out", "always_save_checkpoint": True}
        options = [f"--{name}={value}" for name, value in given.items()]
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        done = subprocess.run(
            [sys.executable, "train.py", "config.py", *options],
            cwd=code, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            sys.exit(done.stderr)
        # the last one is the evaluation and the saving, which everybody does
        milliseconds = [float(found) for found in _LINE.findall(done.stdout)]
        usual = sorted(milliseconds)[len(milliseconds) // 2]
        steps = [one for one in milliseconds[1:] if one < 10 * usual]
        began = time.perf_counter()
        loss, parameters = judge(code, text)
        print(
            json.dumps(
                {
                    "seconds": sum(steps) / 1e3,
                    "updates": given["max_iters"],
                    "loss": loss,
                    "parameters": parameters,
                    "judging": time.perf_counter() - began,
                }
            )
        )


def prepare(text: Path, data: Path) -> None:
    """train.bin, val.bin and meta.pkl, which train.py reads."""
    characters = text.read_text(encoding="utf-8")
    known = {character: number for number, character in enumerate(sorted(set(characters)))}
    ids = np.array([known[character] for character in characters], np.uint16)
    end = int(0.9 * len(ids))
    ids[:end].tofile(data / "train.bin")
    ids[end:].tofile(data / "val.bin")
    with (data / "meta.pkl").open("wb") as file:  # their format
        pickle.dump({"vocab_size": len(known), "stoi": known, "itos": {n: c for c, n in known.items()}}, file)


def judge(code: Path, text: Path) -> tuple[float, int]:
    """The loss of what it left, and its parameters."""
    import torch
    from characters import loss, read

    sys.path.insert(0, str(code))
    from model import GPT, GPTConfig

    checkpoint = torch.load(code / "out" / "ckpt.pt", map_location="cpu", weights_only=True)
    model = GPT(GPTConfig(**checkpoint["model_args"]))
    model.load_state_dict(checkpoint["model"])
    model.eval()
    _, validation, _ = read(text)

    def logits(ids: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(ids, ids)[0]  # with targets it gives every position's
        return found

    return loss(logits, validation), sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    main()
