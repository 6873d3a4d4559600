import json
import re
from pathlib import Path

import pytest

from cygnet.errors import ContextError, UserError
from cygnet.lab.climb import best_of, cheapest_within
from cygnet.lab.models import Model
from cygnet.lab.record import record
from cygnet.lab.run import run_lab
from cygnet.lm.connection import DeadEndpointError, NotAdmittedError
from cygnet.lm.endpoint import EndpointModel
from cygnet.lm.ledger import BudgetError


def test_every_rung_is_measured_on_the_same_items_and_says_what_it_took(task, adder, up, tmp_path: Path) -> None:
    sums = task("prices.prompt=1.0", "prices.completion=2.0", count=76)
    lm = adder(plain=0.1, told=0.4, shown=1.0)
    outcome = up(sums, lm)
    rungs = {rung.rung: rung for rung in outcome.measured}
    assert list(rungs)[:4] == ["plain", "instructions", "few-shot", "few-shot, similar"]
    left_out = {rung.rung for rung in outcome.rungs} - set(rungs)
    assert left_out == {
        *("persona", "chain of thought, few-shot", "tools"),
        *("retrieval", "retrieval, passages alone", "fine-tuning (LoRA)"),
    }
    for rung in rungs.values():
        assert [graded.item for graded in rung.graded] == list(sums.items.choosing)
        usage = rung.usage
        assert usage.cost == pytest.approx((usage.prompt_tokens + 2 * usage.completion_tokens) / 1e6)
        assert usage.calls >= len(sums.items.choosing)
    assert rungs["vote"].usage.calls > rungs["few-shot"].usage.calls
    assert outcome.comparisons["few-shot"].over == "plain"
    assert outcome.comparisons["few-shot"].words == "gain"
    total = sum(rung.usage.cost for rung in (*rungs.values(), *outcome.picks.held_out.values()))
    lines = [json.loads(line) for line in (tmp_path / "out/calls.jsonl").read_text().splitlines()]
    assert sum(line["cost"] for line in lines) == pytest.approx(total)


def test_examples_that_are_shown_are_never_measured_nor_those_held_out_chosen_by(task, adder, up) -> None:
    sums = task()
    lm = adder()
    up(sums, lm)
    shown = {example.question for example in sums.items.pool}
    asked = {re.findall(r"What is \d+ \+ \d+\?", text)[-1] for text in lm.asked}
    assert not shown & asked
    assert asked == {item.question for item in (*sums.items.choosing, *sums.items.held_out)}


def test_a_second_run_asks_nothing_and_finds_the_same(task, adder, up) -> None:
    sums, first, second = task(), adder(), adder()
    one, other = up(sums, first), up(sums, second)
    assert second.asked == []
    assert record(one) == record(other)
    assert [rung.graded for rung in one.measured] == [rung.graded for rung in other.measured]


@pytest.mark.parametrize("local", [True, False])
def test_after_a_kill_only_what_was_in_flight_is_asked_again(local: bool, task, adder, up, tmp_path: Path) -> None:
    sums, whole = task(), adder(local)
    expected = up(sums, whole, tmp_path / "whole")
    broken = adder(local)
    broken.fail_after, broken.failure = 100, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        up(sums, broken)
    rest = adder(local)
    found = up(sums, rest)
    assert record(found) == record(expected)
    in_flight = 32 if local else len(sums.items.choosing)
    assert len(whole.asked) <= len(broken.asked) + len(rest.asked) <= len(whole.asked) + in_flight


def test_a_line_cut_short_by_a_kill_is_asked_again_and_a_strange_one_is_told(task, adder, up, tmp_path: Path) -> None:
    sums = task()
    up(sums, adder())
    kept = tmp_path / "out/answers.jsonl"
    kept.write_bytes(kept.read_bytes()[:-20])
    again = adder()
    up(sums, again)
    assert len({text.rpartition("What is")[2] for text in again.asked}) == 1
    kept.write_text('{"key": "x"}\n' + kept.read_text())
    with pytest.raises(UserError, match=r"answers.jsonl, row 1: is no kept answer"):
        up(sums, adder())


def test_a_changed_prompt_asks_only_for_what_it_changes(task, adder, up) -> None:
    up(task(), adder(plain=0.0))
    lm = adder(plain=0.0)
    up(task('asking.instructions="Say the sum."'), lm)
    assert lm.asked
    assert not any(re.fullmatch(r"user: What is \d+ \+ \d+\?", text) for text in lm.asked), "plain is not asked again"
    graded_otherwise = adder()
    up(task('check.after="x"'), graded_otherwise)
    assert graded_otherwise.asked, "how an answer is read decides votes, so it is part of a technique"


def test_another_model_is_asked_anew(task, adder, tmp_path: Path, watch) -> None:
    sums = task()
    run_lab(sums, Model(adder(), "a", "one"), tmp_path / "out", watch)
    other = adder()
    run_lab(sums, Model(other, "a", "another"), tmp_path / "out", watch)
    assert other.asked


