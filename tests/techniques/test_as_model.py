import pytest

from cygnet import Sampling
from cygnet.errors import UserError
from cygnet.generation.constraint import Constraint
from cygnet.techniques import Plain, Vote, last_number
from cygnet.techniques.as_model import TechniqueModel

SAID = ["It is 3.", "It is 4.", "It is 4."]


@pytest.fixture
def voting(scripted):
    """A vote of three behind a model's face, and the model that it asks."""
    lm = scripted(lambda prompt, seed: SAID[seed % 3])
    return TechniqueModel(Vote(Plain(lm, parse=last_number), k=3, first=3), "votes"), lm


def test_the_last_message_is_the_question_and_the_value_the_reply(voting):
    model, lm = voting
    said = [("user", "What is 9 + 9?"), ("assistant", "18"), ("user", "What is 2 + 2?")]
    [[reply]] = model.generate([[{"role": role, "content": text} for role, text in said]])
    assert reply.text in {"3", "4"}
    assert reply.finished
    assert all("2 + 2" in prompt and "9 + 9" not in prompt for prompt in lm.prompts)
    assert reply.usage.calls == lm.calls
    assert reply.usage.completion_tokens == 9


def test_the_answer_depends_on_the_seed_alone(voting):
    model, _ = voting
    alone = [model.generate(["a question"], Sampling(seed=seed))[0][0].text for seed in range(5)]
    together = model.generate(["a question"] * 5, [Sampling(seed=seed) for seed in range(5)])
    assert [replies[0].text for replies in together] == alone
    assert [reply.text for reply in model.generate(["a question"], n=5)[0]] == alone


def test_a_stream_has_one_piece(voting):
    model, _ = voting
    stream = model.stream("a question", Sampling(seed=2))
    piece = next(stream)
    with pytest.raises(StopIteration) as end:
        next(stream)
    assert piece == end.value.value.text == model.generate(["a question"], Sampling(seed=2))[0][0].text


def test_without_a_value_the_text_is_the_reply_and_others_become_json(scripted):
    lm = scripted(lambda prompt, seed: "no number")
    assert TechniqueModel(Plain(lm, parse=last_number)).generate(["?"])[0][0].text == "no number"
    assert TechniqueModel(Plain(lm, parse=lambda text: ["a", 1])).generate(["?"])[0][0].text == '["a", 1]'


@pytest.mark.parametrize(
    ("prompt", "sampling", "words"),
    [
        ([{"role": "assistant", "content": "Hello."}], Sampling(), "last message must be theirs"),
        ([], Sampling(), "last message must be theirs"),
        ("?", Sampling(stop=("\n",)), "stop is not supported"),
        ("?", Sampling(constraint=Constraint.regex("a+")), "a response format is not supported"),
        ("?", Sampling(logit_bias={1: 2.0}), "logit_bias is not supported"),
    ],
)
def test_what_it_can_not_keep_to_is_refused(voting, prompt, sampling, words):
    model, lm = voting
    with pytest.raises(UserError, match=words):
        model.generate([prompt], sampling)
    with pytest.raises(UserError, match=words):
        next(model.stream(prompt, sampling))
    assert lm.calls == 0


def test_it_has_no_probabilities(voting):
    with pytest.raises(UserError, match="how likely"):
        voting[0].score(["a"], ["b"])
