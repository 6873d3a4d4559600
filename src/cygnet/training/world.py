"""The processes that train together, and what they tell each other.

torch is not imported before there are several of them, so that a recipe's steps can be looked through without it.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

from cygnet.errors import ToldError, UserError

_HOW = "Start them with: torchrun --nproc-per-node 2 -m cygnet ..."
_NEEDED = ("RANK", "MASTER_ADDR", "MASTER_PORT")

_PATIENCE = timedelta(minutes=30)  # with a process that doesn't answer: one that evaluates takes its time
_FAREWELL = timedelta(seconds=10)  # with those that should have ended what was begun together
_READING = timedelta(minutes=1)  # for those that may still read what they were told, on a busy machine
_FOREVER = timedelta(days=365)  # a step that one process does alone takes as long as it takes

# What gloo says when another process is gone; it has no exception of its own for that, as NCCL and the store have.
_LOST = ("gloo", "connection closed", "connection reset")


@dataclass(frozen=True)
class World:
    """One process alone, or `size` of them with the ranks 0 to size - 1.

    local_rank: its number on this machine. device: where this process computes.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    device: str = "cpu"
    _store: Any = field(default=None, repr=False, compare=False)
    _told: Iterator[int] = field(default_factory=count, repr=False, compare=False)
    _heard: Iterator[int] = field(default_factory=count, repr=False, compare=False)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and talks to the user."""
        return self.rank == 0

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """Each number, summed over all processes, in float64."""
        if self.size == 1:
            return list(numbers)
        import torch

        found = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(found)
        return [float(number) for number in found.tolist()]

    def tell(self, value: Any = None) -> Any:
        """The first process's `value`, which JSON can hold, in all of them. The others wait for it without limit.

        Raises ToldError, or KeyboardInterrupt, in the others when an error ended the first one.
        """
        if self.size == 1:
            return value
        key = f"told/{next(self._told)}"
        if self.first:
            self._store.set(key, json.dumps({"value": value}))
            return value
        self._store.wait([key], _FOREVER)
        return self._read(key)

    def heed(self) -> None:
        """Raise as `tell` does if an error ended the first process, as far as that is known now."""
        while not self.first and self._store.check([key := f"told/{next(self._told)}"]):
            self._read(key)

    def _read(self, key: str) -> Any:
        message = json.loads(self._store.get(key))
        if message.get("failed") == "KeyboardInterrupt":
            raise KeyboardInterrupt
        if "failed" in message:
            raise ToldError("the first process could not go on; it says why.")
        return message["value"]

    def hear(self, value: Any) -> list[Any]:
        """Every process's `value`, which JSON can hold, by rank, in the first process; in the others nothing."""
        if self.size == 1:
            return [value]
        key = f"heard/{next(self._heard)}"
        self._store.set(f"{key}/{self.rank}", json.dumps(value))
        if not self.first:
            return []
        keys = [f"{key}/{rank}" for rank in range(self.size)]
        self._store.wait(keys, _PATIENCE)
        return [json.loads(self._store.get(found)) for found in keys]

    def fail(self, error: BaseException) -> None:
        """Have the others, which wait for what the first process tells them, or will, go no further."""
        if self.size > 1 and self.first:
            self._store.set(f"told/{next(self._told)}", json.dumps({"failed": type(error).__name__}))

    def part(self) -> None:
        """Go. The first process, which may keep the store that all of them read, goes when the others have gone."""
        self._store.set(f"parted/{self.rank}", "")
        if self.first:
            self._store.wait([f"parted/{rank}" for rank in range(self.size)], _READING)


def launched() -> int:
    """How many processes were started together, by what the environment says.

    Raises UserError when it can't be meant as it stands there.
    """
    return _processes("WORLD_SIZE")


def launched_here() -> int:
    """How many of them are on this machine. Raises UserError as `launched` does."""
    return _processes("LOCAL_WORLD_SIZE")


def launched_as() -> int:
    """Which of them this process is, or 0 where that is not said or can't be meant: `joined` tells."""
    return _number(os.environ.get("RANK", "")) or 0 if os.environ.get("WORLD_SIZE", "1") != "1" else 0


