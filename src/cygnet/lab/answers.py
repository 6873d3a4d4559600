"""Answers kept one by one as they come, so that nothing is asked twice, whenever the lab is killed."""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any

import cygnet
from cygnet.errors import ContextError, UserError
from cygnet.files import why_not_written
from cygnet.lm.base import Usage
from cygnet.techniques.base import Answer, Step


class KeepError(UserError):
    """An answer can't be kept, so asking for more would be a waste."""


class Answers:
    """A JSON Lines file, a line an answer, each under a hash of model, technique (its prompts included) and question.

    A question too long for the model has a line as well, with what it was refused with.

    Threads may share it. A line is written at once and whole; one that a crash cut short is dropped when it is opened.
    """

    def __init__(self, path: Path, model: str, seed: int) -> None:
        self.path, self._model, self._seed = path, model, seed
        self._lock = threading.Lock()
        self._kept = _read(path)

    def key(self, technique: Mapping[str, Any], question: str) -> str:
        """What an answer is kept under; `technique` is the setting as data.

        Another version of cygnet may ask otherwise under the same setting, so it asks anew.
        """
        whole = json.dumps(
            [cygnet.__version__, self._model, self._seed, technique, question], sort_keys=True, ensure_ascii=False
        )
        return blake2b(whole.encode(errors="surrogatepass"), digest_size=16).hexdigest()

    def get(self, key: str) -> Answer | None:
        """The answer that is kept, with its usage and trace; None if there is none."""
        kept = self._read(key)
        return kept if isinstance(kept, Answer) else None

    def refusal(self, key: str) -> ContextError | None:
        """The refusal that is kept; None if there is none."""
        kept = self._read(key)
        return kept if isinstance(kept, ContextError) else None

    def refuse(self, key: str, rung: str, question: str, refusal: ContextError) -> None:
        """Keep a refusal. Raises KeepError when it can't be written."""
        self._keep({"key": key, "rung": rung, "question": question, "refused": str(refusal)})

    def put(self, key: str, rung: str, question: str, answer: Answer) -> None:
        """Keep an answer. Raises KeepError when it can't be written."""
        trace = [asdict(step) for step in answer.trace]
        row = {
            "key": key,
            "rung": rung,
            "question": question,
            "value": answer.value,
            "text": answer.text,
            "note": answer.note,
            "usage": asdict(answer.usage),
            "trace": trace,
        }
        self._keep(row)

    def _read(self, key: str) -> Answer | ContextError | None:
        row = self._kept.get(key)
        return None if row is None else _kept(row)

    def _keep(self, row: dict[str, Any]) -> None:
        line = json.dumps(row).encode() + b"\n"
        with self._lock:
            self._kept[row["key"]] = row
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self.path.open("ab", buffering=0) as handle:
                    handle.write(line)
            except OSError as error:
                reason = why_not_written(error) or str(error)
                raise KeepError(f"could not write {self.path}: {reason}.") from error


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file, none where there is no file. One that a crash cut short is dropped from the file as well."""
    if not path.exists():
        return []
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as handle:
            handle.truncate(len(whole))
    return whole.split(b"\n")[:-1]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The lines by key. Raises UserError for a whole line that is none of ours."""
    kept = {}
    for number, line in enumerate(whole_lines(path), 1):
        try:
            row = json.loads(line)
            _kept(row)
            kept[row["key"]] = row
        except (ValueError, TypeError, LookupError) as error:
            raise UserError(f"{path}, row {number}: is no kept answer ({error}). Remove the row.") from error
    return kept


def _kept(row: Mapping[str, Any]) -> Answer | ContextError:
    if "refused" in row:
        return ContextError(row["refused"])
    trace = tuple(
        Step(step["name"], step["prompt"], tuple(step["texts"]), Usage(**step["usage"])) for step in row["trace"]
    )
    return Answer(row["value"], row["text"], Usage(**row["usage"]), trace, row["note"])