@pytest.mark.parametrize("local", [True, False])
def test_a_spent_budget_stops_cleanly_and_more_goes_on(local: bool, task, adder, watch, tmp_path: Path) -> None:
    lm = adder(local)
    whole = run_lab(task(), Model(adder(local), "a", "a"), tmp_path / "whole", watch)
    limit = sum(rung.usage.tokens for rung in whole.measured[:3])
    with pytest.raises(UserError, match=rf"budget\.tokens is {limit}, .* the same command goes on from there") as error:
        run_lab(task(f"budget.tokens={limit}"), Model(lm, "a", "a"), tmp_path / "out", watch)
    assert isinstance(error.value.__cause__, BudgetError)
    found = json.loads((tmp_path / "out/lab.json").read_text())
    assert len([rung for rung in found["rungs"] if "accuracy" in rung]) == 3
    assert "the budget is spent" in found["stopped"]
    assert found["best"] is None
    assert "Not finished" in (tmp_path / "out/report.html").read_text()
    assert not (tmp_path / "out/best.py").exists()
    asked = len(lm.asked)
    with pytest.raises(UserError, match="the budget is spent"):
        run_lab(task(f"budget.tokens={limit}"), Model(lm, "a", "a"), tmp_path / "out", watch)
    assert len(lm.asked) == asked, "what earlier runs took counts"
    assert record(run_lab(task(), Model(lm, "a", "a"), tmp_path / "out", watch)) == record(whole)


def test_money_is_a_budget_too(task, adder, watch, tmp_path: Path) -> None:
    prices = ("prices.prompt=10.0", "prices.completion=10.0")
    with pytest.raises(UserError, match=r"budget\.money is 0\.01"):
        run_lab(task(*prices, "budget.money=0.01"), Model(adder(), "a", "a"), tmp_path / "out", watch)


def test_an_endpoint_that_dies_ends_the_climb_and_nothing_is_lost(task, adder, watch, tmp_path: Path) -> None:
    lm = adder(local=False)
    lm.fail_after = 60
    lm.failure = UserError("http://host failed in each of 6 attempts.")
    lm.failure.__cause__ = DeadEndpointError("dead")
    with pytest.raises(UserError, match="failed in each of 6 attempts. The answers so far are kept"):
        run_lab(task(), Model(lm, "a", "a"), tmp_path / "out", watch)
    assert len(lm.asked) == 60
    lm.fail_after = None
    assert run_lab(task(), Model(lm, "a", "a"), tmp_path / "out", watch).picks
    whole = adder(local=False)
    run_lab(task(), Model(whole, "a", "a"), tmp_path / "whole", watch)
    assert len(lm.asked) == len(whole.asked)


def test_a_rung_that_the_model_refuses_is_left_out_but_not_the_first(task, adder, watch, tmp_path: Path) -> None:
    class Narrow(adder):
        def _reply(self, prompt, sampling, index):
            if "step by step" in str(prompt):
                raise UserError("the prompt has 300 tokens.")
            return super()._reply(prompt, sampling, index)

    outcome = run_lab(task(), Model(Narrow(), "a", "a"), tmp_path / "out", watch)
    [left_out] = [rung for rung in outcome.rungs if rung.rung == "chain of thought"]
    assert left_out.reason == "the prompt has 300 tokens."
    assert "vote" in {rung.rung for rung in outcome.measured}
    dead = adder()
    dead.fail_after = 0
    with pytest.raises(UserError, match="out of order"):
        run_lab(task(), Model(dead, "a", "a"), tmp_path / "dead", watch)
    assert not (tmp_path / "dead/lab.json").exists()


def test_a_checker_that_raises_ends_the_climb_and_keeps_the_answers(write, rows, adder, tmp_path: Path, watch) -> None:
    from cygnet.lab.task import load_task

    checker = tmp_path / "mine_raises.py"
    text = 'examples = "sums.jsonl"\n[check]\nkind = "python"\nfunction = "mine_raises:check"\n'
    checker.write_text("def check(question, answer, expected):\n    return int('x')\n")
    lm = adder()
    with pytest.raises(UserError, match="mine_raises:check raised ValueError: .* Mend it and run again"):
        run_lab(load_task(write(rows(40), text)), Model(lm, "a", "a"), tmp_path / "out", watch)
    asked = len(lm.asked)
    assert asked > 0
    lines = (tmp_path / "out/answers.jsonl").read_text().splitlines()
    assert len(lines) == asked


def test_two_labs_do_not_work_in_one_folder(task, adder, watch, tmp_path: Path) -> None:
    from cygnet.lock import locked

    with locked(tmp_path / "out"), pytest.raises(UserError, match="is at work in"):
        run_lab(task(), Model(adder(), "a", "a"), tmp_path / "out", watch)


def test_the_cheapest_is_the_cheapest_within_the_margin(task, adder, up) -> None:
    measured = up(task(), adder(told=0.9, shown=0.91)).measured
    best = best_of(measured)
    assert best.accuracy == max(rung.accuracy for rung in measured)
    assert cheapest_within(measured, 0).accuracy == best.accuracy
    for margin in (0, 5, 30, 100):
        cheapest = cheapest_within(measured, margin)
        good = [rung for rung in measured if rung.accuracy >= best.accuracy - margin / 100 - 1e-9]
        assert cheapest.cost == min(rung.cost for rung in good)
    assert cheapest_within(measured, 100).rung == "plain"


