import asyncio
import math
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cygnet.errors import ContextError, UserError
from cygnet.generation import Completion, Constraint, Sampling
from cygnet.lm import LocalModel, Reply, RewardModel, load, load_reward
from cygnet.model.folder import save_model
from cygnet.model.transformer import ScalarModel
from cygnet.techniques import BestOf, Plain
from cygnet.tokens.chat import render, render_prompt
from cygnet.tokens.tokenizer import ASSISTANT, PYTHON, TOOL, Tokenizer

CHAT = [{"role": "user", "content": "What is it?"}]
SAMPLING = Sampling(max_new_tokens=6, seed=1)


@pytest.fixture(scope="module")
def folders(build, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "sft", build(), tokenizer)
    reward = build(ScalarModel)
    reward.mean, reward.scale = 0.7, 2.0
    save_model(folder / "reward", reward, tokenizer)
    return folder


@pytest.fixture
def model(folders: Path) -> LocalModel:
    return load(folders / "sft")


def test_text_is_continued_and_messages_are_answered(model: LocalModel, tokenizer: Tokenizer) -> None:
    found = model.generate(["What is it?", CHAT], SAMPLING, n=2)
    assert [len(answers) for answers in found] == [2, 2]
    assert found[0] != found[1]
    for prompt, answers in zip(
        ([tokenizer.bos_id, *tokenizer.encode("What is it?")], render_prompt(CHAT, tokenizer)), found, strict=True
    ):
        for answer in answers:
            ids = answer.completion.tokens
            assert answer.finished == (ids[-1] == tokenizer.end_id)
            assert answer.text == tokenizer.decode(ids[: len(ids) - answer.finished])
            logprobs = model.model(torch.tensor([[*prompt, *ids[:-1]]]))[0].detach().log_softmax(-1)[len(prompt) - 1 :]
            expected = logprobs.gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()
            assert answer.completion.logprobs == pytest.approx(expected, abs=1e-5)


def test_probabilities_are_of_the_answers_tokens_with_the_likeliest_beside_them(model: LocalModel) -> None:
    ((answer,),) = model.generate([CHAT], SAMPLING)
    rows = model.probabilities(CHAT, answer, alternatives=3)
    assert "".join(row["text"] for row in rows) == model.tokenizer.decode(answer.completion.tokens)
    assert [row["logprob"] for row in rows] == pytest.approx(answer.completion.logprobs, abs=1e-5)
    for row in rows:
        values = [value for _, value in row["top"]]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) <= 1 + 1e-6
        assert row["logprob"] <= values[0] + 1e-6
    ((greedy,),) = model.generate([CHAT], Sampling(temperature=0.0, max_new_tokens=6))
    assert all(row["top"][0][0] == row["text"] for row in model.probabilities(CHAT, greedy))


def test_usage_counts_a_prompt_once_for_all_its_replies(model: LocalModel, tokenizer: Tokenizer) -> None:
    ((first, second),) = model.generate([CHAT], SAMPLING, n=2)
    total = first.usage + second.usage
    assert total.prompt_tokens == len(render_prompt(CHAT, tokenizer))
    assert total.completion_tokens == len(first.completion.tokens) + len(second.completion.tokens)
    assert total.calls == 1
    assert sum([first.usage, second.usage]) == total


def test_log_probabilities_come_where_they_are_asked_for(model: LocalModel) -> None:
    ((silent,),) = model.generate([CHAT], SAMPLING)
    assert silent.tokens == ()
    with pytest.raises(ValueError, match="Sampling\\(logprobs=0\\)"):
        _ = silent.logprob
    ((told,),) = model.generate([CHAT], replace(SAMPLING, logprobs=2))
    assert told.text == silent.text
    assert told.logprob == pytest.approx(sum(told.completion.logprobs))
    assert all(len(token.top) == 2 for token in told.tokens)


def test_a_score_is_the_log_probability_of_the_text_as_the_model_reads_it(model: LocalModel) -> None:
    prompts = ["What is it?", "It", CHAT]
    replies = model.score(prompts, [" It is a swan.", " is", "A swan."])
    for prompt, reply in zip(prompts, replies, strict=True):
        (alone,) = model.score([prompt], [reply.text])
        assert reply.logprob == pytest.approx(alone.logprob, abs=1e-4)
        assert "".join(token.text for token in reply.tokens) == reply.text
    ((greedy,),) = model.generate(["What is it?"], Sampling(temperature=0.0, max_new_tokens=6, logprobs=0))
    (scored,) = model.score(["What is it?"], [greedy.text])
    if scored.usage.prompt_tokens == greedy.usage.prompt_tokens + len(greedy.completion.tokens):  # tokenized alike
        assert scored.logprob == pytest.approx(greedy.logprob, abs=1e-3)
    with pytest.raises(UserError, match="this model reads 64"):
        model.score(["What is it?"], ["swan " * 100])


