import json
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.files import read_jsonl, write_jsonl
from cygnet.recipe.splitting import split_rows, split_step


def test_a_prompt_is_never_on_both_sides(tmp_path: Path) -> None:
    rows = [{"prompt": f"question {i % 200}", "answer": i} for i in range(1000)]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    counts = split_rows(tmp_path / "rows.jsonl", ["prompt"], tmp_path / "out", "heldout.jsonl")
    train, heldout = read_jsonl(tmp_path / "out/train.jsonl"), read_jsonl(tmp_path / "out/heldout.jsonl")
    assert {row["prompt"] for row in train}.isdisjoint(row["prompt"] for row in heldout)
    assert sorted(row["answer"] for row in [*train, *heldout]) == list(range(1000))
    assert counts == {"train": len(train), "held_out": len(heldout)}
    assert 10 < len(heldout) < 100


def test_conversations_are_split_by_what_is_asked(tmp_path: Path) -> None:
    def row(question: int, answer: int) -> dict[str, object]:
        asked = {"role": "user", "content": f"question {question}"}
        return {"messages": [asked, {"role": "assistant", "content": f"answer {answer}"}]}

    write_jsonl(tmp_path / "rows.jsonl", [row(i % 100, i) for i in range(300)])
    split_rows(tmp_path / "rows.jsonl", ["messages"], tmp_path / "out", "validation.jsonl")
    sides = [read_jsonl(tmp_path / "out" / name) for name in ("train.jsonl", "validation.jsonl")]
    train, heldout = ({row["messages"][0]["content"] for row in side} for side in sides)
    assert heldout
    assert not train & heldout


def test_a_few_rows_are_all_trained_on(tmp_path: Path) -> None:
    for number in range(40):  # whichever side the only row falls to
        write_jsonl(tmp_path / "rows.jsonl", [{"prompt": number}])
        assert split_rows(tmp_path / "rows.jsonl", ["prompt"], tmp_path / "out", "heldout.jsonl") == {
            "train": 1,
            "held_out": 0,
        }
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.jsonl"]


def test_a_folder_is_split_already(tmp_path: Path) -> None:
    assert split_step(tmp_path, ["prompt"], tmp_path / "work", "heldout.jsonl") == ([], tmp_path.resolve())


def test_rows_that_are_not_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": 1}) + "\n{oops\n")
    with pytest.raises(UserError, match=r"rows.jsonl, row 2: not valid JSON"):
        split_rows(tmp_path / "rows.jsonl", ["prompt"], tmp_path / "out", "heldout.jsonl")
    assert not (tmp_path / "out").exists()


def test_rows_that_lack_a_key_are_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"prompt": 1, "responses": [], "ranks": []}, {"prompt": 2, "rank": []}])
    with pytest.raises(UserError, match=r"rows.jsonl, row 2: responses, ranks missing; it has prompt, rank."):
        split_rows(tmp_path / "rows.jsonl", ["prompt", "responses", "ranks"], tmp_path / "out", "heldout.jsonl")
