from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from cygnet.arena.players import BestOf, Chat, FewShot
from cygnet.generation import Completion, Sampling
from cygnet.lm import LocalModel, Reply
from cygnet.tokens.tokenizer import Tokenizer

SAMPLING = Sampling(temperature=0.5, max_new_tokens=40, seed=3)
EXAMPLES = ["Q: 1 + 1?\nA: 2"]
PROMPTS = [[{"role": "user", "content": "2 + 2?"}], [{"role": "user", "content": "3 + 3?"}]]


def answer(text: str) -> Reply:
    return Reply(text, "stop", completion=Completion([], [], [], "stop"))


class Scripted:
    """A language model that gives these texts, the same to every prompt, and remembers how it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self.asked: list[tuple[list, Sampling, int]] = []

    def room_after(self, prompt: str) -> int:
        return 1_000 - len(prompt)

    def generate(self, prompts: Sequence, sampling: Sampling, n: int = 1) -> list[list[Reply]]:
        self.asked.append((list(prompts), sampling, n))
        return [[answer(text) for text in self.texts[:n]] for _ in prompts]


class Likes:
    """A reward model with a taste."""

    def __init__(self, taste: Callable[[list, str], float]) -> None:
        self.taste = taste

    def score(self, prompts: Sequence, answers: Sequence[Reply]) -> list[float]:
        return [self.taste(prompt, given.text) for prompt, given in zip(prompts, answers, strict=True)]


def test_a_tuned_model_is_asked_in_its_chat_format() -> None:
    model = Scripted("four")
    assert [found.text for found in Chat(model, SAMPLING).answers(PROMPTS)] == ["four", "four"]
    assert model.asked == [(PROMPTS, SAMPLING, 1)]


def test_a_base_model_is_shown_a_document_that_the_question_continues() -> None:
    model = Scripted(" four ")
    assert [found.text for found in FewShot(model, EXAMPLES, SAMPLING).answers(PROMPTS)] == ["four", "four"]
    ((documents, sampling, n),) = model.asked
    assert documents == ["Q: 1 + 1?\nA: 2\n\nQ: 2 + 2?\nA:", "Q: 1 + 1?\nA: 2\n\nQ: 3 + 3?\nA:"]
    assert (sampling.stop, sampling.temperature, sampling.seed, n) == (("\n\nQ:",), 0.5, 3, 1)


def test_examples_are_left_out_until_the_answer_has_room() -> None:
    long = "Q: " + "1 + " * 300 + "1?\nA: 301"
    model = Scripted("four")
    FewShot(model, [*EXAMPLES, long], SAMPLING).answers(PROMPTS[:1])
    FewShot(model, [long, *EXAMPLES], SAMPLING).answers(PROMPTS[:1])
    assert [asked[0] for asked in model.asked] == [["Q: 1 + 1?\nA: 2\n\nQ: 2 + 2?\nA:"], ["Q: 2 + 2?\nA:"]]


def test_a_base_models_answer_ends_where_the_next_question_begins(build, tokenizer: Tokenizer, monkeypatch) -> None:
    """With a real engine: the model goes on with the next question, and its answer is cut before it."""
    import torch

    model = build(context_length=128)
    document = f"{EXAMPLES[0]}\n\nQ: 2 + 2?\nA:"
    written = tokenizer.encode(" 4\nfour\n\nQ: 5 + 5?\nA: 10")
    start = len(tokenizer.encode(document))

    def logits(features: torch.Tensor) -> torch.Tensor:
        nonlocal start
        found = torch.full((len(features), tokenizer.vocab_size), -50.0)
        found[:, written.pop(0)] = 50.0
        return found

    monkeypatch.setattr(model, "logits", logits)
    (found,) = FewShot(LocalModel(model, tokenizer), EXAMPLES, SAMPLING).answers(PROMPTS[:1])
    assert found.text == "4\nfour"
    assert found.finished
    assert "5" not in tokenizer.decode(found.completion.tokens)


@pytest.mark.parametrize(
    ("taste", "picked"),
    [
        (lambda prompt, text: len(text), "the longest of them"),
        (lambda prompt, text: -len(text), "short"),
        (lambda prompt, text: 0.0, "first one"),  # all alike: the first
    ],
    ids=["long", "short", "indifferent"],
)
def test_best_of_gives_the_answer_with_the_highest_reward(taste: Callable[[list, str], float], picked: str) -> None:
    model = Scripted("first one", "short", "the longest of them", "not asked for, though it would be longest")
    assert [found.text for found in BestOf(model, Likes(taste), 3, SAMPLING).answers(PROMPTS)] == [picked, picked]
    assert model.asked == [(PROMPTS, SAMPLING, 3)]


def test_best_of_judges_each_prompt_by_itself() -> None:
    def taste(prompt: list, text: str) -> float:
        return float(text == {"2 + 2?": "4", "3 + 3?": "6"}[prompt[0]["content"]])

    found = BestOf(Scripted("6", "5", "4"), Likes(taste), 3, SAMPLING).answers(PROMPTS)
    assert [one.text for one in found] == ["4", "6"]


def test_no_prompts_no_answers(tmp_path: Path) -> None:
    assert Chat(Scripted("x"), SAMPLING).answers([]) == []
