import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cygnet.errors import UserError
from cygnet.model.folder import load_language_model
from cygnet.model.transformer import Transformer
from cygnet.stages.config import PretrainConfig
from cygnet.stages.held_out import bits_by_source, bits_per_byte, token_nats
from cygnet.stages.pretrain import Pretraining, heldout_batches, heldout_bytes, pretrain
from cygnet.tokens.shards import ShardWriter, TokenizedDocument, open_split
from cygnet.tokens.tokenizer import Tokenizer, train_tokenizer
from cygnet.training import loop
from cygnet.training.optimizers import muon_and_adamw
from cygnet.training.work import Work
from cygnet.training.world import World

CONFIG = PretrainConfig(depth=1, context_length=32, rows_per_step=4, evaluations=1, heldout_rows=4)
WORK = Work(Path("nowhere"), Path("nowhere"))


def shards(folder: Path, tokenizer: Tokenizer, train: list[str], heldout: list[str]) -> Path:
    folder.mkdir()
    writer = ShardWriter(folder, ["docs"], tokenizer.vocab_size, tokenizer.hash)
    for split, texts in (("train", train), ("validation", heldout), ("test", heldout)):
        writer.write_split(split, [document(text, tokenizer) for text in texts])
    writer.close()
    return folder


def saved(tokenizer: Tokenizer, folder: Path) -> Path:
    tokenizer.save(folder / "tokenizer")
    return folder / "tokenizer"


def document(text: str, tokenizer: Tokenizer) -> TokenizedDocument:
    ids = [tokenizer.bos_id, *tokenizer.encode(text, begins=True), tokenizer.end_id]
    return TokenizedDocument("docs", ids, len(text.encode()))


def test_every_token_is_predicted_once_in_a_pass(tmp_path: Path, build, tokenizer: Tokenizer) -> None:
    texts = [f"{n} swans " * (1 + n % 30) for n in range(99)]  # some far longer than a row
    folder = shards(tmp_path / "tokens", tokenizer, texts, ["a swan"])
    train, heldout = (open_split(folder, split) for split in ("train", "validation"))
    stage = Pretraining(build(context_length=32), tokenizer, train, heldout, CONFIG, WORK)
    seen: Counter[int] = Counter()
    for step in range(stage.steps):
        for batch in stage.micro_batches(step):
            assert batch.tokens.shape == (4, 32)
            seen.update(batch.targets[batch.weights > 0].tolist())
    expected = Counter(token for i in range(len(train)) for token in train.document(i)[1:].tolist())
    assert seen.total() == stage.tokens
    assert seen <= expected
    assert expected.total() - seen.total() == stage.tokens_left_over < 4 * 32  # what doesn't fill a last update
    assert stage.loss(stage.micro_batches(0)[0]).count == float(stage.micro_batches(0)[0].weights.sum())


