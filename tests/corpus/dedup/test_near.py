"""Near duplicates: found, kept by the first, the same for any split; signatures of another kind are refused."""

import random
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from cygnet.corpus.dedup import signatures as module
from cygnet.corpus.dedup.near import near_firsts, report
from cygnet.corpus.dedup.signatures import HASHES, kind, load_signatures, save_signatures, signatures
from cygnet.errors import UserError


def invented(count: int, seed: int = 1, length: int = 300) -> list[str]:
    source = random.Random(seed)
    return [" ".join(f"w{source.randrange(5_000)}" for _ in range(length)) for _ in range(count)]


def changed(text: str, share: float, seed: int = 1) -> str:
    source = random.Random(seed)
    return " ".join("other" if source.random() < share else word for word in text.split())


def test_a_signature_depends_on_the_text_alone() -> None:
    texts = [*invented(700), "", "too short", "five words are just enough"]
    together = signatures(texts)
    assert together.shape == (len(texts), HASHES)
    assert together.dtype == np.uint32
    alone = np.concatenate([signatures([text]) for text in texts[495:505] + texts[-3:]])
    assert (alone == np.concatenate([together[495:505], together[-3:]])).all()


def test_equal_hashes_estimate_the_jaccard_similarity() -> None:
    words = invented(1, length=2_000)[0].split()
    shorter = words[:1_000]
    left, right = signatures([" ".join(words), " ".join(shorter)])
    assert abs((left == right).mean() - 996 / 1_996) < 0.15


def test_planted_near_duplicates_are_found_and_others_are_not(tmp_path: Path) -> None:
    originals = invented(200)
    planted = [changed(text, 0.01, seed) for seed, text in enumerate(originals[:100])]
    firsts = near_firsts([signatures(originals), signatures(planted)], tmp_path)
    assert (firsts[:200] == np.arange(200)).all()
    found = firsts[200:] == np.arange(100)
    assert found.sum() >= 90
    assert (firsts[200:][~found] == np.arange(200, 300)[~found]).all()


def test_neither_the_split_nor_the_memory_changes_the_answer(tmp_path: Path) -> None:
    originals = invented(60)
    texts = originals + [changed(text, 0.02, 7) for text in originals] + [changed(text, 0.04, 8) for text in originals]
    random.Random(3).shuffle(texts)
    signed = signatures(texts)
    whole = near_firsts([signed], tmp_path)
    assert (whole != np.arange(len(texts))).any()
    assert (near_firsts([signed[:7], signed[7:7], signed[7:100], signed[100:]], tmp_path, memory=1) == whole).all()
    assert not list(tmp_path.iterdir())


def test_texts_under_five_words_are_left_to_exact_deduplication(tmp_path: Path) -> None:
    assert near_firsts([signatures(["a b c d", "a b c d", "", ""])], tmp_path).tolist() == [0, 1, 2, 3]


def test_clusters_are_transitive_and_kept_by_their_first_and_the_report_warns(tmp_path: Path) -> None:
    # each shares its first bands with the one before only
    chain = np.random.default_rng(1).integers(0, 2**32 - 1, (6, HASHES), np.uint32)
    for place in range(1, 6):
        band = slice(8 * place, 8 * place + 8)
        chain[place, band] = chain[place - 1, band]
    order = [3, 0, 5, 1, 4, 2]
    firsts = near_firsts([chain[order[:2]], chain[order[2:]]], tmp_path)
    assert firsts.tolist() == [0] * 6
    told = report(firsts, lambda texts: dict(zip(texts, chain[order][list(texts)], strict=True)), "doc{}".format)
    assert told["clusters_by_size"] == {"6": 1}
    assert told["dropped"] == 5
    cluster = told["largest_clusters"][0]
    assert (cluster["texts"], cluster["kept"]) == (6, "doc0")
    assert cluster["least_alike"] in {"doc1", "doc2"}
    assert cluster["similarity"] == 0
    assert "1 of the 1 largest clusters" in told["warning"]


def test_the_report_counts_and_lists_the_largest_without_warning_of_close_copies(tmp_path: Path) -> None:
    texts = invented(5)
    shards = [signatures([texts[0], texts[1], texts[0]]), signatures([texts[1], texts[2], texts[0]])]
    whole = np.concatenate(shards)
    told = report(near_firsts(shards, tmp_path), lambda places: {place: whole[place] for place in places})
    assert told["clusters_by_size"] == {"2": 1, "3": 1}
    assert (told["texts"], told["dropped"], told["clusters"]) == (6, 3, 2)
    assert [cluster["kept"] for cluster in told["largest_clusters"]] == ["0", "1"]
    assert [cluster["similarity"] for cluster in told["largest_clusters"]] == [1.0, 1.0]
    assert "warning" not in told


def test_signatures_come_back_from_their_file(tmp_path: Path) -> None:
    found = signatures(invented(3))
    save_signatures(tmp_path / "0.safetensors", found)
    assert (load_signatures(tmp_path / "0.safetensors") == found).all()
    save_signatures(tmp_path / "1.safetensors", found)
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()


def test_signatures_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "0.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(module, "version", lambda _: "0.1.0")
        save_signatures(path, signatures(invented(1)))
    with pytest.raises(UserError, match=r"library rensa 0\.1\.0 \(now rensa .*sign again"):
        load_signatures(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    save_file({"weight": np.ones(3)}, tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("no signatures")
    for name, complaint in {"missing": "does not exist", "other.safetensors": "no signatures", "text": "can't"}.items():
        with pytest.raises(UserError, match=complaint):
            load_signatures(tmp_path / name)


def test_signatures_stay_the_same_while_their_kind_does() -> None:
    assert kind()["shingles"] == "5 words, version 1"
    if kind()["algorithm"] == "RMinHash 2":
        assert signatures(["the quick brown fox jumps over the lazy dog"])[0, :3].tolist() == [
            3301216232,
            3375225930,
            3391428510,
        ]
