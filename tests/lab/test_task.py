from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.lab.config import ItemsConfig
from cygnet.lab.items import Item, split
from cygnet.lab.task import load_task


def test_a_task_is_named_after_its_file_and_arguments_win(write, rows) -> None:
    task = load_task(write(rows(60)), ["asking.samples=5", "margin=2"])
    assert (task.config.name, task.config.asking.samples, task.config.margin) == ("sums", 5, 2.0)
    assert task.template == "Say the sum alone.\n\n{question}"


def test_every_mistake_in_a_task_is_told_at_once(write, rows) -> None:
    path = write(
        rows(60), 'examples = "sums.jsonl"\n[asking]\ninstruction = "x"\nsamples = 0\n[check]\nkind = "numbr"\n'
    )
    with pytest.raises(UserError) as error:
        load_task(path)
    said = str(error.value)
    assert said.startswith("3 mistakes in the settings")
    assert f"{path}: asking.instruction: there is no such key. Did you mean asking.instructions?" in said
    assert "asking.samples: should be greater than or equal to 3 (found 0)" in said
    assert "check.kind: should be 'exact', 'number'" in said


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ('kind = "choice"', "check: kind needs `choices`"),
        ('kind = "number"\npattern = "x"', "check: kind is 'number' and has no use for `pattern`"),
        ('kind = "regex"\npattern = "("', "pattern is no regular expression"),
        ('kind = "choice"\nchoices = ["A", "a"]', "choices must be words that differ"),
        ('kind = "json-schema"\nschema_file = "s.json"', "s.json does not exist"),
        ('kind = "python"\nfunction = "nowhere:f"', "the checker's module nowhere can't be imported"),
        ('kind = "python"\nfunction = "math"', 'not of the form "module:function"'),
        ('kind = "python"\nfunction = "math:sums"', "the module math has no function sums"),
    ],
)
def test_a_check_that_cannot_work_is_refused(write, rows, check: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        load_task(write(rows(60), f'examples = "sums.jsonl"\n[check]\n{check}\n'))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "row 2: not valid JSON"),
        ({"inputs": "x", "answer": 1}, "row 2 has no 'input'. Is it 'inputs'? It has: inputs, answer."),
        ({"input": "x"}, "row 2 has no 'answer'"),
        ({"input": " ", "answer": 1}, "row 2 has an empty 'input'"),
        ({"input": "x", "answer": "many"}, "row 2 has the answer 'many', which can't be read as a number"),
        ({"input": "x", "answer": 1, "reasoning": 5}, "row 2 has a reasoning that is not text"),
        ({"input": "What is 10 + 31?", "answer": 5}, "row 2 asks the same as row 1, but has another answer"),
    ],
)
def test_a_broken_row_is_told_by_its_number(write, rows, bad: object, message: str) -> None:
    first, *rest = rows(40)
    with pytest.raises(UserError, match="sums.jsonl") as error:
        load_task(write([first, bad, *rest]))
    assert message in str(error.value)


def test_all_broken_rows_are_told_but_not_hundreds(write) -> None:
    with pytest.raises(UserError) as error:
        load_task(write([{"answer": 1}] * 14))
    assert str(error.value).count("has no 'input'") == 10
    assert "and 4 more" in str(error.value)


def test_files_that_are_not_there_or_empty(write, rows, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing.toml does not exist"):
        load_task(tmp_path / "nothing.toml")
    with pytest.raises(UserError, match="sums.jsonl holds no rows"):
        load_task(write([]))
    with pytest.raises(UserError, match="can't be read as TOML"):
        load_task(write(rows(60), "examples = "))
    with pytest.raises(UserError, match="20 examples are too few"):
        load_task(write(rows(20)))
    with pytest.raises(UserError, match=r"budget\.money needs prices"):
        load_task(write(rows(60)), ["budget.money=1.0"])


def test_columns_can_have_other_names_and_repeated_rows_count_once(write, rows) -> None:
    named = [{"q": row["input"], "a": str(row["answer"])} for row in rows(60)]
    task = load_task(write([*named, *named]), ['columns.input="q"', 'columns.answer="a"'])
    assert sum(map(len, task.items)) == 60


def test_examples_are_split_into_parts_that_share_nothing() -> None:
    items = [Item(f"q{n}", str(n), "", n) for n in range(100)]
    pool, choosing, held_out = split(items, ItemsConfig(pool=16, held_out=0.25), seed=1, shots=4)
    assert (len(pool), len(choosing), len(held_out)) == (16, 63, 21)
    questions = [example.question for example in pool] + [item.question for item in (*choosing, *held_out)]
    assert sorted(questions) == sorted(item.question for item in items)
    assert split(items[::-1], ItemsConfig(held_out=0.25), 1, 4) == (pool, choosing, held_out), "the order says nothing"
    assert split(items, ItemsConfig(held_out=0.25), 2, 4) != (pool, choosing, held_out)
    assert split(items, ItemsConfig(), 1, shots=0).pool == ()
    assert sum(map(len, split(items, ItemsConfig(most=50), 1, 4))) == 50


def test_more_examples_move_few_of_the_old_ones() -> None:
    items = [Item(f"q{n}", str(n), "", n) for n in range(210)]
    before, after = split(items[:200], ItemsConfig(), 1, 4), split(items, ItemsConfig(), 1, 4)
    moved = {item.question for item in before.choosing} & {item.question for item in after.held_out}
    assert len(moved) <= 10


def test_the_example_in_the_source_is_a_task() -> None:
    task = load_task(Path(__file__).parents[2] / "examples/lab/sums.toml")
    assert [len(part) for part in task.items] == [16, 72, 72]
    assert all(example.reasoning for example in task.items.pool)
