"""The texts of a recipe that are read and not made up, as `cygnet corpus build` takes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cygnet.corpus.config import CorpusConfig
from cygnet.corpus.holdout import HELD_OUT_SHARE
from cygnet.corpus.pipeline.config import CorpusRecipe, Rules
from cygnet.corpus.reading.config import PydocSource, PythonSource, Source, TextsSource

_BUILT_IN: Mapping[str, Source] = {
    "docs": PythonSource(kind="python", part="docs"),
    "code": PythonSource(kind="python", part="code"),
    "web": PydocSource(kind="pydoc"),
}


def pages_recipe(config: CorpusConfig, evaluation: Mapping[str, Path]) -> CorpusRecipe | None:
    """The corpus.toml of a recipe's sources; None where it has none that are read.

    `evaluation` are the questions that its models will be asked: no text that shares a passage with one is trained on.
    """
    sources: dict[str, Source] = {name: _BUILT_IN[name] for name in config.sources if name in _BUILT_IN}
    if config.text_folder is not None:
        sources["own"] = TextsSource(kind="texts", path=config.text_folder)
    if not sources:
        return None
    rules = {name: getattr(config, name) for name in Rules.model_fields}
    asked = {**config.evaluation, **{name: str(path) for name, path in evaluation.items()}}
    return CorpusRecipe(**rules | {"evaluation": asked}, sources=sources, heldout=HELD_OUT_SHARE)


def build_pages(recipe: CorpusRecipe, out: Path, progress: bool = False) -> dict[str, Any]:
    """Build a recipe's pages in the folder `out`, for `cygnet.corpus.build.build_corpus`, and return their statistics.

    All of it happens in this process: others would run the main module again, and a user's script may not expect that.
    What is done already is not done again. Relative paths begin at the current folder.

    Raises:
        UserError: when a source can't be read.
    """
    from cygnet.corpus.pipeline.build import build
    from cygnet.corpus.pipeline.engines.local import Local
    from cygnet.corpus.pipeline.progress import Printed, silent

    return build(recipe, Path.cwd(), out, Local(1), Printed() if progress else silent, part=True)
