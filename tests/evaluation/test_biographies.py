from pathlib import Path

import pytest

from cygnet.errors import UserError
from cygnet.evaluation.biographies import JOBS, biographies, write_biographies


def test_every_answer_stands_in_its_own_document_and_no_other_person_is_named() -> None:
    people = biographies(200, seed=3)
    assert len({person.name for person in people}) == 200
    for person in people:
        assert [item.about for item in person.questions] == ["year", "job", "city"]
        for item in person.questions:
            assert item.answer in person.document
            assert person.name in item.question
            assert item.answer not in item.question
        assert sum(other.name in person.document for other in people) == 1
        assert sum(job in person.document.split(" ") + person.document.replace(".", "").split(" ") for job in JOBS) == 1


def test_the_same_seed_gives_the_same_people() -> None:
    assert biographies(20, seed=5) == biographies(20, seed=5)
    assert biographies(20, seed=5)[:10] == biographies(10, seed=5)
    assert biographies(20, seed=5) != biographies(20, seed=6)


def test_guessing_is_no_use() -> None:
    people = biographies(300)
    for values in ([p.year for p in people], [p.city for p in people], [p.job for p in people]):
        assert max(map(values.count, values)) <= 300 / 15


def test_documents_are_written_one_a_file(tmp_path: Path) -> None:
    people = biographies(30)
    write_biographies(people, tmp_path / "people")
    files = sorted((tmp_path / "people").glob("*.md"))
    assert len(files) == 30
    assert {file.read_text() for file in files} == {f"# {p.name}\n\n{p.document}\n" for p in people}


def test_impossible_numbers_are_refused() -> None:
    for people in (0, 10**9):
        with pytest.raises(UserError, match="can't be invented"):
            biographies(people)
