"""Whatever stands in a file from elsewhere: the model opens and works, or a UserError says what is wrong with it."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as BpeTokenizer

from cygnet import UserError, load
from cygnet.files import read_json, write_json
from cygnet.generation import Sampling
from cygnet.model.config import ModelConfig
from cygnet.model.folder import load_language_model, load_scalar_model, save_model, scalar_from
from cygnet.model.gguf_tokenizer import read_tokenizer
from cygnet.model.transformer import rotations
from cygnet.tokens.chat import render_prompt
from cygnet.tokens.tokenizer import Tokenizer

STRANGE: list[Any] = [
    *(0, -1, 2, 3, 7, 0.5, -1e-9, 1e300, 10**9, 2**70, 10**400, float("nan"), float("inf"), True, False),
    *("", "two", "16", "\ud800", "\x00", "{{ 1", [], {}, [None], [5], ["llama"], [[]], {"a": 1}, [{"name": 1}]),
    *({"rope_type": "llama3"}, {"rope_type": []}, {"rope_theta": "big"}, {"content": 5}, [-1], [2, 10**6], ["2"]),
]
LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
CHAT = [{"role": "user", "content": "What is it?"}]
NAMES = ["config.json", "tokenizer_config.json", "generation_config.json"]


def opens_or_says_why(where: Path) -> bool:
    """Whether it opens; then it also computes, and takes messages or says why not."""
    try:
        model = load(where)
    except UserError:
        return False
    assert model.generate(["What"], Sampling(max_new_tokens=2))[0][0].text is not None
    with suppress(UserError):
        model.generate([CHAT], Sampling(max_new_tokens=2))
    return True


@pytest.fixture(scope="module")
def folder(save_foreign, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose scaling of positions stands where older files have it, and which says all that others leave out."""
    folder = tmp_path_factory.mktemp("strange") / "model"
    save_foreign(folder, "llama")
    config = read_json(folder / "config.json")
    del config["rope_parameters"]
    write_json(
        folder / "config.json", {**config, "rope_theta": 500.0, "rope_scaling": {"rope_type": "llama3", **LLAMA3}}
    )
    (folder / "chat_template.jinja").unlink()
    tokenizer = read_json(folder / "tokenizer_config.json")
    write_json(folder / "tokenizer_config.json", {**tokenizer, "chat_template": "{{ messages[0].content }}"})
    assert opens_or_says_why(folder)
    return folder


def put(value: Any, path: Path) -> None:
    path.write_text(json.dumps(value))  # which also writes what is no text


