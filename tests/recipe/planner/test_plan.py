from math import isclose
from pathlib import Path
from re import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet import UserError
from cygnet.model.config import ModelConfig
from cygnet.recipe.load import load_recipe
from cygnet.recipe.planner.hardware import CATALOG, Hardware, find_hardware
from cygnet.recipe.planner.plan import Plan, fits, make_plan
from cygnet.recipe.planner.request import BUDGETS, Request
from cygnet.recipe.planner.shape import flops_per_token, parameter_count

HARDWARE = st.sampled_from(CATALOG)
KINDS = st.sampled_from(BUDGETS)
BUDGET = st.floats(10, 1e6)
HERE = Hardware("cpu", "a machine", 3e11, 24e9, None, "", 0.4, "")


def planned(kind: str, size: float, hardware: Hardware, **more: object) -> Plan:
    budget = size * 1e15 if kind == "flops" else size
    return make_plan(Request(**{kind: budget}, on=hardware.key, **more), hardware)


@settings(max_examples=40, deadline=None)
@given(KINDS, BUDGET, BUDGET, HARDWARE)
def test_more_budget_never_gives_a_smaller_model(kind: str, one: float, other: float, hardware: Hardware) -> None:
    less, more = (planned(kind, size, hardware) for size in sorted((one, other)))
    for before, after in zip(less.options, more.options, strict=True):
        assert before.parameters <= after.parameters


@settings(max_examples=40, deadline=None)
@given(KINDS, BUDGET, HARDWARE, st.none() | st.integers(1, 512), st.none() | st.floats(0.05, 1))
def test_the_budget_is_spent_and_the_sums_are_right(
    kind: str, size: float, hardware: Hardware, gpus: int | None, mfu: float | None
) -> None:
    plan = planned(kind, size, hardware, gpus=gpus, mfu=mfu)
    used = plan.chosen.tokens * flops_per_token(plan.chosen.shape)
    assert isclose(used, plan.compute, rel_tol=1e-3)
    assert isclose(used, plan.gpu_hours * 3600 * hardware.peak * (mfu or hardware.utilization), rel_tol=1e-9)
    assert plan.dollars == plan.gpus * plan.hours * hardware.price
    spent = {"dollars": plan.dollars, "gpu_hours": plan.gpu_hours, "flops": used / 1e15, "hours": plan.hours}
    assert isclose(spent[kind], size, rel_tol=1e-3)
    assert plan.chosen.parameters == parameter_count(plan.chosen.shape)
    assert plan.rows >= plan.gpus


@settings(max_examples=20, deadline=None)
@given(st.floats(1, 1e6), HARDWARE)
def test_devices_are_the_fewest_that_hold_it_within_a_month(dollars: float, hardware: Hardware) -> None:
    plan = planned("dollars", dollars, hardware)
    assert fits(plan.chosen.shape, plan.gpus, hardware)
    assert plan.hours <= 30 * 24
    if plan.gpus > 1:
        half = plan.gpus // 2
        assert plan.hours * 2 > 30 * 24 * 0.999 or not fits(plan.chosen.shape, half, hardware)


def test_on_this_machine_the_plan_is_a_recipe() -> None:
    plan = planned("hours", 0.5, HERE)
    assert plan.settings is not None
    recipe = load_recipe(["pocket", *plan.settings])
    shape = ModelConfig.from_depth(recipe.pretrain.depth, recipe.tokenizer.vocab_size, recipe.pretrain.context_length)
    assert shape == plan.chosen.shape
    assert recipe.tokens.train_tokens == plan.chosen.tokens
    assert recipe.pretrain.rows_per_step == plan.rows


def test_pockets_own_compute_and_law_give_pocket() -> None:
    recipe = load_recipe(["pocket"])
    shape = ModelConfig.from_depth(recipe.pretrain.depth, recipe.tokenizer.vocab_size, recipe.pretrain.context_length)
    compute = recipe.tokens.train_tokens * flops_per_token(shape)
    plan = make_plan(Request(flops=compute), HERE)
    own = next(option for option in plan.options if option.law.key == "pocket")
    assert own.shape == shape
    assert own.tokens == pytest.approx(recipe.tokens.train_tokens, rel=1e-6)


