"""Models whose tokenizer is SentencePiece's, as Llama 2's and Mistral 7B's are: in folders, in GGUF, and out again."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gguf
import pytest
import sentencepiece
import torch
from gguf_files import gguf_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from tokenizers import Tokenizer as BpeTokenizer
from tokenizers import decoders, models, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM

from cygnet import Sampling, UserError, load
from cygnet.files import read_json, write_json
from cygnet.generation.constraint import Constraint
from cygnet.model.export import export
from cygnet.model.folder import load_language_model
from cygnet.model.gguf_tokenizer import read_tokenizer
from cygnet.model.gguf_vocabulary import PROBES, vocabulary
from cygnet.tokens.chat import render_prompt
from cygnet.tokens.sentencepiece import bpe_of_pieces
from cygnet.tokens.tokenizer import Tokenizer

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}{{ '[INST] ' + message.content + "
    "' [/INST]' }}{% else %}{{ ' ' + message.content + eos_token }}{% endif %}{% endfor %}"
)
PLAIN = "{% for message in messages %}{{ message.role + ': ' + message.content + '\n' }}{% endfor %}assistant:"
CHAT = [{"role": "user", "content": "What is </s> it? 🦢"}]
TOKENS = torch.arange(3, 60)[None]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def proto(sentencepiece_model: bytes) -> Any:
    return ModelProto.FromString(sentencepiece_model)


Save = Callable[..., Path]


@pytest.fixture
def save(proto: Any, tmp_path: Path) -> Save:
    """Writes a folder as transformers does, with three rows more than tokens, and a tokenizer."""

    def save(opens: Any = "each", template: str | None = TEMPLATE, bpe: BpeTokenizer | None = None) -> Path:
        folder = tmp_path / "model"
        bpe = bpe or bpe_of_pieces(*lists(proto), opens)
        bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=bpe.get_vocab_size() + 3, max_position_embeddings=256, initializer_range=0.3, **shape
        )
        LlamaForCausalLM(config).save_pretrained(folder)
        bpe.save(str(folder / "tokenizer.json"))
        said = {"bos_token": "<s>", "eos_token": "</s>", "tokenizer_class": "LlamaTokenizer", "legacy": True}
        write_json(folder / "tokenizer_config.json", said | ({"chat_template": template} if template else {}))
        return folder

    return save


def lists(proto: Any) -> tuple[list[str], list[float], list[int]]:
    pieces = proto.pieces
    return [one.piece for one in pieces], [one.score for one in pieces], [one.type for one in pieces]


def test_it_answers_and_streams_the_same(save: Save) -> None:
    model = load(save())
    for seed in range(4):
        sampling = Sampling(seed=seed, max_new_tokens=40)
        for prompt in (CHAT, "What is"):
            [[reply]] = model.generate([prompt], [sampling])
            assert "".join(model.stream(prompt, sampling)) == reply.text
            ids = [token for token in reply.completion.tokens if token not in model.tokenizer.end_ids]
            assert reply.text == model.tokenizer.decode(ids)


def test_output_can_be_constrained(save: Save) -> None:
    model = load(save())
    schema = {"type": "object", "properties": {"é": {"enum": ["swan 🦢", " it"]}}, "required": ["é"]}
    for constraint, accepted in (
        (Constraint.json(schema), {'{"é": "swan 🦢"}', '{"é": " it"}'}),
        (Constraint.choice([" What is it?", "漢字 "]), {" What is it?", "漢字 "}),
        (Constraint.choice(["▁a"]), {"▁a"}),  # of bytes, for a piece would be a space
        (Constraint.regex(r" *\n\ta{2}"), None),
    ):
        [replies] = model.generate([CHAT], Sampling(max_new_tokens=120, constraint=constraint), n=6)
        done = [reply.text for reply in replies if reply.finish_reason == "stop"]
        assert done
        assert all(text in accepted if accepted else text.strip(" ") == "\n\taa" for text in done)


def test_stops_are_found_in_what_is_written(save: Save) -> None:
    model = load(save())
    [[whole]] = model.generate(["What"], Sampling(max_new_tokens=60, seed=1))
    stop = whole.text[7:9]
    [[cut]] = model.generate(["What"], Sampling(max_new_tokens=60, seed=1, stop=(stop,)))
    assert cut.text == whole.text[: whole.text.index(stop)]


def test_a_continuation_is_scored_as_it_stands_after_the_prompt(save: Save) -> None:
    model = load(save())
    for prompt, text in (("What is", " it?"), ("What is", "it?"), ("", "What")):
        [reply] = model.score([prompt], [text])
        assert "".join(token.text for token in reply.tokens) == text


@pytest.mark.parametrize(
    ("opens", "template"), [("each", TEMPLATE), ("each", None), ("first", TEMPLATE), ("first", PLAIN), ("never", None)]
)
def test_a_folder_comes_back_and_is_read_alike(save: Save, tmp_path: Path, opens: str, template: str | None) -> None:
    folder = save(opens, template)
    lines = export(folder, tmp_path / "out", "hf")
    texts = f"it reads {len(PROBES)} texts" + (" and a conversation" if template else "")
    assert texts in lines[2]
    before, after = (json.loads((path / "tokenizer.json").read_text()) for path in (folder, tmp_path / "out"))
    assert before == after


@pytest.mark.parametrize(
    ("opens", "template", "comes_back", "said"),
    [
        ("each", TEMPLATE, "each", None),
        ("each", PLAIN, "each", None),
        ("never", None, "never", None),
        ("first", TEMPLATE, "never", "no space goes before a text, so that conversations are read"),
        ("first", PLAIN, "each", "a space goes before text after special tokens too"),
        ("first", None, "each", "a space goes before text after special tokens too"),
    ],
)
def test_gguf_holds_it(
    save: Save, tmp_path: Path, opens: str, template: str | None, comes_back: str, said: str | None
) -> None:
    folder = save(opens, template)
    lines = export(folder, tmp_path / "swan.gguf", "gguf")
    assert len(lines) == (3 if said is None else 4)
    assert said is None or said in lines[1]
    assert "it gives the same numbers at all of" in lines[-2]
    before, after = load(folder), load(tmp_path / "swan.gguf")
    assert after.tokenizer.spelling.opens == comes_back
    assert (after.tokenizer.start, after.tokenizer.end_ids) == ([1], frozenset({2}))
    assert torch.equal(before.model(TOKENS), after.model(TOKENS))
    texts = [text + other for text in PROBES for other in PROBES]
    assert [after.tokenizer.encode(text) for text in texts] == [before.tokenizer.encode(text) for text in texts]
    if template:
        assert render_prompt(CHAT, after.tokenizer) == render_prompt(CHAT, before.tokenizer)
    again = export(folder, tmp_path / "again.gguf", "gguf", "q8_0")
    assert "q8_0 moves its numbers" in again[-2]


@pytest.mark.parametrize(
    ("opens", "template"), [("each", TEMPLATE), ("each", PLAIN), ("first", TEMPLATE), ("first", PLAIN), ("never", None)]
)
def test_llama_cpp_reads_it_alike(save: Save, tmp_path: Path, opens: str, template: str | None) -> None:
    pytest.importorskip("llama_cpp", reason="llama.cpp is compiled at installation: pip install llama-cpp-python")
    lines = export(save(opens, template), tmp_path / "swan.gguf", "gguf")
    assert lines[-1].startswith("checked by llama.cpp")


def test_the_kinds_of_tokens_are_those_of_sentencepiece(save: Save, proto: Any) -> None:
    _, tokenizer = load_language_model(save())
    rows = tokenizer.vocab_size + 3
    said = vocabulary(tokenizer, rows)
    pieces, _, kinds = lists(proto)
    assert said["tokenizer.ggml.tokens"] == [*pieces, *(f"[PAD{place}]" for place in range(len(pieces), rows))]
    assert said["tokenizer.ggml.token_type"] == [*kinds, 5, 5, 5]
    normal = [place for place, kind in enumerate(kinds) if kind == 1]
    by_theirs = sorted(normal, key=lambda place: -proto.pieces[place].score)
    made = [place for place in by_theirs if len(pieces[place]) > 1]
    scores = said["tokenizer.ggml.scores"]
    assert made == sorted(made, key=lambda place: -scores[place])


def test_merges_that_no_scores_say_are_refused(save: Save, tmp_path: Path) -> None:
    """A token may be made of two others, which are never joined to it."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *("▁", "a", "b", "c", "ab", "bc")]
    ids = {token: place for place, token in enumerate([*tokens, "abc"])}
    merges = [("b", "c"), ("a", "b"), ("ab", "c")]
    bpe = bpe_of_pieces(tokens, [0.0] * len(tokens), [2, 3, 3, *[6] * 256, *[1] * 6])
    bpe.model = models.BPE(ids, merges, byte_fallback=True)
    folder = save(template=None, bpe=bpe)
    assert len(load(folder).tokenizer.encode("abc")) == 2
    with pytest.raises(UserError, match="joins pieces otherwise than by a score of each"):
        export(folder, tmp_path / "swan.gguf", "gguf")
    assert not (tmp_path / "swan.gguf").exists()


