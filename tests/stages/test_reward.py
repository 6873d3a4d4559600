import json
import math
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cygnet.errors import UserError
from cygnet.files import write_jsonl
from cygnet.model.folder import load_scalar_model
from cygnet.model.transformer import ScalarModel
from cygnet.stages import reward
from cygnet.stages.config import RewardConfig
from cygnet.stages.ranked_answers import Comparison, read_comparisons
from cygnet.stages.reward import (
    RewardModeling,
    heldout_accuracy,
    pack_whole,
    pair_accuracy,
    ranking_loss,
    score_sequences,
    train_reward,
)
from cygnet.tokens.chat import render_prompt
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.work import Work

WORK = Work(Path("nowhere"), Path("nowhere"))
SCORES = st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=6)


def pair(better: float, worse: float) -> float:
    """-log σ(better - worse), the pairwise loss."""
    return math.log1p(math.exp(worse - better))


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_two_answers_are_a_pair(better: float, worse: float) -> None:
    assert ranking_loss(torch.tensor([better, worse]), [1, 2]).item() == pytest.approx(pair(better, worse), abs=1e-5)
    assert ranking_loss(torch.tensor([worse, better]), [2, 1]).item() == pytest.approx(pair(better, worse), abs=1e-5)


@given(SCORES, st.data())
def test_k_answers_are_the_mean_over_their_pairs_and_ties_drop_out(scores: list[float], data: st.DataObject) -> None:
    ranks = data.draw(st.lists(st.integers(1, 4), min_size=len(scores), max_size=len(scores)))
    pairs = [
        (scores[i], scores[j]) for i in range(len(ranks)) for j in range(len(ranks)) if ranks[i] < ranks[j]
    ]  # fmt: skip
    if not pairs:
        return
    found = torch.tensor(scores)
    expected = sum(pair(*both) for both in pairs) / len(pairs)
    assert ranking_loss(found, ranks).item() == pytest.approx(expected, abs=1e-4)
    right = sum((better > worse) + 0.5 * (better == worse) for better, worse in pairs) / len(pairs)
    assert pair_accuracy(found, ranks) == pytest.approx(right)


def test_four_ranked_answers_are_six_pairs() -> None:
    scores = [2.0, 1.0, 0.5, -1.0]
    expected = sum(pair(scores[i], scores[j]) for i in range(4) for j in range(i + 1, 4)) / 6
    assert ranking_loss(torch.tensor(scores), [1, 2, 3, 4]).item() == pytest.approx(expected)


def test_the_order_of_the_answers_does_not_matter() -> None:
    scores, ranks = [2.0, 1.0, 0.5, -1.0], [2, 1, 2, 3]
    expected = ranking_loss(torch.tensor(scores), ranks).item()
    for order in permutations(range(4)):
        shuffled = torch.tensor([scores[i] for i in order])
        assert ranking_loss(shuffled, [ranks[i] for i in order]).item() == pytest.approx(expected)


def test_a_tied_answer_has_no_gradient() -> None:
    scores = torch.tensor([1.0, 0.0, 3.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(ranking_loss(scores, [1, 1, 1 + 1]), scores)
    assert gradient[0] != gradient[1]
    torch.testing.assert_close(gradient.sum(), torch.tensor(0.0))
    (tied,) = torch.autograd.grad(ranking_loss(scores[:2], [1, 2]) + 0 * scores[2], scores)
    assert tied[2] == 0


@pytest.fixture
def model(build) -> ScalarModel:
    return build(ScalarModel)


def sequences(count: int = 9) -> list[list[int]]:
    rng = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 60, (count,), generator=rng).tolist()
    return [torch.randint(0, 300, (length,), generator=rng).tolist() for length in lengths]


def alone(model: ScalarModel, sequence: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([sequence]))[0, -1]


def test_the_score_is_read_at_the_last_token_and_nothing_around_it_matters(model: ScalarModel, tokenizer) -> None:
    found = score_sequences(model, tokenizer, sequences())
    expected = torch.stack([alone(model, sequence) for sequence in sequences()])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for count in (1, 4):  # other batch mates
        torch.testing.assert_close(score_sequences(model, tokenizer, sequences()[:count]), found[:count])
    backward = score_sequences(model, tokenizer, sequences()[::-1])
    torch.testing.assert_close(backward.flip(0), found)


@pytest.mark.parametrize("pad_id", [0, 299])
@pytest.mark.parametrize("row_length", [60, 64])
def test_padding_does_not_change_a_score(model: ScalarModel, pad_id: int, row_length: int) -> None:
    rows, order = pack_whole(sequences(), row_length, pad_id)
    assert sorted(order) == list(range(9))
    with torch.no_grad():
        scores = model(rows.tokens, rows.positions, rows.mask)[rows.weights > 0]
    expected = torch.stack([alone(model, sequences()[i]) for i in order])
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-5)


