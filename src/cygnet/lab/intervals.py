"""How sure a measured accuracy is, and a measured difference: what all rooms measure with."""

from cygnet.intervals import Interval, paired, wilson

__all__ = ["Interval", "paired", "wilson"]