def test_the_likeliest_tokens_of_a_given_text_are_those_of_a_written_one(model: LocalModel) -> None:
    ((written,),) = model.generate(["What is it?"], Sampling(temperature=0.0, max_new_tokens=3, logprobs=3))
    (given,) = model.score(["What is it?"], [written.tokens[0].text], top=3)
    (wanted, *_), (found, *_) = written.tokens, given.tokens
    assert [text for text, _ in found.top] == [text for text, _ in wanted.top]
    assert [value for _, value in found.top] == pytest.approx([value for _, value in wanted.top], abs=1e-4)
    assert found.logprob <= found.top[0][1]
    (all_of_them,) = model.score([CHAT], ["A swan."], top=10**6)
    assert all(sum(math.exp(value) for _, value in token.top) == pytest.approx(1) for token in all_of_them.tokens)
    (none,) = model.score([CHAT], ["A swan."])
    assert [token.top for token in none.tokens] == [()] * len(none.tokens)
    with pytest.raises(UserError, match="top is -1"):
        model.score(["It"], [" is"], top=-1)


def test_no_reply_at_all_is_not_asked_for(model: LocalModel) -> None:
    with pytest.raises(UserError, match="n is 0"):
        model.generate([CHAT], SAMPLING, n=0)


def test_settings_of_each_prompt_are_its_own(model: LocalModel) -> None:
    samplings = [replace(SAMPLING, seed=3), replace(SAMPLING, temperature=0.0), replace(SAMPLING, seed=5)]
    together = model.generate(["A", "B", "A"], samplings)
    alone = [model.generate([prompt], [settings])[0] for prompt, settings in zip("ABA", samplings, strict=True)]
    assert [replies[0].text for replies in together] == [replies[0].text for replies in alone]


def test_a_stream_is_the_text_in_pieces(model: LocalModel) -> None:
    ((whole,),) = model.generate(["It"], replace(SAMPLING, max_new_tokens=30))
    pieces = list(model.stream("It", replace(SAMPLING, max_new_tokens=30)))
    assert "".join(pieces) == whole.text
    assert all("\ufffd" not in piece for piece in pieces) or "\ufffd" in whole.text


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_stream_ends_with_its_reply(model: LocalModel, temperature: float) -> None:
    sampling = replace(SAMPLING, max_new_tokens=30, temperature=temperature, logprobs=2)
    ((whole,),) = model.generate([CHAT], sampling)
    stream, pieces = model.stream(CHAT, sampling), []
    with pytest.raises(StopIteration) as end:
        while True:
            pieces.append(next(stream))
    reply = end.value.value
    assert "".join(pieces) == reply.text == whole.text
    assert reply.finish_reason == whole.finish_reason
    assert reply.usage.completion_tokens == whole.usage.completion_tokens
    assert [token.text for token in reply.tokens] == [token.text for token in whole.tokens]
    for found, wanted in zip(reply.tokens, whole.tokens, strict=True):
        assert found.logprob == pytest.approx(wanted.logprob, abs=1e-4)
        assert [text for text, _ in found.top] == [text for text, _ in wanted.top]


def test_what_follows_a_tool_call_is_streamed_as_it_is_told(model: LocalModel, tokenizer: Tokenizer) -> None:
    """The pieces add up to the reply also where turns end within it."""
    ids = [tokenizer.id_of(PYTHON), *tokenizer.encode("2 + 2"), tokenizer.end_id]

    told = [*ids, tokenizer.id_of(TOOL), *tokenizer.encode("4"), tokenizer.end_id]
    told += [tokenizer.id_of(ASSISTANT), *tokenizer.encode("It is 4."), tokenizer.end_id]

    class Scripted:
        def stream(self, prompt: list[int], sampling: Sampling) -> Generator[int, None, Completion]:
            yield from told
            return _completion(told)

    model._engine = Scripted()
    text = "<|python|>2 + 2<|end|><|tool|>4<|end|><|assistant|>It is 4."
    assert "".join(model.stream(CHAT, SAMPLING)) == text


@pytest.mark.parametrize(
    "changes",
    [
        {"logprobs": 2},
        {"stop": ("a", "e", "s", " ", "i")},
        {"constraint": Constraint.choice(["yes", "no"])},
        {"constraint": Constraint.choice(["yes"]), "logprobs": 1, "max_new_tokens": 3},
    ],
)
def test_a_stream_ends_with_the_reply_that_would_be_given_at_once(model: LocalModel, changes: dict) -> None:
    sampling = replace(SAMPLING, max_new_tokens=20) if "max_new_tokens" not in changes else SAMPLING
    sampling = replace(sampling, **changes)
    pieces, stream = [], model.stream(CHAT, sampling)
    try:
        while True:
            pieces.append(next(stream))
    except StopIteration as finished:
        streamed: Reply = finished.value
    ((given,),) = model.generate([CHAT], [sampling])
    assert "".join(pieces) == streamed.text == given.text
    assert (streamed.finish_reason, streamed.completion.tokens) == (given.finish_reason, given.completion.tokens)
    assert [token.text for token in streamed.tokens] == [token.text for token in given.tokens]
    assert [token.logprob for token in streamed.tokens] == pytest.approx([token.logprob for token in given.tokens])


