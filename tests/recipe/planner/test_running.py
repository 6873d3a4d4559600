import re
from dataclasses import replace

import pytest

from cygnet.recipe.load import load_recipe
from cygnet.recipe.planner.hardware import Hardware, find_hardware
from cygnet.recipe.planner.plan import make_plan
from cygnet.recipe.planner.request import Request
from cygnet.recipe.planner.table import plan_text

H100 = find_hardware("h100")


def command(hardware: Hardware = H100, **asked: object) -> str:
    """The last line of a plan, whose settings the recipe takes."""
    last = plan_text(make_plan(Request(on=hardware.key, **asked), hardware)).splitlines()[-1]
    load_recipe(re.search(r"cygnet run (.*?)( --out \S+)?$", last)[1].split())
    return last


def test_a_plan_for_gpus_trains_on_them() -> None:
    assert re.fullmatch(r"  cygnet run pocket .* training\.device=cuda", command(hours=0.01))
    assert re.fullmatch(
        r"  torchrun --nproc-per-node 8 -m cygnet run pocket .* training\.device=cuda", command(hours=0.1, gpus=8)
    )


def test_a_plan_for_this_machine_does_not() -> None:
    here = Hardware("cpu", "a machine", 3e11, 24e9, None, "", 0.4, "")
    assert "training." not in command(here, hours=0.1)


@pytest.mark.parametrize(
    ("gpus", "nodes"),
    [(16, "--nnodes 2 --node-rank N --nproc-per-node 8"), (9, "--nnodes 3 --node-rank N --nproc-per-node 3")],
)
def test_more_than_a_machine_holds_are_started_on_several(gpus: int, nodes: str) -> None:
    said = command(hours=0.1, gpus=gpus)
    assert said.startswith(f"  torchrun {nodes} --master-addr FIRST -m cygnet run pocket ")
    assert said.endswith(" training.device=cuda --out FOLDER_THAT_ALL_SEE")


@pytest.mark.parametrize(
    ("memory", "settings"),
    [
        (80e9, ["device=cuda"]),
        (15e9, ["device=cuda", "rows_at_once=5"]),
        (3e9, ["device=cuda", "sharding=full", "rows_at_once=1"]),
        (2.4e9, ["device=cuda", "recompute=true", "rows_at_once=1"]),
        (1.7e9, ["device=cuda", "sharding=full", "recompute=true", "rows_at_once=1"]),
    ],
)
def test_what_does_not_fit_at_once_is_divided(memory: float, settings: list[str]) -> None:
    small = replace(H100, memory=memory)
    assert re.findall(r"training\.(\S+)", command(small, hours=0.1, gpus=8)) == settings


def test_what_never_fits_is_not_for_cygnet_run() -> None:
    assert make_plan(Request(hours=0.1, on="h100"), replace(H100, memory=1e9)).beyond == "it does not fit"
