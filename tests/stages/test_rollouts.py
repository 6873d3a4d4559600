from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cygnet.generation import Completion, Engine, Sampling
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.stages.rollouts import Learner, lay_out, rewards_of, token_logprobs, token_values
from cygnet.tokens.chat import render_prompt, tool_call
from cygnet.tokens.tokenizer import Tokenizer

ROW = 64


@pytest.fixture
def prompts(tokenizer: Tokenizer) -> list[list[int]]:
    texts = ["What is it?", "2 + 2", "", "Is it a swan, or is it not?"]
    return [render_prompt([{"role": "user", "content": text}], tokenizer) for text in texts]


@pytest.fixture
def completions(tokenizer: Tokenizer) -> list[Completion]:
    """A plain answer, one cut short, one with a tool's turn inside, and one of the end-of-turn alone."""
    plain = [*tokenizer.encode("a swan"), tokenizer.end_id]
    call = [tokenizer.id_of("<|python|>"), *tokenizer.encode("2+2"), tokenizer.end_id]
    told = [tokenizer.id_of("<|tool|>"), *tokenizer.encode("4"), tokenizer.end_id, tokenizer.id_of("<|assistant|>")]
    parts = [([*plain], []), (plain[:-1], []), (call, told), ([tokenizer.end_id], [])]
    found = []
    for number, (mine, others) in enumerate(parts):
        said = [*mine, *others, *(plain if others else [])]
        sampled = [True] * len(mine) + [False] * len(others) + [True] * (len(said) - len(mine) - len(others))
        found.append(Completion(said, [0.0] * len(said), sampled, "length" if number == 1 else "stop"))
    return found


def alone(model: Transformer, prompt: list[int], completion: Completion) -> Tensor:
    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *completion.tokens[:-1]]]))[0, len(prompt) - 1 :]
    return logits.log_softmax(-1)


def test_places_are_those_that_predict_the_answers_tokens(
    prompts: list[list[int]], completions: list[Completion]
) -> None:
    answers = lay_out(prompts, completions, ROW, pad_id=0)
    targets = answers.rows.targets.flatten()[answers.place]
    for row, completion in enumerate(completions):
        count = len(completion.tokens)
        assert targets[row, :count].tolist() == completion.tokens
        assert answers.sampled[row].tolist() == completion.sampled + [False] * (answers.place.shape[1] - count)


def test_a_long_context_makes_no_long_rows(prompts: list[list[int]], completions: list[Completion]) -> None:
    short, long = (lay_out(prompts, completions, context, pad_id=0) for context in (256, 4096))
    assert long.rows.tokens.shape[1] == 256
    assert torch.equal(long.place, short.place)
    prompt = [[1] * 500]
    assert lay_out(prompt, completions[:1], 4096, pad_id=0).rows.tokens.shape[1] == 512
    assert lay_out([], [], 4096, pad_id=0).rows.tokens.shape == (1, 256)


def test_the_end_of_turn_is_an_action_and_nothing_after_it_is(
    prompts: list[list[int]], completions: list[Completion], tokenizer: Tokenizer
) -> None:
    answers = lay_out(prompts, completions, ROW, tokenizer.pad_id)
    targets = answers.rows.targets.flatten()[answers.place]
    for row, completion in enumerate(completions):
        last = int(answers.sampled[row].nonzero().max())
        assert (targets[row, last] == tokenizer.end_id) == (completion.finish_reason == "stop")
        assert last == len(completion.tokens) - 1
    actions = targets[answers.sampled]
    assert tokenizer.pad_id not in actions
    assert tokenizer.id_of("<|tool|>") not in actions


def test_log_probabilities_entropies_and_values_are_those_of_each_answer_alone(
    build, prompts: list[list[int]], completions: list[Completion]
) -> None:
    learner = Learner(build(), build(ScalarModel, seed=1))
    learner.critic.mean, learner.critic.scale = 0.5, 2.0
    answers = lay_out(prompts, completions, ROW, pad_id=0)
    with torch.no_grad():
        logprobs, entropy = token_logprobs(learner.policy, answers)
        values = token_values(learner.critic, answers)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        mine = answers.sampled[row]
        expected = alone(learner.policy, prompt, completion)
        of_tokens = expected.gather(1, torch.tensor(completion.tokens)[:, None])[:, 0]
        here = torch.tensor(completion.sampled)
        torch.testing.assert_close(logprobs[row, mine], of_tokens[here], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(entropy[row, mine], -(expected.exp() * expected).sum(-1)[here], rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            raw = learner.critic(torch.tensor([[*prompt, *completion.tokens[:-1]]]))[0, len(prompt) - 1 :]
        torch.testing.assert_close(values[row, mine], ((raw - 0.5) / 2.0)[here], rtol=1e-4, atol=1e-5)
    for found in (logprobs, entropy, values):
        assert not found[~answers.sampled].any()


def test_of_no_answers_there_is_something_to_go_through_the_models_all_the_same(build) -> None:
    learner, answers = Learner(build(), build(ScalarModel, seed=1)), lay_out([], [], ROW, pad_id=0)
    assert answers.rows.tokens.shape == (1, ROW)
    total = token_logprobs(learner.policy, answers)[0].sum() + token_values(learner.critic, answers).sum()
    total.backward()
    assert total == 0
    assert not any(parameter.grad.any() for parameter in learner.parameters())


def test_what_the_engine_recorded_is_what_training_reads(
    language_model: Transformer, tokenizer: Tokenizer, prompts: list[list[int]]
) -> None:
    sampling = Sampling(max_new_tokens=20, seed=1)
    completions = [found[0] for found in Engine(language_model, tokenizer).generate(prompts, sampling)]
    answers = lay_out(prompts, completions, ROW, tokenizer.pad_id)
    with torch.no_grad():
        logprobs, _ = token_logprobs(language_model, answers)
    for row, completion in enumerate(completions):
        recorded = torch.tensor(completion.logprobs)
        torch.testing.assert_close(logprobs[row, : len(recorded)], recorded, rtol=0, atol=1e-5)


def test_an_answer_that_never_ends_gets_the_stated_reward(
    reward_model: ScalarModel, tokenizer: Tokenizer, prompts: list[list[int]], completions: list[Completion]
) -> None:
    rewards = rewards_of(reward_model, tokenizer, prompts, completions, unfinished=-2.0)
    assert rewards[1] == -2.0
    for row in (0, 2, 3):
        with torch.no_grad():
            raw = reward_model(torch.tensor([[*prompts[row], *completions[row].tokens]]))[0, -1]
        torch.testing.assert_close(rewards[row], (raw - reward_model.mean) / reward_model.scale, rtol=1e-4, atol=1e-5)
    ended = rewards_of(reward_model, tokenizer, prompts[1:2], [replace(completions[1], finish_reason="stop")], -2.0)
    assert ended[0] != -2.0


def test_messages_and_completions_are_the_same_ids(
    prompts: list[list[int]], completions: list[Completion], tokenizer
) -> None:
    """A rollout with a tool's turn is, token for token, the conversation it stands for: nothing is tokenized twice."""
    from cygnet.tokens.chat import render

    conversation = [
        {"role": "user", "content": ""},
        tool_call("2+2"),
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "a swan"},
    ]
    assert [*prompts[2], *completions[2].tokens] == render(conversation, tokenizer).ids