def settings_of(proto: Any, **changed: Any) -> dict[str, Any]:
    """What a GGUF file says of its tokenizer; older ones say no more."""
    pieces, scores, kinds = lists(proto)
    said = {"model": "llama", "tokens": pieces, "scores": scores, "token_type": kinds}
    every = {f"tokenizer.ggml.{name}": value for name, value in (said | changed).items()}
    return {name: value for name, value in every.items() if value is not None}


def write(path: Path, folder: Path, said: dict[str, Any]) -> Path:
    """The model of a folder as a GGUF file with another tokenizer, by the library of the format's makers."""
    model, _ = load_language_model(folder)
    config = model.config
    with gguf_file(path, "llama", config) as writer:
        for name, value in said.items():
            writer.add_key_value(name, value, gguf.GGUFValueType.get_type(value))
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.layers)
        for name, tensor in model.state_dict().items():
            writer.add_tensor(f"{names.get_name(name.removesuffix('.weight'))}.weight", tensor.numpy())
    return path


def test_scores_in_a_gguf_file_are_merges(save: Save, proto: Any, sentencepiece_model: bytes, tmp_path: Path) -> None:
    tokenizer = load(write(tmp_path / "swan.gguf", save(), settings_of(proto))).tokenizer
    theirs = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model)
    assert (tokenizer.start, tokenizer.end_ids) == ([1], frozenset({2}))  # what llama.cpp takes where nothing is said
    for text in (*PROBES, "return        swan", "</s>[INST]", "", " "):
        assert tokenizer.encode(text, begins=True) == theirs.encode(text)