def test_a_long_context_costs_short_answers_nothing(build, tokenizer: Tokenizer) -> None:
    models = {context: build(ScalarModel, context_length=context) for context in (256, 4096)}
    shapes: list[tuple[int, ...]] = []
    models[4096].model.register_forward_pre_hook(lambda _, given: shapes.append(tuple(given[0].shape)))
    found = [score_sequences(model, tokenizer, sequences()) for model in models.values()]
    torch.testing.assert_close(found[0], found[1])
    score_sequences(models[4096], tokenizer, [[1] * 34])
    score_sequences(models[4096], tokenizer, [[1] * 300, [1] * 34])
    assert shapes == [(2, 256), (1, 256), (2, 320)]
    stage = RewardModeling(models[4096], tokenizer, comparisons(), [], RewardConfig(prompts_per_step=1), work=WORK)
    assert [batch.rows.tokens.shape for batch in stage.micro_batches(0)] == [(1, 256)]


def test_more_sequences_than_fit_a_batch(model: ScalarModel, tokenizer: Tokenizer) -> None:
    many = [[1, 10 + i % 250] for i in range(600)]
    scores = score_sequences(model, tokenizer, many)
    assert scores.shape == (600,)
    torch.testing.assert_close(scores[250:], scores[:350])


def test_an_answer_longer_than_the_model_reads_is_refused(model: ScalarModel, tokenizer: Tokenizer) -> None:
    assert score_sequences(model, tokenizer, [[1] * 64]).shape == (1,)
    with pytest.raises(UserError, match="has 65 tokens, but the reward model reads 64"):
        score_sequences(model, tokenizer, [[1], [1] * 65])


def comparisons(count: int = 12) -> list[Comparison]:
    """Longer is better; the last one is all ties."""
    rng = torch.Generator().manual_seed(1)
    found = []
    for number in range(count):
        lengths = (2 + torch.randperm(18, generator=rng)[:3]).tolist()
        answers = [torch.randint(10, 300, (length,), generator=rng).tolist() for length in lengths]
        ranks = [1 + sum(other > length for other in lengths) for length in lengths]
        found.append(Comparison(f"prompt {number}", answers, ranks if number < count - 1 else [1, 1, 1], []))
    return found


def test_the_loss_of_a_step_is_that_of_its_prompts(model: ScalarModel, tokenizer: Tokenizer) -> None:
    stage = RewardModeling(model, tokenizer, comparisons(), [], RewardConfig(prompts_per_step=5), work=WORK)
    (batch,) = stage.micro_batches(0)
    loss = stage.loss(batch)
    scores = [torch.stack([alone(model, sequence) for sequence in group.sequences]) for group in batch.groups]
    expected = sum(ranking_loss(part, group.ranks) for part, group in zip(scores, batch.groups, strict=True))
    torch.testing.assert_close(loss.total, expected, rtol=1e-4, atol=1e-4)
    assert loss.count == 5
    right = sum(pair_accuracy(part, group.ranks) for part, group in zip(scores, batch.groups, strict=True))
    assert loss.extras["accuracy"] == pytest.approx(right)


def test_each_epoch_sees_every_prompt_once_in_a_new_order(model: ScalarModel, tokenizer: Tokenizer) -> None:
    data = comparisons(13)  # 12 of which can be learned from
    stage = RewardModeling(model, tokenizer, data, [], RewardConfig(prompts_per_step=4, epochs=2.0), work=WORK)
    assert stage.steps == 6
    epochs = [
        [data.index(group) for step in steps for batch in stage.micro_batches(step) for group in batch.groups]
        for steps in (range(3), range(3, 6))
    ]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]


