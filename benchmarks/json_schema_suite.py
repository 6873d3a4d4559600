"""The official JSON-Schema-Test-Suite (draft 2020-12) against constrained output, keyword by keyword.

python benchmarks/json_schema_suite.py [FOLDER]

FOLDER is a checkout of https://github.com/json-schema-org/JSON-Schema-Test-Suite. Without one the suite is cloned;
where GitHub can't be reached, it is taken out of the source distribution of PyPI's `jsonschema`, which carries a copy.

A schema is refused with an error that names what can't be enforced, or it is enforced: then a valid instance must be
accepted in one of its spellings (the order of keys; 1 for 1.0), and an invalid one in none. Under each schema that is
enforced, texts are also written at random, and checked by the library `jsonschema`. The exit code is 1 if anything was
accepted or written though invalid.
"""

import json
import random
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator

from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.generation.grammar import Grammar, Grammars
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer

SUITE = "https://github.com/json-schema-org/JSON-Schema-Test-Suite"
DRAFT = "tests/draft2020-12"
_NAMED = re.compile(r"'([$\w/-]+)'")
_WRITTEN, _LONGEST = 20, 200  # texts a schema, tokens a text
_NO_VALUE = "no value satisfies it"
_OTHER = {  # what errors say, and the same in short
    "Unsatisfiable schema": _NO_VALUE,
    "without end": _NO_VALUE,
    "the $ref": "`$ref` to elsewhere, or to an anchor",
    "not disjoint": "overlapping patterns",
    "has the character": "control characters",
    "regular expression": "regular expression",
}


def fetch(folder: Path) -> tuple[Path, str]:
    """The suite under `folder`, and in words where it is from."""
    cloned = folder / "suite"
    if not subprocess.run(["git", "clone", "-q", "--depth=1", SUITE, cloned], check=False).returncode:  # noqa: S607
        return cloned, f"{SUITE} at {_commit(cloned)}"
    print("GitHub can't be reached; asking PyPI for jsonschema's sources.", file=sys.stderr)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=:all:", "-d", folder, "jsonschema"]
    if subprocess.run(pip, check=False).returncode:
        raise SystemExit("the test suite can't be had here: neither GitHub nor PyPI answers. Give a checkout's folder.")
    (archive,) = folder.glob("jsonschema-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz") / "json", f"the copy in {archive.name} from PyPI"


def _commit(folder: Path) -> str:
    git = ["git", "-C", folder, "log", "-1", "--format=%h of %as"]
    return subprocess.run(git, check=False, capture_output=True, text=True).stdout.strip() or "an unknown commit"


def spellings(value: Any) -> Iterator[str]:
    """Every way in which the constraint may have a value written."""
    if isinstance(value, dict):
        for order in permutations(value.items()):
            for several in product(*(list(spellings(item)) for _, item in order)):
                yield _object([key for key, _ in order], several)
    elif isinstance(value, list):
        for several in product(*(list(spellings(item)) for item in value)):
            yield f"[{', '.join(several)}]"
    else:
        yield json.dumps(value, ensure_ascii=False)
        if isinstance(value, float) and value.is_integer():
            yield json.dumps(int(value))


def _object(keys: list[str], values: tuple[str, ...]) -> str:
    names = (json.dumps(key, ensure_ascii=False) for key in keys)
    return "{" + ", ".join(f"{key}: {value}" for key, value in zip(names, values, strict=True)) + "}"


def accepts(start: Grammar, text: str, tokenizer: Tokenizer) -> bool:
    """Whether a text may be written from the first token to the end of turn."""
    state = start.copy()
    try:
        for token in tokenizer.encode_bytes(text.encode("utf-8", "surrogatepass")):
            state.take(token)
        return bool(state.mask()[tokenizer.end_id])
    except UserError:
        return False


def write(start: Grammar, rng: random.Random, tokenizer: Tokenizer) -> str | None:
    """A random text under a constraint, ended where it may end; None if it gets too long."""
    state, tokens = start.copy(), []
    while len(tokens) < _LONGEST:
        mask = state.mask()
        if mask[tokenizer.end_id] and (mask.sum() == 1 or rng.random() < 0.3):
            return tokenizer.decode(tokens)
        mask[tokenizer.end_id] = False
        token = rng.choice(np.flatnonzero(mask).tolist())
        state.take(token)
        tokens.append(token)
    return None


