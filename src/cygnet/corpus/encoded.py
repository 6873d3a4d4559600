"""The encoded documents of a split in a scratch file: in memory is only how long they are and where they stand."""

from array import array
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from cygnet.tokens.shards import TokenizedDocument, id_dtype


class Encoded:
    """Documents by source and place, in the order in which they were added: some 40 bytes of memory a document."""

    def __init__(self, file: BinaryIO, vocab_size: int) -> None:
        """`file` is empty, open for reading and writing, and the caller's to close."""
        self._file, self._dtype = file, id_dtype(vocab_size)
        self._starts, self._lengths, self._text_bytes = array("q", [0]), array("q"), array("q")
        self._numbers: dict[str, array[int]] = {}  # of each source's documents

    @property
    def sources(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self._numbers)

    def add(self, document: TokenizedDocument) -> None:
        """Append one: its ids, then its name."""
        record = np.asarray(document.ids, self._dtype).tobytes() + document.id.encode()
        self._file.write(record)
        self._numbers.setdefault(document.source, array("q")).append(len(self._lengths))
        self._starts.append(self._starts[-1] + len(record))
        self._lengths.append(len(document.ids))
        self._text_bytes.append(document.text_bytes)

    def read(self, source: str, place: int) -> TokenizedDocument:
        """Document `place` of a source."""
        number = self._numbers[source][place]
        start, end = self._starts[number : number + 2]
        self._file.seek(start)
        record = self._file.read(end - start)
        ids = np.frombuffer(record, self._dtype, self._lengths[number])
        return TokenizedDocument(source, ids, self._text_bytes[number], record[ids.nbytes :].decode())

    def lengths(self, source: str) -> npt.NDArray[np.int64]:
        """Tokens of each document of a source."""
        found: npt.NDArray[np.int64] = np.array(self._lengths)[np.array(self._numbers[source])]
        return found

    def text_bytes(self, source: str) -> int:
        """Bytes of text that a source's documents stand for."""
        return int(np.array(self._text_bytes)[np.array(self._numbers[source])].sum())
