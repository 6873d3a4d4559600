import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.settings.toml import read_toml, to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_what_is_written_reads_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table)) == table


def test_a_file_that_is_none_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("depth = \n")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "right.toml").write_text("[sft]\nepochs = 3\n")
    assert read_toml(tmp_path / "right.toml") == {"sft": {"epochs": 3}}
    for name, words in {
        "wrong.toml": r"can't be read as TOML: Invalid value \(at line 1",
        "binary.toml": r"can't be read as TOML: 'utf-8'",
        "nowhere.toml": r"does not exist",
        "wrong.toml/a": r"can't be read: Not a directory",
        "": r"is a folder: name the \.toml file in it",
    }.items():
        with pytest.raises(UserError, match=rf"{tmp_path / name} {words}"):
            read_toml(tmp_path / name)


def test_it_reads_well() -> None:
    table = {"depth": 3, "sft": {"lr": 1e-4, "more": {"a": [1, 2]}}, "folder": None, "name": "mine"}
    assert to_toml(table) == 'depth = 3\nname = "mine"\n\n[sft]\nlr = 0.0001\n\n[sft.more]\na = [1, 2]\n'
