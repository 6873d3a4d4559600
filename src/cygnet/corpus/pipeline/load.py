"""Reading `corpus.toml`."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from cygnet.corpus.pipeline.config import CorpusRecipe
from cygnet.errors import UserError
from cygnet.settings.layers import Layer, Table, parse_override
from cygnet.settings.validate import validate


def load_corpus_recipe(path: Path, overrides: Sequence[str] = ()) -> CorpusRecipe:
    """What a corpus is built from; `overrides` are `key=value`, as in `quality.preset=gopher`.

    Raises:
        UserError: when the file can't be read, or listing every mistake in it.
    """
    return validate(CorpusRecipe, [Layer(str(path), _read(path)), *map(parse_override, overrides)])


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise UserError(f"{path} is a folder: name the corpus.toml in it.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read as TOML: {error}") from error
