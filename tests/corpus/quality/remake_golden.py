"""Asks datatrove for its verdicts on the fixed texts and writes them to golden.json.

    python -m venv peers && peers/bin/pip install datatrove==0.10.1 regex spacy
    peers/bin/python tests/corpus/quality/remake_golden.py

datatrove splits words with spaCy's English tokenizer, which none of its smaller extras brings. Nothing is replaced
or patched: the verdicts are those of its filters with their defaults, `c4` with and `fineweb_c4` without the rule of
terminal punctuation, and `fineweb` on the text that `fineweb_c4` left, as FineWeb's pipeline has them.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters.base_filter import BaseFilter
from fixed_texts import fixed_texts


def verdict(asked: BaseFilter, document: Document) -> str | None:
    """The reason why a filter drops a document, None if it keeps it."""
    result = asked.filter(document)
    return result[1] if isinstance(result, tuple) else None


def verdicts(text: str) -> dict[str, str | None]:
    """Reasons by filter; no "fineweb" for a text that C4's rules drop, as it does not get there."""
    edited = Document(text=text, id="")
    found = {
        "repetition": verdict(GopherRepetitionFilter(), Document(text=text, id="")),
        "quality": verdict(GopherQualityFilter(), Document(text=text, id="")),
        "c4": verdict(C4QualityFilter(), Document(text=text, id="")),
        "fineweb_c4": verdict(C4QualityFilter(filter_no_terminal_punct=False), edited),
    }
    if found["fineweb_c4"] is None:
        found["fineweb"] = verdict(FineWebQualityFilter(), edited)
        found["edited"] = hashlib.sha256(edited.text.encode()).hexdigest()[:16]
    return found


def main() -> None:
    """Write the file beside this script."""
    made = {
        "made_by": "tests/corpus/quality/remake_golden.py",
        "datatrove": version("datatrove"),
        "spacy": version("spacy"),
        "texts": {
            name: {"sha256": hashlib.sha256(text.encode()).hexdigest()[:16], **verdicts(text)}
            for name, text in fixed_texts().items()
        },
    }
    Path(__file__).with_name("golden.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
