"""What a plan is asked for: one budget, hardware, and what to assume."""

from dataclasses import dataclass
from math import isfinite

from cygnet.errors import UserError
from cygnet.recipe.planner.hardware import CPU, Hardware
from cygnet.recipe.planner.laws import DEFAULT, Law, at_ratio, find_law

BUDGETS = ("dollars", "gpu_hours", "flops", "hours")
_LEAST, _MOST = 1e-12, 1e40  # beyond, floats run out
_MOST_GPUS = 2**24


@dataclass(frozen=True)
class Request:
    """One of `dollars`, `gpu_hours`, `flops` and `hours` (of wall time) is given; None elsewhere takes a default.

    on: a key of the hardware. gpus: how many. price: dollars an hour of one. mfu: share of its peak that training
    gets. law: a key of LAWS, or else `tokens_per_parameter`. context: tokens in a row.
    """

    dollars: float | None = None
    gpu_hours: float | None = None
    flops: float | None = None
    hours: float | None = None
    on: str = CPU
    gpus: int | None = None
    price: float | None = None
    mfu: float | None = None
    law: str | None = None
    tokens_per_parameter: float | None = None
    vocab_size: int | None = None
    context: int | None = None

    def __post_init__(self) -> None:
        given = [name for name in BUDGETS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(map(_option, given)) or "none"
            raise UserError(f"a plan needs one budget of {', '.join(map(_option, BUDGETS))}; found {found}.")
        self._check_numbers()
        if self.law is not None and self.tokens_per_parameter is not None:
            raise UserError("--law and --tokens-per-parameter both say how large the model is: give one of them.")
        if self.on == CPU and (self.gpus or 1) > 1:
            raise UserError("this machine counts as one device: leave --gpus out, or name another --on.")
        if self.on == CPU and self.dollars is not None and self.price is None:
            raise UserError("this machine has no price: say --price, in dollars an hour, or give another budget.")

    def _check_numbers(self) -> None:
        for name in (*BUDGETS, "price", "mfu", "tokens_per_parameter"):
            value = getattr(self, name)
            if value is None:
                continue
            if not (isfinite(value) and value > 0):
                raise UserError(f"{_option(name)} should be a number above 0, not {value:g}.")
            if not _LEAST <= value <= _MOST:
                raise UserError(f"{_option(name)} should be from {_LEAST:g} to {_MOST:g}, not {value:g}.")
        if self.mfu is not None and self.mfu > 1:
            raise UserError(f"--mfu is a share of the peak, from 0 to 1, not {self.mfu:g}.")
        for name, least, most in (("gpus", 1, _MOST_GPUS), ("vocab_size", 1, None), ("context", 16, None)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"{_option(name)} should be at least {least}, not {value}.")
            if value is not None and most is not None and value > most:
                raise UserError(f"{_option(name)} should be at most {most:,}, not {value:,}.")

    def chosen_law(self) -> Law:
        """The law that the plan follows. Raises UserError for an unknown one."""
        if self.tokens_per_parameter is not None:
            return at_ratio(self.tokens_per_parameter)
        return find_law(self.law or DEFAULT)

    def compute(self, hardware: Hardware) -> float:
        """The budget in FLOPs of training."""
        if self.flops is not None:
            return self.flops
        return 3600 * self.rate(hardware) * self._device_hours(hardware)

    def rate(self, hardware: Hardware) -> float:
        """FLOPs of training that one device does in a second."""
        return hardware.peak * (self.mfu or hardware.utilization)

    def price_on(self, hardware: Hardware) -> float | None:
        """Dollars an hour of one device; None where there is none."""
        return hardware.price if self.price is None else self.price

    def _device_hours(self, hardware: Hardware) -> float:
        if self.gpu_hours is not None:
            return self.gpu_hours
        if self.hours is not None:
            return self.hours * (self.gpus or 1)
        price = self.price_on(hardware)
        assert self.dollars is not None
        assert price is not None
        return self.dollars / price


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
