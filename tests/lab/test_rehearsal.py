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


def test_whichever_rung_turns_out_best_a_plan_bounds_what_builds_on_it(task, adder, up) -> None:
    """A chain of thought asks twice for each answer; the longest prompts, those with examples, ask once."""

    class Reasoner(adder):
        def _reply(self, prompt, sampling, index):
            self.skill = dict.fromkeys(self.skill, 1.0 if "step by step" in str(prompt) else 0.0)
            return super()._reply(prompt, sampling, index)

    sums = task("asking.max_new_tokens=8", "asking.reasoning_tokens=8", 'asking.tools=["calculator"]')
    plans = {plan.rung: plan for plan in rehearse(sums, local=True)}
    measured = up(sums, Reasoner()).measured
    assert max(measured, key=lambda rung: rung.accuracy).rung == "chain of thought"
    for rung in measured:
        assert plans[rung.rung].calls >= rung.usage.calls, rung.rung
        assert plans[rung.rung].written >= rung.usage.completion_tokens, rung.rung
    items = len(sums.items.choosing)
    assert plans["vote"].calls == 2 * 3 * items
    assert plans["tools"].calls == 8 * items, "an agent may take all its steps"
    assert plans["search"].written <= 8192 * items


def test_a_server_may_have_to_be_asked_for_every_reply(task) -> None:
    here, there = (
        {plan.rung: plan for plan in rehearse(task("asking.logprobs=true"), local)} for local in (True, False)
    )
    assert there["search"].calls > here["search"].calls
    assert there["vote"].calls == here["vote"].calls
