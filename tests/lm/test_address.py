import pytest

from cygnet.errors import UserError
from cygnet.lm.address import Address, parse_address, read_key


@pytest.mark.parametrize(
    ("address", "url", "model"),
    [
        ("http://host:8000/v1#swan", "http://host:8000/v1", "swan"),
        ("https://host/v1/", "https://host/v1", None),
        ("http://[::1]:80/v1#@cf/meta/llama-3", "http://[::1]:80/v1", "@cf/meta/llama-3"),
        ("http://host/v1#", "http://host/v1", None),
    ],
)
def test_an_address_is_a_url_and_perhaps_a_model(address: str, url: str, model: str | None) -> None:
    assert parse_address(address) == Address(url, model)


@pytest.mark.parametrize("address", ["", "host:8000/v1", "ftp://host/v1", "http://", "http://host:x/v1", "http://[::1"])
def test_what_is_no_address_is_shown_a_right_one(address: str) -> None:
    with pytest.raises(UserError, match="is not an endpoint's address: write it like"):
        parse_address(address)


@pytest.mark.parametrize("address", ["http://me:secret@host/v1", "http://host/v1?key=secret#swan", "secret@host/v1"])
def test_secrets_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(UserError, match="environment variable OPENAI_API_KEY") as failure:
        parse_address(address)
    assert "secret" not in str(failure.value)


def test_a_key_comes_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert read_key(None) is None
    monkeypatch.setenv("OPENAI_API_KEY", "usual")
    monkeypatch.setenv("SWAN_KEY", "own\n")
    assert (read_key(None), read_key("SWAN_KEY")) == ("usual", "own")
    with pytest.raises(UserError, match="GOOSE_KEY.* is not set"):
        read_key("GOOSE_KEY")


def test_a_key_that_cannot_be_sent_is_told_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWAN_KEY", "sécret")
    with pytest.raises(UserError, match="SWAN_KEY has characters") as failure:
        read_key("SWAN_KEY")
    assert "sécret" not in str(failure.value)
