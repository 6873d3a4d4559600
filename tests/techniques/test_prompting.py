import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.generation.request import Sampling
from cygnet.lm.base import Reply
from cygnet.techniques import (
    ChainOfThought,
    Chat,
    Document,
    Example,
    FewShot,
    Persona,
    Plain,
    Vote,
    last_number,
    select_diverse,
    select_random,
    select_similar,
)

EXAMPLES = [
    Example("How many apples are left?", "3"),
    Example("How many apples are red?", "5"),
    Example("Who wrote the book?", "Ann"),
    Example("Where is the river?", "North"),
]


def test_plain_asks_once_greedily_and_parses(scripted) -> None:
    lm = scripted(lambda prompt, seed: " It is 7. ")
    answer = Plain(lm, Chat(system="Be brief."), "{question} A number only.", last_number)("3 + 4 = {x}?")
    assert lm.prompts == ["system: Be brief.\nuser: 3 + 4 = {x}? A number only."]
    assert (answer.value, answer.text, answer.note) == (7, " It is 7. ", "")
    assert lm.samplings[0].temperature == 0
    assert lm.samplings[0].stop == ()


def test_a_document_tricks_a_base_model_into_an_assistant(scripted) -> None:
    lm = scripted(lambda prompt, seed: " Paris")
    technique = FewShot(lm, EXAMPLES[:2], form=Document(preface="A quiz."), sampling=Sampling(stop=("!",)))
    assert technique("What is the capital of France?").value == "Paris"
    assert lm.prompts[0] == (
        "A quiz.\n\nQ: How many apples are left?\nA: 3\n\nQ: How many apples are red?\nA: 5\n\n"
        "Q: What is the capital of France?\nA:"
    )
    assert lm.samplings[0].stop == ("!", "\nQ:")


def test_the_stop_string_follows_the_template(scripted) -> None:
    assert Document("Question: {question}\nAnswer:").stop == ("\nQuestion:",)
    with pytest.raises(UserError, match="words before"):
        Document("{question}\n")


def test_examples_are_turns_of_a_chat(scripted) -> None:
    lm = scripted(lambda prompt, seed: "4")
    FewShot(lm, EXAMPLES[:1], shown="<{answer}>", template="? {question}")("New")
    assert lm.prompts == ["user: ? How many apples are left?\nassistant: <3>\nuser: ? New"]


def test_selected_examples_go_before_the_question(scripted) -> None:
    lm = scripted(lambda prompt, seed: "Bo")
    FewShot(lm, EXAMPLES, select_similar(1))("Who wrote this?")
    assert lm.prompts == ["user: Who wrote the book?\nassistant: Ann\nuser: Who wrote this?"]


@pytest.mark.parametrize(
    ("make", "hole"),
    [
        (lambda lm: Plain(lm, template="Answer!"), "question"),
        (lambda lm: FewShot(lm, EXAMPLES, shown="so it is"), "answer"),
        (lambda lm: Persona(Plain(lm), "law", persona="You are clever."), "topic"),
        (lambda lm: ChainOfThought(lm, template="{problem}"), "question"),
        (lambda lm: Plain(lm, Document("Q: A:")), "question"),
    ],
    ids=["plain", "shown", "persona", "thought", "document"],
)
def test_a_template_without_its_hole_is_refused(scripted, make, hole: str) -> None:
    with pytest.raises(UserError, match=rf"no hole \{{{hole}\}}"):
        make(scripted(lambda prompt, seed: ""))


def test_few_shot_without_examples_is_refused(scripted) -> None:
    with pytest.raises(UserError, match="no examples"):
        FewShot(scripted(lambda prompt, seed: ""), [])


def test_a_persona_stands_before_everything_that_is_asked(scripted) -> None:
    lm = scripted(lambda prompt, seed: "7")
    answer = Persona(Vote(ChainOfThought(lm, Chat("Be brief.")), 2, first=2), "sums")("3 + 4?")
    assert answer.value == 7
    assert lm.calls == 4
    assert all(p.startswith("system: You are a leading expert on sums.\n\nBe brief.\nuser: ") for p in lm.prompts)
    Persona(Plain(lm, Document()), "sums")("3 + 4?")
    assert lm.prompts[-1] == "You are a leading expert on sums.\n\nQ: 3 + 4?\nA:"
    Persona(Plain(lm), "sums")("3 + 4?")
    assert lm.prompts[-1] == "system: You are a leading expert on sums.\nuser: 3 + 4?"


def test_the_trace_shows_the_prompt_that_was_read(scripted) -> None:
    answer = Persona(Plain(scripted(lambda prompt, seed: "7")), "sums")("3 + 4?")
    assert answer.trace[0].prompt[0] == {"role": "system", "content": "You are a leading expert on sums."}


def test_a_text_that_was_cut_off_is_noted(scripted) -> None:
    answer = Plain(scripted(lambda prompt, seed: Reply("It is", "length")))("3 + 4?")
    assert answer.note.startswith("cut off")


def test_random_examples_are_the_same_before_every_question() -> None:
    select = select_random(2, seed=1)
    assert select("one", EXAMPLES) == select("two", EXAMPLES)
    assert len({tuple(select_random(2, seed)("q", EXAMPLES)) for seed in range(20)}) > 1


def test_similar_examples_come_nearest_last_and_diverse_ones_differ() -> None:
    question = "How many apples are green?"
    assert {example.answer for example in select_similar(2)(question, EXAMPLES)} == {"3", "5"}
    assert select_similar(4)("Who wrote the book?", EXAMPLES)[-1] == EXAMPLES[2]
    copies = [EXAMPLES[0], EXAMPLES[0], EXAMPLES[3]]
    assert select_similar(2)("How many apples? Where?", copies) == [EXAMPLES[0]] * 2
    assert EXAMPLES[3] in select_diverse(2)("How many apples? Where?", copies)


@given(
    st.lists(st.builds(Example, st.text(), st.text()), max_size=6),
    st.integers(1, 8),
    st.text(),
    st.sampled_from([select_random, select_similar, select_diverse]),
)
def test_a_selection_has_as_many_of_the_examples_as_there_are(examples, count, question, selector) -> None:
    chosen = list(selector(count)(question, examples))
    assert len(chosen) == min(count, len(examples))
    for example in chosen:
        examples.remove(example)  # raises when one was chosen more often than it was given


@pytest.mark.parametrize("selector", [select_random, select_similar, select_diverse])
def test_no_examples_cannot_be_selected(selector) -> None:
    with pytest.raises(UserError, match="at least one"):
        selector(0)
    with pytest.raises(UserError, match="relevance"):
        select_diverse(1, relevance=2)
