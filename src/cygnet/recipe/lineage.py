"""`lineage.json`: what each finished step of a run was made of, and whether that still holds."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cygnet.errors import UserError
from cygnet.files import read_json, sha256_of, write_json
from cygnet.recipe.machine import machine_facts

Stat = dict[str, list[int]]


@dataclass(frozen=True)
class Ingredients:
    """Everything that decides a step's outputs: hashes of its inputs by path, its settings, the version of its code."""

    inputs: dict[str, str]
    config: dict[str, Any]
    version: str

    @property
    def hash(self) -> str:
        """SHA-256 over all of it."""
        return hash_of(asdict(self))


@dataclass(frozen=True)
class Output:
    """A file or folder that a step made: its SHA-256, and size and modification time (ns) of each file in it."""

    sha256: str
    stat: Stat


@dataclass(frozen=True)
class Record:
    """A finished step. `seconds` counts every attempt that led to it, interrupted ones too."""

    inputs: dict[str, str]
    config: dict[str, Any]
    config_hash: str
    version: str
    outputs: dict[str, Output]
    output_hash: str
    seconds: float
    metrics: dict[str, Any]

    @property
    def ingredients(self) -> Ingredients:
        """What the step was made of."""
        return Ingredients(self.inputs, self.config, self.version)


class Lineage:
    """The finished steps of the run `title` in `folder`, read from and saved to its `lineage.json`."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title = folder, title
        self._file = folder / "lineage.json"
        try:
            saved = read_json(self._file) if self._file.exists() else {"stages": {}}
            self.records = {name: _record(row) for name, row in saved["stages"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{self._file} was not written by this version of cygnet. Delete that file to make the run anew."
            ) from error
        except UserError as error:
            raise UserError(f"{str(error).rstrip('.')}. Delete that file to make the run anew.") from error

    @property
    def seconds(self) -> float:
        """Time spent on all recorded steps."""
        return sum(record.seconds for record in self.records.values())

    def name(self, path: Path) -> str:
        """How `path` is called in the records: relative to the run's folder if it lies inside."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)

    def hash_of_input(self, path: Path) -> str:
        """SHA-256 of a file or folder, without reading it when a recorded step made it and it looks untouched.

        Raises:
            UserError: when it isn't there.
        """
        if not path.exists():
            raise UserError(f"{path} does not exist.")
        name, stat = self.name(path), stat_of(path)
        for record in self.records.values():
            if name in record.outputs and record.outputs[name].stat == stat:
                return record.outputs[name].sha256
        return sha256_of(path)

    def made(self, path: Path) -> bool:
        """Whether all that is at `path` was made by a recorded step and has not been changed since."""
        outputs = [
            record.outputs[self.name(path)] for record in self.records.values() if self.name(path) in record.outputs
        ]
        found = stat_of(path).items()
        return any(found <= output.stat.items() or sha256_of(path) == output.sha256 for output in outputs)

    def is_done(self, step: str, ingredients: Ingredients) -> bool:
        """Whether the step was finished from just these ingredients and what it made is all there, unchanged."""
        record = self.records.get(step)
        if record is None or record.ingredients != ingredients:
            return False
        found = {name: self._check(name, output) for name, output in record.outputs.items()}
        current = {name: output for name, output in found.items() if output is not None}
        if current != record.outputs and len(current) == len(found):  # only touched: remember its new times
            self.records[step] = replace(record, outputs=current)
            self._save()
        return len(current) == len(found)

    def add(self, step: str, ingredients: Ingredients, outputs: Iterable[Path], seconds: float, metrics: Any) -> None:
        """Record a finished step and save."""
        made = {self.name(path): Output(sha256_of(path), stat_of(path)) for path in outputs}
        self.records[step] = Record(
            **asdict(ingredients),
            config_hash=hash_of(ingredients.config),
            outputs=made,
            output_hash=hash_of({name: output.sha256 for name, output in made.items()}),
            seconds=round(seconds, 1),
            metrics=metrics,
        )
        self._save()

    def _check(self, name: str, recorded: Output) -> Output | None:
        path = self.folder / name
        stat = stat_of(path)
        if stat == recorded.stat:
            return recorded
        same = stat.keys() == recorded.stat.keys() and sha256_of(path) == recorded.sha256
        return replace(recorded, stat=stat) if same else None

    def _save(self) -> None:
        stages = {name: asdict(record) for name, record in self.records.items()}
        about = {"recipe": self.title, "seconds": round(self.seconds, 1), "machine": machine_facts()}
        write_json(self._file, {**about, "stages": stages})


def hash_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value: sorted keys, no spaces."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def stat_of(path: Path) -> Stat:
    """Size in bytes and modification time in ns of a file (under "."), or of each file in a folder."""
    files = [path] if path.is_file() else sorted(child for child in path.rglob("*") if child.is_file())
    return {str(file.relative_to(path)): [file.stat().st_size, file.stat().st_mtime_ns] for file in files}


def _record(row: Mapping[str, Any]) -> Record:
    outputs = {name: Output(**output) for name, output in row["outputs"].items()}
    return Record(**{**row, "outputs": outputs})
