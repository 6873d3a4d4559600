"""Data sets of the Hugging Face hub, as records."""

from collections.abc import Iterator

from cygnet.corpus.reading.config import HubSource
from cygnet.corpus.reading.rows import lookup, record_of_row
from cygnet.corpus.records import Record, Skipped
from cygnet.errors import UserError

_MOST_CHARACTERS = 10_000_000  # of one text


def read_dataset(source: str, config: HubSource) -> Iterator[Record | Skipped]:
    """One `Record` or `Skipped` a row, streamed: the only reader that goes to the network.

    Raises:
        UserError: when `datasets` isn't installed, the data set can't be had, or it lacks a column.
    """
    try:
        import datasets
    except ImportError as error:
        raise UserError("sources of kind hub need the package datasets: pip install 'cygnet[hub]'.") from error
    try:
        rows = datasets.load_dataset(
            config.dataset, config.subset, split=config.split, revision=config.revision, streaming=True
        )
        for number, row in enumerate(rows, 1):
            if number == 1:
                _check(config, row)
            place = f"hf://{config.dataset}/{config.subset or 'default'}/{config.split}#{number}"
            yield record_of_row(source, place, row, config.columns, _MOST_CHARACTERS)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"could not read the data set {config.dataset}: {error}") from error


def _check(config: HubSource, row: dict[str, object]) -> None:
    for name, column in config.columns.items():
        if column.partition(".")[0] not in row and lookup(row, column) is None:
            there = ", ".join(row)
            raise UserError(f"{config.dataset} has no column {column!r}. Its columns are: {there}. Set columns.{name}.")
