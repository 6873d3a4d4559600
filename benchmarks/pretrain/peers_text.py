"""The text that the peers read, as tokens of one tokenizer; their batches; and the one judge of what they learned."""

import ast
import json
import math
import sysconfig
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

VOCABULARY, ROWS, LENGTH = 4096, 16, 256
_HELD_OUT = 10  # each tenth document
_JUDGED = 160  # windows of the held-out documents


@dataclass(frozen=True)
class Text:
    """Ids of all documents, one after another, and how many bytes each id of the vocabulary stands for."""

    train: Tensor
    held_out: Tensor
    sizes: Tensor

    def batch(self, seed: int, step: int) -> Tensor:
        """[ROWS, LENGTH + 1] ids at random places, which seed and step decide."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        starts = torch.randint(len(self.train) - LENGTH, (ROWS,), generator=generator)
        return self.train[starts[:, None] + torch.arange(LENGTH + 1)]


def documents(files: Sequence[Path]) -> Iterator[str]:
    """The files' paragraphs, some 2,000 characters together, or without files the installed Python's documentation."""
    if not files:
        yield from _documentation()
    for file in files:
        gathered = ""
        for paragraph in file.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            gathered += paragraph + "\n\n"
            if len(gathered) >= 2000:
                yield gathered
                gathered = ""
        if gathered.strip():
            yield gathered


def _documentation() -> Iterator[str]:
    """Each topic of the language reference, and the docstrings of each module."""
    yield from (text for _, text in sorted(topics.items()))
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in sorted(stdlib.rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib"}.isdisjoint(path.relative_to(stdlib).parts):
            text = _docstrings(path)
            if text:
                yield text


def _docstrings(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            return ""
    documented = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    return "\n\n".join(filter(None, map(ast.get_docstring, documented)))


def prepare(files: Sequence[Path], folder: Path) -> dict[str, int]:
    """Train a tokenizer on nine tenths of the documents and write both parts' ids to `folder`; says how much it is."""
    from cygnet.tokens.tokenizer import train_tokenizer

    found = list(documents(files))
    parts = {
        "train": [text for place, text in enumerate(found) if place % _HELD_OUT],
        "held_out": found[::_HELD_OUT],
    }
    tokenizer = train_tokenizer(parts["train"], VOCABULARY)
    counts = {"documents": len(found), "characters": sum(map(len, found))}
    for name, texts in parts.items():
        ids = [i for encoded in tokenizer.encode_batch(texts) for i in (tokenizer.bos_id, *encoded)]
        counts[f"{name}_tokens"] = len(ids)
        np.save(folder / f"{name}.npy", np.array(ids, np.int64))
    (folder / "sizes.json").write_text(json.dumps(tokenizer.byte_lengths()))
    return counts


def read(folder: Path) -> Text:
    """What `prepare` wrote."""
    train, held_out = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("train", "held_out"))
    return Text(train, held_out, torch.tensor(json.loads((folder / "sizes.json").read_text())))


@torch.no_grad()
def bits_per_byte(logits: Callable[[Tensor], Tensor], text: Text) -> float:
    """Of windows spread evenly over the held-out documents; ids that stand for no bytes count in neither sum."""
    places = (len(text.held_out) - 1) // LENGTH
    starts = torch.linspace(0, places - 1, min(_JUDGED, places)).long() * LENGTH
    rows = text.held_out[starts[:, None] + torch.arange(LENGTH + 1)]
    nats, size = 0.0, 0
    for part in rows.split(ROWS):
        targets = part[:, 1:].flatten()
        sizes = text.sizes[targets]
        each = F.cross_entropy(logits(part[:, :-1]).float().flatten(0, 1), targets, reduction="none")
        nats += float((each * (sizes > 0)).sum())
        size += int(sizes.sum())
    return nats / (math.log(2) * size)