def test_what_stands_before_a_stop_string_in_its_token_is_kept(tokenizer: Tokenizer, folders: Path) -> None:
    whole = tokenizer.encode(" swan")
    assert len(whole) == 1
    model = load(folders / "sft")
    never = {number: -1e9 for number in range(tokenizer.vocab_size) if number != whole[0]}
    sampling = replace(SAMPLING, logit_bias=never, stop=("wan sw",), max_new_tokens=9)
    ((reply,),) = model.generate([CHAT], sampling)
    assert (reply.text, reply.finish_reason) == (" s", "stop")
    assert "".join(model.stream(CHAT, sampling)) == " s"


def test_it_can_be_given_up(model: LocalModel) -> None:
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return len(asked) > 3

    sampling = replace(SAMPLING, max_new_tokens=30, logit_bias={model.tokenizer.end_id: -1e9})
    (replies,) = model.generate_until(stopped, [CHAT], sampling, n=4)
    assert [len(reply.completion.tokens) for reply in replies] == [3] * 4


def test_it_can_be_asked_without_waiting(model: LocalModel) -> None:
    async def ask() -> tuple[str, str, float]:
        ((reply,),) = await model.agenerate([CHAT], SAMPLING)
        pieces = [piece async for piece in model.astream(CHAT, SAMPLING)]
        (scored,) = await model.ascore([CHAT], ["A swan."])
        return reply.text, "".join(pieces), scored.logprob

    text, streamed, logprob = asyncio.run(ask())
    assert streamed == text
    assert logprob < 0


def test_a_prompt_longer_than_the_context_is_refused(model: LocalModel) -> None:
    with pytest.raises(ContextError, match="between 1 and 63 for this model, whose maximum context length is 64"):
        model.generate(["swan? " * 100], SAMPLING)
    with pytest.raises(ContextError, match="this model reads 64"):
        model.score(["swan? " * 100], ["a"])


def test_rewards_are_normalized_scores_at_the_last_token(
    folders: Path, model: LocalModel, tokenizer: Tokenizer
) -> None:
    reward = load_reward(folders / "reward")
    ((first, second),) = model.generate([CHAT], SAMPLING, n=2)
    scores = reward.score([CHAT, CHAT], [first, second])
    for answer, score in zip((first, second), scores, strict=True):
        ids = [*render_prompt(CHAT, tokenizer), *answer.completion.tokens]
        raw = float(reward.model(torch.tensor([ids]))[0, -1].detach())
        assert score == pytest.approx((raw - 0.7) / 2.0, abs=1e-4)


def test_a_finished_answer_is_scored_as_the_conversation_it_makes(folders: Path, tokenizer: Tokenizer) -> None:
    reward = load_reward(folders / "reward")
    ids = [*tokenizer.encode("A swan."), tokenizer.end_id]
    answer = Reply("A swan.", "stop", completion=_completion(ids))
    whole = render([*CHAT, {"role": "assistant", "content": "A swan."}], tokenizer).ids
    raw = float(reward.model(torch.tensor([whole]))[0, -1].detach())
    assert reward.score([CHAT], [answer]) == pytest.approx([(raw - 0.7) / 2.0], abs=1e-4)


def test_text_is_scored_whoever_wrote_it_and_picks_the_best_of_several(folders: Path, tokenizer: Tokenizer) -> None:
    reward = load_reward(folders / "reward")
    ids = [*tokenizer.encode("A swan."), tokenizer.end_id]
    (known,) = reward.score([CHAT], [Reply("A swan.", "stop", completion=_completion(ids))])
    assert reward.score_texts([CHAT], ["A swan."]) == pytest.approx([known], abs=1e-4)
    model = load(folders / "sft")
    answer = BestOf(Plain(model, sampling=replace(SAMPLING, max_new_tokens=8)), 4, judge=reward)("What is a swan?")
    texts = [text for step in answer.trace if step.name != "judge" for text in step.texts]
    scores = reward.score_texts([[{"role": "user", "content": "What is a swan?"}]] * 4, texts)
    assert answer.text == texts[scores.index(max(scores))]


def _completion(ids: list[int]) -> Completion:
    return Completion(ids, [0.0] * len(ids), [True] * len(ids), "stop")


def test_an_answer_the_reward_model_cannot_read_is_refused(build, tokenizer: Tokenizer, model: LocalModel) -> None:
    reward = RewardModel(build(ScalarModel, context_length=12), tokenizer)
    ((answer,),) = model.generate([CHAT], SAMPLING)
    with pytest.raises(UserError, match="the reward model reads 12"):
        reward.score([CHAT], [answer])


def test_one_kind_of_folder_is_not_taken_for_the_other(folders: Path) -> None:
    with pytest.raises(UserError, match="not a language model"):
        load(folders / "reward")
    with pytest.raises(UserError, match="not a reward model"):
        load_reward(folders / "sft")