FIELDS = [
    *("model_type", "architectures", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps"),
    *("rope_theta", "rope_scaling", "rope_parameters", "tie_word_embeddings", "layer_types", "hidden_act"),
    *(
        "sliding_window",
        "use_sliding_window",
        "no_rope_layers",
        "attention_bias",
        "quantization_config",
        "eos_token_id",
        "bos_token_id",
    ),
]


def whole(config: ModelConfig) -> bool:
    """Whether a model of this shape could be made."""
    sizes = [config.context_length, config.layers, config.width, config.heads, config.ffn_width, config.head_width]
    cos, _ = rotations(2, config.head_width, config.rope_theta, config.rope_scaling)
    return all(type(size) is int and 0 < size <= 2**20 for size in sizes) and bool(cos.isfinite().all())


@pytest.mark.parametrize("family", ["llama", "mistral", "smollm3"])
@pytest.mark.parametrize("field", FIELDS)
def test_any_value_of_any_field_of_a_config_is_taken_or_refused(folder: Path, field: str, family: str) -> None:
    said = {**read_json(folder / "config.json"), "model_type": family}
    for value in [None, *STRANGE]:
        with suppress(UserError):
            assert whole(ModelConfig.from_huggingface({**said, field: value}))


@pytest.mark.parametrize("field", ["factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "x"])
def test_any_yarn_is_taken_or_refused(folder: Path, field: str) -> None:
    said = {**read_json(folder / "config.json"), "rope_theta": 5e5}
    yarn = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
    assert whole(ModelConfig.from_huggingface({**said, "rope_scaling": yarn}))
    for value in [None, *STRANGE]:
        with suppress(UserError):
            assert whole(ModelConfig.from_huggingface({**said, "rope_scaling": {**yarn, field: value}}))


@pytest.mark.parametrize("field", ["rope_type", "rope_theta", *LLAMA3])
def test_any_scaling_of_positions_is_taken_or_refused(folder: Path, field: str) -> None:
    said = read_json(folder / "config.json")
    for value in [None, *STRANGE]:
        with suppress(UserError):
            scaling = {**said["rope_scaling"], field: value}
            assert whole(ModelConfig.from_huggingface({**said, "rope_scaling": scaling}))
    without = {key: value for key, value in said["rope_scaling"].items() if key != field}
    if field in {"rope_type", "rope_theta"}:
        assert whole(ModelConfig.from_huggingface({**said, "rope_scaling": without}))
    else:
        with pytest.raises(UserError, match=f"lacks '{field}'"):
            ModelConfig.from_huggingface({**said, "rope_scaling": without})


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("config.json", "eos_token_id"),
        ("generation_config.json", "eos_token_id"),
        *(("tokenizer_config.json", field) for field in ("eos_token", "bos_token", "pad_token", "chat_template")),
    ],
)
def test_any_value_of_what_is_said_about_text_is_taken_or_refused(
    folder: Path, tmp_path: Path, name: str, field: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    said = read_json(copy / name)
    for value in [None, *STRANGE]:
        put({**said, field: value}, copy / name)
        with suppress(UserError):
            tokenizer = Tokenizer.load(copy)
            assert all(0 <= end < tokenizer.vocab_size for end in tokenizer.end_ids)
            render_prompt(CHAT, tokenizer)


@settings(max_examples=20)
@given(st.sampled_from(NAMES), st.sampled_from(FIELDS), st.sampled_from([None, *STRANGE]), st.booleans())
def test_a_folder_with_a_strange_value_opens_and_works_or_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, name: str, field: str, value: Any, instead: bool
) -> None:
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("strange") / "model")
    put(value if instead else {**read_json(copy / name), field: value}, copy / name)
    opens_or_says_why(copy)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architectures": 5}, "does not describe a model"),
        ({"max_position_embeddings": 10**9}, "max_position_embeddings = 1000000000, .* from 1 to 1048576"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers = 1000000, .* from 1 to 1024"),
        ({"rope_theta": "big"}, "config.json has rope_theta = 'big', which should be a number above 0"),
        ({"rms_norm_eps": -1}, "has rms_norm_eps = -1"),
        ({"tie_word_embeddings": "false"}, "has tie_word_embeddings = 'false', which should be true or false"),
        ({"rope_scaling": [1]}, r"rope_scaling is \[1\], which should be an object"),
        ({"rope_scaling": {"rope_type": "llama3", **LLAMA3, "factor": None}}, "rotary positions has factor = None"),
        ({"rope_scaling": {"rope_type": "llama3", **LLAMA3, "low_freq_factor": 4.0}}, "is not below high_freq_factor"),
        ({"num_key_value_heads": 3}, "4 attention heads can't share 3 key-value heads"),
        ({"eos_token_id": [2, 282]}, r"config.json has eos_token_id = \[2, 282\]; .* from 0 to 281"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    put({**read_json(copy / "config.json"), **fields}, copy / "config.json")
    with pytest.raises(UserError, match=message):
        load(copy)


def test_of_several_templates_the_default_one_is_taken(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    path = copy / "tokenizer_config.json"
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "default"}]
    put({**read_json(path), "chat_template": several}, path)
    _, tokenizer = load_language_model(copy)
    assert tokenizer.decode(render_prompt(CHAT, tokenizer)) == "default"
    put({**read_json(path), "chat_template": several[:1]}, path)
    with pytest.raises(UserError, match=r"has chat templates \(tool_use\), but none that is called default"):
        load_language_model(copy)


def test_a_template_that_is_no_text_is_named(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "model")
    (copy / "chat_template.jinja").write_bytes(b"{{ '\xff' }}")
    with pytest.raises(UserError, match="chat_template.jinja is not UTF-8 text"):
        load_language_model(copy)


@pytest.mark.parametrize("field", ["reward_mean", "reward_scale"])
def test_a_reward_model_has_sensible_numbers_or_does_not_open(folder: Path, tmp_path: Path, field: str) -> None:
    model, tokenizer = load_language_model(folder)
    save_model(tmp_path / "reward", scalar_from(model), tokenizer)
    said = read_json(tmp_path / "reward/config.json")
    for value in ("", "two", [], 10**400, float("nan"), True, None, 0):
        put({**said, field: value}, tmp_path / "reward/config.json")
        if (field, value) == ("reward_mean", 0):
            assert load_scalar_model(tmp_path / "reward")[0].mean == 0
        else:
            with pytest.raises(UserError, match=f"has {field} = "):
                load_scalar_model(tmp_path / "reward")


class Packed:
    """The model of a folder as a GGUF file, of which settings can be changed; None leaves one out."""

    def __init__(self, folder: Path, bpe: BpeTokenizer) -> None:
        model, _ = load_language_model(folder)
        self.config, self.tensors = model.config, model.state_dict()
        vocabulary = sorted(bpe.get_vocab(), key=bpe.token_to_id)
        self.right = {
            "llama.block_count": self.config.layers,
            "llama.context_length": self.config.context_length,
            "llama.embedding_length": self.config.width,
            "llama.feed_forward_length": self.config.ffn_width,
            "llama.attention.head_count": self.config.heads,
            "llama.attention.head_count_kv": self.config.kv_heads,
            "llama.attention.key_length": self.config.head_width,
            "llama.attention.layer_norm_rms_epsilon": self.config.norm_eps,
            "llama.rope.freq_base": self.config.rope_theta,
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "gpt-2",
            "tokenizer.ggml.tokens": vocabulary,
            "tokenizer.ggml.token_type": [3 if token.startswith("<|") else 1 for token in vocabulary],
            "tokenizer.ggml.merges": [" ".join(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]],
            "tokenizer.ggml.eos_token_id": 2,
            "tokenizer.ggml.bos_token_id": 1,
            "tokenizer.ggml.padding_token_id": 0,
            "tokenizer.ggml.eot_token_id": 0,
            "tokenizer.ggml.add_bos_token": True,
            "tokenizer.chat_template": "{{ messages[0].content }}",
        }

    def write(self, path: Path, **changed: Any) -> Path:
        writer = gguf.GGUFWriter(path, "llama")
        for name, value in {**self.right, **changed}.items():
            if value is not None:
                writer.add_key_value(name, value, gguf.GGUFValueType.get_type(value))
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, self.config.layers)
        for name, tensor in self.tensors.items():
            writer.add_tensor(f"{names.get_name(name.removesuffix('.weight'))}.weight", tensor.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


@pytest.fixture(scope="module")
def packed(folder: Path, foreign: BpeTokenizer) -> Packed:
    return Packed(folder, foreign)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


IN_GGUF: list[Any] = [
    *(0, -1, 3, 7, 10**9, 0.5, -1.5, float("nan"), True, "", "two", "{{ 1", ["a"], ["a b c"], ["a b"] * 3),
    *([0], [-1, 10**6], [1.5] * 282, [True], [3] * 282, [1] * 281, ["x"] * 282, [f":{i} $" for i in range(282)]),
]


def test_a_gguf_file_that_is_right_opens(packed: Packed, cache: Path) -> None:
    assert opens_or_says_why(packed.write(cache / "right.gguf"))


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_setting_of_a_gguf_file_is_taken_or_refused(packed: Packed, cache: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(packed.right)))
    value = data.draw(st.sampled_from([None, *IN_GGUF]))
    opens_or_says_why(packed.write(cache / "strange.gguf", **{name: value}))


