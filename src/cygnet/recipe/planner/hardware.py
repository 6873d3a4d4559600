"""What there is to train on: peak, memory, price and the share of the peak that training gets."""

from dataclasses import dataclass

from cygnet.errors import UserError
from cygnet.recipe.load import load_recipe
from cygnet.recipe.machine import machine_facts
from cygnet.recipe.planner.measure import training_rate

CPU = "cpu"
RECIPE = "pocket"  # what this machine is timed with, and what a plan's settings start from
_LAMBDA = "Lambda on demand, 8 at a time; SkyPilot catalog v8 at 0f40703, read 2026-11-23"


@dataclass(frozen=True)
class Hardware:
    """One accelerator. peak: FLOP/s of dense bf16 (V100: fp16) products; memory: bytes; price: dollars an hour.

    utilization: share of the peak that training gets (MFU), where `utilization_source` found it.
    """

    key: str
    name: str
    peak: float
    memory: float
    price: float | None
    price_source: str
    utilization: float
    utilization_source: str


CATALOG = tuple(
    Hardware(*row)
    for row in (
        ("v100", "V100 SXM2 16 GB", 125e12, 16e9, 0.79, _LAMBDA, 0.24, "Megatron-LM 2019: 15.1 PFLOP/s on 512"),
        ("a100-40", "A100 40 GB", 312e12, 40e9, 1.99, _LAMBDA, 0.45, "as the A100 80 GB"),
        ("a100-80", "A100 SXM 80 GB", 312e12, 80e9, 2.79, _LAMBDA, 0.45, "Llama 2 70B: 2T tokens in 1,720,320 hours"),
        ("h100", "H100 SXM", 989e12, 80e9, 3.99, _LAMBDA, 0.40, "Llama 3 405B: 38 to 43 %"),
        (
            *("h200", "H200 SXM", 989e12, 141e9, 3.50),
            "Nebius on demand; SkyPilot catalog v8 at 0082b04, read 2026-11-23",
            *(0.40, "as the H100"),
        ),
        ("b200", "B200", 2250e12, 180e9, 6.69, _LAMBDA, 0.40, "assumed to be the H100's"),
        (
            *("rtx4090", "RTX 4090", 165e12, 24e9, 0.60),
            "RunPod on demand; deploybase.ai, 2026-03-10",
            *(0.50, "nanoGPT issue 182: 29 % of an A100's peak on GPT-2 124M"),
        ),
    )
)


def find_hardware(key: str) -> Hardware:
    """An accelerator by its key; `cpu` is this machine, measured now.

    Raises:
        UserError: naming the keys there are.
    """
    if key == CPU:
        return this_machine()
    for hardware in CATALOG:
        if hardware.key == key:
            return hardware
    known = ", ".join([CPU, *(hardware.key for hardware in CATALOG)])
    raise UserError(f"no hardware is called {key!r}. There are: {known}.")


def this_machine() -> Hardware:
    """This machine's processor. Its peak is what training reaches on it, timed for some seconds."""
    facts = machine_facts()
    return Hardware(
        CPU,
        f"this machine, {facts['cores']} cores",
        training_rate(load_recipe([RECIPE])),
        facts["memory_gb"] * 2**30,
        None,
        "no price",
        1.0,
        f"training {RECIPE}'s model, timed now",
    )