class Row:
    """What came of one file of the suite."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()  # schemas, by what can't be enforced
        self.cases: Counter[str] = Counter()
        self.written: Counter[bool] = Counter()  # random texts, by whether they are valid
        self.remarks: list[str] = []

    def run(self, group: dict[str, Any], grammars: Grammars, tokenizer: Tokenizer) -> None:
        """One schema with its instances."""
        schema = group["schema"]
        if isinstance(schema, bool):
            schema = {} if schema else {"enum": []}
        try:
            start = grammars.start(Constraint.json(schema))
        except UserError as error:
            what = _what(str(error))
            if what == _NO_VALUE and not any(test["valid"] for test in group["tests"]):
                self.cases["right"] += len(group["tests"])
            else:
                self.refused[what] += 1
            return
        self.check_written(group, start, tokenizer)
        for test in group["tests"]:
            found = any(accepts(start, text, tokenizer) for text in spellings(test["data"]))
            kind = "right" if found == test["valid"] else "too wide" if found else "too strict"
            self.cases[kind] += 1
            if kind != "right":
                self.remarks.append(f"{kind}: {group['description']}: {test['description']}")

    def check_written(self, group: dict[str, Any], start: Grammar, tokenizer: Tokenizer) -> None:
        """Write texts under a schema and let `jsonschema` say whether they are valid.

        Its patterns are Python's: it can't judge those that are about ECMA-262.
        """
        if "ECMA" in group["description"]:
            return
        rng = random.Random(group["description"])
        judge = Draft202012Validator(json.loads(json.dumps(group["schema"]), parse_float=Decimal))
        for text in filter(None, (write(start, rng, tokenizer) for _ in range(_WRITTEN))):
            try:
                valid = judge.is_valid(json.loads(text, parse_float=Decimal))
            except (re.error, ArithmeticError):  # a pattern that Python lacks, an exponent beyond Decimal's
                continue
            self.written[valid] += 1
            if not valid:
                self.remarks.append(f"written though invalid: {group['description']}: {text}")

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        refused = ", ".join(f"{what} ({count})" if count > 1 else what for what, count in self.refused.items())
        counts = (str(self.cases[kind] or "–") for kind in ("right", "too strict", "too wide"))
        return (*counts, refused or "–")


def _what(error: str) -> str:
    """What an error names."""
    for words, what in _OTHER.items():
        if words in error:
            return what
    found = _NAMED.search(error)
    return f"`{found[1]}`" if found else error


def main(folder: Path, source: str) -> int:
    """Print the table and what it leaves open; 1 if anything was accepted though invalid."""
    tokenizer = train_tokenizer(['{"name": "swan", "age": 3.5, "list": [true, false, null]}'], 300)
    grammars = Grammars(tokenizer)
    rows: dict[str, Row] = {}
    for path in sorted((folder / DRAFT).rglob("*.json"), key=lambda path: (len(path.parts), path)):
        name = path.relative_to(folder / DRAFT).with_suffix("").as_posix()
        rows[name] = Row()
        for group in json.loads(path.read_text(encoding="utf-8")):
            rows[name].run(group, grammars, tokenizer)
    print(f"The suite: {source}.\n")
    print("| Keyword | Right | Too strict | Too wide | Schemas refused, for |\n| --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(row.cells())} |")
    total = sum((row.cases for row in rows.values()), Counter())
    refused = sum(sum(row.refused.values()) for row in rows.values())
    print(f"\n{total['right']} cases right, {total['too strict']} too strict, {total['too wide']} too wide; ", end="")
    written = sum((row.written for row in rows.values()), Counter())
    print(f"{refused} schemas refused. Of {written.total()} texts written at random {written[False]} are invalid.\n")
    for name, row in rows.items():
        for remark in row.remarks:
            print(f"- {name}: {remark}")
    return int(total["too wide"] + written[False] > 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
        sys.exit(main(*((given, f"{SUITE} at {_commit(given)}") if given else fetch(Path(place)))))
