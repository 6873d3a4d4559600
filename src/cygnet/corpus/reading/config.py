"""What a source is, as corpus.toml states it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cygnet.errors import UserError

if TYPE_CHECKING:
    from cygnet.corpus.crawl.settings import CrawlSettings

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


class SiteSource(BaseModel):
    """A live site, crawled before anything is read, as `cygnet crawl` does it, and kept beside the corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["site"]
    start: Annotated[tuple[str, ...], Field(min_length=1, description="a page to begin at, or a list of them")]
    pages: Annotated[int, Field(description="to store at most")] = 1000
    hosts: Annotated[tuple[str, ...], Field(description="that may be asked beside those of the start pages")] = ()
    exclude: Annotated[tuple[str, ...], Field(description="globs over path and query that are not asked for")] = ()
    contact: Annotated[str, Field(description="your mail address or page, sent with each request")] = ""
    delay: Annotated[float, Field(description="seconds between two requests to a host")] = 1.0
    depth: Annotated[int, Field(description="clicks from a start page at most")] = 30
    allow_private: Annotated[bool, Field(description="ask hosts in private networks and on this machine too")] = False
    most_bytes: Annotated[int, Field(description="of one page; longer ones are left out")] = 10_000_000

    @field_validator("start", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        from cygnet.corpus.crawl.settings import allowed_hosts, read_starts

        try:
            self.settings()
            allowed_hosts(read_starts(self.start), self.hosts)
        except UserError as error:
            raise ValueError(str(error)) from error
        return self

    def settings(self) -> "CrawlSettings":
        """For the crawler."""
        from cygnet.corpus.crawl.settings import CrawlSettings  # what it takes to crawl is not loaded to read a file

        said = self.model_dump(exclude={"kind", "start", "most_bytes"})
        return CrawlSettings(**said, page_bytes=self.most_bytes)


class PydocSource(BaseModel):
    """The pages that `python -m pydoc` serves on this machine, crawled there: a web without a network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pydoc"]
    most_characters: Annotated[int, Field(ge=200, description="of a text: pages are cut at blank lines")] = 1000


Source = Annotated[
    WarcSource
    | FolderSource
    | JsonlSource
    | ParquetSource
    | HubSource
    | TextsSource
    | PythonSource
    | SiteSource
    | PydocSource,
    Field(discriminator="kind"),
]
