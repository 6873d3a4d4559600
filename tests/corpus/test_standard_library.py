from pathlib import Path

import pytest

from cygnet.corpus.document import Dropped
from cygnet.corpus.standard_library import Module, read_modules
from cygnet.errors import UserError


def test_modules_come_in_order_under_public_names_without_tests(stdlib: Path) -> None:
    names = [item.name for item in read_modules(stdlib) if isinstance(item, Module)]
    assert names == ["decimal", "package", "package.inner", "shapes", "tables"]


def test_what_cannot_be_used_is_named_with_its_rule(stdlib: Path) -> None:
    dropped = {item for item in read_modules(stdlib) if isinstance(item, Dropped)}
    assert dropped == {
        Dropped("not_python", "broken"),
        Dropped("not_utf8", "latin"),
        Dropped("folder_not_used", "pydoc_data"),
        Dropped("folder_not_used", "test"),
    }


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_an_installation_without_sources_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="holds no Python source files"):
        list(read_modules(tmp_path / name))
