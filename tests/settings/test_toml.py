import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cygnet.settings.toml import to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_what_is_written_reads_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table)) == table


def test_it_reads_well() -> None:
    table = {"depth": 3, "sft": {"lr": 1e-4, "more": {"a": [1, 2]}}, "folder": None, "name": "mine"}
    assert to_toml(table) == 'depth = 3\nname = "mine"\n\n[sft]\nlr = 0.0001\n\n[sft.more]\na = [1, 2]\n'
