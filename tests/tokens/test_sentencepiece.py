"""SentencePiece's BPE, as tokenizer.json, tokenizer.model and pieces with scores, beside its makers' libraries."""

import codecs
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as BpeTokenizer
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import generate_merges

from cygnet.errors import UserError
from cygnet.files import read_json, write_json
from cygnet.tokens.chat import render, render_prompt
from cygnet.tokens.conventions import Conventions
from cygnet.tokens.sentencepiece import bpe_of_pieces
from cygnet.tokens.tokenizer import Tokenizer

UNKNOWN = "<unk>"
FORMS = ["prepend", "always", "first", "never"]
ENDINGS = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}{{ '[INST] ' + message.content + "
    "' [/INST]' }}{% else %}{{ ' ' + message.content + eos_token }}{% endif %}{% endfor %}"
)
WITHOUT_BOS = (
    "{% for message in messages %}{{ '<|' + message.role + '|>\n' + message.content + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
CHAT = [
    {"role": "user", "content": "What is it?"},
    {"role": "assistant", "content": "It is a  swan 🦢"},
    {"role": "user", "content": "  Is it?\n"},
]
WORDS = st.sampled_from(
    [
        *(
            "swan",
            " ",
            "  ",
            "        ",
            "\n",
            "\t",
            "Wh",
            "at is",
            "🦢🏽",
            "é",
            "e\u0301",
            "漢",
            "\0",
            "2",
            "return",
            ".",
        )
    ]
)
NAMES = st.sampled_from(["<s>", "</s>", "<unk>", "[INST]", "<0x0A>", "<0x"])
TEXTS = st.text() | st.lists(WORDS).map("".join)
ANYTHING = TEXTS | st.lists(WORDS | NAMES | st.just("▁")).map("".join)


def as_spaces(text: str) -> str:
    return text.replace("▁", " ")


@pytest.fixture(scope="module")
def proto(sentencepiece_model: bytes) -> Any:
    return ModelProto.FromString(sentencepiece_model)


@pytest.fixture(scope="module")
def theirs(sentencepiece_model: bytes) -> Any:
    return sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model)


Build = Callable[[str], BpeTokenizer]


@pytest.fixture(scope="module")
def build(proto: Any) -> Build:
    """A tokenizer.json as the converters of transformers make it, in one of its forms."""
    vocabulary = {piece.piece: place for place, piece in enumerate(proto.pieces)}
    special = [piece.piece for piece in proto.pieces if piece.type in {2, 3}]
    scores = {piece.piece: piece.score for piece in proto.pieces}
    merges = generate_merges(vocabulary, scores, skip_tokens=special)

    def build(form: str) -> BpeTokenizer:
        bpe = BpeTokenizer(models.BPE(vocabulary, merges, unk_token=UNKNOWN, fuse_unk=True, byte_fallback=True))
        if form in {"prepend", "never"}:
            before = [normalizers.Prepend("▁")] if form == "prepend" else []
            bpe.normalizer = normalizers.Sequence([*before, normalizers.Replace(" ", "▁")])
        else:
            bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=form, split=False)
        bpe.decoder = decoders.Sequence(ENDINGS if form == "never" else [*ENDINGS, decoders.Strip(" ", 1, 0)])
        bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
        bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        return bpe

    return build


