from pathlib import Path

import pytest

from cygnet.corpus.extraction.language import identify
from cygnet.errors import UserError


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The swan is a large\nwhite bird that lives on lakes.", "en"),
        ("Der Schwan ist ein großer weißer Vogel, der auf Seen lebt.", "de"),
        ("白鸟在湖上游泳,它们非常美丽。", "zh"),
        ("Лебедь живёт на озёрах и реках.", "ru"),
        ("\ud800 The swan lives on a lake near the town.", "en"),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    code, score = identify(text)
    assert code == language
    assert 0.5 < score <= 1


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_no_words_have_no_language(text: str) -> None:
    assert identify(text) == ("", 0.0)


def test_only_the_beginning_is_read() -> None:
    english = "The swan is a large white bird that lives on lakes. " * 80
    assert identify(english) == identify(english + "Der Schwan ist ein Vogel. " * 10_000)


def test_a_model_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    for name in ("model.bin", "missing.bin"):
        with pytest.raises(UserError, match=rf"{name} is not a fastText model"):
            identify("text", tmp_path / name)
