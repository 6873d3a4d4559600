"""Near duplicates through Daft (https://www.getdaft.io), for corpora whose bands one machine's disk doesn't hold.

Workers read the signatures where they are stored, and Daft brings equal bands together: on a Ray cluster, or with
threads of its own, and then in memory. Back come pairs of texts, a batch at a time, which are joined here just as those
that are found on disk, so the answer is the same. Joining takes 8 bytes a text, which the answer takes anyway; labels
handed on by joins on the cluster would move all pairs once for each link of the longest chain of texts.

Where Daft runs can be said once in a process, and holds even when that cluster has gone. So it has a process of its
own, which also keeps its memory apart.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from cygnet.corpus.dedup.buckets import Rows
from cygnet.corpus.dedup.exact import Firsts
from cygnet.corpus.dedup.near import Clusters, bands
from cygnet.corpus.dedup.stored import Part, Stored, read_part
from cygnet.errors import UserError

if TYPE_CHECKING:
    import daft

TEXTS = 500_000  # of a partition: some 650 MB in the worker that has it
_PARTS_AT_ONCE = 4  # whose bands a worker holds before they go on
_PATIENCE = 30.0  # seconds that the process may take to let go of the cluster
# of Daft and Ray: nobody is told that they run, and no bars are drawn
_QUIET = {
    "DAFT_ANALYTICS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
    "DAFT_PROGRESS_BAR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def check_daft() -> None:
    """Raises a UserError when Daft isn't installed."""
    if find_spec("daft") is None:
        raise UserError("dedup.shuffle = \"daft\" needs its package: pip install 'cygnet[daft]'.")


def near_firsts_by_daft(stored: Stored, cluster: str | None = None) -> Firsts:
    """What `near_firsts` gives, for signatures that are stored in shards.

    Args:
        stored: the shards; with a cluster, its machines see them at the same places.
        cluster: address of a Ray cluster; None for Daft's own threads here, which hold some 1.3 KB a text in memory.

    Raises:
        UserError: when Daft isn't installed, fails, or is killed.
    """
    check_daft()
    clusters = Clusters(stored.texts)
    if stored.parts:
        partitions = -(-stored.texts // TEXTS)
        for left, right in _pairs(stored.parts, cluster, partitions):
            clusters.join(left, right)
    return clusters.firsts()


def _pairs(parts: Sequence[Part], cluster: str | None, partitions: int) -> Iterator[tuple[Firsts, Firsts]]:
    """Pairs of texts with an equal band, of which the left is the first that has it; as the process finds them."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, parts, cluster, partitions), daemon=True)
    process.start()
    theirs.close()
    try:
        while isinstance(said := ours.recv(), tuple):
            yield said
        process.join(_PATIENCE)
    except EOFError as error:
        process.join()
        raise UserError(_killed(process.exitcode, cluster)) from error
    finally:
        process.kill()
        process.join()
    if said is not None:
        raise UserError(f"Daft failed: {said}\nThe same command with dedup.shuffle=disk goes on without it.")


def _work(pipe: Connection, parts: Sequence[Part], cluster: str | None, partitions: int) -> None:
    """The process: batches of pairs, then None, or what went wrong. Ctrl-C reaches it too, but the parent ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(_QUIET)
    said: str | None = None
    try:
        _begin(cluster)
        for batch in meetings(parts, partitions).to_arrow_iter(results_buffer_size=2):
            pipe.send(tuple(batch.column(name).to_numpy().astype(np.int64) for name in ("first", "text")))
    except Exception as error:  # noqa: BLE001 - whatever Daft and Ray raise is told by the parent
        said = f"{type(error).__name__}: {error}"
    pipe.send(said)


def _begin(cluster: str | None) -> None:
    import daft

    if cluster is None:
        daft.set_runner_native()
        return
    import ray

    ray.init(cluster, runtime_env={"env_vars": _QUIET}, configure_logging=False, log_to_driver=False)
    daft.set_runner_ray(noop_if_initialized=True)


def meetings(parts: Sequence[Part], partitions: int) -> "daft.DataFrame":
    """A row for every text and band that an earlier text has too: `first`, the first text that has it, and `text`."""
    import daft
    from daft import DataType, Window, col

    row = DataType.struct({"band": DataType.uint64(), "text": DataType.int64()})

    @daft.func.batch(return_dtype=DataType.list(row), batch_size=_PARTS_AT_ONCE, use_process=False)
    def spread(*columns: daft.Series) -> pa.Array:
        return bands_of([Part(*values) for values in zip(*(column.to_pylist() for column in columns), strict=True)])

    columns: dict[str, Any] = dict(zip(Part._fields, zip(*parts, strict=True), strict=True))
    listed = daft.from_pydict({name: list(values) for name, values in columns.items()}).into_partitions(partitions)
    rows = listed.select(spread(*map(col, Part._fields)).alias("row")).explode("row", ignore_empty_and_null=True)
    rows = rows.select(col("row").get("band").alias("band"), col("row").get("text").alias("text"))
    first = col("text").min().over(Window().partition_by("band"))
    return rows.with_column("first", first).where(col("first") != col("text")).select("first", "text")


def bands_of(parts: Sequence[Part]) -> pa.Array:
    """For each part the list of its (band, text)."""
    found: list[Rows] = [bands(read_part(part), part.first) for part in parts]
    ends = np.cumsum([0, *map(len, found)])
    band, text = np.concatenate(found).T
    rows = pa.StructArray.from_arrays([pa.array(band), pa.array(text.astype(np.int64))], ["band", "text"])
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), rows)


def _killed(code: int | None, cluster: str | None) -> str:
    where = "The process of the cluster's driver" if cluster else "The process in which Daft holds all bands in memory"
    more = "" if cluster else ' If memory ran out, take dedup.shuffle = "disk", or --engine ray with a cluster.'
    return f"{where} was ended (exit {code}) while near-duplicates were looked for.{more}"