@contextmanager
def joined(device: str = "cpu", patience: timedelta = _PATIENCE) -> Iterator[World]:
    """This process in the world it was started in, as `torchrun` describes it; alone if there is no other.

    Groups of processes on CPUs talk through gloo, on GPUs through nccl. When the block ends the group is left.

    patience: how long to wait for a process that is there but doesn't answer.

    Raises:
        UserError: when the environment names several processes but not how they find each other, there are more of
            them on this machine than GPUs, or another process is lost.
    """
    size = launched()
    if size == 1:
        yield World(device=_gpu(0) if device == "cuda" else device)
        return
    rank, local_rank = _places(size)
    import torch
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]
    from torch.distributed.rendezvous import rendezvous

    if device == "cuda":
        device = _gpu(local_rank)
    world = None
    try:
        store, _, _ = next(rendezvous("env://", rank, size, timeout=patience))
        torch.distributed.init_process_group(
            "nccl" if device.startswith("cuda") else "gloo", store=store, rank=rank, world_size=size, timeout=patience
        )
        world = World(rank, size, local_rank, device, PrefixStore("cygnet", store))
        try:
            yield world
        except BaseException as error:
            with suppress(RuntimeError):  # whoever keeps the store may be lost, too
                world.fail(error)
            raise
    except RuntimeError as error:
        if not _is_loss(error):
            raise
        if world is not None:
            with suppress(RuntimeError):
                world.heed()  # the first may have gone for a reason of its own, which it gets to say
        world = None  # there is nobody to wait for
        raise UserError(
            f"process {rank} of {size} lost the others: one of them ended, or did not answer for "
            f"{patience.total_seconds() / 60:.0f} minutes ({_first_line(error)}). Start all of them again: "
            "training goes on from the last checkpoint."
        ) from error
    finally:
        if torch.distributed.is_initialized():
            _leave()
        if world is not None:
            with suppress(RuntimeError):
                world.part()


def _leave() -> None:
    """Leave the group. What was begun with a process that no longer answers would be waited for, so not without end."""
    import torch

    leaving = Thread(target=torch.distributed.destroy_process_group, daemon=True)
    leaving.start()
    leaving.join(_FAREWELL.total_seconds())


def refuse_strangers(world: World) -> None:
    """Raise UserError when several processes were started, but each would train by itself."""
    if world.size > 1 or launched() == 1:
        return
    import torch

    if not torch.distributed.is_initialized():
        raise UserError(
            "several processes were started (WORLD_SIZE > 1), but this one would train its own copy and never exchange "
            "gradients. Train in `with joined() as world`, or start one process."
        )


def refuse_unshared(folder: Path, world: World) -> None:
    """Raise UserError, in all processes, when not all of them see in `folder` what the first one puts there."""
    if world.size == 1:
        return
    sign = folder / f".seen-{uuid4().hex}"
    if world.first:
        folder.mkdir(parents=True, exist_ok=True)
        sign.touch()
    try:
        blind = not (folder / world.tell(sign.name)).exists()
        lost = round(world.sums([float(blind)])[0])
    finally:
        if world.first:
            sign.unlink(missing_ok=True)
    if lost:
        raise UserError(
            f"{lost} of {world.size} processes don't see in {folder} what the first one writes there. Machines that "
            "train together need a folder that all of them see, under the same name: give --out on a disk they share."
        )


def _places(size: int) -> tuple[int, int]:
    """Rank and local rank. Raises UserError for what is missing or can't be."""
    missing = [name for name in _NEEDED if not os.environ.get(name)]
    if missing:
        raise UserError(
            f"WORLD_SIZE says that {size} processes train together, but {' and '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} not set, so they can't find each other. {_HOW}"
        )
    texts = os.environ["RANK"], os.environ.get("LOCAL_RANK") or os.environ["RANK"]
    rank, local_rank = map(_number, texts)
    if rank is None or local_rank is None or rank >= size:
        raise UserError(f"RANK {texts[0]!r} (LOCAL_RANK {texts[1]!r}) is none of 0 to {size - 1}. {_HOW}")
    if not 0 < (_number(os.environ["MASTER_PORT"]) or 0) < 2**16:
        raise UserError(f"MASTER_PORT is {os.environ['MASTER_PORT']!r}, which is no port. {_HOW}")
    return rank, local_rank


def _processes(name: str) -> int:
    text = os.environ.get(name) or "1"
    size = _number(text)
    if not size:
        raise UserError(f"{name} is {text!r}, which is no number of processes. Unset it, or: {_HOW}")
    return size


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _gpu(local_rank: int) -> str:
    import torch

    found = torch.cuda.device_count()
    if not found:
        built = torch.backends.cuda.is_built()  # type: ignore[no-untyped-call]
        why = "finds none on this machine" if built else "is built for CPUs only"
        raise UserError(
            f'training.device = "cuda" asks for a GPU, but torch {torch.__version__} {why}. Leave the setting out to '
            "train on the CPU."
        )
    if local_rank >= found:
        raise UserError(f"process {local_rank} of this machine has no GPU: there are {found}. Start fewer processes.")
    torch.cuda.set_device(local_rank)
    return f"cuda:{local_rank}"


def _is_loss(error: RuntimeError) -> bool:
    import torch

    if isinstance(error, torch.distributed.DistError):
        return True
    return type(error) is RuntimeError and any(word in str(error).lower() for word in _LOST)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
