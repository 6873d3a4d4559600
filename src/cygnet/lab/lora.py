"""Fine-tuning as one more way of asking: a low-rank adapter learns from the examples and is then asked plainly."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cygnet.errors import UserError
from cygnet.files import read_json, write_json, write_jsonl
from cygnet.lab.meter import Meter
from cygnet.lm.base import LanguageModel, Usage
from cygnet.stages.config import AdaptConfig
from cygnet.techniques import Example, Plain, Technique
from cygnet.techniques.base import Program
from cygnet.techniques.forms import Form, Turn, fill

if TYPE_CHECKING:
    from cygnet.lab.ladder import Footing

FEWEST = 8  # examples to learn from
_TOOK = "training.json"  # beside the adapter: what training it took


@dataclass(frozen=True)
class AdapterFolder:
    """An adapter of the model that is asked, by its folder."""

    path: str

    def open(self) -> LanguageModel:
        """The adapted model, opened once. Raises UserError when it is gone, or its base is."""
        return _opened(self.path)

    @property
    def took(self) -> Usage:
        """What training it took: tokens read, and seconds. Nothing is known of one trained elsewhere."""
        record = Path(self.path).parent / _TOOK
        found = read_json(record) if record.exists() else {}
        return Usage(prompt_tokens=found.get("tokens_read", 0), seconds=found.get("training_seconds", 0.0))


@dataclass
class Adapted(Technique):
    """`inner`, asking the model with an adapter (LoRA, Hu et al. 2021, arXiv 2106.09685) in place of the model."""

    inner: Technique
    adapter: AdapterFolder
    lm: LanguageModel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        model, asked = self.adapter.open(), self.inner.lm
        self.lm = asked.around(model) if isinstance(asked, Meter) else model

    def program(self, question: str) -> Program:
        """As `inner` asks."""
        return self.inner.program(question)


@dataclass(frozen=True)
class Trainer:
    """Trains adapters for the model at `address`, in `folder`; what was trained there once is not trained again.

    meter: counts what training takes.
    """

    meter: Meter
    address: str
    identity: str
    folder: Path
    seed: int

    def train(self, rows: Sequence[dict[str, Any]]) -> AdapterFolder:
        """An adapter that learned these rows. Raises UserError when this model, or a row of them, can't be learned."""
        from cygnet.lm.loading import find_folder

        config = AdaptConfig()
        whole = json.dumps([self.identity, self.seed, config.model_dump(), list(rows)], sort_keys=True)
        place = self.folder / blake2b(whole.encode(errors="surrogatepass"), digest_size=8).hexdigest()
        if not (place / _TOOK).exists():
            base = find_folder(self.address)
            if not (base / "config.json").is_file():
                raise UserError(f"{self.address} is no model folder, so it can't be adapted.")
            self._train(base, rows, config, place)
        return AdapterFolder(str((place / "adapter").resolve()))

    def _train(self, base: Path, rows: Sequence[dict[str, Any]], config: AdaptConfig, place: Path) -> None:
        import torch

        from cygnet.stages.adapt import adapt
        from cygnet.training.work import Work

        write_jsonl(place / "examples/train.jsonl", rows)
        threads = torch.get_num_threads()
        work = Work(place / "checkpoints", place / "metrics.jsonl", self.seed, threads, progress=False)
        write_json(place / _TOOK, adapt(base, place / "examples", place / "adapter", config, work))
        self.meter.enter(AdapterFolder(str(place / "adapter")).took)


def lora(at: "Footing") -> Technique | str:
    """The model after it learned from the examples, asked plainly."""
    pool = at.task.items.pool
    if not at.lm.local:
        return "only a model on this machine can be adapted"
    if len(pool) < FEWEST:
        return f"fewer than {FEWEST} examples to learn from"
    inner = Plain(at.lm, at.form, parse=at.reader, sampling=at.short)
    if at.trainer is None:  # a rehearsal: nothing is trained
        return inner
    marker = f"{at.reader.after.strip()} {{answer}}" if at.reader.after else "{answer}"
    adapter = at.trainer.train([_row(example, at.form, marker) for example in pool])
    return Adapted(inner, adapter)


def trained_for(technique: Technique) -> Usage:
    """What training a technique took before it could be asked."""
    return technique.adapter.took if isinstance(technique, Adapted) else Usage()


def _row(example: Example, form: Form, shown: str) -> dict[str, Any]:
    """An example as it will be asked and should be answered."""
    prompt, answer = form([Turn("user", example.question)]), fill(shown, answer=example.answer)
    if isinstance(prompt, str):
        return {"prompt": prompt, "completion": f" {answer}"}
    return {"messages": [*prompt, {"role": "assistant", "content": answer}]}


@cache
def _opened(path: str) -> LanguageModel:
    from cygnet.lm import load

    return load(path)