def test_ties_alone_teach_nothing(model: ScalarModel, tokenizer: Tokenizer) -> None:
    ties = [comparisons()[-1]]
    with pytest.raises(UserError, match="every comparison is a tie"):
        RewardModeling(model, tokenizer, ties, [], RewardConfig(), work=WORK)


def test_heldout_accuracy_counts_pairs_and_resamples_prompts(model: ScalarModel, tokenizer: Tokenizer) -> None:
    data = [item._replace(scores=[-0.15 * rank for rank in item.ranks]) for item in comparisons(40)[:-1]]
    found = heldout_accuracy(model, tokenizer, data, seed=1)
    right = pairs = 0.0
    for item in data:
        count = sum(a < b for a in item.ranks for b in item.ranks)
        right += count * pair_accuracy(score_sequences(model, tokenizer, item.sequences), item.ranks)
        pairs += count
    assert found["heldout_comparisons"] == pairs
    assert found["heldout_pair_accuracy"] == pytest.approx(right / pairs)
    low, high = found["ci95"]
    assert low < found["heldout_pair_accuracy"] < high
    assert high - low < 0.5
    by_margin = [(row["low"], row["high"], row["pairs"]) for row in found["by_margin"]]
    assert by_margin == [(0.1, 0.2, 2 * len(data)), (0.2, 0.4, len(data))]


def test_by_margin_ties_are_half_right_and_no_margin_is_too_wide(
    tokenizer: Tokenizer, model: ScalarModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"far": torch.tensor([1.0, 0.0, -1.0]), "near": torch.tensor([0.3, 0.3])}
    monkeypatch.setattr(reward, "score_sequences", lambda _model, _tokenizer, found: given[found])
    data = [Comparison("a", "far", [1, 2, 3], [9.0, 5.0, 1.0]), Comparison("b", "near", [1, 2], [0.52, 0.5])]
    found = heldout_accuracy(model, tokenizer, data, seed=1)
    assert found["heldout_pair_accuracy"] == 3.5 / 4
    assert found["by_margin"] == [
        {"low": 0.0, "high": 0.05, "pairs": 1, "accuracy": 0.5},
        {"low": 0.4, "high": None, "pairs": 3, "accuracy": 1.0},
    ]


def test_ties_among_the_heldout_are_left_out(inputs: Path, tmp_path: Path, work: Work, tokenizer: Tokenizer) -> None:
    tied = {"prompt": [{"role": "user", "content": "?"}], "responses": ["a", "b"], "ranks": [1, 1]}
    write_jsonl(tmp_path / "data/heldout.jsonl", [tied])
    (tmp_path / "data/train.jsonl").write_bytes((inputs / "comparisons/train.jsonl").read_bytes())
    config = RewardConfig(prompts_per_step=20)
    metrics = train_reward(inputs / "base", tmp_path / "data", tmp_path / "reward", config, work)
    assert "heldout_pair_accuracy" not in metrics


def test_scores_of_the_training_answers_are_normalized(
    inputs: Path, tmp_path: Path, work: Work, tokenizer: Tokenizer
) -> None:
    config = RewardConfig(prompts_per_step=10)
    metrics = train_reward(inputs / "base", inputs / "comparisons", tmp_path / "reward", config, work)
    model, _ = load_scalar_model(tmp_path / "reward")
    assert (model.mean, model.scale) == (metrics["mean"], metrics["scale"])
    data = read_comparisons(inputs / "comparisons/train.jsonl", tokenizer, 64)
    raw = torch.cat([score_sequences(model, tokenizer, item.sequences) for item in data])
    normalized = (raw - model.mean) / model.scale
    assert normalized.mean().item() == pytest.approx(0, abs=1e-4)
    assert normalized.std().item() == pytest.approx(1, abs=1e-4)


def test_a_model_that_tells_no_answers_apart_is_not_written(
    inputs: Path, tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reward, "score_sequences", lambda _model, _tokenizer, found: torch.zeros(len(found)))
    config = RewardConfig(prompts_per_step=20)
    with pytest.raises(UserError, match="every answer has the same score"):
        train_reward(inputs / "base", inputs / "comparisons", tmp_path / "reward", config, work)
    assert not (tmp_path / "reward").exists()


