import json
from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.files import read_jsonl, write_jsonl
from cygnet.recipe.splitting import naming_rows_of, split_rows, split_step


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


def test_errors_about_split_rows_name_the_users_file_and_row(tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out"
    write_jsonl(rows, [{"prompt": f"question {number}"} for number in range(1, 201)])
    split_rows(rows, ["prompt"], out, "heldout.jsonl")
    for side in ("train", "heldout"):
        for number, row in enumerate(read_jsonl(out / f"{side}.jsonl"), 1):
            own = row["prompt"].removeprefix("question ")
            with pytest.raises(UserError) as caught, naming_rows_of(rows, out):
                raise UserError(f"{out}/{side}.jsonl, row {number}: too long.")
            assert str(caught.value) == f"{rows}, row {own}: too long."


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^no tokenizer$"), naming_rows_of(tmp_path / "rows.jsonl", tmp_path):
        raise UserError("no tokenizer")
    with pytest.raises(UserError, match=r"train\.jsonl, row 1"), naming_rows_of(tmp_path, tmp_path):
        raise UserError(f"{tmp_path}/train.jsonl, row 1: too long.")  # a folder split by the user
