"""Which share of training each source gets: what a recipe states, or the weights that the corpus was built with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from cygnet.errors import UserError
from cygnet.files import read_json

Proportions = Mapping[str, float] | Literal["corpus"]


def proportions_in(corpus: Path, stated: Proportions) -> dict[str, float]:
    """Shares by source; "corpus" are the weights in its `stats.json`, as `cygnet corpus build` gave them.

    Raises:
        UserError: when that is asked for and a source of the corpus has no weight.
    """
    if stated != "corpus":
        return dict(stated)
    sources = read_json(corpus / "stats.json")["by_source"]
    without = [name for name, source in sources.items() if "weight" not in source]
    if without:
        raise UserError(
            f'tokens.proportions is "corpus", but {corpus} has no weight for {", ".join(without)}: only what '
            "`cygnet corpus build` made has. Leave those sources out (corpus.sources = []), or write proportions as a "
            "table."
        )
    return {name: source["weight"] for name, source in sources.items()}
