"""Rows that are decoded together: each step chooses one token for every row; whoever ends makes room for others."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from cygnet.generation.cache import Cache
from cygnet.generation.prefixes import SHORTEST, Prefixes, shared
from cygnet.generation.row import Row
from cygnet.generation.sampling import choose
from cygnet.model.transformer import Transformer

_READ_AT_ONCE = 16_384  # tokens of prompts in one forward, which bounds its memory
_READ_OF_ONE = 2_048  # tokens of one prompt in one forward: attention among them takes their square
_ADMITTED_SHARE = 0.25  # of the rows: new ones wait until so many are free, since reading few costs as much as many
_FEW = 8  # rows: what so few have written is kept, for a next question may begin with it

Follow = Callable[[Row, int], None]


class Batch:
    """At most `capacity` rows of one cache, and those that wait for a place in it.

    follow: told of every token that a row chose; it may add further ones to the row, or finish it.
    """

    def __init__(
        self, model: Transformer, rows: Sequence[Row], cache: Cache, capacity: int, prefixes: Prefixes, follow: Follow
    ) -> None:
        self._model, self._prefixes, self._follow = model, prefixes, follow
        self._waiting = deque(rows)
        self._rows: list[Row] = []  # row i of the cache is that of self._rows[i]
        self._capacity = capacity
        self._few = len(rows) <= _FEW
        self.cache, self._device = cache, cache.device

    @property
    def live(self) -> bool:
        """Whether any row still wants tokens."""
        return bool(self._rows or self._waiting)

    @torch.no_grad()
    def step(self) -> None:
        """Let waiting rows in, choose one token for every row, and let the finished ones go."""
        self._admit()
        self._catch_up(self._rows)
        logits = self._model.logits(self._read(self._rows, [row.unread() for row in self._rows])[:, -1])
        for members in _with_equal_settings(self._rows):
            chosen = logits if len(members) == len(self._rows) else logits[members]
            self._choose([self._rows[index] for index in members], chosen)
        for row in [row for row in self._rows if row.finish_reason]:
            self._release(row)

    def _choose(self, rows: list[Row], logits: Tensor) -> None:
        """One token for each of these rows, which have equal settings, from their logits [R, V]."""
        sampling = rows[0].sampling
        noise = torch.tensor([row.noise[len(row.tokens)] for row in rows], device=self._device)
        seen = [row.seen for row in rows if row.seen is not None]
        penalized = torch.stack(seen).to(self._device) if seen else None
        tokens, logprobs = choose(logits, noise, sampling, penalized, _allowed(rows, logits))
        if sampling.logprobs:
            values, ids = logprobs.topk(min(sampling.logprobs, logprobs.shape[-1]), dim=-1)
            for row, *likeliest in zip(rows, ids.tolist(), values.tolist(), strict=True):
                row.top.append(list(zip(*likeliest, strict=True)))
        of_tokens = logprobs.gather(1, tokens[:, None])[:, 0]
        for row, token, logprob in zip(rows, tokens.tolist(), of_tokens.tolist(), strict=True):
            row.add(token, logprob)
            self._follow(row, token)

    def _admit(self) -> None:
        """Give waiting rows free places once there are enough; samples of one prompt read it once."""
        free = self._capacity - len(self._rows)
        enough = not self._rows or free >= min(len(self._waiting), _ADMITTED_SHARE * self._capacity)
        if not self._waiting or not enough:
            return
        readers: dict[int, Row] = {}  # of each prompt
        for _ in range(min(free, len(self._waiting))):
            row = self._waiting.popleft()
            row.place = len(self._rows)
            self._rows.append(row)
            readers.setdefault(id(row.prompt), row)
        self._begin(list(readers.values()))
        for row in self._rows:
            reader = readers.get(id(row.prompt), row)
            if row.read == 0 and reader is not row:
                row.read = row.cached = min(reader.read, len(row.prompt) - 1)
                self.cache.copy(reader.place, row.place, row.read)

    def _begin(self, rows: list[Row]) -> None:
        """Read prompts but for their last tokens. What was read before, or is common to all, is not read again."""
        for row in rows:
            if found := self._prefixes.find(row.prompt[:-1]):
                row.read, keys, values = found
                row.cached = row.read
                self.cache.put(row.place, keys, values)
        self._read_common([row for row in rows if not row.read])
        self._catch_up(rows)

    def _read_common(self, rows: list[Row]) -> None:
        """Let these rows read what all their prompts begin with, if that is worth it, as one."""
        beginnings = [row.prompt[:-1] for row in rows]
        if len(rows) < 2 or (length := shared(min(beginnings), max(beginnings))) < SHORTEST:
            return
        reader, *others = rows
        common = list(reader.prompt[:length])
        for start in range(0, length, _READ_OF_ONE):
            self._read([reader], [common[start : start + _READ_OF_ONE]])
        self._prefixes.keep(common, *self.cache.take(reader.place, length))
        for row in others:
            row.read = row.cached = length
            self.cache.copy(reader.place, row.place, length)

    def _catch_up(self, rows: list[Row]) -> None:
        """Let rows read all but the newest of their tokens."""
        while behind := [row for row in rows if row.behind()]:
            for group in self._bounded(behind):
                self._read(group, [row.unread()[:-1][:_READ_OF_ONE] for row in group])

    def _bounded(self, rows: list[Row]) -> Iterator[list[Row]]:
        """Groups of rows with about as much to read, shortest first; none reads too much, or too far, at once."""
        group: list[Row] = []
        for row in sorted(rows, key=lambda row: len(row.unread())):
            length = min(len(row.unread()), _READ_OF_ONE)
            end = max(other.read for other in (*group, row)) + length
            if group and ((len(group) + 1) * length > _READ_AT_ONCE or end > self.cache.longest):
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def _read(self, rows: list[Row], tokens: list[list[int]]) -> Tensor:
        """Feed each of these rows its tokens. Returns features [R, T, D], padded on the right where a row has fewer."""
        length = max(len(several) for several in tokens)
        padded = torch.tensor([[*several, *[0] * (length - len(several))] for several in tokens], device=self._device)
        everyone = slice(0, len(rows)) if rows is self._rows else None
        places = everyone or torch.tensor([row.place for row in rows], device=self._device)
        reading = self.cache.reading(places, [row.read for row in rows], length)
        positions = reading.places.clamp(max=self._model.config.context_length - 1)
        for row, several in zip(rows, tokens, strict=True):
            row.read += len(several)
        return self._model.features(padded, positions, reading.mask, reading)

    def _release(self, row: Row) -> None:
        """Give a finished row's place to the last row. What few rows have read is kept for a next question."""
        if self._few and row.read >= SHORTEST:
            read = [*row.prompt, *row.tokens][: row.read]
            self._prefixes.keep(read, *self.cache.take(row.place, row.read))
        last = self._rows.pop()
        if last is not row:
            self.cache.copy(last.place, row.place, last.read)
            self._rows[row.place], last.place = last, row.place


def _with_equal_settings(rows: list[Row]) -> list[list[int]]:
    """Places of rows that can choose together."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        groups[row.style].append(row.place)
    return list(groups.values())


def _allowed(rows: list[Row], logits: Tensor) -> Tensor | None:
    """[R, V]: what the grammars of these rows, which all have one or none, allow."""
    masks = [torch.from_numpy(row.grammar.mask()) for row in rows if row.grammar is not None]
    if not masks:
        return None
    allowed = torch.zeros(logits.shape, dtype=torch.bool)
    allowed[:, : masks[0].shape[0]] = torch.stack(masks)
    return allowed.to(logits.device)
