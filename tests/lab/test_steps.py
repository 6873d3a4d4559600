"""Search as a rung: steps are drawn, valued by the model, checked where they can be, and held to caps."""

import math
import re
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lab import ladder, load_technique
from cygnet.lab.ladder import Footing
from cygnet.lab.models import Model
from cygnet.lab.readers import ReadJson, ReadNumber
from cygnet.lab.record import record
from cygnet.lab.report.page import render
from cygnet.lab.run import run_lab
from cygnet.lab.steps import StepSearch
from cygnet.lab.verifiers import FitsSchema
from cygnet.lm.base import Reply, Token, Usage
from cygnet.techniques import Document, Example

JUDGE = "Is all of that right so far?"
WORDS = ReadNumber(after="The answer is")


@pytest.fixture
def thinker(adder):
    """Adds in two lines, of which each is right in a third of cases; asked to judge, it knows. Asked at once, it is at
    a loss."""

    class Thinker(adder):
        finishes = True

        def _reply(self, prompt, sampling, index):
            text = prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)
            self.asked.append(text)
            one, other = map(int, re.findall(r"What is (\d+) \+ (\d+)\?", text)[-1])
            usage = Usage(len(text) // 4 if index == 0 else 0, 3, calls=int(index == 0))
            said = text[text.rindex("What is") :]
            if JUDGE in said:
                right = all(int(number) == one + other for number in re.findall(r"(?:=|answer is) (\d+)", said))
                odds = 0.9 if right else 0.2
                top = (("yes", math.log(odds)), ("no", math.log(1 - odds)))
                return Reply("yes", "stop", usage, (Token("yes", top[0][1], top),))
            known = (Token("?", -1.0),) if sampling.logprobs is not None else ()
            guess = one + other + (sampling.seed + index) % 3
            if said.rstrip().endswith(("The answer is", "A: The answer is")):
                return Reply(f" {one + other}", "stop", usage, known)
            if "step" not in text:
                return Reply("no idea", "stop", usage, known)
            if not self.finishes:
                return Reply(f"Let me see: {sampling.seed + index} apples", "stop", usage, known)
            written = re.findall(r"= (\d+)", said)
            line = f"The answer is {written[-1]}" if written else f"{one} + {other} = {guess}"
            return Reply(line, "stop", usage, known)

    return Thinker


def test_what_the_model_values_most_wins(thinker) -> None:
    lm = thinker()
    answers = StepSearch(lm, parse=WORDS).run([f"What is {n} + 8?" for n in range(20)])
    assert [answer.value for answer in answers] == [str(n + 8) for n in range(20)]
    assert answers[0].text == "0 + 8 = 8\nThe answer is 8"
    assert "found among" in answers[0].note


def test_it_is_a_rung_that_is_measured_exported_and_resumed(task, thinker, watch, tmp_path: Path) -> None:
    lm = thinker()
    outcome = run_lab(task(), Model(lm, "x", "x"), tmp_path / "out", watch)
    names = [rung.rung for rung in outcome.rungs]
    assert names.index("retrieval, passages alone") < names.index("search") < names.index("fine-tuning (LoRA)")
    [rung] = [rung for rung in outcome.measured if rung.rung == "search"]
    assert rung.accuracy == 1.0
    assert rung.usage.tokens / len(rung.graded) <= 8192
    again = thinker()
    assert record(run_lab(task(), Model(again, "x", "x"), tmp_path / "out", watch)) == record(outcome)
    assert again.asked == []
    for name in ("best", "cheapest"):
        assert load_technique(tmp_path / f"out/{name}.toml", thinker())("What is 5 + 6?").value == "11"
        compile((tmp_path / f"out/{name}.py").read_text(), name, "exec")


def test_the_report_says_what_to_hold_it_against(task, thinker, up) -> None:
    outcome = up(task(), thinker())
    tokens = {rung.rung: rung.usage.tokens / len(rung.graded) for rung in outcome.measured}
    assert tokens["search"] > tokens["best of n"]
    samples = round(3 * tokens["search"] / tokens["best of n"])
    page = render(outcome)
    assert "Search beside best of n" in page
    assert f"asking.samples={samples}" in page


def test_an_endpoint_that_tells_no_log_probabilities_has_no_search(task, adder) -> None:
    assert "asking.logprobs is not set" in ladder.search(Footing(task(), adder(local=False)))
    assert isinstance(ladder.search(Footing(task("asking.logprobs=true"), adder(local=False))), StepSearch)


def test_a_finished_chain_that_the_check_rejects_is_dropped(thinker) -> None:
    class Fooled(thinker):
        def _reply(self, prompt, sampling, index):
            reply = super()._reply(prompt, sampling, index)
            return Reply("yes", "stop", reply.usage, (Token("yes", -0.1, (("yes", -0.1),)),)) if reply.tokens else reply

    def even(question, answer):
        return None if int(answer.value) % 2 == 0 else "It is odd."

    questions = [f"What is {n} + 8?" for n in range(0, 40, 2)]
    blind, checked = (StepSearch(Fooled(), check=check, parse=WORDS).run(questions) for check in (None, even))
    assert any(int(answer.value) % 2 for answer in blind)
    rejected = [answer for answer in checked if "rejected" in answer.note]
    assert all(int(answer.value) % 2 == 0 for answer in checked if answer not in rejected)
    assert any("It is odd." in text for answer in checked for step in answer.trace for text in step.texts)


@pytest.mark.parametrize("form", [None, Document()])
def test_where_no_chain_is_finished_the_best_is_led_to_its_answer(thinker, form) -> None:
    lm = thinker()
    lm.finishes = False
    answer = StepSearch(lm, **({"form": form} if form else {}), parse=WORDS, depth=2)("What is 3 + 4?")
    assert answer.value == "7"
    assert "no solution" in answer.note
    assert "then asked for the answer" in answer.note
    assert answer.trace[-1].name == "extract"
    assert re.fullmatch(r"(Let me see: \d+ apples\n){1,2}The answer is 7", answer.text)


def test_a_document_goes_on_line_by_line_and_examples_are_worked_in_it(thinker) -> None:
    lm = thinker()
    example = Example("What is 1 + 1?", "2", "One and one.\n\n1 + 1 = 2")
    search = StepSearch(lm, (example,), Document(), parse=WORDS)
    search("What is 3 + 4?")
    first = lm.asked[0]
    assert "A: One and one.\n1 + 1 = 2\nThe answer is 2\n\nQ: What is 3 + 4?" in first
    assert first.endswith("\nA:")
    assert all(text.startswith(first) for text in lm.asked), "what a question's requests read begins alike"
    assert any(text.endswith("= 7\n") for text in lm.asked)
    assert any(JUDGE in text and text.endswith("\nA:") for text in lm.asked)


@pytest.mark.parametrize("finishes", [True, False])
@pytest.mark.parametrize("tokens", [1, 400, 800, 1600, 3200])
def test_no_cap_is_ever_exceeded(thinker, tokens: int, finishes: bool) -> None:
    lm = thinker()
    lm.finishes = finishes
    answer = StepSearch(lm, parse=WORDS, tokens=tokens)("What is 3 + 4?")
    assert answer.usage.tokens <= tokens
    if answer.value is None:
        assert "cap" in answer.note
    few = StepSearch(lm, parse=WORDS, states=3)("What is 3 + 4?")
    assert sum(step.name == "value" for step in few.trace) <= 3


def test_an_object_is_read_and_held_to_its_schema(adder) -> None:
    class Clerk(adder):
        def _reply(self, prompt, sampling, index):
            words = str(prompt)
            odds = (Token("yes", -0.1, (("yes", -0.1),)),)
            lines = ('The answer is {"n": -1}', "Let me see.", 'The answer is {"n": 7}')
            text = "yes" if JUDGE in words else lines[(sampling.seed + index) % 3]
            return Reply(text, "stop", Usage(9, 1, calls=1), odds if JUDGE in words else ())

    schema = '{"type": "object", "properties": {"n": {"minimum": 0}}, "required": ["n"]}'
    search = StepSearch(Clerk(), check=FitsSchema(schema), parse=ReadJson(after="The answer is"))
    assert {str(answer.value) for answer in search.run(["How many?"] * 8)} == {"{'n': 7}"}


def test_settings_that_no_search_can_have_are_refused(thinker) -> None:
    with pytest.raises(UserError, match="no hole {marker}"):
        StepSearch(thinker(), template="{question}")
    with pytest.raises(UserError, match="example 1 has no reasoning"):
        StepSearch(thinker(), (Example("What is 1 + 1?", "2"),))
    with pytest.raises(UserError, match="width 0"):
        StepSearch(thinker(), width=0)
    with pytest.raises(UserError, match="alike"):
        StepSearch(thinker(), sampling=Sampling(temperature=0.0))