def test_nothing_is_read_back_from_a_device_before_an_update_ends(
    tmp_path: Path, build, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On `meta`, whose tensors have no numbers: reading one, or putting it together with the CPU's, is an error."""
    folder = shards(tmp_path / "tokens", tokenizer, ["many swans " * 40], ["a swan"])
    model = build(context_length=32).to("meta")
    model.compute_dtype = torch.bfloat16
    train, heldout = (open_split(folder, split) for split in ("train", "validation"))
    work = replace(WORK, world=World(device="meta"), rows_at_once=2)
    stage = Pretraining(model, tokenizer, train, heldout, CONFIG, work)
    told: list[dict[str, float | torch.Tensor]] = []

    def summed(found: list[dict[str, float | torch.Tensor]]) -> dict[str, float]:
        told.extend(found)
        return {"loss": 1.0, "count": 1.0}

    monkeypatch.setattr(loop, "_summed", summed)
    (muon, _) = muon_and_adamw(model, 0.02, 0.01)  # fused AdamW has no kernel there
    loop.update(model, [muon], stage, 0, 1.0, work.world)
    assert len(told) == 2
    assert all(value.is_meta for one in told for value in one.values())


@pytest.mark.parametrize("kind", ["tokenizer", "pieces"])
def test_bits_per_byte_is_the_likelihood_of_the_text_over_its_bytes(
    tmp_path: Path, build, request: pytest.FixtureRequest, kind: str
) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(kind)
    texts = ["a swan 🦢", "what is it?", "def swan(): return 4" * 3, "\tdo", "  two spaces"]
    folder = shards(tmp_path / "tokens", tokenizer, texts, texts)
    model = build(context_length=64, vocab_size=tokenizer.vocab_size)
    batches = heldout_batches(open_split(folder, "test"), 64, tokenizer, rows=None)
    bits = 0.0
    for text in texts:
        ids = torch.tensor(document(text, tokenizer).ids)
        logprobs = model(ids[None, :-1])[0].detach().log_softmax(-1)
        bits -= float(logprobs.gather(1, ids[1:, None])[:-1].sum()) / math.log(2)  # not the end mark
    assert list(batches) == ["docs"]
    found = bits_per_byte(model, batches["docs"], tokenizer)
    assert found == pytest.approx(bits / sum(len(text.encode()) for text in texts), rel=1e-4)
    assert heldout_bytes(folder, saved(tokenizer, tmp_path)) == "\n".join(texts).encode()


def test_an_evaluation_reads_so_many_rows_and_makes_so_many_logits_as_find_room(
    tmp_path: Path, build, inputs: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, model = open_split(inputs / "tokens", "test"), build(context_length=32)
    every = heldout_batches(split, 32, tokenizer, rows=None)
    shapes: list[int] = []
    model.model.register_forward_pre_hook(lambda _, given: shapes.append(len(given[0])))
    expected = bits_by_source(model, every, tokenizer)
    assert max(shapes) > 2
    work = replace(WORK, rows_at_once=2)
    stage = Pretraining(model, tokenizer, open_split(inputs / "tokens", "train"), split, CONFIG, work)
    logits, made = model.logits, []
    monkeypatch.setattr(model, "logits", lambda features: (made.append(len(features)), logits(features))[1])
    monkeypatch.setattr("cygnet.stages.predictions._AT_ONCE", 20 * 300)
    shapes.clear()
    found = bits_by_source(model, heldout_batches(split, 32, tokenizer, rows=None, together=2), tokenizer)
    bits_by_source(model, stage._heldout, tokenizer)
    assert (max(shapes), max(made)) == (2, 20)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("size", [2, 4])
def test_shares_of_heldout_text_are_scored_as_all_of_it_is(
    together, build, inputs: Path, tokenizer: Tokenizer, size: int
) -> None:
    """To the last bit, though some processes have nothing to read."""
    batches = heldout_batches(open_split(inputs / "tokens", "test"), 32, tokenizer, rows=4)
    model = build(context_length=32)
    expected = bits_by_source(model, batches, tokenizer)
    assert set(expected[1]) == {"docs", "tasks"}
    assert expected[1] == {name: bits_per_byte(model, several, tokenizer) for name, several in batches.items()}
    assert together(size, lambda world: bits_by_source(model, batches, tokenizer, world)) == [expected] * size


def test_a_model_that_knows_nothing_spends_the_same_on_every_token(tmp_path: Path, build, tokenizer: Tokenizer) -> None:
    folder = shards(tmp_path / "tokens", tokenizer, ["x"], ["123456789"])
    model = build(context_length=64)
    with torch.no_grad():
        model.model.norm.weight.zero_()
    (batch,) = heldout_batches(open_split(folder, "test"), 64, tokenizer, rows=None)["docs"]
    assert bits_per_byte(model, [batch], tokenizer) == pytest.approx(math.log2(300))  # a token a byte
    torch.testing.assert_close(token_nats(model, batch), torch.full((1, 64), math.log(300)))


def test_heldout_rows_are_shared_evenly_by_the_sources(inputs: Path, tokenizer: Tokenizer) -> None:
    split = open_split(inputs / "tokens", "test")
    every = heldout_batches(split, 32, tokenizer, rows=None)
    some = heldout_batches(split, 32, tokenizer, rows=4)
    assert list(every) == list(some) == ["docs", "tasks"]
    assert [sum(len(rows.tokens) for rows in batches) for batches in some.values()] == [2, 2]
    assert all(sum(len(rows.tokens) for rows in batches) > 2 for batches in every.values())


def test_the_test_text_comes_back_whole(tmp_path: Path, tokenizer: Tokenizer) -> None:
    tokenizer.save(tmp_path / "tokenizer")
    shards(tmp_path / "tokens", tokenizer, ["x"], ["a swan 🦢", "<|end|>"])
    assert heldout_bytes(tmp_path / "tokens", tmp_path / "tokenizer") == "a swan 🦢\n<|end|>".encode()


def test_a_pass_ends_with_a_model_and_its_numbers(inputs: Path, tmp_path: Path, work: Work) -> None:
    metrics = pretrain(inputs / "tokens", inputs / "tokenizer", tmp_path / "base", CONFIG, work)
    model, _ = load_language_model(tmp_path / "base")
    assert isinstance(model, Transformer)
    assert metrics["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert metrics["tokens"] > 5_000
    assert metrics["tokens_per_second"] > 0
    assert set(metrics["heldout_bits_per_byte_by_source"]) == {"docs", "tasks"}
    by_source = metrics["heldout_bits_per_byte_by_source"].values()
    assert min(by_source) <= metrics["heldout_bits_per_byte"] <= max(by_source)
    batches = heldout_batches(open_split(inputs / "tokens", "test"), 32, Tokenizer.load(inputs / "tokenizer"), None)
    everything = [rows for found in batches.values() for rows in found]
    again = bits_per_byte(model, everything, Tokenizer.load(inputs / "tokenizer"))
    assert again == pytest.approx(metrics["heldout_bits_per_byte"], rel=0.02)  # training was in bfloat16


def test_too_little_text(tmp_path: Path, build, tokenizer: Tokenizer) -> None:
    folder = shards(tmp_path / "tokens", tokenizer, ["a swan"], ["a swan"])
    train, heldout = (open_split(folder, split) for split in ("train", "validation"))
    with pytest.raises(UserError, match=r"the training tokens fill 1 rows but one update needs 4: add text or lower"):
        Pretraining(build(context_length=32), tokenizer, train, heldout, CONFIG, WORK)
    empty = shards(tmp_path / "empty", tokenizer, ["a swan " * 200], [])
    with pytest.raises(UserError, match="there are no held-out documents to score"):
        Pretraining(build(), tokenizer, open_split(empty, "train"), open_split(empty, "validation"), CONFIG, WORK)


def test_tokens_of_another_tokenizer_are_refused(inputs: Path, tmp_path: Path, work: Work) -> None:
    train_tokenizer(["other words in another tokenizer"] * 3, 300).save(tmp_path / "other")
    with pytest.raises(UserError, match="was tokenized with tokenizer"):
        pretrain(inputs / "tokens", tmp_path / "other", tmp_path / "base", CONFIG, work)
    assert not (tmp_path / "base").exists()