@pytest.mark.parametrize("local", [True, False])
def test_an_item_that_the_model_refuses_is_a_wrong_answer(local: bool, task, adder, up, tmp_path: Path) -> None:
    sums = task()
    long, other = sums.items.choosing[3].question, sums.items.held_out[0].question

    class Narrow(adder):
        def _reply(self, prompt, sampling, index):
            if str(prompt).rpartition("What is")[2].startswith((long[8:], other[8:])) or long in str(prompt):
                raise UserError("the prompt has 300 tokens.")
            return super()._reply(prompt, sampling, index)

    whole = up(sums, adder(local), tmp_path / "whole")
    outcome = up(sums, Narrow(local))
    assert outcome.picks, "the lab goes to its end"
    assert [rung.rung for rung in outcome.measured] == [rung.rung for rung in whole.measured]
    for rung, without in zip(outcome.measured[:4], whole.measured[:4], strict=True):
        assert rung.graded[3].wrong == "refused: the prompt has 300 tokens."
        others = [i for i in range(len(rung.graded)) if i != 3]
        assert [rung.graded[i] for i in others] == [without.graded[i] for i in others]


@pytest.mark.parametrize("where", ["here", "aside", "endpoint"])
def test_an_item_that_is_too_long_is_wrong_and_not_asked_again(where: str, task, adder, endpoint, up) -> None:
    sums = task()
    long = [sums.items.choosing[i].question for i in (3, 7)] + [sums.items.held_out[0].question]

    class Narrow(adder):
        refused = 0

        def _reply(self, prompt, sampling, index):
            if any(question in str(prompt) for question in long):
                self.refused += 1
                raise ContextError("the prompt has 300 tokens, but the maximum context length is 200.")
            return super()._reply(prompt, sampling, index)

    def found(lm):
        if where != "endpoint":
            return up(sums, lm)
        with EndpointModel(endpoint(lm)) as model:
            return up(sums, model)

    first, second = Narrow(where == "here"), Narrow(where == "here")
    one, other = found(first), found(second)
    assert first.refused > 0
    assert (second.asked, second.refused) == ([], 0)
    assert record(other) == record(one)
    wrong = one.measured[0].graded[7].wrong
    assert wrong.startswith("refused: ")
    assert "the maximum context length is 200." in wrong
    assert [rung.graded for rung in other.measured] == [rung.graded for rung in one.measured]


def test_any_other_refusal_is_asked_again(task, adder, up) -> None:
    sums = task()
    moody = sums.items.choosing[3].question

    class Moody(adder):
        def _reply(self, prompt, sampling, index):
            if moody in str(prompt):
                raise UserError("not now.")
            return super()._reply(prompt, sampling, index)

    assert up(sums, Moody()).measured[0].graded[3].wrong == "refused: not now."
    assert up(sums, adder()).measured[0].graded[3].wrong != "refused: not now."


def test_where_everything_is_too_long_a_context_that_grew_is_found_out(task, adder, up) -> None:
    class Narrow(adder):
        def _reply(self, prompt, sampling, index):
            raise ContextError("the prompt has 300 tokens.")

    with pytest.raises(ContextError, match="300 tokens"):
        up(task(), Narrow())
    assert up(task(), adder()).picks


def test_a_key_that_is_no_longer_taken_ends_the_climb(task, adder, watch, tmp_path: Path) -> None:
    lm = adder(local=False)
    lm.fail_after, lm.failure = 60, NotAdmittedError("refused with status 401. Check the key.")
    with pytest.raises(UserError, match="Check the key"):
        run_lab(task(), Model(lm, "a", "a"), tmp_path / "out", watch)
    assert len(lm.asked) == 60


def test_a_line_of_the_ledger_cut_short_by_a_kill_does_no_harm(task, adder, up, tmp_path: Path) -> None:
    sums, calls = task(), tmp_path / "out/calls.jsonl"
    up(sums, adder())
    calls.write_bytes(calls.read_bytes()[:-20])
    (tmp_path / "out/answers.jsonl").unlink()
    up(sums, adder())
    assert all(json.loads(line) for line in calls.read_text().splitlines())
    up(sums, adder())


def test_an_interrupted_lab_reports_what_there_is_and_leaves_no_picks_of_another(
    task, adder, watch, tmp_path: Path
) -> None:
    picks = [tmp_path / "out" / f"{name}.{kind}" for name in ("best", "cheapest") for kind in ("py", "toml")]
    run_lab(task(), Model(adder(), "a", "a"), tmp_path / "out", watch)
    assert all(path.exists() for path in picks)
    lm = adder()
    lm.fail_after, lm.failure = 60, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run_lab(task(), Model(lm, "b", "b"), tmp_path / "out", watch)
    assert json.loads((tmp_path / "out/lab.json").read_text())["stopped"] == "It was interrupted."
    assert not any(path.exists() for path in picks)
