import pytest

from cygnet import UserError
from cygnet.recipe.planner.published import GPT_2, GPT_3, LLAMA_65B, PUBLISHED, Row, compare
from cygnet.recipe.planner.shape import parameter_count


def rows(name: str, mfu: float | None = None) -> dict[str, Row]:
    return {row.quantity: row for row in compare(name, mfu).rows}


def test_the_shapes_have_the_parameters_of_the_checkpoints() -> None:
    assert GPT_2.parameters == 1_557_611_200
    assert parameter_count(LLAMA_65B) == 65_285_660_672
    assert GPT_3.parameters == pytest.approx(174.6e9, rel=1e-3)


def test_llama_is_reproduced() -> None:
    found = rows("llama-65b")
    assert all(row.within for row in found.values())
    assert found["days on 2,048 A100"].published == 21
    assert found["dollars"].published == 5e6


def test_gpt_3_is_reproduced_but_for_its_tokens() -> None:
    found = compare("gpt-3").rows
    assert [row.quantity for row in found if not row.within] == ["tokens for so many parameters"]


def test_gpt_2_can_only_be_told_in_part() -> None:
    found = rows("gpt-2")
    assert found["parameters"].within
    assert {name for name, row in found.items() if row.within is None} == {
        *("tokens", "tokens for so many parameters", "hours in 2019", "dollars in 2019")
    }
    assert not found["hours on 8 H100, 2024"].within
    assert rows("gpt-2", mfu=0.5)["hours on 8 H100, 2024"].within


@pytest.mark.parametrize("name", PUBLISHED)
def test_time_and_money_fall_as_the_share_of_the_peak_grows(name: str) -> None:
    slow, fast = rows(name, 0.2), rows(name, 0.4)
    for quantity, row in slow.items():
        if row.ours is not None and any(word in quantity for word in ("hours", "days", "dollars")):
            assert row.ours == pytest.approx(2 * fast[quantity].ours)


def test_a_range_is_compared_by_its_nearer_end() -> None:
    def row(ours: float) -> Row:
        return Row("", "", (1e3, 1e4), ours, 0.2, "")

    assert row(5e3).difference == 0
    assert row(1.1e4).difference == pytest.approx(0.1)
    assert row(1.1e4).within
    assert row(500).difference == pytest.approx(-0.5)
    assert not row(500).within


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="no published run is called 'gpt-9'. There are: llama-65b, gpt-3, gpt-2."):
        compare("gpt-9")
    with pytest.raises(UserError, match="--mfu is a share"):
        compare("gpt-2", 3)