def test_what_the_dial_or_the_recipe_can_not_do_is_said() -> None:
    wide = planned("dollars", 1_000, find_hardware("h100"))
    assert wide.settings is None
    assert "narrower than is usual" in wide.beyond
    refused = make_plan(Request(flops=1e17, on="h100", vocab_size=100_000))
    assert refused.settings is None
    assert "vocab_size" in refused.beyond


def test_a_law_or_a_ratio_is_followed() -> None:
    kaplan = make_plan(Request(flops=1e21, on="h100", law="kaplan"))
    assert kaplan.chosen.law.key == "kaplan"
    long = make_plan(Request(flops=1e21, on="h100", tokens_per_parameter=500))
    assert 300 < long.chosen.tokens / long.chosen.parameters < 800
    assert long.chosen.parameters < kaplan.chosen.parameters


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "a plan needs one budget of --dollars, --gpu-hours, --flops, --hours; found none."),
        ({"dollars": 1, "flops": 1}, "found --dollars and --flops."),
        ({"dollars": -1}, "--dollars should be a number above 0, not -1."),
        ({"flops": float("nan")}, "--flops should be a number above 0, not nan."),
        ({"gpu_hours": float("inf")}, "--gpu-hours should be a number above 0, not inf."),
        ({"flops": 1e300, "on": "h100"}, "--flops should be from 1e-12 to 1e+40, not 1e+300."),
        ({"flops": 1e20, "tokens_per_parameter": 1e-300}, "--tokens-per-parameter should be from 1e-12 to 1e+40"),
        ({"hours": 1, "gpus": 10**14, "on": "h100"}, "--gpus should be at most 16,777,216, not 100,000,000,000,000."),
        ({"hours": 1, "mfu": 40}, "--mfu is a share of the peak, from 0 to 1, not 40."),
        ({"hours": 1, "gpus": 0, "on": "h100"}, "--gpus should be at least 1, not 0."),
        ({"hours": 1, "gpus": 2}, "this machine counts as one device"),
        ({"hours": 1, "context": 4}, "--context should be at least 16, not 4."),
        ({"hours": 1, "law": "refit", "tokens_per_parameter": 20}, "give one of them"),
        ({"hours": 1, "law": "moore"}, "no law is called 'moore'"),
        ({"hours": 1, "on": "h1000"}, "no hardware is called 'h1000'. There are: cpu, v100, a100-40"),
        ({"flops": 1e9, "on": "h100"}, "less than one row of 2048"),
    ],
)
def test_what_can_not_be_planned_is_one_sentence(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UserError, match=escape(words)):
        make_plan(Request(**settings))


def test_dollars_need_a_price() -> None:
    with pytest.raises(UserError, match="this machine has no price: say --price"):
        Request(dollars=1)
    plan = make_plan(Request(dollars=1, price=0.5), HERE)
    assert plan.hours == pytest.approx(2, rel=1e-3)
    assert plan.dollars == pytest.approx(1, rel=1e-3)


def test_the_catalog_has_a_source_for_every_price_and_share() -> None:
    assert len({hardware.key for hardware in CATALOG}) == len(CATALOG)
    for hardware in CATALOG:
        assert 1e14 < hardware.peak < 1e16
        assert 0.2 <= hardware.utilization <= 0.6
        assert hardware.utilization_source
        assert "20" in hardware.price_source  # a date


def test_nothing_is_written_where_the_plot_is_no_svg(tmp_path: Path) -> None:
    from cygnet.recipe.planner.printed import plan

    with pytest.raises(UserError, match=r"name --out .*plan\.svg, not .*plan\.png"):
        plan(Request(flops=1e18, on="h100"), tmp_path / "plan.png")
    assert not list(tmp_path.iterdir())
