"""Reading `corpus.toml`."""

from collections.abc import Sequence
from pathlib import Path

from cygnet.corpus.pipeline.config import CorpusRecipe
from cygnet.settings.layers import Layer, parse_override
from cygnet.settings.toml import read_toml
from cygnet.settings.validate import validate


def load_corpus_recipe(path: Path, overrides: Sequence[str] = ()) -> CorpusRecipe:
    """What a corpus is built from; `overrides` are `key=value`, as in `quality.preset=gopher`.

    Raises:
        UserError: when the file can't be read, or listing every mistake in it.
    """
    return validate(CorpusRecipe, [Layer(str(path), read_toml(path)), *map(parse_override, overrides)])
