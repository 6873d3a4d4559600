"""Numbers in files from elsewhere, checked where they are read: a senseless one is told by its name.

Raises KeyError for a field that is missing, and UserError for a value that no model has.
"""

from collections.abc import Mapping
from typing import Any

from cygnet.errors import UserError

MOST = 2**20  # of any size. More is a slip
LARGEST = 1e12  # of any other number


def count(fields: Mapping[str, Any], name: str, where: str, most: int = MOST) -> int:
    """A whole number from 1 to `most`; `where` says whose field it is, "the model's config.json"."""
    value = fields[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise UserError(f"{where} has {name} = {value!r:.60}, which should be a whole number from 1 to {most}.")
    return value


def number(fields: Mapping[str, Any], name: str, where: str, above: float = 0.0) -> float:
    """A number above `above` and up to LARGEST."""
    value = fields[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not above < value <= LARGEST:
        raise UserError(f"{where} has {name} = {value!r:.60}, which should be a number above {above:g}.")
    return float(value)
