from dataclasses import replace

import pytest

from cygnet.errors import UserError
from cygnet.lm.base import Reply
from cygnet.techniques import Document, Example, Vote, last_number
from cygnet.techniques.retrieval import PROMPTS, Retrieve, dial_table, measure_dial

RHINE, SWAN = "The Rhine is 1233 km long.", "Swans are white birds."


def test_passages_are_shown_numbered_and_citations_lead_back(scripted, indexed) -> None:
    lm = scripted(lambda prompt, seed: "It is “1233 km long” [1].")
    with indexed(RHINE, SWAN) as index:
        answer = Retrieve(lm, index, k=1, parse=last_number)("How long is the Rhine?")
    assert '<passage number="1" source="texts/0.txt">\nThe Rhine is 1233 km long.\n</passage>' in lm.prompts[0]
    assert lm.prompts[0].endswith("\n\nQuestion: How long is the Rhine?")
    assert "what you know" in lm.prompts[0]
    assert "such as [1]" in lm.prompts[0]
    assert (answer.value, answer.text) == (1233, "It is “1233 km long” [1].")  # the citation is no number of the answer
    assert answer.note == "cites [1] texts/0.txt, characters 0 to 26"
    assert [step.name for step in answer.trace] == ["search", "ask"]
    assert answer.trace[0].texts == ("[1] texts/0.txt, characters 0 to 26\nThe Rhine is 1233 km long.",)
    assert answer.trace[0].prompt == "How long is the Rhine?"
    assert answer.usage.calls == 1


def test_from_memory_nothing_is_searched(scripted) -> None:
    lm = scripted(lambda prompt, seed: "1000 km")
    answer = Retrieve(lm, None, "memory")("How long is the Rhine?")
    assert lm.prompts == ["user: How long is the Rhine?"]
    assert (answer.value, answer.note) == ("1000 km", "")


def test_retrieval_only_asks_no_model(scripted, indexed) -> None:
    lm = scripted(lambda prompt, seed: "no")
    with indexed(RHINE, SWAN) as index:
        answer = Retrieve(lm, index, "retrieval-only")("swans?")
        assert (answer.value, answer.text, lm.calls) == (SWAN, SWAN, 0)
        assert answer.note == "[1] texts/1.txt, characters 0 to 22"
        assert Retrieve(lm, index, "retrieval-only")("herons?").value is None


def test_from_passages_alone_the_model_may_say_that_it_is_not_there(scripted, indexed) -> None:
    lm = scripted(lambda prompt, seed: "NOT in the passages!")
    with indexed(RHINE) as index:
        answer = Retrieve(lm, index, "passages")("What is the Rhine's source?")
        assert answer.value is None
        assert "alone" in lm.prompts[0]
        assert Retrieve(lm, index, "both")("What is the Rhine's source?").value == "NOT in the passages!"
        nothing = Retrieve(lm, index, "passages")("Herons?")
    assert (nothing.value, nothing.note, lm.calls) == (None, "the search found nothing", 2)


def test_with_both_a_vain_search_leaves_memory(scripted, indexed) -> None:
    lm = scripted(lambda prompt, seed: "Grey.")
    with indexed(RHINE) as index:
        answer = Retrieve(lm, index)("Herons?")
    assert lm.prompts == ["user: Herons?"]
    assert answer.note == "the search found nothing: from memory alone"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("It is long.", "cites no passage"),
        ("It is long [4].", "cites no passage; [4] is no passage"),
        ("“The Rhine is 9 km long” [1]", "“The Rhine is 9 km long” does not stand in passage 1"),
    ],
)
def test_what_is_wrong_with_citations_is_noted(scripted, indexed, text: str, note: str) -> None:
    with indexed(RHINE) as index:
        assert note in Retrieve(scripted(lambda prompt, seed: text), index)("How long is the Rhine?").note


def test_what_was_cut_off_is_noted(scripted, indexed) -> None:
    with indexed(RHINE) as index:
        assert "cut off" in Retrieve(scripted(lambda p, s: Reply("It is", "length")), index)("The Rhine?").note


def test_it_composes_and_base_models_can_be_asked(scripted, indexed) -> None:
    lm = scripted(lambda prompt, seed: "1233 [1]")
    with indexed(RHINE) as index:
        prompts = {**PROMPTS, "both": "{passages}\n{question}"}
        technique = Retrieve(lm, index, form=Document("Q: {question}\nA: It is"), prompts=prompts, parse=last_number)
        assert Vote(technique, 2, first=2)("How long is the Rhine?").value == 1233
    assert lm.prompts[0] == (
        'Q: <passage number="1" source="texts/0.txt">\nThe Rhine is 1233 km long.\n</passage>\n'
        "How long is the Rhine?\nA: It is"
    )


def test_settings_that_cannot_be_are_refused(scripted) -> None:
    lm = scripted(lambda prompt, seed: "")
    with pytest.raises(UserError, match="unknown reliance 'web'"):
        Retrieve(lm, None, "web")
    with pytest.raises(UserError, match="at least one passage"):
        Retrieve(lm, None, k=0)
    with pytest.raises(UserError, match=r"no hole \{passages\}"):
        Retrieve(lm, None, prompts={**PROMPTS, "both": "{question}"})


ITEMS = [
    Example("How long is the Rhine?", "1233"),
    Example("What color are swans?", "white"),
    Example("How fast are swans?", "80 km/h"),
]


def test_the_dial_shows_where_the_loss_is(scripted, indexed) -> None:
    def script(prompt: str, seed: int) -> str:
        if "<passage" not in prompt:
            return "I don't know."
        return "It is 1233 km [1]." if "Rhine?" in prompt else "They are grey [1]."

    with indexed(RHINE, SWAN, "Lakes.") as index:
        settings = measure_dial(Retrieve(scripted(script), index, k=1), ITEMS)
    found = {each.reliance: (each.right, each.lost_in_search, each.lost_in_reading) for each in settings}
    assert found == {"memory": (0, 0, 0), "both": (1, 1, 1), "passages": (1, 1, 1), "retrieval-only": (2, 1, 0)}
    assert settings[0].usage.calls == 3
    assert settings[3].usage.calls == 0
    low, high = settings[1].interval
    assert (low, high) == pytest.approx((0.0615, 0.7923), abs=1e-3)
    table = dial_table(settings)
    assert "| memory | 0/3 | 0–56 % | – | – | 8 |" in table
    assert "| both | 1/3 | 6–79 % | 1 | 1 |" in table


def test_each_question_is_searched_for_once(scripted, indexed) -> None:
    asked = []
    with indexed(RHINE, SWAN) as index:

        class Counting:
            def search(self, query: str, k: int = 5) -> object:
                asked.append(query)
                return index.search(query, k)

        technique = Retrieve(scripted(lambda prompt, seed: "no"), Counting())
        measure_dial(technique, ITEMS)
        assert sorted(asked) == sorted(item.question for item in ITEMS)
        with pytest.raises(ValueError, match="no items"):
            measure_dial(replace(technique), [])
