"""What the stages read, small: models with 300 tokens and 64 places, conversations and comparisons of a few words."""

from pathlib import Path

import pytest
import torch

from cygnet.files import write_jsonl
from cygnet.model.folder import save_model
from cygnet.model.transformer import ScalarModel, Transformer
from cygnet.tokens.shards import ShardWriter, TokenizedDocument
from cygnet.tokens.tokenizer import Tokenizer
from cygnet.training.work import Work

WORDS = ["swan", "is it", "what", "a", "2", "4", "or", "def"]


def _text(seed: int) -> str:
    picks = torch.randint(0, len(WORDS), (1 + seed % 4,), generator=torch.Generator().manual_seed(seed))
    return " ".join(WORDS[i] for i in picks)


def _fond_of_ending(model: Transformer, end_id: int) -> None:
    """Make the end-of-turn token likely anywhere, so that answers of a model that learned nothing end."""
    with torch.no_grad():
        features = model.features(torch.randint(0, 300, (8, 64), generator=torch.Generator().manual_seed(0)))
        direction = features.mean(dim=(0, 1))
        model.model.embed_tokens.weight[end_id] = 3 * direction / direction.norm()


@pytest.fixture(scope="session")
def language_model(build, tokenizer: Tokenizer) -> Transformer:
    model = build()
    _fond_of_ending(model, tokenizer.end_id)
    return model


@pytest.fixture(scope="session")
def reward_model(build) -> ScalarModel:
    model = build(ScalarModel, seed=1)
    model.mean, model.scale = 0.3, 2.0
    return model


def _shards(folder: Path, tokenizer: Tokenizer) -> None:
    folder.mkdir()
    writer = ShardWriter(folder, ["docs", "tasks"], tokenizer.vocab_size, tokenizer.hash)
    for start, (split, count) in enumerate((("train", 900), ("validation", 12), ("test", 12))):
        documents = []
        for number in range(count):
            text = " ".join(_text(10_000 * start + 10 * number + part) for part in range(5))
            ids = [tokenizer.bos_id, *tokenizer.encode(text), tokenizer.end_id]
            documents.append(TokenizedDocument(("docs", "tasks")[number % 2], ids, len(text.encode())))
        writer.write_split(split, documents)
    writer.close()


def _conversation(number: int) -> dict:
    question, answer = {"role": "user", "content": _text(number)}, {"role": "assistant", "content": _text(number + 7)}
    return {"messages": [question, answer]}


def _comparison(number: int) -> dict:
    responses = [_text(number + 100 * place) for place in range(4)]
    ranks = [1 + sum(len(other) < len(response) for other in responses) for response in responses]
    return {"prompt": [{"role": "user", "content": _text(number)}], "responses": responses, "ranks": ranks}


@pytest.fixture(scope="session")
def inputs(
    language_model: Transformer,
    reward_model: ScalarModel,
    tokenizer: Tokenizer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """tokenizer/, tokens/, base/, reward/, conversations/, comparisons/ and prompts.jsonl."""
    folder = tmp_path_factory.mktemp("inputs")
    tokenizer.save(folder / "tokenizer")
    _shards(folder / "tokens", tokenizer)
    save_model(folder / "base", language_model, tokenizer)
    save_model(folder / "reward", reward_model, tokenizer)
    write_jsonl(folder / "conversations/train.jsonl", map(_conversation, range(120)))
    write_jsonl(folder / "conversations/validation.jsonl", map(_conversation, range(1000, 1020)))
    write_jsonl(folder / "comparisons/train.jsonl", map(_comparison, range(60)))
    write_jsonl(folder / "comparisons/heldout.jsonl", map(_comparison, range(1000, 1010)))
    prompts = [{"prompt": _conversation(number)["messages"][:1]} for number in range(30)]
    write_jsonl(folder / "prompts.jsonl", prompts)
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "checkpoints", tmp_path / "metrics.jsonl", seed=3, threads=1, progress=False)
