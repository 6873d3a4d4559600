"""The texts of a recipe that are read and not made up, as `cygnet corpus build` takes them."""

from collections.abc import Mapping
from pathlib import Path

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
