"""Where an endpoint is and how it is entered: its URL, its model's name, its key."""

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from cygnet.errors import UserError

DEFAULT_KEY_VARIABLE = "OPENAI_API_KEY"


class Address(NamedTuple):
    """An endpoint's URL without a final slash, and the name of a model there (None: the only one it has)."""

    url: str
    model: str | None


def parse_address(address: str) -> Address:
    """Read "http://host:port/v1" or "http://host:port/v1#model". Raises UserError for anything else."""
    url, _, model = address.strip().partition("#")
    if "@" in url or "?" in url:  # the address is not repeated: it goes into logs, and a key may be in it
        raise UserError(
            "an endpoint's address must hold no user, password or query: "
            f"put the key into the environment variable {DEFAULT_KEY_VARIABLE}."
        )
    if not _is_http(url):
        raise UserError(f'{url!r} is not an endpoint\'s address: write it like "http://host:8000/v1#model".')
    return Address(url.rstrip("/"), model or None)


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable; None: in OPENAI_API_KEY, if it is set.

    Raises UserError when a variable that was named is not set, or holds what can't be sent.
    """
    key = os.environ.get(variable or DEFAULT_KEY_VARIABLE, "").strip()
    if variable and not key:
        raise UserError(f"the environment variable {variable}, which should hold the endpoint's key, is not set.")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"the key in {variable or DEFAULT_KEY_VARIABLE} has characters that can't be sent.")
    return key or None


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
