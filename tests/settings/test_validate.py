from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cygnet.errors import UserError
from cygnet.settings.layers import Layer, parse_override
from cygnet.settings.validate import dotted_keys, validate


class Stage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    epochs: int = Field(2, ge=1)
    rollouts: int = 12
    lr: float = 0.1
    families: tuple[Literal["sum", "list"], ...] = Field(("sum",), min_length=1)

    @model_validator(mode="after")
    def _even(self) -> "Stage":
        if self.rollouts % self.epochs:
            raise ValueError(f"rollouts ({self.rollouts}) must be a multiple of epochs ({self.epochs})")
        return self


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    depth: int = 4
    text_folder: str | None = None
    sft: Stage = Stage()


def mistakes(*layers: Layer) -> str:
    with pytest.raises(UserError) as caught:
        validate(Settings, layers)
    return str(caught.value)


def argument(text: str) -> str:
    return mistakes(parse_override(text))


def test_what_is_right_passes_and_defaults_fill_in() -> None:
    layers = [Layer("a.toml", {"depth": 3, "sft": {"lr": 1}}), parse_override('sft.families=["sum"]')]
    assert validate(Settings, layers) == Settings(depth=3, sft=Stage(lr=1.0, families=("sum",)))


def test_every_mistake_is_listed_with_its_source() -> None:
    file = Layer("a.toml", {"depth": "deep", "sft": {"epochz": 3, "families": ["sum", 7]}})
    assert mistakes(Layer("base.toml", {"depth": 1}), file, parse_override("sft.epochs=0")).split("\n  ") == [
        "4 mistakes in the settings:",
        'a.toml: depth: should be a valid integer (found "deep")',
        "the argument sft.epochs=0: sft.epochs: should be greater than or equal to 1 (found 0)",
        "a.toml: sft.families.1: should be 'sum' or 'list' (found 7)",
        "a.toml: sft.epochz: there is no such key. Did you mean sft.epochs?",
    ]


@pytest.mark.parametrize("value", ["1.5", "2.0", "true", '"3"', "six"])
def test_an_integer_is_an_integer(value: str) -> None:
    assert "depth: should be a valid integer" in argument(f"depth={value}")


def test_a_key_in_the_wrong_section_is_found() -> None:
    assert argument("epochs=3").endswith("there is no such key. Did you mean sft.epochs?")
    assert argument("sft.dept=3").endswith("there is no such key. Did you mean depth?")
    assert argument("wholly_other=3").endswith("there is no such key.")


def test_a_value_where_a_table_belongs() -> None:
    assert argument("sft=3") == "the argument sft=3: sft: should be a table of settings (found 3)"


def test_keys_that_do_not_go_together_are_told_where_they_were_set() -> None:
    file, last = Layer("a.toml", {"sft": {"rollouts": 10, "families": ["sum"]}}), parse_override("sft.lr=0.2")
    message = "sft: rollouts (10) must be a multiple of epochs (3)"
    assert mistakes(file, parse_override("sft.epochs=3"), last) == f"a.toml and the argument sft.epochs=3: {message}"
    both = parse_override("sft.epochs=3"), parse_override("sft.rollouts=10")
    assert mistakes(*both, last) == f"the argument sft.rollouts=10 and the argument sft.epochs=3: {message}"
    assert argument("sft.epochs=5").startswith("the argument sft.epochs=5: sft: rollouts (12)")


def test_an_item_that_is_wrong_is_one_mistake_and_an_array_without_any_another() -> None:
    wrong = argument('sft.families=["foo"]')
    assert wrong == """the argument sft.families=["foo"]: sft.families.0: should be 'sum' or 'list' (found "foo")"""
    assert "sft.families: Tuple should have at least 1 item" in argument("sft.families=[]")


def test_infinity_and_nan_are_carried_through() -> None:
    assert validate(Settings, [parse_override("sft.lr=inf")]).sft.lr == float("inf")


def test_dotted_keys_go_down_into_sections() -> None:
    own = ["sft", "sft.epochs", "sft.rollouts", "sft.lr", "sft.families"]
    assert list(dotted_keys(Settings)) == ["depth", "text_folder", *own]
