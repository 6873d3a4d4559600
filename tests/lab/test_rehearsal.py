from cygnet.lab.climb import LeftOut
from cygnet.lab.rehearsal import rehearse


def test_a_plan_is_an_upper_bound_of_calls_and_of_what_is_written(task, adder, up) -> None:
    sums = task("asking.max_new_tokens=8", "asking.reasoning_tokens=8", "prices.prompt=1.0", 'asking.topic="sums"')
    *plans, held_out = rehearse(sums, local=True)
    outcome = up(sums, adder())
    assert [plan.rung for plan in plans] == [rung.rung for rung in outcome.rungs]
    for plan, rung in zip(plans, outcome.rungs, strict=True):
        if isinstance(rung, LeftOut):
            assert plan.left_out == rung.reason or "adder is no model folder" in rung.reason
        else:
            assert plan.calls >= rung.usage.calls
            assert plan.written >= rung.usage.completion_tokens
            assert plan.cost >= rung.usage.cost * 0.7, "of what is read it knows only about how long it is"
    assert held_out.calls >= sum(rung.usage.calls for rung in outcome.picks.held_out.values())


def test_an_endpoint_that_tells_no_log_probabilities_has_no_rungs_that_need_them(task) -> None:
    left_out = {plan.rung: plan.left_out for plan in rehearse(task(), local=False) if plan.left_out}
    assert "asking.logprobs is not set" in left_out["best of n"]
    told = {plan.rung for plan in rehearse(task("asking.logprobs=true"), local=False) if not plan.left_out}
    assert "best of n" in told
