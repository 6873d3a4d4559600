"""How `cygnet run` carries a plan out on GPUs: settings of the training, and what starts its processes."""

from itertools import count, product

from cygnet.model.config import ModelConfig
from cygnet.recipe.planner.hardware import CPU, RECIPE, Hardware
from cygnet.recipe.planner.memory import SHARDINGS, held, rows_that_fit

_ON_A_MACHINE = 8  # GPUs, as they are usually built


def training_settings(shape: ModelConfig, rows: int, gpus: int, hardware: Hardware) -> tuple[str, ...] | None:
    """By which an update's rows fit, or some at once do: shared out only if need be, recomputed only if that is little.

    None where not even one row fits.
    """
    if hardware.key == CPU:
        return ()
    shardings = {"none": SHARDINGS[0], "full": SHARDINGS[-1]} if gpus > 1 else {"none": SHARDINGS[0]}
    for recompute, (sharding, name) in product((False, True), shardings.items()):
        taken = held(shape, gpus, name, recomputed=recompute).total
        fitting = rows_that_fit(shape, taken, hardware.memory, recompute)
        if fitting == 0:
            continue
        settings = {
            "training.sharding=full": sharding == "full",
            "training.recompute=true": recompute,
            f"training.rows_at_once={fitting}": fitting < -(-rows // gpus),
        }
        return ("training.device=cuda", *(setting for setting, needed in settings.items() if needed))
    return None


def how_to_start(gpus: int, settings: tuple[str, ...]) -> list[str]:
    """The lines to give, on one machine or on several."""
    run = f"cygnet run {' '.join([RECIPE, *settings])}"
    if gpus == 1:
        return ["With the recipe:", f"  {run}"]
    machines = next(number for number in count(-(-gpus // _ON_A_MACHINE)) if gpus % number == 0)
    if machines == 1:
        return ["With the recipe:", f"  torchrun --nproc-per-node {gpus} -m {run}"]
    nodes = f"--nnodes {machines} --node-rank N --nproc-per-node {gpus // machines} --master-addr FIRST"
    return [
        f"With the recipe, on each of {machines:,} machines, N from 0; FIRST is the address of that with 0:",
        f"  torchrun {nodes} -m {run} --out FOLDER_THAT_ALL_SEE",
    ]
