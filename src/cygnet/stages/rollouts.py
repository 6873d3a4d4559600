"""Answers of the policy with everything PPO needs to learn from them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cygnet.generation import Completion
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.stages.predictions import logprobs_and_entropy
from cygnet.stages.reward import score_sequences
from cygnet.tokens.packing import Rows, collate, pack, row_length
from cygnet.tokens.tokenizer import Tokenizer


class Learner(nn.Module):
    """What PPO trains: the policy, and the critic that estimates its rewards to come."""

    def __init__(self, policy: Transformer, critic: ScalarModel) -> None:
        super().__init__()
        self.policy, self.critic = policy, critic


class Answers(NamedTuple):
    """Token sequences packed in rows, and where each answer's tokens are.

    rows: the packed sequences. place: [N, A] index into the flattened rows of the place that predicts each answer
    token (0 where there is none). sampled: [N, A], True where the policy chose the token.
    """

    rows: Rows
    place: Tensor
    sampled: Tensor

    def read(self, by_place: Tensor) -> Tensor:
        """[B, T] values per place → [N, A] values per answer token."""
        return by_place.flatten()[self.place]


class Experience(NamedTuple):
    """One minibatch of rollouts; [N, A] tensors."""

    answers: Answers
    logprobs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor


def lay_out(
    prompts: Sequence[list[int]], completions: Sequence[Completion], context_length: int, pad_id: int
) -> Answers:
    """Pack prompts with their completions and find the answers' places.

    Of none there is a row of padding all the same, so that there is something to go through the models.
    """
    sequences = [[*prompt, *completion.tokens] for prompt, completion in zip(prompts, completions, strict=True)]
    length = row_length(max((len(sequence) for sequence in sequences), default=1) - 1, context_length)
    packed = pack([len(sequence) for sequence in sequences], length)
    rows = collate([[sequences[i] for i in row] for row in packed] or [[]], None, length, pad_id)
    longest = max((len(completion.tokens) for completion in completions), default=1)
    place = torch.zeros((len(sequences), longest), dtype=torch.int64)
    sampled = torch.zeros((len(sequences), longest), dtype=torch.bool)
    for number, row in enumerate(packed):
        start = number * length
        for i in row:
            count, before = len(completions[i].tokens), len(prompts[i]) - 1
            place[i, :count] = torch.arange(start + before, start + before + count)
            sampled[i, :count] = torch.tensor(completions[i].sampled)
            start += len(sequences[i]) - 1
    return Answers(rows, place, sampled)


def token_logprobs(model: Transformer, answers: Answers) -> tuple[Tensor, Tensor]:
    """[N, A] log-probabilities of the answer tokens under `model`, and [N, A] entropies of its predictions, in nats."""
    features = model.features(answers.rows.tokens, answers.rows.positions, answers.rows.mask).flatten(0, 1)
    places = answers.place.flatten()
    found = logprobs_and_entropy(model, features[places], answers.rows.targets.flatten()[places])
    logprobs, entropy = (values.view_as(answers.place) * answers.sampled for values in found)
    return logprobs, entropy


def token_values(critic: ScalarModel, answers: Answers) -> Tensor:
    """[N, A] critic's estimates at the places that choose each answer token."""
    raw = critic(answers.rows.tokens, answers.rows.positions, answers.rows.mask)
    return answers.read((raw - critic.mean) / critic.scale) * answers.sampled


@torch.no_grad()
def rewards_of(
    reward_model: ScalarModel,
    tokenizer: Tokenizer,
    prompts: Sequence[list[int]],
    completions: Sequence[Completion],
    unfinished: float,
    together: int = 256,
) -> Tensor:
    """[N] normalized scores of the answers, scored so many at a time; one that never ended gets `unfinished` instead
    (Ziegler et al. 2019)."""
    if not completions:
        return torch.zeros(0)
    sequences = [[*prompt, *completion.tokens] for prompt, completion in zip(prompts, completions, strict=True)]
    raw = score_sequences(reward_model, tokenizer, sequences, together)
    scores = (raw - reward_model.mean) / reward_model.scale
    ended = torch.tensor([completion.finish_reason == "stop" for completion in completions])
    return torch.where(ended, scores, unfinished)