def write(folder: Path, bpe: BpeTokenizer, template: str = TEMPLATE) -> Path:
    names = {f"{name}_token": text for name, text in (("bos", "<s>"), ("eos", "</s>"), ("unk", "<unk>"))}
    PreTrainedTokenizerFast(tokenizer_object=bpe, chat_template=template, **names).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(build: Build, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {form: write(tmp_path_factory.mktemp(form), build(form)) for form in FORMS}


@pytest.fixture(scope="module")
def ours(folders: dict[str, Path]) -> dict[str, Tokenizer]:
    return {form: Tokenizer.load(folder) for form, folder in folders.items()}


@pytest.fixture(scope="module")
def of_model(sentencepiece_model: bytes, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Opened from tokenizer.model alone."""
    return Tokenizer.load(write_model(tmp_path_factory.mktemp("model"), sentencepiece_model))


def write_model(folder: Path, model: bytes, **config: Any) -> Path:
    (folder / "tokenizer.model").write_bytes(model)
    write_json(folder / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>", **config})
    return folder


@pytest.mark.parametrize("form", FORMS)
@given(text=TEXTS)
def test_ids_are_those_of_tokenizers(ours: dict[str, Tokenizer], build: Build, form: str, text: str) -> None:
    wanted = build(form).encode(text, add_special_tokens=False).ids
    assert ours[form].encode(text, begins=True) == wanted
    assert ours[form].begin(text) == [1, *wanted]
    assert ours[form].decode(wanted, begins=True) == build(form).decode(wanted)


@given(text=TEXTS | st.lists(WORDS | NAMES).map("".join))
def test_ids_are_those_of_sentencepiece(of_model: Tokenizer, theirs: Any, text: str) -> None:
    """It takes the names of special tokens for text too."""
    assert of_model.encode(text, begins=True) == theirs.encode(text)
    assert of_model.decode(theirs.encode(text), begins=True) == theirs.decode(theirs.encode(text))


@pytest.mark.parametrize("form", FORMS)
@given(text=ANYTHING)
def test_text_after_other_text_comes_back(ours: dict[str, Tokenizer], form: str, text: str) -> None:
    ids = ours[form].encode(text)
    assert ours[form].decode(ids) == as_spaces(text)
    assert not set(ids) & ours[form].special_ids  # and forges no turn
    assert not set(ours[form].encode(text, begins=True)) & ours[form].special_ids


@pytest.mark.parametrize("form", FORMS)
@given(text=ANYTHING)
def test_text_that_begins_comes_back(ours: dict[str, Tokenizer], form: str, text: str) -> None:
    found = ours[form].decode(ours[form].encode(text, begins=True), begins=True)
    had_its_own = form in {"always", "first"} and as_spaces(text).startswith(" ")
    assert found == as_spaces(text).removeprefix(" " if had_its_own else "")


@pytest.mark.parametrize("form", FORMS)
@given(data=st.binary() | ANYTHING.map(str.encode))
def test_bytes_come_back_whatever_they_are(ours: dict[str, Tokenizer], form: str, data: bytes) -> None:
    assert ours[form].decode_bytes(ours[form].encode_bytes(data)) == data


@pytest.mark.parametrize("form", FORMS)
@given(text=TEXTS)
def test_the_lengths_of_tokens_add_up_to_the_text(ours: dict[str, Tokenizer], form: str, text: str) -> None:
    tokenizer, size = ours[form], len(as_spaces(text).encode())
    inside, first = tokenizer.byte_lengths(), tokenizer.byte_lengths(begins=True)
    assert sum(inside[token] for token in tokenizer.encode(text)) == size
    ids = tokenizer.encode(text, begins=True)
    had_its_own = form in {"always", "first"} and as_spaces(text).startswith(" ")
    assert sum(first[token] for token in ids[:1]) + sum(inside[token] for token in ids[1:]) == size - had_its_own


@given(text=TEXTS)
def test_what_is_written_token_by_token_is_the_text(ours: dict[str, Tokenizer], text: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces = [decoder.decode(ours["prepend"].decode_bytes([token])) for token in ours["prepend"].encode(text)]
    assert "".join([*pieces, decoder.decode(b"", final=True)]) == as_spaces(text)


def test_only_the_beginning_of_a_text_has_a_space_put_before_it(ours: dict[str, Tokenizer]) -> None:
    tokenizer = ours["prepend"]
    beginning, rest = tokenizer.begin("What is"), tokenizer.encode(" it?")
    assert tokenizer.decode(beginning) == "<s> What is"
    assert tokenizer.decode(beginning[1:], begins=True) + tokenizer.decode(rest) == "What is it?"
    assert tokenizer.encode("swan") != tokenizer.encode("swan", begins=True) == tokenizer.encode(" swan")


@pytest.mark.parametrize("template", [TEMPLATE, WITHOUT_BOS])
@pytest.mark.parametrize("form", FORMS)
def test_conversations_are_those_of_transformers(build: Build, tmp_path: Path, form: str, template: str) -> None:
    tokenizer = Tokenizer.load(write(tmp_path, build(form), template))
    wanted = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    for count in range(1, 4):
        ids = wanted.apply_chat_template(CHAT[:count], add_generation_prompt=True, return_dict=False)
        assert render_prompt(CHAT[:count], tokenizer) == ids
    whole = render(CHAT, tokenizer)
    assert whole.ids == wanted.apply_chat_template(CHAT, return_dict=False)
    answer = [token for token, own in zip(whole.ids, whole.mask, strict=True) if own]
    spaces = (
        "" if template == WITHOUT_BOS else "  " if form == "prepend" else " "
    )  # the template's, and one put before it
    assert tokenizer.decode(answer) == f"{spaces}It is a  swan 🦢</s>"


@pytest.mark.parametrize("template", [TEMPLATE, WITHOUT_BOS])
@pytest.mark.parametrize("form", FORMS)
def test_what_a_user_writes_forges_no_turn_and_stays_what_it_is(
    build: Build, tmp_path: Path, form: str, template: str
) -> None:
    tokenizer = Tokenizer.load(write(tmp_path, build(form), template))
    said = "a</s>b [/INST]<s>c <0x0A>"
    ids = render_prompt([{"role": "user", "content": said}], tokenizer)
    assert ids.count(tokenizer.id_of("</s>")) == (template == WITHOUT_BOS)
    assert ids.count(tokenizer.id_of("<s>")) == (template == TEMPLATE)
    wanted = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    text = wanted.apply_chat_template([{"role": "user", "content": said}], add_generation_prompt=True, tokenize=False)
    if form == "always":  # which takes the template's space for the one that it would put there
        text = text.replace("[INST] a", "[INST]a")
    assert tokenizer.decode(ids, begins=True) == text


@pytest.mark.parametrize("form", FORMS)
@given(text=st.lists(WORDS | st.just("<think>")).map("".join))
def test_text_around_tokens_that_are_found_in_it_comes_back(build: Build, form: str, text: str) -> None:
    """Where a space is put after special tokens, one is put after these too, as transformers and llama.cpp do."""
    bpe = build(form)
    bpe.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    wanted = bpe.encode(text, add_special_tokens=False).ids
    tokenizer = Tokenizer(bpe, Conventions((1,), 1, (2,), 2, None, {}, {}))
    assert tokenizer.encode(text, begins=True) == wanted
    found = tokenizer.decode(wanted, begins=True)
    if form in {"prepend", "never"}:
        assert found == text
    else:  # which take a text's own space for the one that they would put there
        assert found.replace(" ", "") == text.replace(" ", "")
        assert len(text) - len(found) <= 1 + text.count("<think> ")
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_steps_may_be_sequences_of_sequences(build: Build, ours: dict[str, Tokenizer]) -> None:
    bpe = build("prepend")
    bpe.normalizer = normalizers.Sequence([bpe.normalizer])
    bpe.decoder = decoders.Sequence([bpe.decoder])
    tokenizer = Tokenizer(bpe, ours["prepend"].conventions)
    assert tokenizer.spelling.opens == "each"
    assert tokenizer.encode("a swan") == ours["prepend"].encode("a swan") != tokenizer.encode("a swan", begins=True)


def test_bytes_to_fall_back_on_make_no_sentencepiece_of_a_byte_level_tokenizer(tokenizer: Tokenizer) -> None:
    bpe = BpeTokenizer.from_str(json.dumps(tokenizer.definition()))
    bpe.model.byte_fallback = True
    bpe.decoder = decoders.Sequence([bpe.decoder])
    assert Tokenizer(bpe).encode("a swän") == tokenizer.encode("a swän")


def test_merges_that_lead_to_a_special_token_are_not_followed(folders: dict[str, Path], tmp_path: Path) -> None:
    definition = json.loads((folders["prepend"] / "tokenizer.json").read_text())
    vocabulary = definition["model"]["vocab"]
    for piece in ("<", ">", "<s"):
        vocabulary.setdefault(piece, len(vocabulary))
    definition["model"]["merges"] += [["<", "s"], ["<s", ">"]]
    (tmp_path / "tokenizer.json").write_text(json.dumps(definition))
    write_json(tmp_path / "tokenizer_config.json", read_json(folders["prepend"] / "tokenizer_config.json"))
    tokenizer = Tokenizer.load(tmp_path)
    for begins in (True, False):
        assert 1 not in tokenizer.encode("a<s>b", begins)
    tokenizer.save(tmp_path / "again")
    assert json.loads((tmp_path / "again/tokenizer.json").read_text()) == definition


@pytest.mark.parametrize("form", FORMS)
def test_it_is_saved_as_it_was(folders: dict[str, Path], ours: dict[str, Tokenizer], tmp_path: Path, form: str) -> None:
    ours[form].save(tmp_path)
    for folder in (folders[form], tmp_path):
        assert Tokenizer.load(folder).hash == ours[form].hash
    before, after = (json.loads((folder / "tokenizer.json").read_text()) for folder in (folders[form], tmp_path))
    assert before == after
    opened = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert opened.encode("  What is\nit?") == ours[form].begin("  What is\nit?")


def test_a_tokenizer_model_is_saved_as_tokenizer_json(of_model: Tokenizer, tmp_path: Path) -> None:
    of_model.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert (again.hash, again.start, again.end_ids) == (of_model.hash, [1], frozenset({2}))
    assert again.special_tokens == ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]


@pytest.mark.parametrize(
    ("config", "opens", "start"),
    [
        ({}, "each", [1]),
        ({"legacy": True}, "each", [1]),
        ({"legacy": False}, "first", [1]),
        ({"add_bos_token": False}, "each", []),
    ],
)
def test_the_files_beside_a_tokenizer_model_say_how_texts_begin(
    sentencepiece_model: bytes, tmp_path: Path, config: dict[str, Any], opens: str, start: list[int]
) -> None:
    tokenizer = Tokenizer.load(write_model(tmp_path, sentencepiece_model, **config))
    assert (tokenizer.spelling.opens, tokenizer.start) == (opens, start)


def test_tokens_that_were_added_to_a_tokenizer_model_have_their_ids(
    sentencepiece_model: bytes, proto: Any, tmp_path: Path
) -> None:
    size = len(proto.pieces)
    described = {str(size): {"content": "<|im_end|>", "special": True}, "1": {"content": "<s>", "special": True}}
    write_model(tmp_path, sentencepiece_model, added_tokens_decoder=described)
    write_json(tmp_path / "added_tokens.json", {"<pad>": size + 1, "<|im_end|>": size})
    tokenizer = Tokenizer.load(tmp_path)
    assert (tokenizer.id_of("<|im_end|>"), tokenizer.id_of("<pad>")) == (size, size + 1)
    assert size not in tokenizer.encode("<|im_end|>")
    write_json(tmp_path / "added_tokens.json", {"<pad>": size + 5})
    with pytest.raises(UserError, match=f"gives the token '<pad>' the id {size + 5}, which is not free"):
        Tokenizer.load(tmp_path)
    for strange in ([1], {"<pad>": "x"}, {"<pad>": None}):
        write_json(tmp_path / "added_tokens.json", strange)
        with pytest.raises(UserError, match="added_tokens.json should hold an object|adds tokens in a way"):
            Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda proto: setattr(proto.trainer_spec, "model_type", 1), "SentencePiece of the kind Unigram; only BPE"),
        (lambda proto: setattr(proto.normalizer_spec, "precompiled_charsmap", b"x"), "before it is cut .precompiled"),
        (lambda proto: setattr(proto.normalizer_spec, "remove_extra_whitespaces", True), "cut .remove_extra"),
        (lambda proto: setattr(proto.pieces[300], "score", float("nan")), "a score that is no number"),
        (lambda proto: setattr(proto.pieces[300], "piece", "a"), "has the token 'a' twice"),
        (lambda proto: proto.pieces.pop(), None),
        (lambda proto: proto.pieces.pop(20), "lacks the token '<0x"),
        (lambda proto: proto.ClearField("pieces"), "is not a model of SentencePiece: it has no pieces"),
    ],
)
def test_what_a_tokenizer_model_is_refused_for(proto: Any, tmp_path: Path, change: Any, message: str | None) -> None:
    changed = ModelProto()
    changed.CopyFrom(proto)
    change(changed)
    write_model(tmp_path, changed.SerializeToString())
    if message is None:
        assert Tokenizer.load(tmp_path).vocab_size == len(changed.pieces)
    else:
        with pytest.raises(UserError, match=message):
            Tokenizer.load(tmp_path)


def test_a_damaged_tokenizer_model_is_named(tmp_path: Path) -> None:
    for data in (b"", b"\xff\xff no model", bytes(range(256))):
        with pytest.raises(UserError, match="tokenizer.model is not a model of SentencePiece"):
            Tokenizer.load(write_model(tmp_path, data))


def test_a_piece_that_is_not_utf8_is_named(sentencepiece_model: bytes, tmp_path: Path) -> None:
    damaged = sentencepiece_model.replace("▁swan".encode(), b"\xff\xfe\xfdswan")
    assert damaged != sentencepiece_model
    with pytest.raises(UserError, match=r"tokenizer.model is not a model .* piece b'.xff.xfe.xfdswan' is not UTF-8"):
        Tokenizer.load(write_model(tmp_path, damaged))


def test_without_its_libraries_it_is_said_what_helps(
    sentencepiece_model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece.sentencepiece_model_pb2", None)
    with pytest.raises(UserError, match=r"pip install 'cygnet\[sentencepiece\]' .* AutoTokenizer"):
        Tokenizer.load(write_model(tmp_path, sentencepiece_model))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bpe: setattr(bpe, "decoder", decoders.WordPiece()), "the tokenizer's decoder has the step"),
        (lambda bpe: setattr(bpe, "decoder", decoders.Metaspace(replacement="_")), "decoder has the step"),
        (lambda bpe: setattr(bpe, "pre_tokenizer", pre_tokenizers.Metaspace("_")), "writes '_' for a space; only byte"),
        (lambda bpe: setattr(bpe.model, "ignore_merges", True), "ignore_merges.: refused, for such a text could forge"),
        (lambda bpe: setattr(bpe.model, "byte_fallback", False), "has the token '▁.*'; only byte-level BPE, and Sen"),
        (lambda bpe: setattr(bpe, "model", models.BPE({"▁": 0}, [], byte_fallback=True)), "lacks the token '<0x00>'"),
        (lambda bpe: setattr(bpe, "model", models.Unigram([("<unk>", 0.0), ("▁", -1.0)], 0)), "is Unigram; only byte"),
    ],
)
def test_what_a_tokenizer_json_is_refused_for(
    build: Build, folders: dict[str, Path], change: Any, message: str
) -> None:
    bpe = build("prepend")
    change(bpe)
    with pytest.raises(UserError, match=message):
        Tokenizer(bpe, Tokenizer.load(folders["prepend"]).conventions)


def test_of_equal_scores_the_leftmost_is_joined(proto: Any) -> None:
    """As in Mistral's vocabulary, where runs of spaces have one score for all."""
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *("▁" * count for count in range(1, 6)), "a", "▁a"]
    kinds = [2, *[6] * 256, *[1] * 7]
    scores = [0.0] * 257 + [-1e9] * 5 + [-3.0, -2.0]
    changed = ModelProto()
    changed.CopyFrom(proto)
    del changed.pieces[:]
    for piece, score, kind in zip(pieces, scores, kinds, strict=True):
        changed.pieces.add(piece=piece, score=score, type=kind)
    changed.normalizer_spec.add_dummy_prefix = False
    theirs = sentencepiece.SentencePieceProcessor(model_proto=changed.SerializeToString())
    bpe = bpe_of_pieces(pieces, scores, kinds, "never")
    for count in range(1, 25):
        for text in (" " * count, " " * count + "a", "a" + " " * count + "aa"):
            assert bpe.encode(text).ids == theirs.encode(text)
