"""The model that the lab asks, by the address that a command line gives."""

from pathlib import Path
from typing import NamedTuple

from cygnet.files import sha256_of
from cygnet.lm.base import LanguageModel
from cygnet.lm.ledger import FREE, Prices


class Model(NamedTuple):
    """A model; where it is; and what changes when it does: a folder's hash, or an endpoint's URL and model."""

    lm: LanguageModel
    address: str
    identity: str


def is_endpoint(address: str) -> bool:
    """Whether an address is an endpoint's, not a folder's."""
    return address.startswith(("http://", "https://"))


def find_model(address: str, prices: Prices = FREE) -> Model:
    """The model at an address, as `cygnet.load` takes it, with what tells it from others.

    Raises UserError when there is no such model, it is damaged, or the endpoint can't be asked.
    """
    if is_endpoint(address):
        from cygnet.lm.endpoint import EndpointModel

        endpoint = EndpointModel(address, prices=prices)
        return Model(endpoint, f"{endpoint.url}#{endpoint.name}", f"{endpoint.url}#{endpoint.name}")
    from cygnet.lm import load

    lm = load(address)
    path = Path(address).expanduser().resolve()
    return Model(lm, str(path), sha256_of(path)) if path.exists() else Model(lm, address, lm.name)