def test_the_head_starts_small(inputs: Path, tmp_path: Path, work: Work) -> None:
    train_reward(inputs / "base", inputs / "comparisons", tmp_path / "a", RewardConfig(lr=1e-9), work)
    head = load_scalar_model(tmp_path / "a")[0].score.weight
    assert head.std().item() == pytest.approx(65**-0.5, rel=0.3)
    again = replace(work, checkpoints=tmp_path / "again")
    train_reward(inputs / "base", inputs / "comparisons", tmp_path / "b", RewardConfig(lr=1e-9), again)
    assert torch.equal(load_scalar_model(tmp_path / "b")[0].score.weight, head)


ROW = {"prompt": [{"role": "user", "content": "?"}], "responses": ["a swan", "a goose"], "ranks": [1, 2]}


def test_text_is_encoded_and_token_ids_are_taken_as_they_are(tmp_path: Path, tokenizer: Tokenizer) -> None:
    letters = [[i for letter in text for i in tokenizer.encode(letter)] for text in ROW["responses"]]
    write_jsonl(tmp_path / "rows.jsonl", [ROW, {**ROW, "tokens": letters, "scores": [0.5, 0], "extra": 1}])
    text, ids = read_comparisons(tmp_path / "rows.jsonl", tokenizer, 64)
    prompt = render_prompt(ROW["prompt"], tokenizer)
    expected = [[*prompt, *tokenizer.encode(answer), tokenizer.end_id] for answer in ROW["responses"]]
    assert text[1:] == (expected, [1, 2], [])
    assert ids[1:] == ([[*prompt, *answer] for answer in letters], [1, 2], [0.5, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranks": None}, "ranks: input should be a valid list"),
        ({"prompt": "?"}, "prompt: input should be a valid list"),
        ({"prompt": []}, "prompt: list should have at least 1 item"),
        ({"prompt": [{"role": "robot", "content": "?"}]}, "unknown role 'robot'"),
        ({"responses": ["a swan"], "ranks": [1]}, "responses: list should have at least 2 items"),
        ({"responses": ["a swan", 7]}, r"responses\.1: input should be a valid string"),
        ({"ranks": ["best", "worst"]}, r"ranks\.0: input should be a valid number"),
        ({"ranks": [1, 2, 3]}, "2 responses but 3 ranks"),
        ({"tokens": [[9], [9], [9]]}, "2 responses but 2 ranks; tokens and scores count too"),
        ({"scores": [1.0]}, "tokens and scores count too"),
        ({"tokens": [[9, 9], [9]]}, "made with another tokenizer"),
        ({"tokens": [[9_999], [9]]}, "made with another tokenizer"),
        ({"tokens": [[-1], [9]]}, r"tokens\.0\.0: input should be greater than or equal to 0"),
        ({"responses": ["a swan", "swan " * 80]}, r"\d+ tokens, but the model reads 64\. Shorten it"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, tokenizer: Tokenizer, change: dict, message: str) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [ROW, {**ROW, **change}])
    with pytest.raises(UserError, match=rf"rows\.jsonl, row 2: .*{message}"):
        read_comparisons(tmp_path / "rows.jsonl", tokenizer, 64)


@pytest.mark.parametrize("key", ["ranks", "scores"])
@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("NaN", r"not valid JSON \(NaN is no number\)"),
        ("-Infinity", r"not valid JSON \(-Infinity is no number\)"),
        ("1e999", r"\.1: input should be a finite number"),
        ("9" * 400, r"\.1: input should be a"),
    ],
)
def test_numbers_are_finite(tmp_path: Path, tokenizer: Tokenizer, key: str, number: str, message: str) -> None:
    row = json.dumps({**ROW, key: [1, "here"]}).replace('"here"', number)
    (tmp_path / "rows.jsonl").write_text(row)
    with pytest.raises(UserError, match=rf"rows\.jsonl, row 1: .*{message}"):
        read_comparisons(tmp_path / "rows.jsonl", tokenizer, 64)