@pytest.mark.parametrize(
    ("changed", "opens", "start"),
    [
        ({"add_space_prefix": False}, "never", [1]),
        ({"add_bos_token": False}, "each", []),
        ({"bos_token_id": 3}, "each", [3]),
    ],
)
def test_a_gguf_file_says_how_texts_begin(
    save: Save, proto: Any, tmp_path: Path, changed: dict[str, Any], opens: str, start: list[int]
) -> None:
    tokenizer = load(write(tmp_path / "swan.gguf", save(), settings_of(proto, **changed))).tokenizer
    assert (tokenizer.spelling.opens, tokenizer.start) == (opens, start)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "t5"}, r"is of the kind 't5'; BPE \(gpt2, llama\) loads here"),
        ({"remove_extra_whitespaces": True}, "sets tokenizer.ggml.remove_extra_whitespaces"),
        ({"scores": [float("nan")] * 380}, "score that is no number"),
        ({"scores": [0.5]}, "380 tokens, but 1 scores"),
        ({"scores": None}, "lacks 'scores'"),
        ({"token_type": [1]}, "380 tokens, but tokenizer.ggml.token_type says something of 1"),
    ],
)
def test_what_is_wrong_with_it_is_named(
    save: Save, proto: Any, tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "swan.gguf", save(), settings_of(proto, **changed))
    with pytest.raises(UserError, match=message):
        load(path)


STRANGE: list[Any] = [
    *(0, -1, 10**9, 0.5, float("nan"), True, False, "", "gpt2", ["a"], [0], [1.5] * 380, [True], [4] * 380, [7] * 380),
    *([f":{place} $" for place in range(380)], ["x"] * 380, [""] * 380, [], {}, None),
]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_setting_is_taken_or_refused(proto: Any, data: st.DataObject) -> None:
    names = ["model", "tokens", "scores", "token_type", "bos_token_id", "add_bos_token", "add_space_prefix", "pre"]
    changed = {data.draw(st.sampled_from(names)): data.draw(st.sampled_from(STRANGE))}
    with suppress(UserError, KeyError):
        bpe, _ = read_tokenizer(settings_of(proto, **changed))
        assert bpe.encode("It is").ids is not None


def test_merges_of_tokenizers_own_trainer_open(save: Save) -> None:
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    bpe = bpe_of_pieces(["▁"], [0.0], [1])
    bpe.train_from_iterator(["What is it? It is a swan on a lake."] * 3, trainer=trainer)
    definition = json.loads(bpe.to_str())
    vocabulary_ = definition["model"]["vocab"]
    for byte in range(256):
        vocabulary_[f"<0x{byte:02X}>"] = len(vocabulary_)
    bpe = BpeTokenizer.from_str(json.dumps(definition))
    assert isinstance(bpe.decoder, decoders.Sequence)
    model = load(save(bpe=bpe))
    for text in (*PROBES, "What is it? It is a swan on a lake."):
        assert model.tokenizer.encode(text, begins=True) == bpe.encode(text, add_special_tokens=False).ids
        assert model.tokenizer.decode(model.tokenizer.encode(text)) == text
    assert model.generate([CHAT], Sampling(max_new_tokens=4))[0][0].text is not None


def test_a_folder_with_tokenizer_model_alone_opens(save: Save, sentencepiece_model: bytes) -> None:
    folder = save()
    wanted = load(folder).tokenizer
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(sentencepiece_model)
    found = load(folder).tokenizer
    assert found.encode("What is  it?", begins=True) == wanted.encode("What is  it?", begins=True)
    assert render_prompt(CHAT, found) == render_prompt(CHAT, wanted)
    assert isinstance(found, Tokenizer)
    assert read_json(folder / "tokenizer_config.json")["tokenizer_class"] == "LlamaTokenizer"
