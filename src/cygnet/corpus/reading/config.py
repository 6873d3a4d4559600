"""What a source is, as corpus.toml states it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_FOUND = "a file, a folder or a glob such as crawl/*.warc.gz, or a list of them; from the folder of corpus.toml"
_CARRIED = 'which column is what: "text", "url" and any other name for metadata; a.b is field b of column a'

Paths = Annotated[tuple[str, ...], Field(min_length=1, description=_FOUND)]
Columns = Annotated[dict[str, str], Field(description=_CARRIED)]


class _Files(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Paths
    most_bytes: Annotated[int, Field(ge=1, description="of one page, file or row; longer ones are left out")] = (
        10_000_000
    )

    @field_validator("path", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class WarcSource(_Files):
    """Pages that a crawler stored: .warc, .warc.gz; and texts that Common Crawl made of them: .wet, .wet.gz."""

    kind: Literal["warc"]


class FolderSource(_Files):
    """Documents as files: .html, .htm, .md, .txt, .rst, .pdf."""

    kind: Literal["folder"]


class _Rows(BaseModel):
    columns: Columns = {"text": "text"}

    @field_validator("columns")
    @classmethod
    def _has_text(cls, value: dict[str, str]) -> dict[str, str]:
        if "text" not in value:
            raise ValueError('say which column is the text: columns = {text = "…"}')
        return value


class JsonlSource(_Files, _Rows):
    """One JSON object a line: .jsonl, .ndjson, also with .gz or .zst."""

    kind: Literal["jsonl"]


class ParquetSource(_Files, _Rows):
    """Tables: .parquet."""

    kind: Literal["parquet"]


class HubSource(_Rows):
    """A data set of the Hugging Face hub, or of a folder, read through `datasets` as a stream."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["hub"]
    dataset: Annotated[str, Field(min_length=1, description="its name: owner/name")]
    subset: Annotated[str | None, Field(description="its configuration, where it has several")] = None
    split: Annotated[str, Field(description="which of its splits")] = "train"
    revision: Annotated[str | None, Field(description="a commit, so that it never changes")] = None


class TextsSource(BaseModel):
    """Plain text, cut at blank lines into documents of about 1,000 characters: .txt, .md, .rst, .py."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["texts"]
    path: Annotated[str, Field(min_length=1, description="a folder, from the folder of corpus.toml")]


class PythonSource(BaseModel):
    """The documentation, or the code, of the Python that cygnet runs in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["python"]
    part: Annotated[Literal["docs", "code"], Field(description="docstrings and the language reference, or definitions")]


Source = Annotated[
    WarcSource | FolderSource | JsonlSource | ParquetSource | HubSource | TextsSource | PythonSource,
    Field(discriminator="kind"),
]