def test_any_tokenizer_in_a_gguf_file_is_taken_or_refused(packed: Packed) -> None:
    size = len(read_tokenizer(packed.right)[0].get_vocab())
    for name in (name for name in packed.right if name.startswith("tokenizer")):
        for value in IN_GGUF:
            with suppress(UserError):
                bpe, said = read_tokenizer({**packed.right, name: value})
                assert bpe.encode("It is").ids is not None
                assert all(0 <= end < size for end in said["ends"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tokenizer.ggml.token_type": [1] * 5}, "282 tokens, but tokenizer.ggml.token_type says something of 5"),
        ({"tokenizer.ggml.merges": [1, 2]}, r"tokenizer.ggml.merges is \[1, 2\], which should be a list of str"),
        ({"tokenizer.ggml.merges": ["swan goose"]}, "its merges don't fit its tokens"),
        ({"tokenizer.ggml.tokens": ["a"] * 282}, "has the token 'a' twice"),
        ({"tokenizer.ggml.eos_token_id": 282}, "eos_token_id is 282; ids of its tokens run from 0 to 281"),
        ({"tokenizer.ggml.eos_token_id": "<|im_end|>"}, "eos_token_id is '<|im_end|>'; ids"),
        ({"llama.context_length": 10**9}, "it has context_length = 1000000000, .* from 1 to 1048576"),
        ({"llama.attention.head_count": 0}, "it has attention.head_count = 0"),
    ],
)
def test_what_is_wrong_with_a_gguf_file_is_named(
    packed: Packed, cache: Path, changed: dict[str, Any], message: str
) -> None:
    path = packed.write(cache / "strange.gguf", **changed)
    with pytest.raises(UserError, match=message.replace("|", r"\|")):
        load(path)
