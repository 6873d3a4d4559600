"""What a corpus is built from and how: `corpus.toml`."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from cygnet.corpus.dedup import LEAST, SHARE
from cygnet.corpus.mixtures import MixtureName, shares_of
from cygnet.corpus.pii import Kind
from cygnet.corpus.reading.config import Source
from cygnet.settings.section import Section

Preset = Literal["gopher", "c4", "fineweb-paper", "fineweb-code"]


class LanguageConfig(Section):
    """Which languages stay."""

    keep: Annotated[tuple[str, ...], Field(description="codes such as en; empty: all")] = ()
    least: Annotated[float, Field(ge=0, le=1, description="score that the likeliest language must have")] = 0.65


class QualityConfig(Section):
    """Which texts are good enough. Everything is measured whatever is asked for, so changing this costs little."""

    preset: Annotated[Preset | None, Field(description="rules; none if not given")] = None
    by_source: Annotated[
        dict[str, Literal[Preset, "none"]], Field(description="other rules for a source, by its name")
    ] = {}  # noqa: RUF012
    filter: Annotated[str | None, Field(description="folder of a filter that `cygnet corpus filter` learned")] = None
    least: Annotated[
        float | None, Field(ge=0, le=1, description="score that a text must have; the filter's own if not given")
    ] = None


class DedupConfig(Section):
    """What goes because it is there already."""

    exact: Annotated[bool, Field(description="equal texts")] = True
    near: Annotated[bool, Field(description="nearly equal texts: MinHash, 14 bands of 8, runs of 5 words")] = True
    shuffle: Annotated[
        Literal["disk", "daft"],
        Field(description="where nearly equal texts meet: files on this machine, or Daft, with `--engine ray` on Ray"),
    ] = "disk"
    lines: Annotated[bool, Field(description="lines that stand on many pages of a host")] = True
    lines_share: Annotated[float, Field(gt=0, le=1, description="of a host's pages")] = SHARE
    lines_least: Annotated[int, Field(ge=2, description="pages")] = LEAST


class ExtractionConfig(Section):
    """How text is taken out of HTML."""

    extractor: Annotated[
        Literal["resiliparse", "trafilatura"], Field(description="trafilatura is slower and an extra")
    ] = "resiliparse"
    main_content: Annotated[bool, Field(description="without navigation, headers and footers")] = True


class Rules(Section):
    """How texts are taken out of pages, which stay, and what is changed in them."""

    extraction: ExtractionConfig = ExtractionConfig()
    language: LanguageConfig = LanguageConfig()
    quality: QualityConfig = QualityConfig()
    bounds: Annotated[
        dict[str, float | Literal["off"]],
        Field(description="other bounds for the preset's rules, by name, or off"),
    ] = {}  # noqa: RUF012
    dedup: DedupConfig = DedupConfig()
    evaluation: Annotated[
        dict[str, str], Field(description="files of evaluation questions by task: texts that share 13 words go")
    ] = {}  # noqa: RUF012
    pii: Annotated[tuple[Kind, ...], Field(description="what is replaced by a placeholder")] = ()

    def preset_of(self, source: str) -> Preset | None:
        """Which quality rules hold for a source."""
        chosen = self.quality.by_source.get(source, self.quality.preset)
        return None if chosen == "none" else chosen


class CorpusRecipe(Rules):
    """A whole corpus.toml."""

    sources: Annotated[dict[str, Source], Field(min_length=1, description="by name: letters, digits, - and _")]
    weights: Annotated[
        dict[str, float],
        Field(description="a source's share, which sum to 1, or llama-1 or gpt-3 for theirs; by size if empty"),
    ] = {}  # noqa: RUF012
    heldout: Annotated[float, Field(gt=0, lt=0.5, description="share of pages each for validation and test")] = 0.02

    @field_validator("sources")
    @classmethod
    def _plain_names(cls, sources: dict[str, Source]) -> dict[str, Source]:
        """They become names of folders."""
        if wrong := [name for name in sources if not re.fullmatch(r"[A-Za-z0-9_-]+", name)]:
            raise ValueError(f"a source can't be called {wrong[0]!r}: use letters, digits, - and _")
        return sources

    @field_validator("weights", mode="plain", json_schema_input_type=dict[str, float] | MixtureName)
    @classmethod
    def _shares(cls, stated: Any) -> dict[str, float]:
        return {} if stated == {} else shares_of(stated)
