"""MinHash signatures (Broder 1997), 14 bands of 8 rows over runs of 5 words, as FineWeb takes them.

Two texts of Jaccard similarity J meet in at least one band with probability 1 - (1 - J⁸)¹⁴: .92 at .8, .52 at .68, .21
at .6. The hashes are rensa's own, so its name and version are kept beside the signatures, and those of another version
are refused.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np
import rensa
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cygnet.corpus.dedup.shingles import WordHashes, finish, hashes_of, runs, words
from cygnet.errors import UserError
from cygnet.files import write_aside

Signatures = NDArray[np.uint32]

BANDS, ROWS, SHINGLE_WORDS = 14, 8, 5
HASHES = BANDS * ROWS
NOTHING = np.iinfo(np.uint32).max  # in all places of the signature of a text without shingles
_SEED = 1
_BATCH = 500  # texts at a time
_KIND = "minhash"


def kind() -> dict[str, str]:
    """What decides a signature besides the text. Only signatures of one kind may be compared."""
    return {
        "library": f"rensa {version('rensa')}",
        "algorithm": f"RMinHash {rensa.RMinHash.ALGORITHM_VERSION}",
        "seed": str(_SEED),
        "bands": f"{BANDS} x {ROWS}",
        "shingles": f"{SHINGLE_WORDS} words, version 1",
    }


def check_kind(found: Mapping[str, str], where: str) -> None:
    """Refuse signatures that were made otherwise than `signatures` makes them now.

    Raises:
        UserError: saying in what they differ.
    """
    differing = [f"{key} {found.get(key)} (now {value})" for key, value in kind().items() if found.get(key) != value]
    if differing:
        raise UserError(
            f"{where} has signatures of another kind: {', '.join(differing)}. They can't be compared; sign again."
        )


def signatures(texts: Iterable[str]) -> Signatures:
    """The signature of each text: [N, 112]. Texts of fewer than 5 words have none: all ones, like no other text."""
    remaining = iter(texts)
    found = [np.empty((0, HASHES), np.uint32)]
    while batch := list(islice(remaining, _BATCH)):
        found.append(_sign(batch))
    return np.concatenate(found)


def _sign(texts: list[str]) -> Signatures:
    shingles = list(_shingles(texts))
    ends = np.cumsum([0, *(len(found) for found in shingles)], dtype=np.uint64)
    signed = rensa.RMinHash.digest_matrix_from_flat_token_hashes(np.concatenate(shingles), ends, HASHES, _SEED)
    return np.array(signed.to_rows(), np.uint32).reshape(len(texts), HASHES)


def _shingles(texts: list[str]) -> Iterator[NDArray[np.uint64]]:
    known = WordHashes()
    for text in texts:
        yield finish(runs(hashes_of(words(text), known), SHINGLE_WORDS), SHINGLE_WORDS)


def save_signatures(path: Path, found: Signatures) -> None:
    """Write signatures [N, 112] as safetensors, with their kind."""
    with write_aside(path) as temporary:
        # one entry, because safetensors writes several in any order
        save_file({_KIND: found}, temporary, metadata={"kind": json.dumps(kind())})


def load_signatures(path: Path) -> Signatures:
    """Read what `save_signatures` wrote: [N, 112].

    Raises:
        UserError: when the file is missing, holds no signatures, or some of another kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if "kind" not in metadata or _KIND not in file.keys():  # noqa: SIM118 (it has no __contains__)
                raise UserError(f"{path} holds no signatures. Sign the shard's texts first.")
            check_kind(json.loads(metadata["kind"]), str(path))
            found: Signatures = file.get_tensor(_KIND)
            return found
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist. Sign the shard's texts first.") from error
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} can't be read as signatures: {error}") from error
