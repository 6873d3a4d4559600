import pytest

from cygnet.errors import UserError
from cygnet.lm.base import Reply, Usage
from cygnet.techniques import Answer, Plain, PlanAndExecute, ReAct, last_number

PLAN = "Here is my plan:\n1. Count the swans.\n2) Count the geese.\n- Add them up.\nDone."


def working(plans: list[str], results: dict[str, str]):
    """A script that plans, looks up what steps come to, and concludes with everything found out."""
    left = iter(plans)

    def script(prompt: str, seed: int) -> str:
        if "Make a plan" in prompt.splitlines()[-1] or "Make a new plan" in prompt.splitlines()[-1]:
            return next(left)
        if "Do only this step now: " in prompt:
            return results[prompt.rpartition("now: ")[2]]
        return "In all " + prompt.rpartition(": ")[2].splitlines()[0]

    return script


COUNTS = {"Count the swans.": "7", "Count the geese.": "5", "Add them up.": "12"}


def test_each_step_is_a_question_that_knows_what_came_before(scripted) -> None:
    lm = scripted(working([PLAN], COUNTS))
    answer = PlanAndExecute(Plain(lm), parse=last_number)("How many birds?")
    assert (answer.value, answer.text, answer.note) == (12, "In all 12", "")
    executed = [prompt for prompt in lm.prompts if "only this step" in prompt]
    assert [prompt.rpartition("now: ")[2] for prompt in executed] == list(COUNTS)
    assert "1. Count the swans.: 7\n2. Count the geese.: 5\n\nDo only" in executed[2]
    assert "Done so far:\n(nothing)" in executed[0]
    assert all("How many birds?" in prompt for prompt in lm.prompts)
    assert [entry.name for entry in answer.trace] == ["plan", *["ask", "step"] * 3, "conclude"]
    assert answer.usage.calls == lm.calls == 5


def test_a_step_that_fails_is_planned_anew_and_what_is_done_is_kept(scripted) -> None:
    lm = scripted(working([PLAN, "1. Ask Ben."], {**COUNTS, "Count the geese.": "none to see", "Ask Ben.": "5"}))
    answer = PlanAndExecute(Plain(lm, parse=last_number))("How many birds?")
    replanned = next(prompt for prompt in lm.prompts if "Make a new plan" in prompt)
    assert "Done so far:\n1. Count the swans.: 7\n" in replanned
    assert 'This went wrong: the step "Count the geese.": it led to no answer' in replanned
    assert f"assistant: {PLAN}" in replanned
    assert "1. Count the swans.: 7\n2. Ask Ben.: 5" in lm.prompts[-1]
    assert answer.value == "In all 5"


def test_a_check_rejects_what_a_step_came_to(scripted) -> None:
    def small(task: str, answer: Answer) -> str | None:
        return f"{task} {answer.value} is too many" if answer.value > 6 else None

    lm = scripted(working([PLAN, "1. Count the geese."], COUNTS))
    answer = PlanAndExecute(Plain(lm, parse=last_number), check=small)("How many birds?")
    assert "Count the swans. 7 is too many" in next(prompt for prompt in lm.prompts if "new plan" in prompt)
    assert answer.value == "In all 5"


def test_no_more_new_plans_than_allowed(scripted) -> None:
    lm = scripted(working(["1. Fly."] * 9, {"Fly.": "?"}))
    answer = PlanAndExecute(Plain(lm, parse=last_number), replans=2)("How?")
    assert answer.value is None
    assert answer.note == 'no answer, 3 planned: the step "Fly.": it led to no answer'
    assert sum(entry.name == "plan" for entry in answer.trace) == 3


def test_a_plan_that_was_cut_off_is_not_carried_out(scripted) -> None:
    cut = Reply("1. Count the geese.\n2. Pay the ma", "length", Usage(9, 9, calls=1))
    lm = scripted(working([cut, "1. Count the swans."], COUNTS))
    answer = PlanAndExecute(Plain(lm), parse=last_number)("How many?")
    assert [entry.texts[0] for entry in answer.trace if entry.name == "step"] == ["Count the swans.\n7"]
    assert "the plan was cut off" in next(prompt for prompt in lm.prompts if "Make a new plan" in prompt)
    assert answer.value == 7
    always = PlanAndExecute(Plain(scripted(working([cut] * 3, {}))))("How many?")
    assert (always.value, always.note) == (None, "no answer, 3 planned: the plan was cut off: write a shorter one")


def test_a_plan_that_cannot_be_read_is_asked_for_again(scripted) -> None:
    lm = scripted(working(["I have no plan.", "1. Count the swans."], COUNTS))
    assert PlanAndExecute(Plain(lm))("How many?").value == "In all 7"
    answer = PlanAndExecute(Plain(scripted(working(["Well"] * 9, {}))), replans=0)("How many?")
    assert answer.note == "no answer, 1 planned: there is no list of steps, a numbered line each"


def test_steps_and_tokens_are_capped(scripted) -> None:
    lm = scripted(working([PLAN], COUNTS))
    answer = PlanAndExecute(Plain(lm), most_steps=2)("How many birds?")
    assert (answer.value, answer.note) == (None, "no answer within the cap of 2 steps")
    assert sum("only this step" in prompt for prompt in lm.prompts) == 2
    capped = PlanAndExecute(Plain(lm), tokens=800)
    lm.script = working([PLAN], COUNTS)
    answer = capped("How many birds?")
    assert answer.value is None
    assert answer.usage.tokens <= 800
    assert "of 800 tokens spent" in answer.note


def test_a_step_can_be_an_agents_work(scripted, in_turn) -> None:
    lm = scripted(in_turn("1. Look.", 'Thought: I see 7.\nAction: finish {"answer": "7"}', "Seven."))
    assert PlanAndExecute(ReAct(lm, []))("How many?").value == "Seven."
    lost = scripted(in_turn("1. Look.", "Thought: hm"))
    note = PlanAndExecute(ReAct(lost, [], steps=1), replans=0)("How many?").note
    assert note == 'no answer, 1 planned: the step "Look.": no answer, stopped by the cap of 1 steps'


def test_a_conclusion_that_was_cut_off_says_so(scripted, in_turn) -> None:
    lm = scripted(in_turn("1. Look.", "7", Reply("Seven and", "length", Usage(1, 2))))
    assert PlanAndExecute(Plain(lm))("How many?").note == "cut off after 2 tokens"


def test_settings_that_make_no_sense_are_refused(scripted) -> None:
    inner = Plain(scripted(lambda prompt, seed: ""))
    with pytest.raises(UserError, match="0 steps"):
        PlanAndExecute(inner, most_steps=0)
    with pytest.raises(UserError, match="{step}"):
        PlanAndExecute(inner, execute="{question} {done}")
